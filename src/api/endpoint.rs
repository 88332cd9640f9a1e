//! A line of the URL table: method, pattern, who may call, the handler; and from these the warp filter.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use percent_encoding::percent_decode_str;
use warp::Filter;
use warp::http::Method;
use warp::path::FullPath;

use super::Route;
use super::call::Call;
use super::input::{Input, InputSpec};
use super::reply::{Output, OutputSpec, Response, WrongMethod, failure};
use super::request::{self, Peer};
use crate::app::App;
use crate::error::{Error, Result};
use crate::limits::rates::Kind;
use crate::limits::seats::Seat;
use crate::limits::turns::Turn;
use crate::model::ids::UserKey;

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
    let kind = kind(&method, pattern);
    let run = move |mut call: Call| {
        let handler = handler.clone();
        let answer = async move {
            if let Err(error) = call.admit(access, kind).await {
                // A body that is on its way would make the kernel reset the connection, and the answer be lost.
                call.discard_body().await;
                return Err(error);
            }
            let turn = call.turn.take().map(Arc::new);
            let reading = call.reading.take();
            let input = I::read(&mut call).await?;
            let mut response = handler(call, input).await?.into_response();
            drop(reading);
            response.extensions_mut().insert(Held(turn));
            Ok(response)
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

/// What a request of this route counts as.
fn kind(method: &Method, pattern: &str) -> Kind {
    const SEARCHES: [&str; 2] = ["/api/messages/search", "/api/users"];
    match method {
        _ if SEARCHES.contains(&pattern) => Kind::Search,
        method if method.is_safe() => Kind::Read,
        _ => Kind::Write,
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
            .and(warp::ext::optional::<Arc<Seat>>())
            .and(request::body())
            .and(warp::method())
            .then(move |params, headers, query, peer, seat, body, method| {
                let call = Call {
                    app: app.clone(),
                    actor: None,
                    turn: None,
                    reading: None,
                    method,
                    params,
                    headers,
                    query,
                    peer,
                    seat,
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
    pub(super) static USER: Arc<std::sync::OnceLock<String>>;
}

/// Stands in a response's extensions: which route gave it, and to whom.
#[derive(Clone)]
pub struct Served {
    pub pattern: &'static str,
    pub user: Option<String>,
}

/// Stands in a response's extensions: what is held until the last of it is sent.
#[derive(Clone)]
pub struct Held(#[expect(dead_code, reason = "held")] Option<Arc<Turn<UserKey>>>);

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
