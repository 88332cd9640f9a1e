//! Whose page a request comes from.

use warp::http::{HeaderMap, header};

use crate::app::App;
use crate::config::PublicUrl;
use crate::error::{Error, Forbidden, Result};

/// Browsers send `Origin`; a request without one passes.
pub fn check_origin(app: &App, headers: &HeaderMap) -> Result<()> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default();
    let mut listed = app.config.server.cors_origins.iter();
    if listed.any(|allowed| allowed.as_str() == origin) || is_own_origin(app, headers, origin) {
        Ok(())
    } else {
        Err(Error::Forbidden(Forbidden::Origin))
    }
}

/// Whether this is the origin of the server's own pages.
pub fn is_own_origin(app: &App, headers: &HeaderMap, origin: &str) -> bool {
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    // A browser leaves the default port out (RFC 6454 section 6.2); a proxy may not.
    let is = |scheme: &str, port: &str| {
        let at = |text: &str| text.strip_suffix(port).unwrap_or(text).to_ascii_lowercase();
        let authority = origin.strip_prefix(scheme);
        authority.is_some_and(|authority| host.is_some_and(|host| at(authority) == at(host)))
    };
    let own = is("http://", ":80") || is("https://", ":443");
    let server = &app.config.server;
    let secure = !server.is_public_https() || origin.starts_with("https://");
    let is_public = |public: &PublicUrl| public.origin() == origin;
    (own && secure) || server.public_url.as_ref().is_some_and(is_public)
}
