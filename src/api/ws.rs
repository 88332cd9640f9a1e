//! The handshake of `GET /ws` (RFC 6455 section 4.2). What follows is `realtime::ws`.

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use warp::Filter;
use warp::http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::endpoint::{Served, bearer};
use super::reply::{Response, WrongMethod, failure};
use super::{Route, request};
use crate::app::App;
use crate::error::{Error, Forbidden, Result};
use crate::realtime::ws::{self, Opening, accept_key};
use crate::service::auth::{self, Identity};

pub const PATTERN: &str = "/ws";

/// Takes the handshake and starts the socket.
pub fn route(app: &App) -> Route {
    let app = app.clone();
    warp::path("ws")
        .and(warp::path::end())
        .and(warp::method())
        .and_then(|method| async move {
            match method {
                Method::GET => Ok(()),
                _ => Err(warp::reject::custom(WrongMethod)),
            }
        })
        .untuple_one()
        .and(warp::header::headers_cloned())
        .and(request::raw_query())
        .and(warp::ext::optional::<OnUpgrade>())
        .then(move |headers, query, upgrade| handshake(app.clone(), headers, query, upgrade))
        .map(|outcome: Result<(Response, Option<String>)>| {
            let (mut response, user) = outcome.unwrap_or_else(|error| (failure(error), None));
            let pattern = PATTERN;
            response.extensions_mut().insert(Served { pattern, user });
            response
        })
        .boxed()
}

async fn handshake(
    app: App,
    headers: HeaderMap,
    query: String,
    upgrade: Option<OnUpgrade>,
) -> Result<(Response, Option<String>)> {
    let key = websocket_key(&headers)?;
    check_origin(&app, &headers)?;
    if app.stopping.is_cancelled() {
        return Err(Error::unavailable("The server is stopping."));
    }
    let since = since(&query)?;
    let identity = match bearer(&headers) {
        Ok(token) => Some(auth::identity(&app, token).await?),
        Err(error) if headers.contains_key(header::AUTHORIZATION) => return Err(error),
        Err(_) => None,
    };
    let upgrade = upgrade.ok_or_else(|| Error::invalid("Connection", "cannot be upgraded"))?;
    let user = identity.as_ref().map(|i| format!("user:{}", i.user.id()));
    let tasks = app.tasks.clone();
    tasks.spawn(start(app, upgrade, since, identity));
    Ok((switching(&key)?, user))
}

fn switching(key: &str) -> Result<Response> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    let accept = HeaderValue::from_str(&accept_key(key))
        .map_err(|e| Error::Internal(format!("accept key: {e}")))?;
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

async fn start(app: App, upgrade: OnUpgrade, since: Option<i64>, identity: Option<Identity>) {
    let upgraded: Upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, "upgrade failed");
            return;
        }
    };
    let opening = |early| Opening {
        since,
        identity,
        early,
    };
    // Under the real server it is the bare socket that is served; a test's pipe stays wrapped.
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => ws::serve(app, parts.io.into_inner(), opening(parts.read_buf)).await,
        Err(upgraded) => ws::serve(app, TokioIo::new(upgraded), opening(bytes::Bytes::new())).await,
    }
}

/// The key of a request that asks for WebSocket version 13.
fn websocket_key(headers: &HeaderMap) -> Result<String> {
    let has = |name: header::HeaderName, token: &str| {
        let values = headers.get_all(name).into_iter();
        values
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','))
            .any(|one| one.trim().eq_ignore_ascii_case(token))
    };
    if !has(header::CONNECTION, "upgrade") || !has(header::UPGRADE, "websocket") {
        return Err(Error::invalid(
            "Upgrade",
            "must be websocket: this path is a WebSocket",
        ));
    }
    if !has(header::SEC_WEBSOCKET_VERSION, "13") {
        return Err(Error::invalid("Sec-WebSocket-Version", "must be 13"));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY);
    let key = key.and_then(|k| k.to_str().ok()).filter(|k| k.len() == 24);
    key.map(str::to_owned)
        .ok_or_else(|| Error::invalid("Sec-WebSocket-Key", "must be 16 bytes in base64"))
}

/// A browser says whose page it is; others say nothing and pass.
fn check_origin(app: &App, headers: &HeaderMap) -> Result<()> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default();
    let config = &app.config.server;
    let listed = config.cors_origins.iter().any(|allowed| allowed == origin);
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    let own = host.is_some_and(|host| {
        let rest = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host))
    });
    let public = !config.public_url.is_empty()
        && url::Url::parse(&config.public_url)
            .is_ok_and(|url| url.origin().ascii_serialization() == origin);
    if listed || own || public {
        Ok(())
    } else {
        Err(Error::Forbidden(Forbidden::Origin))
    }
}

fn since(query: &str) -> Result<Option<i64>> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let Some((_, value)) = pairs.find(|(name, _)| name == "since") else {
        return Ok(None);
    };
    match value.parse() {
        Ok(seq) if seq >= 0 => Ok(Some(seq)),
        _ => Err(Error::invalid("since", "must be an integer of 0 or more")),
    }
}
