//! The session of our own pages: the token in a cookie that scripts cannot read and that no other site's page sends.

use warp::http::{HeaderMap, HeaderValue, header};

use super::origin::is_own_origin;
use super::request::Base;
use crate::app::App;
use crate::auth::devices::{DeviceCookie, LIFETIME_SECONDS};
use crate::error::{Error, Forbidden, Result, Unauthorized};
use crate::service::auth::Issued;

/// Its name. Over https it has a prefix, by which a browser sees to it that no other host has set it, or, where the cookie is for a
/// path, that it was set over https (RFC 6265bis section 4.1.3).
pub const NAME: &str = "schoolbell_session";
const HOST_PREFIX: &str = "__Host-";
const PATH_PREFIX: &str = "__Secure-";

/// The token of the session's cookie (RFC 6265 section 4.2).
///
/// # Errors
/// [`Unauthorized::Missing`].
pub fn session<'h>(app: &App, base: Base, headers: &'h HeaderMap) -> Result<&'h str> {
    let named = |prefix: &str| {
        let wanted = |name: &str| name.strip_prefix(prefix) == Some(NAME);
        let mut named = pairs(headers).filter(|(name, value)| wanted(name) && !value.is_empty());
        named.next().map(|(_, token)| token)
    };
    let https = is_https(app, headers);
    named(prefix(base))
        .or_else(|| named("").filter(|_| !https))
        .ok_or(Error::Unauthorized(Unauthorized::Missing))
}

fn prefix(base: Base) -> &'static str {
    match base {
        Base::Root => HOST_PREFIX,
        Base::Path => PATH_PREFIX,
    }
}

/// The names and values of a request's cookies.
pub fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let cookies = headers.get_all(header::COOKIE).into_iter();
    let pairs = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('='))
}

/// Whether the client reaches the server over HTTPS, according to the configuration or this request. A false claim only makes the
/// client's own cookie stricter.
fn is_https(app: &App, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    app.config.server.https()
        || text("origin").is_some_and(|origin| {
            origin.starts_with("https://") && is_own_origin(app, headers, origin)
        })
        || text("x-forwarded-proto").is_some_and(|proto| proto.eq_ignore_ascii_case("https"))
}

/// A cookie vouches for pages of this server alone: another page of the same site, which the browser sends it with as well, gets
/// nothing for it.
///
/// # Errors
/// [`Forbidden::Origin`].
pub fn check_own_page(app: &App, headers: &HeaderMap) -> Result<()> {
    if headers.contains_key(header::ORIGIN) {
        return check_own_origin(app, headers);
    }
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    match site {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => Err(Error::Forbidden(Forbidden::Origin)),
    }
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
pub fn set(app: &App, base: Base, headers: &HeaderMap, session: &Issued) -> Result<HeaderValue> {
    let left = (session.expires_at.0 - app.now().0) / 1_000;
    value(app, base, headers, &session.token, left.max(0))
}

/// Takes the cookie away.
pub fn clear(app: &App, base: Base, headers: &HeaderMap) -> Result<HeaderValue> {
    value(app, base, headers, "", 0)
}

fn value(
    app: &App,
    base: Base,
    headers: &HeaderMap,
    token: &str,
    max_age: i64,
) -> Result<HeaderValue> {
    let (prefix, secure) = if is_https(app, headers) {
        (prefix(base), "; Secure")
    } else {
        ("", "")
    };
    let path = base.path(app);
    let text = format!(
        "{prefix}{NAME}={token}; Path={path}/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}"
    );
    HeaderValue::from_str(&text).map_err(|e| Error::Internal(format!("cookie: {e}")))
}

/// What a browser keeps while it logs in at the school's provider.
const OIDC: &str = "schoolbell_oidc";

/// Its value.
pub fn oidc(headers: &HeaderMap) -> Option<&str> {
    let mut named = pairs(headers).filter(|(name, value)| *name == OIDC && !value.is_empty());
    named.next().map(|(_, value)| value)
}

/// Sets it for so many seconds. The browser comes back from another site, which a strict cookie would not survive.
pub fn set_oidc(app: &App, headers: &HeaderMap, kept: &str, max_age: i64) -> Result<HeaderValue> {
    let secure = if is_https(app, headers) {
        "; Secure"
    } else {
        ""
    };
    let base = app.config.server.base();
    let text = format!(
        "{OIDC}={kept}; Path={base}/api/auth/oidc; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}"
    );
    HeaderValue::from_str(&text).map_err(|e| Error::Internal(format!("cookie: {e}")))
}

/// Sets the cookie by which a device is known. It opens nothing by itself, and a page of a listed origin may log in with it.
pub fn set_device(
    app: &App,
    base: Base,
    headers: &HeaderMap,
    device: &DeviceCookie,
) -> Result<HeaderValue> {
    let site = match (is_https(app, headers), check_own_page(app, headers)) {
        (true, Err(_)) => "; SameSite=None; Secure",
        (true, Ok(())) => "; SameSite=Strict; Secure",
        (false, _) => "; SameSite=Strict",
    };
    let DeviceCookie { name, value } = device;
    let path = base.path(app);
    let text =
        format!("{name}={value}; Path={path}/api; Max-Age={LIFETIME_SECONDS}; HttpOnly{site}");
    HeaderValue::from_str(&text).map_err(|e| Error::Internal(format!("cookie: {e}")))
}
