//! What an answer needs of its request: the id, and the headers that every answer gets.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use warp::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use warp::http::{Method, StatusCode};

use super::request::{Request, Response};
use crate::app::App;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What [`finish`](super::finish::finish) needs to know of a request.
pub struct Context {
    pub request_id: String,
    pub method: Method,
    pub started: Instant,
    origin: Option<HeaderValue>,
    /// The headers that a preflight asks for, where the request is one.
    preflight: Option<HeaderValue>,
}

impl Context {
    pub fn new(request: &Request) -> Self {
        let Request {
            method, headers, ..
        } = request;
        let preflight = method == Method::OPTIONS
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let none = HeaderValue::from_static("");
        let asked = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
        Context {
            request_id: request_id(headers),
            preflight: preflight.then(|| asked.cloned().unwrap_or(none)),
            method: method.clone(),
            started: Instant::now(),
            origin: headers.get(header::ORIGIN).cloned(),
        }
    }
}

/// The proxy's id if it gave a valid one, else one of ours.
fn request_id(headers: &HeaderMap) -> String {
    static PROCESS: LazyLock<u32> = LazyLock::new(|| {
        let mut random = [0; 4];
        // An id that is not random is still an id.
        let _ = getrandom::fill(&mut random);
        u32::from_le_bytes(random)
    });
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let given = headers.get(REQUEST_ID).and_then(|v| v.to_str().ok());
    let sane = |id: &&str| {
        (1..=64).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    match given.filter(sane) {
        Some(id) => id.to_owned(),
        None => format!(
            "{:08x}-{:08x}",
            *PROCESS,
            COUNT.fetch_add(1, Ordering::Relaxed)
        ),
    }
}

impl Context {
    /// A label for metrics: of a bounded number, whatever a stranger sends.
    pub fn method_label(&self) -> &'static str {
        match self.method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::DELETE => "DELETE",
            Method::OPTIONS => "OPTIONS",
            Method::PATCH => "PATCH",
            _ => "other",
        }
    }

    fn allowed_origin(&self, app: &App) -> Option<&HeaderValue> {
        let allowed = &app.config.server.cors_origins;
        self.origin.as_ref().filter(|origin| {
            allowed
                .iter()
                .any(|a| a.as_str().as_bytes() == origin.as_bytes())
        })
    }

    /// The answer to a CORS preflight (Fetch standard, section 3.2), where this is one of an allowed origin.
    pub fn preflight(&self, app: &App) -> Option<Response> {
        let asked = self.preflight.clone()?;
        self.allowed_origin(app)?;
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        for (name, value) in [
            (
                header::ACCESS_CONTROL_ALLOW_METHODS,
                "GET, POST, PUT, PATCH, DELETE",
            ),
            (header::ACCESS_CONTROL_MAX_AGE, "7200"),
            (header::VARY, "access-control-request-headers"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        // A page of a listed origin may send any header: those that mean nothing here are not read.
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked);
        Some(response)
    }

    /// The headers of every answer.
    pub fn add_headers(&self, app: &App, headers: &mut HeaderMap) {
        if let Ok(id) = HeaderValue::from_str(&self.request_id) {
            headers.insert(REQUEST_ID, id);
        }
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        if app.config.server.tls() {
            // RFC 6797; a proxy in front says so itself.
            headers.insert(
                header::STRICT_TRANSPORT_SECURITY,
                HeaderValue::from_static("max-age=31536000"),
            );
        }
        // No cache may keep what needs a token. Pages set their own header.
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        if let Some(origin) = self.allowed_origin(app) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
            headers.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("x-request-id, retry-after"),
            );
        }
        if !app.config.server.cors_origins.is_empty() {
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
    }
}
