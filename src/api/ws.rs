//! The handshake of `GET /ws`. What follows is `realtime::ws`.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use warp::http::{HeaderMap, HeaderValue, header};

use super::http::address::admit_stranger;
use super::http::call::bearer;
use super::http::cookie;
use super::http::failure::failure;
use super::http::origin::check_origin;
use super::http::request::{Base, Request, Response};
use super::http::router::Serve;
use super::http::served::{Latency, Served};
use super::http::upgrade::{Stream, switching, upgraded, websocket_key};
use crate::app::App;
use crate::error::{Error, Result};
use crate::limits::rates::{RequestClass, Stranger};
use crate::model::events::Cursor;
use crate::realtime::ws::{self, Handshake};
use crate::rule;
use crate::service::auth::{self, Identity};

pub const PATTERN: &str = "/ws";

/// Takes the handshake and starts the socket.
pub fn serve(app: &App) -> Serve {
    let app = app.clone();
    Arc::new(move |request, _| {
        let app = app.clone();
        Box::pin(async move {
            let outcome = handshake(app, request).await;
            let (mut response, user) = outcome.unwrap_or_else(|error| {
                let mut refused = failure(error);
                // RFC 6455 section 4.4: which version a client may come back with.
                let version = HeaderValue::from_static("13");
                refused
                    .headers_mut()
                    .insert(header::SEC_WEBSOCKET_VERSION, version);
                (refused, None)
            });
            response.extensions_mut().insert(Served {
                pattern: PATTERN,
                latency: Latency::Measured,
                user,
            });
            response
        })
    })
}

async fn handshake(app: App, request: Request) -> Result<(Response, Option<String>)> {
    let Request {
        base,
        headers,
        peer,
        slot,
        ..
    } = request;
    let key = websocket_key(&headers)?;
    check_origin(&app, &headers)?;
    if app.stopping.is_cancelled() {
        return Err(Error::unavailable("The server is stopping."));
    }
    app.load.admit(RequestClass::Socket)?;
    let since = since(&request.query)?;
    let identity = identity(&app, base, &headers).await;
    if !matches!(identity, Ok(Some(_))) {
        admit_stranger(&app, peer, &headers, Stranger::Socket)?;
    }
    let identity = identity?;
    let upgrade = request
        .upgrade
        .ok_or_else(|| Error::invalid("Connection", rule::not_upgradable()))?;
    let user = identity.as_ref().map(|i| format!("user:{}", i.user.id()));
    let tasks = app.tasks.clone();
    let handshake = Handshake {
        since,
        hidden: parameter(&request.query, "hidden").is_some_and(|value| value == "true"),
        identity,
        slot,
        early: Bytes::new(),
    };
    tasks.spawn(start(app, upgrade, handshake));
    Ok((switching(&key)?, user))
}

/// Whose socket it is, where the handshake says so.
async fn identity(app: &App, base: Base, headers: &HeaderMap) -> Result<Option<Identity>> {
    match bearer(headers) {
        Ok(token) => auth::identity(app, token).await.map(Some),
        Err(error) if headers.contains_key(header::AUTHORIZATION) => Err(error),
        Err(_) => by_cookie(app, base, headers).await,
    }
}

/// Our own pages have the cookie of their session. Other pages, also those of an allowed origin, authenticate in their first
/// frame.
async fn by_cookie(app: &App, base: Base, headers: &HeaderMap) -> Result<Option<Identity>> {
    match cookie::session(app, base, headers) {
        Ok(token) if cookie::check_own_origin(app, headers).is_ok() => {
            auth::identity(app, token).await.map(Some)
        }
        _ => Ok(None),
    }
}

async fn start(app: App, upgrade: OnUpgrade, handshake: Handshake) {
    match upgraded(upgrade).await {
        Some(Stream::Tcp(stream, early)) => {
            ws::serve(&app, stream, Handshake { early, ..handshake });
        }
        Some(Stream::Other(stream)) => ws::serve(&app, stream, handshake),
        None => {}
    }
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let pair = pairs.find(|(key, _)| key == name);
    pair.map(|(_, value)| value)
}

fn since(query: &str) -> Result<Option<Cursor>> {
    parameter(query, "since")
        .map(|value| Cursor::since(value.parse().ok()))
        .transpose()
}
