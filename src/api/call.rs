//! A request on its way to a handler: who calls, from where, with what.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use warp::http::{HeaderMap, Method, header};

use super::access::Access;
use super::cookie;
use super::input::MAX_BODY;
use super::request::{Base, BodyStream, Peer, Request};
use crate::app::App;
use crate::auth::bearer_token;
use crate::config::Server;
use crate::error::{Conflict, Error, Forbidden, Noun, Result, Unauthorized};
use crate::limits::rates::{Kind, Stranger};
use crate::limits::seats::Seat;
use crate::limits::turns::Turn;
use crate::model::audit::By;
use crate::model::ids::{ConnectionId, UserId, UserKey};
use crate::model::keys::{ApiKeySecret, Scope};
use crate::model::users::{Role, User};
use crate::service::auth::{self, Actor, Identity};

/// How long the body of a request that is refused may take.
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// A request on its way to a handler.
pub struct Call {
    pub app: App,
    pub method: Method,
    pub headers: HeaderMap,
    pub query: String,
    pub peer: Option<Peer>,
    pub(super) base: Base,
    pub(super) seat: Option<Arc<Seat>>,
    pub(super) body: BodyStream,
    pub(super) actor: Option<Actor>,
    /// The person's turn, until their answer is read.
    pub(super) turn: Option<Turn<UserKey>>,
    /// The person's turn to read, until the answer is built.
    pub(super) reading: Option<Turn<UserKey>>,
    pub(super) params: Vec<String>,
    pub(super) access: Access,
    class: Kind,
    /// Who turned out to be calling, for the log line, also when the handler fails.
    pub(super) caller: Arc<OnceLock<String>>,
}

impl Call {
    pub(super) fn new(
        app: &App,
        request: Request,
        params: Vec<String>,
        (access, class): (Access, Kind),
    ) -> Self {
        Call {
            app: app.clone(),
            method: request.method,
            headers: request.headers,
            query: request.query,
            peer: request.peer,
            base: request.base,
            seat: request.seat,
            body: request.body,
            actor: None,
            turn: None,
            reading: None,
            params,
            access,
            class,
            caller: Arc::default(),
        }
    }

    /// Establishes who calls, and whether they may.
    pub(super) async fn admit(&mut self) -> Result<()> {
        let (access, kind) = (self.access, self.class);
        match access {
            Access::Anyone => return self.admit_anyone(kind),
            Access::Local => return self.admit_local(),
            Access::Person | Access::Admin | Access::Roster | Access::Reader | Access::Sender => {}
        }
        self.app.pressure.admit(kind)?;
        let actor = match self.find_actor().await {
            // Who says nothing, or what does not hold, is a stranger.
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
                if kind == Kind::Read {
                    self.reading = Some(limits.reading.turn(key).await?);
                }
            }
            Actor::Key(key) => rates.key(&key.id)?,
        }
        let _ = self.caller.set(actor.label());
        match (access, &actor) {
            (Access::Sender, _) => actor.may_notify(&self.app)?,
            (Access::Roster, Actor::Key(key)) => key.check(Scope::Roster)?,
            (Access::Reader, Actor::Key(key)) => key.check(Scope::Read)?,
            (_, Actor::Key(_)) => return Err(Error::Forbidden(Forbidden::ApiKey)),
            (Access::Person, Actor::Person(_)) => {}
            (_, Actor::Person(identity)) if identity.user.role != Role::Admin => {
                return Err(Error::Forbidden(Forbidden::Role));
            }
            _ => {}
        }
        // Not before: what a limit has refused proves nothing.
        self.seat.iter().for_each(|seat| seat.known());
        self.actor = Some(actor);
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

    /// Lets a body of ordinary size come, unread, but not for long.
    pub(super) async fn discard_body(&mut self) {
        let read = super::request::read_body(self, MAX_BODY);
        let _ = tokio::time::timeout(DISCARD_TIME, read).await;
    }

    /// Whoever does not say who they are is counted with the others of their address. Reads of this sort are cheap, and
    /// the supervisor's question after the server's health is one of them.
    fn admit_anyone(&self, kind: Kind) -> Result<()> {
        if kind == Kind::Write {
            self.app.pressure.admit(kind)?;
        }
        // What is sent without a token is a login, or what leads to one.
        let what = match kind {
            Kind::Write => Stranger::Login,
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
        // One that adds none of these names itself by the name that it is called by: on this machine that is no name of it.
        let named = self.headers.get(header::HOST).and_then(|h| h.to_str().ok());
        let public = !self.app.config.server.public_url.is_empty();
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
    pub fn by(&self) -> Result<By> {
        Ok(By {
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

    /// A parameter of the path. One that cannot be an id names nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`] with `noun`.
    pub fn param<T: FromStr>(&self, at: usize, noun: Noun) -> Result<T> {
        let text = self.params.get(at).map(String::as_str).unwrap_or_default();
        text.parse().map_err(|_| Error::NotFound(noun))
    }

    /// The caller's own socket, from `X-Connection-Id`: it gets no event of what the caller does here.
    pub fn connection(&self) -> Option<ConnectionId> {
        let value = self.headers.get("x-connection-id")?;
        value.to_str().ok()?.parse().ok()
    }
}

/// A page says whose it is: two tabs of one browser share the cookie, and one may be another person's.
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

/// Counts a request of which it is not known whose it is.
///
/// # Errors
/// [`Error::TooMany`].
pub fn admit_stranger(
    app: &App,
    peer: Option<Peer>,
    headers: &HeaderMap,
    what: Stranger,
) -> Result<()> {
    let Some(Peer(peer)) = peer else {
        return Ok(());
    };
    let address = forwarded_address(&app.config.server, peer.ip(), headers);
    app.limits.rates.address(address, what)
}

/// Where a request came from, unless that is a proxy, which brings many people.
pub fn direct_address(app: &App, peer: Option<Peer>, headers: &HeaderMap) -> Option<IpAddr> {
    let Peer(peer) = peer?;
    let server = &app.config.server;
    let address = forwarded_address(server, peer.ip(), headers);
    (!server.trusts(address)).then_some(address)
}

/// Where a request came from that `peer` brought. Each proxy adds whom it had it from at the end of `X-Forwarded-For`, so
/// it is read from there, as long as those who wrote it are trusted; what stands before, anybody may have written.
fn forwarded_address(server: &Server, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let values = headers.get_all("x-forwarded-for").into_iter().rev();
    let named = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.rsplit(','));
    let mut address = peer.to_canonical();
    for text in named {
        if !server.trusts(address) {
            break;
        }
        let text = text.trim();
        let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
        match text.parse().ok().or_else(with_port) {
            Some(IpAddr::V4(ip)) => address = ip.into(),
            Some(IpAddr::V6(ip)) => address = ip.to_canonical(),
            None => break,
        }
    }
    address
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

/// Whether a `Host` header names this machine for itself.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Compares in a time that tells nothing of where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |acc, (x, y)| acc | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed_and_only_what_they_wrote() {
        let server = Server {
            trusted_proxies: vec!["10.0.0.0/8".into(), "2001:db8::1".into()],
            ..Server::default()
        };
        let address = |peer: &str, forwarded: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            forwarded_address(&server, peer.parse().unwrap(), &headers).to_string()
        };
        assert_eq!(
            address("192.0.2.1", &["198.51.100.7"]),
            "192.0.2.1",
            "not trusted"
        );
        assert_eq!(address("127.0.0.1", &["198.51.100.7"]), "127.0.0.1");
        assert_eq!(address("10.1.1.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(
            address("::ffff:10.1.1.1", &["198.51.100.7"]),
            "198.51.100.7"
        );
        assert_eq!(
            address("2001:db8::1", &["[2001:db8::9]:443"]),
            "2001:db8::9"
        );
        assert_eq!(
            address("10.1.1.1", &["1.1.1.1, 198.51.100.7, 10.9.9.9"]),
            "198.51.100.7",
            "what the client wrote itself is not looked at"
        );
        assert_eq!(
            address("10.1.1.1", &["1.1.1.1", "198.51.100.7"]),
            "198.51.100.7"
        );
        assert_eq!(address("10.1.1.1", &["nonsense"]), "10.1.1.1");
        assert_eq!(address("10.1.1.1", &[]), "10.1.1.1");
    }
}
