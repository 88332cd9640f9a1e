//! A line of the URL table: method, pattern, who may call, the handler.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use warp::http::Method;

use super::call::Call;
use super::input::{Input, InputSpec};
use super::reply::{Output, OutputSpec, Response, failure};
use super::router::Serve;
use crate::app::App;
use crate::error::{Error, Result};
use crate::limits::rates::Kind;
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
    pub compat: Compat,
    handler: Handler,
}

/// How existing front ends spell a route, beside its own method and pattern.
#[derive(Clone, Default)]
pub struct Compat {
    pub methods: Vec<Method>,
    pub paths: Vec<&'static str>,
}

/// Where what is not known is refused.
const STRICT: [&str; 3] = ["/api/admin/", "/api/policy/", "/api/safeguarding/"];

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
        compat: Compat::default(),
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
    /// Serves other methods as well, and other paths with the same parameters: existing front ends differ.
    pub fn compat(mut self, methods: &[Method], paths: &[&'static str]) -> Self {
        self.compat = Compat {
            methods: methods.to_vec(),
            paths: paths.to_vec(),
        };
        self
    }

    /// Every method and pattern that this route is served at, its own first.
    pub fn spellings(&self) -> impl Iterator<Item = (&Method, &'static str)> {
        let methods = || std::iter::once(&self.method).chain(&self.compat.methods);
        let paths = std::iter::once(&self.pattern).chain(&self.compat.paths);
        paths.flat_map(move |path| methods().map(|method| (method, *path)))
    }

    /// Answers a request of this route.
    pub fn serve(self, app: &App) -> Serve {
        let strict = self.is_strict();
        let (this, app) = (Arc::new(self), app.clone());
        Arc::new(move |request, params| {
            let (this, call) = (this.clone(), Call::new(&app, request, params, strict));
            Box::pin(async move { this.answer(call).await })
        })
    }

    /// Whether a parameter that the route does not know is an error: where a slip of the pen changes who may do what.
    pub fn is_strict(&self) -> bool {
        STRICT.iter().any(|prefix| self.pattern.starts_with(prefix))
    }

    async fn answer(&self, call: Call) -> Response {
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
