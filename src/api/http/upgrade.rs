//! The handshake of a WebSocket (RFC 6455 section 4.2), whatever is spoken on it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use warp::http::{HeaderMap, HeaderValue, StatusCode, header};

use super::request::Response;
use crate::error::{Error, Result};
use crate::realtime::websocket::accept_key;
use crate::rule;
use crate::transport::Transport;

/// What the kernel may keep for one socket, in bytes; Linux doubles it.
const SEND_BUFFER_BYTES: usize = 32 << 10;

/// A connection that is HTTP no more.
pub enum Stream {
    /// Under the real server it is the bare socket, and the bytes that came with the handshake.
    Tcp(Transport, Bytes),
    /// A test's pipe stays wrapped.
    Other(TokioIo<Upgraded>),
}

/// Waits for the connection, which comes once the handshake has been answered.
pub async fn upgraded(upgrade: OnUpgrade) -> Option<Stream> {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, "cannot upgrade a connection");
            return None;
        }
    };
    Some(match upgraded.downcast::<TokioIo<Transport>>() {
        Ok(parts) => {
            let transport = parts.io.into_inner();
            transport.bound_send_buffer(SEND_BUFFER_BYTES);
            Stream::Tcp(transport, parts.read_buf)
        }
        Err(upgraded) => Stream::Other(TokioIo::new(upgraded)),
    })
}

/// The answer to a handshake with this key.
pub fn switching(key: &str) -> Result<Response> {
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

/// The key of a request that asks for WebSocket version 13.
pub fn websocket_key(headers: &HeaderMap) -> Result<String> {
    let has = |name: header::HeaderName, token: &str| {
        let values = headers.get_all(name).into_iter();
        values
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','))
            .any(|one| one.trim().eq_ignore_ascii_case(token))
    };
    if !has(header::CONNECTION, "upgrade") || !has(header::UPGRADE, "websocket") {
        return Err(Error::invalid("Upgrade", rule::not_a_websocket()));
    }
    if !has(header::SEC_WEBSOCKET_VERSION, "13") {
        return Err(Error::invalid(
            "Sec-WebSocket-Version",
            rule::not_version_13(),
        ));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY);
    let is_key = |key: &&str| STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16);
    let key = key.and_then(|k| k.to_str().ok()).filter(is_key);
    key.map(str::to_owned)
        .ok_or_else(|| Error::invalid("Sec-WebSocket-Key", rule::not_a_websocket_key()))
}
