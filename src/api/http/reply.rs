//! What handlers return: each kind of answer renders itself and describes itself.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use warp::Reply;
use warp::http::StatusCode;
use warp::http::header::{self, HeaderName, HeaderValue};

use super::request::Response;
use super::schema::{Components, schema_ref};
use crate::model::outcome::Outcome;
use crate::model::page::{Page, Paging};

/// How an answer shows in the OpenAPI document: its status, and the schema of its `data`.
#[derive(Clone, Copy)]
pub struct OutputSpec {
    pub status: StatusCode,
    /// Whether the same request again is answered 200, with what the first one made.
    pub repeatable: bool,
    pub body: BodySpec,
    /// The body of a 202, where the work may go on behind the answer.
    pub accepted: Option<BodySpec>,
}

impl OutputSpec {
    /// Answered 200, each time.
    pub fn ok(body: BodySpec) -> Self {
        OutputSpec {
            status: StatusCode::OK,
            repeatable: false,
            body,
            accepted: None,
        }
    }
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
    /// None.
    Nothing,
    /// Something else, of this media type.
    Raw(&'static str),
    /// As `Data`, or something else, of one of these media types.
    DataOr(fn(&mut Components) -> Value, &'static [&'static str]),
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
        OutputSpec::ok(BodySpec::Data(schema_ref::<T>))
    }

    fn into_response(self) -> Response {
        success(StatusCode::OK, self.0, None)
    }
}

/// 200 with `data`, and its version as `ETag` (RFC 9110 section 8.8.3).
pub struct Versioned<T>(pub T, pub String);

impl<T: Serialize + ToSchema> Output for Versioned<T> {
    fn spec() -> OutputSpec {
        Data::<T>::spec()
    }

    fn into_response(self) -> Response {
        let mut response = success(StatusCode::OK, self.0, None);
        if let Ok(version) = HeaderValue::from_str(&format!("\"{}\"", self.1)) {
            response.headers_mut().insert(header::ETAG, version);
        }
        response
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
            accepted: None,
        }
    }

    fn into_response(self) -> Response {
        success(StatusCode::CREATED, self.0, None)
    }
}

/// 202 with `data`: what is to be done is done behind the answer.
pub struct Accepted<T>(pub T);

impl<T: Serialize + ToSchema> Output for Accepted<T> {
    fn spec() -> OutputSpec {
        OutputSpec {
            status: StatusCode::ACCEPTED,
            repeatable: false,
            body: BodySpec::Data(schema_ref::<T>),
            accepted: None,
        }
    }

    fn into_response(self) -> Response {
        success(StatusCode::ACCEPTED, self.0, None)
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
        OutputSpec::ok(BodySpec::Paged(schema_ref::<T>))
    }

    fn into_response(self) -> Response {
        success(StatusCode::OK, self.items, Some(self.paging))
    }
}

/// 200 with JSON that has no envelope.
pub struct Bare<T>(pub T);

impl<T: Serialize + ToSchema> Output for Bare<T> {
    fn spec() -> OutputSpec {
        OutputSpec::ok(BodySpec::Bare(schema_ref::<T>))
    }

    fn into_response(self) -> Response {
        warp::reply::json(&self.0).into_response()
    }
}

/// 200 with a page.
pub struct Html(pub String);

impl Html {
    const MEDIA_TYPE: &'static str = "text/html; charset=utf-8";
}

impl Output for Html {
    fn spec() -> OutputSpec {
        OutputSpec::ok(BodySpec::Raw(Self::MEDIA_TYPE))
    }

    fn into_response(self) -> Response {
        warp::reply::with_header(self.0, header::CONTENT_TYPE, Self::MEDIA_TYPE).into_response()
    }
}

/// 303 to another place (RFC 9110 section 15.4.4).
pub struct Redirect(pub String);

impl Output for Redirect {
    fn spec() -> OutputSpec {
        OutputSpec {
            status: StatusCode::SEE_OTHER,
            repeatable: false,
            body: BodySpec::Nothing,
            accepted: None,
        }
    }

    fn into_response(self) -> Response {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::SEE_OTHER;
        if let Ok(to) = HeaderValue::from_str(&self.0) {
            response.headers_mut().insert(header::LOCATION, to);
        }
        response
    }
}

/// 200 with metrics as OpenMetrics text.
pub struct OpenMetrics(pub String);

impl OpenMetrics {
    const MEDIA_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
}

impl Output for OpenMetrics {
    fn spec() -> OutputSpec {
        OutputSpec::ok(BodySpec::Raw(Self::MEDIA_TYPE))
    }

    fn into_response(self) -> Response {
        warp::reply::with_header(self.0, header::CONTENT_TYPE, Self::MEDIA_TYPE).into_response()
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
