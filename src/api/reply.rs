//! Answers: success and failure in the contract's shape, and the last touch that every answer gets.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use warp::Reply;
use warp::http::StatusCode;
use warp::http::header::{self, HeaderName, HeaderValue};

use super::endpoint::{Latency, Served};
use super::openapi::{Components, schema_ref};
use super::request::Context;
use super::router::NoRoute;
use crate::app::App;
use crate::error::{Error, FieldError, Noun};
use crate::metrics::{RequestLabels, RouteLabel};
use crate::model::outcome::Outcome;
use crate::model::page::{Page, Paging};

pub type Response = warp::reply::Response;

/// How an answer shows in the OpenAPI document: its status, and the schema of its `data`.
#[derive(Clone, Copy)]
pub struct OutputSpec {
    pub status: StatusCode,
    /// Whether the same request again is answered 200, with what the first one made.
    pub repeatable: bool,
    pub body: BodySpec,
}

/// The shape of a body.
#[derive(Clone, Copy)]
pub enum BodySpec {
    /// `{"success": true, "data": …}`.
    Data(fn(&mut Components) -> Value),
    /// `data` is an array and `paging` stands beside it.
    Paged(fn(&mut Components) -> Value),
    /// JSON of its own shape.
    Bare(fn(&mut Components) -> Value),
    Text,
}

/// Something that a handler returns.
pub trait Output {
    fn spec() -> OutputSpec;
    fn into_response(self) -> Response;
}

#[derive(Serialize)]
struct Success<T> {
    success: bool,
    data: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    paging: Option<Paging>,
}

fn success<T: Serialize>(status: StatusCode, data: T, paging: Option<Paging>) -> Response {
    let success = Success {
        success: true,
        data,
        paging,
    };
    let json = warp::reply::json(&success);
    warp::reply::with_status(json, status).into_response()
}

/// 200 with `data`.
pub struct Data<T>(pub T);

impl<T: Serialize + ToSchema> Output for Data<T> {
    fn spec() -> OutputSpec {
        OutputSpec {
            status: StatusCode::OK,
            repeatable: false,
            body: BodySpec::Data(schema_ref::<T>),
        }
    }

    fn into_response(self) -> Response {
        success(StatusCode::OK, self.0, None)
    }
}

/// 201 with `data`.
pub struct Created<T>(pub T);

impl<T: Serialize + ToSchema> Output for Created<T> {
    fn spec() -> OutputSpec {
        OutputSpec {
            status: StatusCode::CREATED,
            repeatable: false,
            body: BodySpec::Data(schema_ref::<T>),
        }
    }

    fn into_response(self) -> Response {
        success(StatusCode::CREATED, self.0, None)
    }
}

/// 201 with `data`; 200 where the same request had made it before.
pub struct Repeatable<T>(pub Outcome<T>);

impl<T: Serialize + ToSchema> Output for Repeatable<T> {
    fn spec() -> OutputSpec {
        OutputSpec {
            repeatable: true,
            ..Created::<T>::spec()
        }
    }

    fn into_response(self) -> Response {
        let Repeatable(Outcome { value, fresh }) = self;
        let status = match fresh {
            true => StatusCode::CREATED,
            false => StatusCode::OK,
        };
        success(status, value, None)
    }
}

/// 200 with a list and where it goes on.
impl<T: Serialize + ToSchema> Output for Page<T> {
    fn spec() -> OutputSpec {
        OutputSpec {
            status: StatusCode::OK,
            repeatable: false,
            body: BodySpec::Paged(schema_ref::<T>),
        }
    }

    fn into_response(self) -> Response {
        success(StatusCode::OK, self.items, Some(self.paging))
    }
}

/// 200 with JSON that has no envelope.
pub struct Bare<T>(pub T);

impl<T: Serialize + ToSchema> Output for Bare<T> {
    fn spec() -> OutputSpec {
        OutputSpec {
            status: StatusCode::OK,
            repeatable: false,
            body: BodySpec::Bare(schema_ref::<T>),
        }
    }

    fn into_response(self) -> Response {
        warp::reply::json(&self.0).into_response()
    }
}

/// 200 with text of this media type.
pub struct Text {
    pub media_type: &'static str,
    pub text: String,
}

impl Output for Text {
    fn spec() -> OutputSpec {
        OutputSpec {
            status: StatusCode::OK,
            repeatable: false,
            body: BodySpec::Text,
        }
    }

    fn into_response(self) -> Response {
        warp::reply::with_header(self.text, header::CONTENT_TYPE, self.media_type).into_response()
    }
}

/// An answer with, where there is one, a header of its own.
pub struct WithHeader<T>(pub HeaderName, pub Option<HeaderValue>, pub T);

impl<T: Output> Output for WithHeader<T> {
    fn spec() -> OutputSpec {
        T::spec()
    }

    fn into_response(self) -> Response {
        let WithHeader(name, value, inner) = self;
        let mut response = inner.into_response();
        if let Some(value) = value {
            response.headers_mut().append(name, value);
        }
        response
    }
}

/// `{}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Empty {}

/// An error on its way to [`finish`], which knows the request.
#[derive(Clone)]
struct Failure(Arc<Error>);

/// An answer that [`finish`] fills in.
pub fn failure(error: Error) -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(Failure(error.into()));
    response
}

/// The answer where there is no route, that [`finish`] fills in.
pub fn no_route(why: NoRoute) -> Response {
    match why {
        NoRoute::Path => failure(Error::NotFound(Noun::Route)),
        NoRoute::Method(allow) => {
            let mut response = failure(Error::MethodNotAllowed);
            if let Ok(allow) = HeaderValue::from_str(&allow) {
                response.headers_mut().insert(header::ALLOW, allow);
            }
            response
        }
    }
}

/// The shape of every failure.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Error)]
pub struct Problem<'a> {
    success: bool,
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    details: &'a [FieldError],
    request_id: &'a str,
}

/// The one place where an error becomes HTTP.
pub fn status(error: &Error) -> StatusCode {
    match error {
        Error::Invalid(_) | Error::Malformed(_) => StatusCode::BAD_REQUEST,
        Error::Unauthorized(_) => StatusCode::UNAUTHORIZED,
        Error::Forbidden(_) => StatusCode::FORBIDDEN,
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Error::Conflict(_) => StatusCode::CONFLICT,
        Error::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Error::NotJson | Error::NotCsv => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Error::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
        Error::Unavailable(..) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn render(error: &Error, context: &Context, unfinished: Response) -> Response {
    let problem = Problem {
        success: false,
        code: error.code(),
        message: &error.public_message(),
        details: error.details(),
        request_id: &context.request_id,
    };
    let json = warp::reply::json(&problem);
    let mut response = warp::reply::with_status(json, status(error)).into_response();
    let headers = response.headers_mut();
    headers.extend(unfinished.headers().clone());
    match error {
        Error::Unauthorized(_) => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Error::TooMany(after) | Error::Unavailable(_, after) => {
            headers.insert(header::RETRY_AFTER, after.as_secs().max(1).into());
        }
        _ => {}
    }
    response
}

/// Renders a failure, adds the headers that every answer has, and writes the log line and the figures.
pub fn finish(app: &App, context: Context, response: Response) -> Response {
    let served = response.extensions().get::<Served>().cloned();
    let failed = response.extensions().get::<Failure>().cloned();
    let mut response = match (&failed, context.preflight(app)) {
        (Some(_), Some(preflight)) => preflight,
        (Some(Failure(error)), None) => render(error, &context, response),
        (None, _) => response,
    };
    context.add_headers(app, response.headers_mut());
    let route = served.as_ref().map_or("none", |served| served.pattern);
    let status = response.status().as_u16();
    let elapsed = context.started.elapsed();
    let labels = RequestLabels {
        method: context.method_label(),
        route,
        status,
    };
    app.metrics.requests.get_or_create(&labels).inc();
    let latency = served.as_ref().map_or(Latency::Measured, |s| s.latency);
    if latency != Latency::Poll {
        let label = RouteLabel { route };
        let seconds = app.metrics.request_seconds.get_or_create(&label);
        seconds.observe(elapsed.as_secs_f64());
    }
    if latency == Latency::Charted && failed.is_none() {
        app.metrics.tally.took(elapsed);
    }
    let error = failed.as_ref().map(|Failure(error)| &**error);
    if let Some(Error::Internal(why)) = error {
        tracing::error!(request_id = %context.request_id, route, why, "internal error");
    }
    if latency == Latency::Poll && error.is_none() {
        return response;
    }
    tracing::info!(
        method = context.method_label(),
        route,
        status,
        ms = elapsed.as_secs_f64() * 1000.0,
        request_id = %context.request_id,
        user = served.as_ref().and_then(|s| s.user.as_deref()),
        code = error.map(Error::code),
        field = error.and_then(|e| e.details().first()).map(|d| d.field.as_str()),
        "request"
    );
    response
}
