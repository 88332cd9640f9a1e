//! Holds: what neither retention nor an erasure removes.

use super::user;
use crate::app::App;
use crate::error::{Error, Forbidden, Noun, Result};
use crate::model::audit::{Action, AuditActor};
use crate::model::ids::Id;
use crate::model::safeguarding::holds::{Held, HoldView};
use crate::model::users::User;
use crate::rule;
use crate::store::safeguarding::holds;
use crate::store::{WriteTx, audit};

/// All holds, those in force first, without those that the lead is in themselves.
///
/// # Errors
/// As those of a read.
pub async fn list(app: &App, me: &User) -> Result<Vec<HoldView>> {
    let me = me.key;
    app.store.read(move |c| holds::list(c, me)).await
}

/// Holds what belongs to a person, or to the conversation of two.
///
/// # Errors
/// [`Noun::User`] not found; [`Error::Invalid`] on `userIds` for one person twice; [`Forbidden::Involved`] for what is the lead's own.
pub async fn make(
    app: &App,
    me: &User,
    by: AuditActor,
    held: Held,
    reason: String,
) -> Result<HoldView> {
    let me = me.clone();
    app.store
        .write(move |tx| {
            let (one, other) = match &held {
                Held::User(id) => (user(tx, id)?, None),
                Held::Conversation([a, b]) => (user(tx, a)?, Some(user(tx, b)?)),
            };
            if other.as_ref().is_some_and(|other| other.key == one.key) {
                return Err(Error::invalid("userIds", rule::two_people()));
            }
            if one.key == me.key || other.as_ref().is_some_and(|other| other.key == me.key) {
                return Err(Error::Forbidden(Forbidden::Involved));
            }
            let keys = (one.key, other.as_ref().map(|other| other.key));
            let id = holds::insert(tx, keys, &reason, me.key)?;
            let detail = match &other {
                Some(other) => format!("{} and {}", one.id(), other.id()),
                None => one.id().to_string(),
            };
            let about = (&*id.to_string(), detail.as_str());
            audit::note_text(tx, &by, Action::HoldMade, about, &reason)?;
            view(tx, &me, id)
        })
        .await
}

fn view(tx: &WriteTx, me: &User, id: Id) -> Result<HoldView> {
    let found = holds::list(tx, me.key)?.into_iter();
    let hold = found.into_iter().find(|hold| hold.id == id);
    hold.ok_or(Error::NotFound(Noun::Hold))
}

/// Ends a hold: retention and erasures go on.
///
/// # Errors
/// [`Noun::Hold`] not found, also for one that has ended; [`Forbidden::Involved`].
pub async fn end(app: &App, me: &User, by: AuditActor, id: Id) -> Result<()> {
    let me = me.key;
    app.store
        .write(move |tx| {
            let (one, other) = holds::in_force(tx, id)?.ok_or(Error::NotFound(Noun::Hold))?;
            if one == me || other == Some(me) {
                return Err(Error::Forbidden(Forbidden::Involved));
            }
            holds::end(tx, id, me)?;
            audit::note(tx, &by, Action::HoldEnded, &id.to_string(), "")
        })
        .await
}
