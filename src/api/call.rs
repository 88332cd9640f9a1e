//! A request on its way to a handler: who calls, from where, with what.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use warp::http::{HeaderMap, Method, header};

use super::cookie;
use super::endpoint::{Access, USER};
use super::request::{BodyStream, Peer};
use crate::app::App;
use crate::error::{Error, Forbidden, Noun, Result, Unauthorized};
use crate::model::audit::By;
use crate::model::ids::ConnectionId;
use crate::model::keys::Scope;
use crate::model::users::{Role, User};
use crate::service::auth::{self, Actor, Identity};

/// A request on its way to a handler.
pub struct Call {
    pub app: App,
    pub method: Method,
    pub headers: HeaderMap,
    pub query: String,
    pub peer: Option<Peer>,
    pub(super) body: BodyStream,
    pub(super) actor: Option<Actor>,
    pub(super) params: Vec<String>,
}

impl Call {
    /// Establishes who calls, and whether they may.
    pub(super) async fn admit(&mut self, access: Access) -> Result<()> {
        match access {
            Access::Anyone => return Ok(()),
            Access::Local => return self.admit_local(),
            Access::Person | Access::Admin | Access::Roster | Access::Reader | Access::Sender => {}
        }
        let actor = match bearer(&self.headers) {
            Ok(token) => auth::actor(&self.app, token).await?,
            // A browser sends the cookie by itself, whoever made it ask.
            Err(_) if !self.headers.contains_key(header::AUTHORIZATION) => {
                let token = cookie::session(&self.app, &self.headers)?;
                if !self.method.is_safe() {
                    cookie::check_own_origin(&self.app, &self.headers)?;
                }
                Actor::Person(auth::identity(&self.app, token).await?)
            }
            Err(error) => return Err(error),
        };
        let _ = USER.try_with(|user| user.set(actor.label()));
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
        self.actor = Some(actor);
        Ok(())
    }

    /// A request that a proxy forwards comes from this machine too: then it is the token that counts.
    fn admit_local(&self) -> Result<()> {
        let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
        let direct = !forwarded
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
        })
    }

    /// The caller's address; behind a proxy on this machine, the one that it names.
    pub fn address(&self) -> Option<IpAddr> {
        let Peer(peer) = self.peer?;
        let forwarded = self.headers.get("x-forwarded-for");
        let last = forwarded.and_then(|value| value.to_str().ok()?.rsplit(',').next());
        let named = last.and_then(|text| text.trim().parse().ok());
        named
            .filter(|_| peer.ip().is_loopback())
            .or(Some(peer.ip()))
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

/// The token of an `Authorization: Bearer` header (RFC 6750 section 2.1).
///
/// # Errors
/// [`Error::Unauthorized`] when there is none.
pub fn bearer(headers: &HeaderMap) -> Result<&str> {
    let value = headers
        .get(header::AUTHORIZATION)
        .ok_or(Error::Unauthorized(Unauthorized::Missing))?;
    let bad = Error::Unauthorized(Unauthorized::BadToken);
    match value.to_str().ok().and_then(|text| text.split_once(' ')) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(bad),
    }
}

/// Compares in a time that tells nothing of where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |acc, (x, y)| acc | (x ^ y)) == 0
}
