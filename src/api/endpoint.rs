//! A line of the URL table: method, pattern, who may call, the handler; and from these the warp filter.

use std::future::Future;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;

use futures_util::FutureExt as _;
use percent_encoding::percent_decode_str;
use warp::Filter;
use warp::http::{HeaderMap, Method, header};
use warp::path::FullPath;

use super::Route;
use super::cookie;
use super::input::{Input, InputSpec};
use super::reply::{Output, OutputSpec, Response, WrongMethod, failure};
use super::request::{self, BodyStream, Peer};
use crate::app::App;
use crate::error::{Error, Forbidden, Noun, Result, Unauthorized};
use crate::model::audit::By;
use crate::model::ids::ConnectionId;
use crate::model::keys::Scope;
use crate::model::users::{Role, User};
use crate::service::auth::{self, Actor, Identity};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// No token needed.
    Anyone,
    /// A person's token.
    Person,
    /// An administrator's token.
    Admin,
    /// An administrator's token, or an API key with the scope `roster`.
    Roster,
    /// An administrator's token, or an API key with the scope `read`.
    Reader,
    /// A person whose role may send notifications, or an API key with that scope.
    Sender,
    /// This machine, or the metrics token.
    Local,
}

type Handler =
    Arc<dyn Fn(Call) -> Pin<Box<dyn Future<Output = Result<Response>> + Send>> + Send + Sync>;

/// One route.
#[derive(Clone)]
pub struct Endpoint {
    pub method: Method,
    /// `/literal/{parameter}`; every segment is one or the other.
    pub pattern: &'static str,
    pub access: Access,
    pub summary: &'static str,
    pub input: InputSpec,
    pub output: OutputSpec,
    handler: Handler,
}

/// Declares a route. What the handler takes and returns is what the OpenAPI document says.
fn endpoint<H, I, O, F>(
    method: Method,
    pattern: &'static str,
    access: Access,
    handler: H,
    summary: &'static str,
) -> Endpoint
where
    H: Fn(Call, I) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<O>> + Send + 'static,
    I: Input + 'static,
    O: Output + 'static,
{
    let run = move |mut call: Call| {
        let handler = handler.clone();
        let answer = async move {
            call.admit(access).await?;
            let input = I::read(&mut call).await?;
            handler(call, input).await.map(Output::into_response)
        };
        Box::pin(answer) as Pin<Box<dyn Future<Output = Result<Response>> + Send>>
    };
    Endpoint {
        method,
        pattern,
        access,
        summary,
        input: I::spec(),
        output: O::spec(),
        handler: Arc::new(run),
    }
}

macro_rules! methods {
    ($($name:ident $method:ident),*) => {$(
        pub fn $name<H, I, O, F>(
            pattern: &'static str,
            access: Access,
            handler: H,
            summary: &'static str,
        ) -> Endpoint
        where
            H: Fn(Call, I) -> F + Clone + Send + Sync + 'static,
            F: Future<Output = Result<O>> + Send + 'static,
            I: Input + 'static,
            O: Output + 'static,
        {
            endpoint(Method::$method, pattern, access, handler, summary)
        }
    )*};
}
methods!(get GET, post POST, put PUT, delete DELETE);

impl Endpoint {
    /// The filter. It rejects for another path or method and for nothing else.
    pub fn route(&self, app: &App) -> Route {
        let (this, app) = (self.clone(), app.clone());
        let wanted = self.clone();
        warp::path::full()
            .and(warp::method())
            .and_then(move |path: FullPath, method: Method| {
                std::future::ready(wanted.matches(path.as_str(), &method))
            })
            .and(warp::header::headers_cloned())
            .and(request::raw_query())
            .and(warp::ext::optional::<Peer>())
            .and(request::body())
            .and(warp::method())
            .then(move |params, headers, query, peer, body, method| {
                let call = Call {
                    app: app.clone(),
                    actor: None,
                    method,
                    params,
                    headers,
                    query,
                    peer,
                    body,
                };
                this.clone().answer(call)
            })
            .boxed()
    }

    fn matches(&self, path: &str, method: &Method) -> Result<Vec<String>, warp::Rejection> {
        let params = params(self.pattern, path).ok_or_else(warp::reject::not_found)?;
        // A GET route answers HEAD too (RFC 9110 section 9.3.2); hyper leaves the body out.
        if self.method == *method || (self.method == Method::GET && *method == Method::HEAD) {
            Ok(params)
        } else {
            Err(warp::reject::custom(WrongMethod))
        }
    }

    async fn answer(self, call: Call) -> Response {
        let user = Arc::new(std::sync::OnceLock::new());
        let outcome = USER
            .scope(
                user.clone(),
                AssertUnwindSafe((self.handler)(call)).catch_unwind(),
            )
            .await
            .unwrap_or_else(|_| Err(Error::Internal(format!("panic in {}", self.pattern))));
        let mut response = outcome.unwrap_or_else(failure);
        response.extensions_mut().insert(Served {
            pattern: self.pattern,
            user: user.get().cloned(),
        });
        response
    }
}

tokio::task_local! {
    /// Who turned out to be calling, for the log line, also when the handler fails.
    static USER: Arc<std::sync::OnceLock<String>>;
}

/// Stands in a response's extensions: which route gave it, and to whom.
#[derive(Clone)]
pub struct Served {
    pub pattern: &'static str,
    pub user: Option<String>,
}

/// The parameters of `path`, percent-decoded, if it is of this pattern.
pub fn params(pattern: &str, path: &str) -> Option<Vec<String>> {
    let mut params = Vec::new();
    let mut given = path.split('/');
    for wanted in pattern.split('/') {
        let segment = given.next()?;
        if wanted.starts_with('{') {
            let decoded = percent_decode_str(segment).decode_utf8().ok()?;
            params.push(decoded.into_owned());
        } else if wanted != segment {
            return None;
        }
    }
    given.next().is_none().then_some(params)
}

/// A request on its way to a handler.
pub struct Call {
    pub app: App,
    pub method: Method,
    pub headers: HeaderMap,
    pub query: String,
    pub peer: Option<Peer>,
    pub(super) body: BodyStream,
    actor: Option<Actor>,
    params: Vec<String>,
}

impl Call {
    /// Establishes who calls, and whether they may.
    async fn admit(&mut self, access: Access) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_segments_and_decode_parameters() {
        let p = "/api/messages/read/{partnerId}";
        assert_eq!(
            params(p, "/api/messages/read/a%40b"),
            Some(vec!["a@b".into()])
        );
        assert_eq!(params(p, "/api/messages/read"), None);
        assert_eq!(params(p, "/api/messages/read/a/b"), None);
        assert_eq!(params(p, "/api/messages/read/%FF"), None);
    }
}
