//! A row of the URL table: everything that is known of a route.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use warp::http::{Method, StatusCode};

use super::access::Access;
use super::call::Call;
use super::failure::{failure, status};
use super::input::{Input, InputSpec};
use super::reply::{Output, OutputSpec};
use super::request::Response;
use super::router::Serve;
use super::served::{Held, Latency, Served};
use crate::app::App;
use crate::error::{Error, Forbidden, Result, Unauthorized};
use crate::limits::rates::RequestClass;

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
    /// What a request counts as for limits.
    pub class: RequestClass,
    /// What becomes of the time that an answer took.
    pub latency: Latency,
    /// How it fails, beside what its access, its input and limits bring.
    own_failures: Vec<Failure>,
    /// What it does is done behind its answer, which a fault of the database does not reach.
    is_detached: bool,
    /// Whether the caller must have confirmed lately that it is them.
    pub is_confirmed: bool,
    handler: Handler,
}

/// A way in which a route fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    pub status: StatusCode,
    pub code: &'static str,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Failure {
            status: status(error),
            code: error.code(),
        }
    }
}

/// How existing front ends spell a route, beside its own method and pattern.
#[derive(Clone, Default)]
pub struct Compat {
    pub methods: Vec<Method>,
    pub paths: Vec<&'static str>,
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
            if let Err(error) = call.admit().await {
                // A body that is on its way would make the kernel reset the connection, and the answer be lost.
                call.discard_body().await;
                return Err(error);
            }
            let turn = call.turn.take().map(Arc::new);
            let reading = call.reading.take();
            let input = I::read(&mut call).await?;
            let mut response = handler(call, input).await?.into_response();
            drop(reading);
            response.extensions_mut().insert(Held::new(turn));
            Ok(response)
        };
        Box::pin(answer) as Pin<Box<dyn Future<Output = Result<Response>> + Send>>
    };
    let class = match method.is_safe() {
        true => RequestClass::Read,
        false => RequestClass::Write,
    };
    Endpoint {
        method,
        pattern,
        access,
        summary,
        input: I::spec(),
        output: O::spec(),
        compat: Compat::default(),
        class,
        latency: Latency::Measured,
        own_failures: Vec::new(),
        is_detached: false,
        is_confirmed: false,
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
    /// Serves other methods as well, and other paths with the same parameters: existing front ends differ.
    pub fn compat(mut self, methods: &[Method], paths: &[&'static str]) -> Self {
        self.compat = Compat {
            methods: methods.to_vec(),
            paths: paths.to_vec(),
        };
        self
    }

    /// Counts a request as a search, which costs more than a read.
    pub fn search(mut self) -> Self {
        self.class = RequestClass::Search;
        self
    }

    /// Shows administrators how long its answers take.
    pub fn charted(mut self) -> Self {
        self.latency = Latency::Charted;
        self
    }

    /// What it does is done behind its answer.
    pub fn detached(mut self) -> Self {
        self.is_detached = true;
        self
    }

    /// A caller must have confirmed lately that it is them.
    pub fn confirmed(mut self) -> Self {
        self.is_confirmed = true;
        self.fails(Forbidden::Confirmation)
    }

    /// Who has a second factor is asked for it.
    pub fn second_factor(self) -> Self {
        self.fails(Unauthorized::SecondFactorRequired)
            .fails(Unauthorized::BadSecondFactor)
    }

    /// Declares how the route itself fails.
    pub fn fails(mut self, error: impl Into<Error>) -> Self {
        self.own_failures.push(Failure::from(&error.into()));
        self
    }

    /// Every way in which the route fails, by status.
    pub fn failures(&self) -> Vec<Failure> {
        let mut all = self.own_failures.clone();
        let strict = self.access.is_strict();
        all.extend(self.access.failures().map(Failure::from));
        all.extend(self.input.failures(strict).iter().map(Failure::from));
        if self.access != Access::Local {
            all.push(Failure::from(&Error::TooMany(Duration::ZERO)));
        }
        // What neither asks who calls nor changes anything answers from memory.
        if self.access.takes_token() || !self.method.is_safe() {
            all.push(Failure::from(&Error::unavailable("")));
            if !self.is_detached {
                all.push(Failure::from(&Error::Internal(String::new())));
            }
        }
        all.sort();
        all.dedup();
        all
    }

    /// Every method and pattern that this route is served at, its own first.
    pub fn spellings(&self) -> impl Iterator<Item = (&Method, &'static str)> {
        let methods = || std::iter::once(&self.method).chain(&self.compat.methods);
        let paths = std::iter::once(&self.pattern).chain(&self.compat.paths);
        paths.flat_map(move |path| methods().map(|method| (method, *path)))
    }

    /// Answers a request of this route.
    pub fn serve(self, app: &App) -> Serve {
        let (this, app) = (Arc::new(self), app.clone());
        Arc::new(move |request, params| {
            let rules = (this.access, this.class, this.is_confirmed);
            let call = Call::new(&app, request, params, rules);
            let this = this.clone();
            Box::pin(async move { this.answer(call).await })
        })
    }

    async fn answer(&self, call: Call) -> Response {
        let caller = call.caller.clone();
        let outcome = AssertUnwindSafe((self.handler)(call)).catch_unwind();
        let panicked = |_| Err(Error::Internal(format!("panic in {}", self.pattern)));
        let outcome = outcome.await.unwrap_or_else(panicked);
        let mut response = outcome.unwrap_or_else(failure);
        response.extensions_mut().insert(Served {
            pattern: self.pattern,
            latency: self.latency,
            user: caller.get().cloned(),
        });
        response
    }
}
