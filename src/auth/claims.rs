//! The claims of a token, and what is checked of them apart from the signature.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::token_refused::{TokenRefused, refused};
use crate::config;
use crate::error::{Error, Result, Unauthorized};
use crate::model::time::Time;
use crate::model::users::Role;

/// How far clocks may differ, in seconds.
const LEEWAY_SECONDS: i64 = 30;
/// How many unknown roles are remembered as logged.
const MAX_WARNED_ROLES: usize = 100;

/// What another issuer says of its subject.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    pub name: Option<String>,
    pub email: Option<String>,
    pub avatar: Option<String>,
    pub role: Option<Role>,
}

/// The claims of our own tokens.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OwnClaims {
    pub user_id: String,
    pub sub: String,
    pub exp: i64,
    pub iat: i64,
    pub iss: String,
    #[serde(default)]
    pub name: String,
    pub role: String,
    /// The token version.
    pub ver: i64,
    /// The session, when it began, and when it ends whatever happens, in seconds.
    pub sid: String,
    #[serde(rename = "auth_time")]
    pub auth_time: i64,
    pub until: i64,
    /// Whether it was issued for a token of the school's own app, and whether that was linked to the person.
    #[serde(default)]
    pub app: bool,
    #[serde(default)]
    pub linked: bool,
}

/// The claims of another issuer's token: an odd optional one is no error.
pub(super) type Claims = Map<String, Value>;

/// What roles are called elsewhere, in lower case.
pub fn role_names(config: &config::Auth) -> BTreeMap<String, Role> {
    let mut roles: BTreeMap<String, Role> = BTreeMap::new();
    for role in Role::ALL {
        roles.insert(role.as_str().to_owned(), role);
    }
    for (names, role) in [
        (&["pupil", "learner"][..], Role::Student),
        (&["parent", "carer"], Role::Guardian),
        (&["instructor", "faculty"], Role::Teacher),
        (&["principal", "employee"], Role::Staff),
    ] {
        roles.extend(names.iter().map(|name| ((*name).to_owned(), role)));
    }
    let mapped = config.role_map.iter();
    roles.extend(mapped.map(|(name, role)| (name.to_lowercase(), *role)));
    roles
}

/// Which claims hold the user id and the role.
pub(super) struct Reader {
    user: Vec<String>,
    role: Vec<String>,
    roles: BTreeMap<String, Role>,
    warned: Mutex<HashSet<String>>,
}

impl Reader {
    pub fn new(config: &config::Auth) -> Self {
        Reader {
            user: config.user_claims.clone(),
            role: config.role_claims.clone(),
            roles: role_names(config),
            warned: Mutex::default(),
        }
    }

    /// The subject: a number is taken as its digits, as databases that count their users sign them.
    ///
    /// # Errors
    /// [`TokenRefused`] where none of the claims is there, or the first is neither text nor a whole number.
    pub fn subject(&self, claims: &Claims) -> Result<String, TokenRefused> {
        let found = self.user.iter().find_map(|name| get(claims, name));
        match found {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            Some(Value::Number(number)) => match number.as_u64() {
                Some(whole) if whole < 1 << 53 => Ok(whole.to_string()),
                // JavaScript rounds such integers: the number may be another user's id.
                Some(_) => Err(refused(
                    "the subject is a number of 2^53 or more: sign it as text",
                )),
                None => Err(refused("the subject is neither text nor a whole number")),
            },
            Some(_) => Err(refused("the subject is neither text nor a whole number")),
            None => Err(refused(format!(
                "none of the claims {} is there",
                self.user.join(", ")
            ))),
        }
    }

    /// The role: of a list the first that is known.
    fn role(&self, claims: &Claims) -> Option<Role> {
        let found = self.role.iter().find_map(|name| get(claims, name))?;
        let given: Vec<&str> = match found {
            Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        let known = |name: &&str| self.roles.get(&name.to_lowercase()).copied();
        let role = given.iter().find_map(known);
        if role.is_none() {
            given.iter().for_each(|name| self.warn(name));
        }
        role
    }

    /// Once for each value, of a bounded number of them.
    fn warn(&self, role: &str) {
        let role: String = role.chars().take(64).collect();
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.len() < MAX_WARNED_ROLES && warned.insert(role.clone()) {
            tracing::warn!(
                role,
                "a token names an unknown role: add it to auth.role_map"
            );
        }
    }

    pub fn profile(&self, claims: &Claims) -> Profile {
        let text = |name| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        Profile {
            name: text("name"),
            email: text("email"),
            avatar: text("avatar"),
            role: self.role(claims),
        }
    }
}

/// A claim by its name, or by a path with dots; `null` counts as missing.
fn get<'c>(claims: &'c Claims, name: &str) -> Option<&'c Value> {
    let nested = || {
        let (first, rest) = name.split_once('.')?;
        let inner = claims.get(first)?;
        rest.split('.').try_fold(inner, |value, key| value.get(key))
    };
    claims
        .get(name)
        .or_else(nested)
        .filter(|value| !value.is_null())
}

/// When it expires, and when it was issued, in seconds, where it says so.
pub(super) fn check_times(claims: &Claims, now: Time) -> Result<(Time, Option<i64>), TokenRefused> {
    let seconds = |name: &str| claims.get(name).and_then(Value::as_f64);
    // Seconds since the epoch. A float outside this range cannot come from a working clock.
    let sane = |t: f64| t.is_finite() && (0.0..1e12).contains(&t);
    let exp = match claims.get("exp") {
        None => return Err(refused("no exp")),
        Some(exp) => exp.as_f64().filter(|exp| sane(*exp)),
    };
    let Some(exp) = exp else {
        return Err(refused("exp is no time"));
    };
    let expires_at = Time((exp as i64).saturating_mul(1000));
    if claims.get("nbf").is_some_and(|nbf| !nbf.is_null()) {
        match seconds("nbf").filter(|nbf| sane(*nbf)) {
            Some(nbf) if now.seconds() + LEEWAY_SECONDS >= nbf as i64 => {}
            Some(_) => return Err(refused("nbf is still to come")),
            None => return Err(refused("nbf is no time")),
        }
    }
    // A token of the future would outlive a log-out-everywhere.
    let iat = seconds("iat");
    if iat.is_some_and(|iat| !sane(iat) || iat as i64 > now.seconds() + LEEWAY_SECONDS) {
        return Err(refused("iat is still to come: the clocks differ"));
    }
    check_expiry(expires_at, now)?;
    Ok((expires_at, iat.map(|iat| iat as i64)))
}

pub(super) fn check_expiry(expires_at: Time, now: Time) -> Result<()> {
    if now.seconds() > expires_at.seconds() + LEEWAY_SECONDS {
        return Err(Error::Unauthorized(Unauthorized::Expired));
    }
    Ok(())
}
