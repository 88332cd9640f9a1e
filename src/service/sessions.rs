//! Sessions: one begins with each login, its owner sees it, and ends it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::app::App;
use crate::auth::verified::Session;
use crate::error::{Error, Noun, Result};
use crate::model::events::Effect;
use crate::model::sessions::SessionInfo;
use crate::model::time::Time;
use crate::model::users::User;
use crate::store::sessions::{self, NewSession};
use crate::store::{WriteTx, users};

/// How many sessions one write notes as seen: it should not be longer than a few commits.
const SLICE: usize = 1_000;

/// When sessions were seen that are not yet stored as seen then.
#[derive(Default)]
struct Seen(Mutex<HashMap<Arc<str>, Time>>);

/// Stores a session that begins, in the write that let its owner in. Past the limit, the one that was unused for longest ends.
pub(super) fn begin(tx: &WriteTx, user: &User, session: &Session, device: &str) -> Result<()> {
    sessions::put(
        tx,
        user,
        &NewSession {
            id: &session.id,
            started: session.started,
            until: session.until,
            device,
        },
    )?;
    if let Some((id, until)) = sessions::surplus(tx, user.key)? {
        sessions::end(tx, &id, user.key, until)?;
        tx.emit(Effect::SessionEnded(user.key, id.into()));
    }
    Ok(())
}

/// Stores a session from before sessions were stored. When it was last used is for `note_seen`.
///
/// # Errors
/// As those of a write.
pub async fn renew(app: &App, user: &User, session: &Session, device: String) -> Result<()> {
    let (user, session) = (user.clone(), session.clone());
    let (key, id) = (user.key, session.id.clone());
    let stored = app.store.read(move |c| sessions::until(c, key, &id));
    // Each page that is opened comes here: it should not cost a write.
    if stored.await?.is_some() {
        return Ok(());
    }
    app.store
        .write(move |tx| {
            let current = users::by_key(tx, user.key)?
                .is_some_and(|now| now.token_version == user.token_version);
            if current && !sessions::has_ended(tx, &session.id)? {
                begin(tx, &user, &session, &device)?;
            }
            Ok(())
        })
        .await
}

/// A user's sessions, the last seen first; `current` is the caller's.
///
/// # Errors
/// As those of a read.
pub async fn list(app: &App, user: &User, current: Option<&str>) -> Result<Vec<SessionInfo>> {
    let (key, now) = (user.key, app.now());
    let online = app.hub.sessions(key);
    let seen = app.state::<Seen>();
    let mut all = app.store.read(move |c| sessions::of(c, key, now)).await?;
    let seen = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
    for one in &mut all {
        one.current = current == Some(&*one.id);
        if one.current || online.contains(one.id.as_str()) {
            one.last_seen_at = now;
        } else if let Some(at) = seen.get(one.id.as_str()) {
            one.last_seen_at = one.last_seen_at.max(*at);
        }
    }
    drop(seen);
    all.sort_by_key(|one| std::cmp::Reverse(one.last_seen_at));
    Ok(all)
}

/// Ends one of the caller's sessions: its tokens are invalid and its sockets are closed.
///
/// # Errors
/// [`Noun::Session`] not found.
pub async fn end(app: &App, user: &User, id: String) -> Result<()> {
    let key = user.key;
    app.store
        .write(move |tx| {
            let until = sessions::until(tx, key, &id)?.ok_or(Error::NotFound(Noun::Session))?;
            sessions::end(tx, &id, key, until)?;
            tx.emit(Effect::SessionEnded(key, id.into()));
            Ok(())
        })
        .await
}

/// Remembers that a session was seen, until [`store_seen`].
pub(super) fn note_seen(app: &App, session: &Session, now: Time) {
    let seen = app.state::<Seen>();
    let mut seen = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
    seen.insert(session.id.clone(), now);
}

/// Stores when sessions were seen.
///
/// # Errors
/// As those of a write.
pub async fn store_seen(app: &App) -> Result<()> {
    let seen = app.state::<Seen>();
    let taken = std::mem::take(&mut *seen.0.lock().unwrap_or_else(PoisonError::into_inner));
    let taken: Vec<(Arc<str>, Time)> = taken.into_iter().collect();
    for slice in taken.chunks(SLICE) {
        let slice = slice.to_vec();
        app.store
            .write(move |tx| {
                slice
                    .iter()
                    .try_for_each(|(id, at)| sessions::set_last_seen(tx, id, *at))
            })
            .await?;
    }
    Ok(())
}
