//! That it is still the administrator who sits there: asked before what a stranger at an unlocked computer must not do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::identity::Identity;
use super::second_factors;
use crate::app::App;
use crate::error::{Error, Forbidden, Result};
use crate::limits::Guess;
use crate::limits::fair_queue::Turn;
use crate::model::time::Time;
use crate::rule;
use crate::store::users;

/// For how long a confirmation holds, in seconds.
const HOLDS_SECONDS: i64 = 10 * 60;

/// Until when a session is confirmed. In memory: after a restart one confirms again.
#[derive(Default)]
struct Confirmed(Mutex<HashMap<Arc<str>, Time>>);

/// What a confirmation is by.
#[derive(Debug)]
pub enum By {
    Password(String),
    /// Of the second factor.
    Code(String),
}

/// Confirms the caller's session. Returns until when.
///
/// # Errors
/// [`Error::Invalid`] for a wrong password or code; [`Error::TooMany`] after too many of these.
pub async fn confirm(app: &App, identity: &Identity, by: By) -> Result<Time> {
    let user = &identity.user;
    // A count with that of password changes: neither is a second chance at the other.
    let guess = Guess::Change(user.key);
    app.limits.attempt(&guess)?;
    let (field, right) = match by {
        By::Password(password) => {
            let key = user.key;
            let hash = app.store.read(move |c| users::password_hash(c, key));
            let hash = hash.await?;
            let verified = app.auth.passwords.verify(password, hash, Turn::proven());
            let verified = verified.await;
            let right = verified.inspect_err(|_| app.limits.take_back(&guess))?;
            ("password", right)
        }
        By::Code(code) => ("code", second_factors::use_code(app, user, &code).await?),
    };
    if !right {
        return Err(Error::invalid(field, rule::wrong()));
    }
    app.limits.succeeded(&guess);
    Ok(hold(app, identity))
}

/// From now on the session is confirmed, for a while.
pub fn hold(app: &App, identity: &Identity) -> Time {
    hold_session(app, session(identity))
}

/// As [`hold`], for a session that begins with a login at the provider that was asked to make sure who it is.
pub(super) fn hold_session(app: &App, session: Arc<str>) -> Time {
    let now = app.now();
    let until = now.plus_seconds(HOLDS_SECONDS);
    let confirmed = app.state::<Confirmed>();
    let mut confirmed = confirmed.0.lock().unwrap_or_else(PoisonError::into_inner);
    confirmed.retain(|_, until| *until > now);
    confirmed.insert(session, until);
    until
}

/// The session, or what stands for one with a token of the school's app.
fn session(identity: &Identity) -> Arc<str> {
    let of_app = || format!("{} {}", identity.user.id(), identity.expires_at).into();
    identity.session_id().unwrap_or_else(of_app)
}

/// Until when the caller's session is confirmed.
pub fn until(app: &App, identity: &Identity) -> Option<Time> {
    let confirmed = app.state::<Confirmed>();
    let confirmed = confirmed.0.lock().unwrap_or_else(PoisonError::into_inner);
    let until = confirmed.get(&session(identity)).copied();
    until.filter(|until| *until > app.now())
}

/// # Errors
/// [`Forbidden::Confirmation`].
pub fn check(app: &App, identity: &Identity) -> Result<()> {
    if until(app, identity).is_some() {
        return Ok(());
    }
    Err(Error::Forbidden(Forbidden::Confirmation))
}
