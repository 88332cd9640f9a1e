//! A request on its way to a handler: who calls, from where, with what.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use warp::http::{HeaderMap, Method, header};

use super::access::Access;
use super::address::{admit_stranger, forwarded_address, is_loopback_name};
use super::cookie;
use super::request::{self, Base, BodyStream, MAX_BODY_BYTES, Peer, Request, body_time};
use crate::app::App;
use crate::auth::bearer_token;
use crate::error::{Conflict, Error, Forbidden, Noun, Result, Unauthorized};
use crate::limits::connection_limit::Slot;
use crate::limits::rates::{RequestClass, Stranger};
use crate::limits::turns::Turn;
use crate::model::audit::AuditActor;
use crate::model::browsers::browser;
use crate::model::ids::{ConnectionId, UserId, UserKey};
use crate::model::keys::{ApiKeySecret, Scope};
use crate::model::sessions::Client;
use crate::model::users::{Role, User};
use crate::service::auth::{self, Actor, Identity};
use crate::service::{confirmation, policy, second_factors};

/// How long the body of a request that is refused may take.
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// A request on its way to a handler.
pub struct Call {
    pub app: App,
    pub method: Method,
    pub headers: HeaderMap,
    pub query: String,
    pub peer: Option<Peer>,
    pub base: Base,
    pub slot: Option<Arc<Slot>>,
    pub body: BodyStream,
    pub actor: Option<Actor>,
    /// The person's turn, until their answer is read.
    pub turn: Option<Turn<UserKey>>,
    /// The person's turn to read, until the answer is built.
    pub reading: Option<Turn<UserKey>>,
    pub params: Vec<String>,
    pub access: Access,
    class: RequestClass,
    is_confirmed: bool,
    /// The caller, for the log line, also when the handler fails.
    pub caller: Arc<OnceLock<String>>,
}

impl Call {
    pub fn new(
        app: &App,
        request: Request,
        params: Vec<String>,
        (access, class, is_confirmed): (Access, RequestClass, bool),
    ) -> Self {
        Call {
            app: app.clone(),
            method: request.method,
            headers: request.headers,
            query: request.query,
            peer: request.peer,
            base: request.base,
            slot: request.slot,
            body: request.body,
            actor: None,
            turn: None,
            reading: None,
            params,
            access,
            class,
            is_confirmed,
            caller: Arc::default(),
        }
    }

    /// Establishes who calls, and whether they may.
    pub async fn admit(&mut self) -> Result<()> {
        let (access, kind) = (self.access, self.class);
        match access {
            Access::Anyone => return self.admit_anyone(kind),
            Access::Local => return self.admit_local(),
            Access::Person
            | Access::Admin
            | Access::Roster
            | Access::Reader
            | Access::Oversight
            | Access::Lead
            | Access::Sender => {}
        }
        self.app.load.admit(kind)?;
        let actor = match self.find_actor().await {
            // A request without a valid token is unauthenticated.
            Err(error @ Error::Unauthorized(_)) => {
                self.count_stranger()?;
                return Err(error);
            }
            actor => actor?,
        };
        let rates = &self.app.limits.rates;
        match &actor {
            Actor::Person(identity) => {
                let key = identity.user.key;
                let refused = |_: &Error| self.app.limits.ledger.refused(key, kind.name());
                rates.person(key, kind).inspect_err(refused)?;
                let limits = &self.app.limits;
                self.turn = Some(limits.answering.turn(key).await?);
                if kind == RequestClass::Read {
                    self.reading = Some(limits.reading.turn(key).await?);
                }
            }
            Actor::Key(key) => rates.key(&key.id)?,
        }
        let _ = self.caller.set(actor.label());
        match (access, &actor) {
            (Access::Sender, _) => {
                actor.may_notify(&self.app).await?;
                if let Actor::Person(identity) = &actor {
                    self.check_second_factor(&identity.user)?;
                }
            }
            (Access::Roster, Actor::Key(key)) => key.check(Scope::Roster)?,
            (Access::Reader, Actor::Key(key)) => key.check(Scope::Read)?,
            (_, Actor::Key(_)) => return Err(Error::Forbidden(Forbidden::ApiKey)),
            (Access::Person, Actor::Person(_)) => {}
            (Access::Lead, Actor::Person(identity)) => {
                if !policy::is_lead(&self.app, &identity.user).await? {
                    return Err(Error::Forbidden(Forbidden::Role));
                }
            }
            (Access::Oversight, Actor::Person(identity))
                if identity.user.role != Role::Admin
                    && policy::is_lead(&self.app, &identity.user).await? => {}
            (_, Actor::Person(identity)) if identity.user.role != Role::Admin => {
                return Err(Error::Forbidden(Forbidden::Role));
            }
            (_, Actor::Person(identity)) => self.check_second_factor(&identity.user)?,
        }
        self.actor = Some(actor);
        if self.is_confirmed {
            self.check_confirmed()?;
        }
        // Not earlier: a request that a limit refused has proved nothing.
        self.slot.iter().for_each(|slot| slot.mark_authenticated());
        Ok(())
    }

    /// Of a person, that they confirmed recently that it is them: of every request on some routes, of some requests on others.
    ///
    /// # Errors
    /// [`Forbidden::Confirmation`].
    pub fn check_confirmed(&self) -> Result<()> {
        match &self.actor {
            Some(Actor::Key(_)) => Ok(()),
            _ => confirmation::check(&self.app, self.identity()?),
        }
    }

    /// What administrators may do takes a second factor, where the school says so.
    fn check_second_factor(&self, user: &User) -> Result<()> {
        if second_factors::is_required(&self.app, user) && !user.second_factor {
            return Err(Error::Forbidden(Forbidden::SecondFactor));
        }
        Ok(())
    }

    /// Who calls, by the token or the cookie.
    async fn find_actor(&mut self) -> Result<Actor> {
        let (app, headers) = (&self.app, &self.headers);
        match bearer(headers) {
            Ok(token) => {
                // A made-up key costs a look into the database, which a made-up JWT does not.
                if token.starts_with(ApiKeySecret::PREFIX) {
                    self.count_stranger()?;
                }
                auth::actor(app, token).await
            }
            // A browser attaches the cookie to every request, also to one that another site's page makes.
            Err(_) if !headers.contains_key(header::AUTHORIZATION) => {
                let token = cookie::session(app, self.base, headers)?;
                if self.method.is_safe() {
                    cookie::check_own_page(app, headers)?;
                } else {
                    cookie::check_own_origin(app, headers)?;
                }
                let identity = auth::identity(app, token).await?;
                check_page(headers, identity.user.id())?;
                Ok(Actor::Person(identity))
            }
            Err(error) => Err(error),
        }
    }

    /// The whole body.
    ///
    /// # Errors
    /// As [`request::read_body`].
    pub async fn read_body(&mut self, max: usize) -> Result<Bytes> {
        let time = body_time(&self.app, max);
        request::read_body(&self.headers, &mut self.body, max, time).await
    }

    /// Waits a short time for a body of ordinary size, which is not read.
    pub async fn discard_body(&mut self) {
        let read = self.read_body(MAX_BODY_BYTES);
        let _ = tokio::time::timeout(DISCARD_TIME, read).await;
    }

    /// An unauthenticated request is counted with the others of its address. Reads of this sort are cheap, and
    /// the supervisor's question after the server's health is one of them.
    fn admit_anyone(&self, kind: RequestClass) -> Result<()> {
        if kind == RequestClass::Write {
            self.app.load.admit(kind)?;
        }
        // What is sent without a token is a login, or what leads to one.
        let what = match kind {
            RequestClass::Write => Stranger::Login,
            _ => Stranger::Request,
        };
        admit_stranger(&self.app, self.peer, &self.headers, what)
    }

    fn count_stranger(&self) -> Result<()> {
        admit_stranger(&self.app, self.peer, &self.headers, Stranger::Request)
    }

    /// A request that a proxy forwards comes from this machine too: then it is the token that counts.
    fn admit_local(&self) -> Result<()> {
        let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
        // A proxy that adds none of these passes on the public host name, which is no name of this machine.
        let named = self.headers.get(header::HOST).and_then(|h| h.to_str().ok());
        let public = self.app.config.server.public_url.is_some();
        let elsewhere = public && !named.is_none_or(is_loopback_name);
        let direct = !elsewhere
            && !forwarded
                .iter()
                .any(|name| self.headers.contains_key(*name));
        let loopback = |Peer(address): &Peer| match address.ip() {
            IpAddr::V6(ip) => ip
                .to_ipv4_mapped()
                .map_or(ip.is_loopback(), |v4| v4.is_loopback()),
            IpAddr::V4(ip) => ip.is_loopback(),
        };
        let token = &self.app.config.metrics.token;
        let presented = bearer(&self.headers).ok();
        let with_token = !token.is_empty()
            && presented.is_some_and(|given| same(given.as_bytes(), token.expose().as_bytes()));
        if with_token || (direct && self.peer.as_ref().is_some_and(loopback)) {
            Ok(())
        } else {
            Err(Error::Forbidden(Forbidden::Remote))
        }
    }

    /// The person who calls.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for an API key; [`Error::Unauthorized`] on a route without a token.
    pub fn identity(&self) -> Result<&Identity> {
        match &self.actor {
            Some(Actor::Person(identity)) => Ok(identity),
            Some(Actor::Key(_)) => Err(Error::Forbidden(Forbidden::ApiKey)),
            None => Err(Error::Unauthorized(Unauthorized::Missing)),
        }
    }

    /// As [`Call::identity`].
    pub fn me(&self) -> Result<&Arc<User>> {
        self.identity().map(|identity| &identity.user)
    }

    /// The caller's label in what they send.
    pub fn label(&self) -> Result<String> {
        let actor = self.actor.as_ref();
        actor
            .map(Actor::label)
            .ok_or(Error::Unauthorized(Unauthorized::Missing))
    }

    /// Who calls, and from where, for the audit log.
    pub fn by(&self) -> Result<AuditActor> {
        Ok(AuditActor {
            actor: self.label()?,
            address: self.address(),
            key: match &self.actor {
                Some(Actor::Key(key)) => Some(key.clone()),
                _ => None,
            },
        })
    }

    /// The caller's address: the connection's, or behind trusted proxies the one that they name.
    pub fn address(&self) -> Option<IpAddr> {
        let Peer(peer) = self.peer?;
        Some(forwarded_address(
            &self.app.config.server,
            peer.ip(),
            &self.headers,
        ))
    }

    /// What the request tells of the caller's device.
    pub fn client(&self) -> Client {
        let agent = self.headers.get(header::USER_AGENT);
        Client {
            address: self.address(),
            browser: browser(agent.and_then(|v| v.to_str().ok()).unwrap_or_default()),
        }
    }

    /// A parameter of the path. One that cannot be an id names nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`] with `noun`.
    pub fn param<T: FromStr>(&self, at: usize, noun: Noun) -> Result<T> {
        let text = self.params.get(at).map(String::as_str).unwrap_or_default();
        text.parse().map_err(|_| Error::NotFound(noun))
    }

    /// The version that the request changes, from `If-Match` (RFC 9110 section 13.1.1).
    pub fn version(&self) -> Option<String> {
        let value = self.headers.get(header::IF_MATCH)?.to_str().ok()?;
        Some(
            value
                .trim()
                .trim_start_matches("W/")
                .trim_matches('"')
                .to_owned(),
        )
    }

    /// The caller's own socket, from `X-Connection-Id`: it gets no event of what the caller does here.
    pub fn connection(&self) -> Option<ConnectionId> {
        let value = self.headers.get("x-connection-id")?;
        value.to_str().ok()?.parse().ok()
    }
}

/// A page says which user it belongs to: two tabs of one browser share the cookie, and one may be another person's.
///
/// # Errors
/// [`Conflict::OtherPerson`].
fn check_page(headers: &HeaderMap, id: &UserId) -> Result<()> {
    match headers.get("x-schoolbell-user") {
        Some(page) if page.as_bytes() != id.as_str().as_bytes() => {
            Err(Error::Conflict(Conflict::OtherPerson))
        }
        _ => Ok(()),
    }
}

/// The token of an `Authorization: Bearer` header (RFC 6750 section 2.1).
///
/// # Errors
/// [`Error::Unauthorized`] when there is none.
pub fn bearer(headers: &HeaderMap) -> Result<&str> {
    let value = headers
        .get(header::AUTHORIZATION)
        .ok_or(Error::Unauthorized(Unauthorized::Missing))?;
    let bad = Error::Unauthorized(Unauthorized::BadToken);
    value.to_str().ok().and_then(bearer_token).ok_or(bad)
}

/// Compares in a time that tells nothing of where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |acc, (x, y)| acc | (x ^ y)) == 0
}
