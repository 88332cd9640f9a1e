//! Errors as HTTP: the status of each, and the contract's shape.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;
use warp::Reply as _;
use warp::http::StatusCode;
use warp::http::header::{self, HeaderValue};

use super::request::Response;
use crate::error::{Error, FieldError};

/// Stands in a response's extensions: an error on its way to [`finish`](super::finish::finish), which knows the request.
#[derive(Clone)]
pub struct Unfinished(pub Arc<Error>);

/// An answer that is still to be rendered.
pub fn failure(error: Error) -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(Unfinished(error.into()));
    response
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
        Error::Forbidden(_) | Error::PolicyDenied(_) => StatusCode::FORBIDDEN,
        Error::NoVersion => StatusCode::PRECONDITION_REQUIRED,
        Error::OtherVersion => StatusCode::PRECONDITION_FAILED,
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

/// The error of an unfinished answer in the contract's shape, with the headers that stand there already.
pub fn render(error: &Error, request_id: &str, unfinished: Response) -> Response {
    let problem = Problem {
        success: false,
        code: error.code(),
        message: &error.public_message(),
        details: error.details(),
        request_id,
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
