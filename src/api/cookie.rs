//! The session of our own pages: the token in a cookie that scripts cannot read and that no other site's page sends.

use warp::http::{HeaderMap, HeaderValue, header};

use super::upgrade::is_own_origin;
use crate::app::App;
use crate::error::{Error, Forbidden, Result, Unauthorized};
use crate::service::auth::Session;

/// Its name. Over https it has a prefix, by which a browser sees to it that no other host has set it (RFC 6265bis section
/// 4.1.3.2).
pub const NAME: &str = "schoolbell_session";
const HOST_PREFIX: &str = "__Host-";

/// The token of the session's cookie (RFC 6265 section 4.2).
///
/// # Errors
/// [`Unauthorized::Missing`].
pub fn session<'h>(app: &App, headers: &'h HeaderMap) -> Result<&'h str> {
    let named = |prefix: &str| {
        let cookies = headers.get_all(header::COOKIE).into_iter();
        let pairs = cookies
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'));
        let mut named = pairs.filter_map(|pair| {
            let name = pair.trim().strip_prefix(prefix)?.strip_prefix(NAME)?;
            name.strip_prefix('=').filter(|token| !token.is_empty())
        });
        named.next()
    };
    let https = app.config.server.https();
    named(HOST_PREFIX)
        .or_else(|| named("").filter(|_| !https))
        .ok_or(Error::Unauthorized(Unauthorized::Missing))
}

/// A request that a cookie vouches for, and that changes something, must come from a page of this server: another site under
/// the same domain may send the cookie too.
///
/// # Errors
/// [`Forbidden::Origin`].
pub fn check_own_origin(app: &App, headers: &HeaderMap) -> Result<()> {
    let origin = headers.get(header::ORIGIN).and_then(|o| o.to_str().ok());
    let own = origin.is_some_and(|origin| is_own_origin(app, headers, origin));
    own.then_some(()).ok_or(Error::Forbidden(Forbidden::Origin))
}

/// Sets the cookie. `Secure` where people reach the server by https; on a loopback address browsers would not keep it.
pub fn set(app: &App, headers: &HeaderMap, session: &Session) -> Result<HeaderValue> {
    let left = (session.expires_at.0 - app.now().0) / 1_000;
    value(app, headers, &session.token, left.max(0))
}

/// Takes the cookie away.
pub fn clear(app: &App, headers: &HeaderMap) -> Result<HeaderValue> {
    value(app, headers, "", 0)
}

fn value(app: &App, headers: &HeaderMap, token: &str, max_age: i64) -> Result<HeaderValue> {
    let origin = headers.get(header::ORIGIN).and_then(|o| o.to_str().ok());
    let https =
        origin.is_some_and(|origin| origin.starts_with("https://")) || app.config.server.https();
    let (prefix, secure) = if https {
        (HOST_PREFIX, "; Secure")
    } else {
        ("", "")
    };
    let text = format!(
        "{prefix}{NAME}={token}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}"
    );
    HeaderValue::from_str(&text).map_err(|e| Error::Internal(format!("cookie: {e}")))
}
