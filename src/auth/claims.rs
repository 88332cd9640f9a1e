//! What stands in a token, and what is asked of it beside the signature.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tokens::{Profile, bad};
use crate::error::{Error, Result, Unauthorized};
use crate::model::ids::UserId;
use crate::model::time::Time;

/// How far clocks may differ, in seconds.
const LEEWAY: i64 = 30;

/// The claims as they stand in a token. Those of strangers are `Value`s, so that an odd optional one is no error.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Claims {
    #[serde(default)]
    pub user_id: Value,
    #[serde(default)]
    pub sub: Value,
    pub exp: f64,
    #[serde(default)]
    pub iat: Value,
    pub nbf: Option<f64>,
    #[serde(default)]
    pub iss: Value,
    #[serde(default)]
    pub aud: Value,
    #[serde(default)]
    pub name: Value,
    #[serde(default)]
    pub email: Value,
    #[serde(default)]
    pub avatar: Value,
    #[serde(default)]
    pub role: Value,
    /// The token version: only ours carry it.
    #[serde(default)]
    pub ver: Value,
}

/// The claims of our own tokens.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OwnClaims<'a> {
    pub user_id: &'a str,
    pub sub: &'a str,
    pub exp: i64,
    pub iat: i64,
    pub iss: &'a str,
    pub name: &'a str,
    pub role: &'a str,
    pub ver: i64,
}

pub(super) fn check_times(claims: &Claims, now: Time) -> Result<()> {
    // Seconds since the epoch; a float beyond their range is nobody's honest clock.
    let sane = |t: f64| t.is_finite() && (0.0..1e12).contains(&t);
    if !sane(claims.exp) || !claims.nbf.is_none_or(sane) {
        return Err(bad());
    }
    // A token of the future would outlive a log-out-everywhere.
    if claims
        .iat
        .as_f64()
        .is_some_and(|iat| !sane(iat) || iat as i64 > now.seconds() + LEEWAY)
    {
        return Err(bad());
    }
    check_expiry(expiry(claims), now)?;
    if claims
        .nbf
        .is_some_and(|nbf| now.seconds() + LEEWAY < nbf as i64)
    {
        return Err(bad());
    }
    Ok(())
}

pub(super) fn expiry(claims: &Claims) -> Time {
    Time((claims.exp as i64).saturating_mul(1000))
}

pub(super) fn check_expiry(expires_at: Time, now: Time) -> Result<()> {
    if now.seconds() > expires_at.seconds() + LEEWAY {
        return Err(Error::Unauthorized(Unauthorized::Expired));
    }
    Ok(())
}

/// `userId`, else `sub`; a number is taken as its digits, as databases that count their users sign them.
pub(super) fn subject(claims: &Claims) -> Option<UserId> {
    let claim = if claims.user_id.is_null() {
        &claims.sub
    } else {
        &claims.user_id
    };
    match claim {
        Value::String(text) => UserId::parse(text),
        Value::Number(number) if number.is_u64() => UserId::parse(&number.to_string()),
        _ => None,
    }
}

pub(super) fn profile(claims: &Claims) -> Profile {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Profile {
        name: text(&claims.name),
        email: text(&claims.email),
        avatar: text(&claims.avatar),
        role: text(&claims.role),
    }
}
