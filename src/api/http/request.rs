//! A request before its route is known, and its body.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use hyper::upgrade::OnUpgrade;
use warp::Filter;
use warp::http::Method;
use warp::http::header::{self, HeaderMap};
use warp::path::FullPath;

use crate::app::App;
use crate::error::{Error, Result};
use crate::limits::connection_limit::Slot;

pub type Response = warp::reply::Response;

/// The largest body, in bytes.
pub const MAX_BODY_BYTES: usize = 64 << 10;

/// The address that a request came from; the server puts it into the request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

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
    pub slot: Option<Arc<Slot>>,
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
            |method, path, headers, query, upgrade, peer, slot, body| Request {
                method,
                path,
                base: Base::Root,
                headers,
                query,
                upgrade,
                peer,
                slot,
                body,
            },
        )
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
    let times = (max / MAX_BODY_BYTES).clamp(1, 10) as u32;
    Duration::from_secs(app.config.limits.body_seconds.get().into()) * times
}

/// The whole body.
///
/// # Errors
/// [`Error::TooLarge`] as soon as more than `max` bytes are announced or have come.
pub async fn read_body(
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
