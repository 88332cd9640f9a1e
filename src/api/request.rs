//! A request before its route is known, and the headers that every answer gets for it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use hyper::upgrade::OnUpgrade;
use warp::Filter;
use warp::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use warp::http::{Method, StatusCode};
use warp::path::FullPath;

use super::call::Call;
use super::input::MAX_BODY;
use super::reply::Response;
use crate::app::App;
use crate::error::{Error, Result};
use crate::limits::seats::Seat;

/// The address that a request came from; the server puts it into the request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Where the client sees the server: at the root of its host, or below the path of `server.public_url`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    Root,
    Path,
}

impl Base {
    pub fn path(self, app: &App) -> &str {
        match self {
            Base::Root => "",
            Base::Path => app.config.server.base(),
        }
    }
}

/// A request, whatever it is for.
pub struct Request {
    pub method: Method,
    pub path: FullPath,
    pub base: Base,
    pub headers: HeaderMap,
    /// As it stands in the URL; empty where there is none.
    pub query: String,
    pub upgrade: Option<OnUpgrade>,
    pub peer: Option<Peer>,
    pub seat: Option<Arc<Seat>>,
    /// Not read yet.
    pub body: BodyStream,
}

/// Takes every request whole.
pub fn request() -> impl Filter<Extract = (Request,), Error = warp::Rejection> + Clone {
    warp::method()
        .and(warp::path::full())
        .and(warp::header::headers_cloned())
        .and(raw_query())
        .and(warp::ext::optional())
        .and(warp::ext::optional())
        .and(warp::ext::optional())
        .and(warp::body::stream().map(boxed))
        .map(
            |method, path, headers, query, upgrade, peer, seat, body| Request {
                method,
                path,
                base: Base::Root,
                headers,
                query,
                upgrade,
                peer,
                seat,
                body,
            },
        )
}

/// What [`super::reply::finish`] needs to know of a request.
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

/// The proxy's id where it gave a sane one, else one of ours.
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
        self.origin
            .as_ref()
            .filter(|origin| allowed.iter().any(|a| a.as_bytes() == origin.as_bytes()))
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
        // A listed origin's page may send what headers it likes: those that mean nothing here are not read.
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
        // What a token may read, no cache may keep; a page says so itself.
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

fn raw_query() -> impl Filter<Extract = (String,), Error = Infallible> + Clone {
    warp::query::raw().or(warp::any().map(String::new)).unify()
}

/// A body that has not been read.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, warp::Error>> + Send>>;

fn boxed<B: Buf + 'static>(
    stream: impl Stream<Item = Result<B, warp::Error>> + Send + 'static,
) -> BodyStream {
    Box::pin(stream.map(|chunk| chunk.map(copy)))
}

fn copy(mut chunk: impl Buf) -> Bytes {
    chunk.copy_to_bytes(chunk.remaining())
}

/// How long a body of at most `max` bytes may take to come. A file may take as much longer as it is larger than other
/// bodies, up to ten times.
pub fn body_time(app: &App, max: usize) -> Duration {
    let times = (max / MAX_BODY).clamp(1, 10) as u32;
    Duration::from_secs(app.config.limits.body_seconds.into()) * times
}

/// The whole body.
///
/// # Errors
/// [`Error::TooLarge`] as soon as more than `max` bytes are announced or have come.
pub async fn read_body(call: &mut Call, max: usize) -> Result<Bytes> {
    let time = body_time(&call.app, max);
    read_stream(&call.headers, &mut call.body, max, time).await
}

/// As [`read_body`], of a request that no endpoint took.
///
/// # Errors
/// As [`read_body`].
pub async fn read_stream(
    headers: &HeaderMap,
    body: &mut BodyStream,
    max: usize,
    time: Duration,
) -> Result<Bytes> {
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > max as u64) {
        return Err(Error::TooLarge(max));
    }
    let late = || Error::Malformed("it did not come in time".into());
    let collected = tokio::time::timeout(time, collect(body, max)).await;
    collected.unwrap_or_else(|_| Err(late()))
}

async fn collect(body: &mut BodyStream, max: usize) -> Result<Bytes> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| Error::Malformed("it could not be read".into()))?;
        if whole.len() + chunk.len() > max {
            return Err(Error::TooLarge(max));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}
