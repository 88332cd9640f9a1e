//! Logging in with the school's own provider. The browser leaves for it and comes back; in between it keeps what must fit in a cookie.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use warp::http::header::{self, HeaderValue};

use super::http::call::Call;
use super::http::cookie;
use super::http::input::Query;
use super::http::reply::{Redirect, WithHeader};
use crate::app::App;
use crate::auth::oidc::Attempt;
use crate::error::{Error, Result, Unauthorized};
use crate::model::time::Time;
use crate::service::oidc;

/// How long a login at the provider may take, in seconds.
const LIFETIME_SECONDS: i64 = 600;

/// What the browser keeps, signed.
#[derive(Serialize, Deserialize)]
struct Kept {
    attempt: Attempt,
    back: String,
    until: i64,
}

#[derive(Deserialize, IntoParams)]
pub struct Start {
    /// The path that the browser goes to in the end. Where it is left out: `/`.
    #[param(max_length = 512)]
    back: Option<String>,
    /// Whether the provider must make sure again who it is; then the session is confirmed, as by `POST /api/auth/confirm`.
    #[serde(default)]
    confirm: bool,
}

#[derive(Deserialize, IntoParams)]
pub struct Callback {
    /// What the provider is asked with.
    code: Option<String>,
    /// Of the start.
    state: Option<String>,
    /// Why the provider let nobody in (RFC 6749 section 4.1.2.1).
    error: Option<String>,
}

/// A path of this server, and no other site's: `//host` and `/\\host` are.
fn own_path(app: &App, back: Option<String>) -> String {
    let home = format!("{}/", app.config.server.base());
    let is_own = |path: &String| {
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '\\' | '"');
        path.starts_with(&home)
            && !path.starts_with("//")
            && path.len() <= 512
            && path.chars().all(plain)
    };
    back.filter(is_own).unwrap_or(home)
}

pub async fn start(call: Call, Query(query): Query<Start>) -> Result<WithHeader<Redirect>> {
    let back = own_path(&call.app, query.back);
    let (url, attempt) = match oidc::begin(&call.app, query.confirm).await {
        Ok(begun) => begun,
        Err(error) => return Ok(failed(&back, &error)),
    };
    let until = call.app.now().seconds() + LIFETIME_SECONDS;
    let kept = Kept {
        attempt,
        back,
        until,
    };
    let kept = cookie::set_oidc(
        &call.app,
        &call.headers,
        &seal(&call.app, &kept)?,
        LIFETIME_SECONDS,
    )?;
    Ok(WithHeader(
        header::SET_COOKIE,
        Some(kept),
        Redirect(url.into()),
    ))
}

pub async fn callback(
    call: Call,
    Query(query): Query<Callback>,
) -> Result<WithHeader<WithHeader<Redirect>>> {
    let kept = cookie::oidc(&call.headers).and_then(|text| open(&call.app, text));
    let back = kept.as_ref().map(|kept| kept.back.clone());
    let back = own_path(&call.app, back);
    // It is used up, whatever comes of it.
    let gone = cookie::set_oidc(&call.app, &call.headers, "", 0)?;
    let entered = match (kept, query.code, query.state) {
        (Some(kept), Some(code), Some(state)) if kept.attempt.state == state => {
            oidc::finish(&call.app, code, kept.attempt, call.client()).await
        }
        _ => {
            let error: String = query.error.unwrap_or_default().chars().take(64).collect();
            tracing::info!(
                error,
                "a login with the provider of auth.oidc came back without what it left with"
            );
            Err(Error::Unauthorized(Unauthorized::Oidc))
        }
    };
    let answer = match entered {
        Ok(session) => {
            let cookie = cookie::set(&call.app, call.base, &call.headers, &session)?;
            WithHeader(header::SET_COOKIE, Some(cookie), Redirect(back))
        }
        Err(error) => failed(&back, &error),
    };
    Ok(WithHeader(header::SET_COOKIE, Some(gone), answer))
}

/// Back to the page, which says why.
fn failed(back: &str, error: &Error) -> WithHeader<Redirect> {
    let page = back.split('#').next().unwrap_or(back);
    let to = format!("{page}#login={}", error.code());
    WithHeader(header::SET_COOKIE, None::<HeaderValue>, Redirect(to))
}

fn seal(app: &App, kept: &Kept) -> Result<String> {
    let json = serde_json::to_vec(kept).map_err(|e| Error::Internal(format!("oidc: {e}")))?;
    let text = URL_SAFE_NO_PAD.encode(json);
    let mac = app.auth.tokens.mac(&format!("oidc {text}"));
    Ok(format!("{text}.{mac}"))
}

fn open(app: &App, sealed: &str) -> Option<Kept> {
    let (text, mac) = sealed.split_once('.')?;
    if app.auth.tokens.mac(&format!("oidc {text}")) != mac {
        return None;
    }
    let kept: Kept = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let now: Time = app.now();
    (now.seconds() <= kept.until).then_some(kept)
}
