//! The one door: whether one person may write to another, find them, see whether they are online. All of it is one question, asked in
//! the snapshot or the write that acts on the answer.

pub mod announce;
pub mod explain;
pub mod preview;
pub mod set;

use std::collections::HashMap;

use rusqlite::Connection;

use super::known::known;

use crate::app::App;
use crate::error::{Error, FieldError, Noun, Result};
use crate::model::ids::{UserId, UserKey};
use crate::model::policy::{Can, May, Roles, Why};
use crate::model::time::Time;
use crate::model::users::{Role, User};
use crate::rule;
use crate::store::policy::{self, StoredPair};
use crate::store::{blocks, conversations, reachable, relations, users};

/// Whether somebody may write to another now: [`May::Reply`] where there is something to answer.
type Answer = std::result::Result<May, Why>;

/// The decision, and what stands between the two besides.
fn ask(app: &App, c: &Connection, me: &User, other: &User, stored: &StoredPair) -> Result<Answer> {
    let is_open = me.key != other.key && !stored.is_receiver_disabled;
    let may = match is_open {
        true => {
            app.decisions
                .decide(c, stored.stamps, me.key, other.key)?
                .may
        }
        false => May::No,
    };
    if may == May::No {
        return Ok(Err(match has_past(c, me, stored)? {
            true => Why::Closed,
            false => Why::NotAllowed,
        }));
    }
    if stored.stamps.has_blocks && has_blocked(c, me, other)? {
        return Ok(Err(Why::YouBlocked));
    }
    if may == May::Start {
        return Ok(Ok(May::Start));
    }
    let wrote_at = match &stored.members {
        Some(members) => policy::wrote_at(c, members.conversation, other.key)?,
        None => None,
    };
    let is_recent = wrote_at.is_some_and(|at| at >= answerable_since(app));
    Ok(is_recent.then_some(May::Reply).ok_or(Why::AnswerOnly))
}

/// Whether the two have a conversation, as far as `me` sees it: what was written to them while they had blocked the other is none.
fn has_past(c: &Connection, me: &User, stored: &StoredPair) -> Result<bool> {
    match &stored.members {
        Some(members) => conversations::has_messages(c, members.conversation, me.key),
        None => Ok(false),
    }
}

/// What was written before this can be answered no more.
fn answerable_since(app: &App) -> Time {
    let days = i64::from(app.config.policy.reply_days.get());
    app.now().plus_seconds(-days * 24 * 3_600)
}

/// Whether `by` has blocked `other`, and may: a pupil who has become staff since cannot be shut out.
fn has_blocked(c: &Connection, by: &User, other: &User) -> Result<bool> {
    Ok(blocks::exists(c, by.key, other.key)? && may_block(c, by, other)?)
}

/// Pupils and guardians may block each other, but nobody along a guardian link.
pub(super) fn may_block(c: &Connection, by: &User, other: &User) -> Result<bool> {
    let may = |user: &User| matches!(user.role, Role::Student | Role::Guardian);
    Ok(may(by) && may(other) && !relations::are_linked(c, by.key, other.key)?)
}

/// How a message that may be written is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// Its receiver has blocked its sender, who sees no difference.
    pub hidden: bool,
}

/// Whether a message, or that one is being typed, gets from `me` to `other`.
///
/// # Errors
/// [`Error::PolicyDenied`] on `field` where the two have a conversation; else [`Noun::User`] not found, as for nobody.
pub fn admit(
    app: &App,
    c: &Connection,
    (me, other): (&User, &User),
    stored: &StoredPair,
    field: &str,
) -> Result<Admitted> {
    // Disabled: not there, whatever the two have.
    if stored.is_receiver_disabled {
        return Err(Noun::User.into());
    }
    match ask(app, c, me, other, stored)? {
        Ok(_) => Ok(Admitted {
            hidden: stored.stamps.has_blocks && has_blocked(c, other, me)?,
        }),
        Err(why) if has_past(c, me, stored)? => {
            let rule = rule::policy(why.as_str());
            Err(Error::PolicyDenied(vec![FieldError::new(field, rule)]))
        }
        Err(_) => Err(Noun::User.into()),
    }
}

/// What `me` may do with `other` now.
///
/// # Errors
/// As those of a read.
pub fn can(app: &App, c: &Connection, me: &User, other: &User) -> Result<Can> {
    let stored = policy::pair(c, me.key, other.key)?;
    let mut can = match ask(app, c, me, other, &stored)? {
        Ok(write) => Can {
            write,
            why: None,
            quiet_until: None,
        },
        Err(why) => Can::no(why),
    };
    if can.why.is_none() {
        let policy = app.decisions.policy(c, stored.stamps)?;
        if !policy.quiet.is_empty() {
            let roles = roles_of(app, c, other)?;
            let zone = app.school.get().time_zone.clone();
            can.quiet_until = policy.quiet_until(roles, app.now(), &zone);
        }
    }
    Ok(can)
}

/// The role, and `guardian` for whoever is somebody's guardian today.
pub fn roles_of(app: &App, c: &Connection, user: &User) -> Result<Roles> {
    relations::roles(c, user.key, user.role, app.calendar.today())
}

/// What `me` may do with each of these now.
pub fn can_each(
    app: &App,
    c: &Connection,
    me: &User,
    others: &[User],
) -> Result<HashMap<UserKey, Can>> {
    let each = others
        .iter()
        .map(|other| Ok((other.key, can(app, c, me, other)?)));
    each.collect()
}

/// A user whom `me` sees, and what they may do with them: somebody to write to, to answer, or to read the past of. Themselves, too.
///
/// # Errors
/// [`Noun::User`] not found.
pub fn visible(app: &App, c: &Connection, me: &User, other: &User) -> Result<Option<Can>> {
    if me.key == other.key {
        return Ok(None);
    }
    let can = can(app, c, me, other)?;
    match can.why {
        Some(Why::NotAllowed) => Err(Noun::User.into()),
        _ => Ok(Some(can)),
    }
}

/// A condition on the user `u` in SQL: that `me` may write to them now. With the time for its `:answerable`.
///
/// # Errors
/// As those of a read.
pub fn reachable(app: &App, c: &Connection, me: &User) -> Result<(String, i64)> {
    let policy = app.decisions.policy(c, policy::stamps(c)?)?;
    let facts = relations::person(c, me.key, &policy.groups())?;
    let condition = reachable::condition(&policy, &facts, app.calendar.today());
    Ok((condition, answerable_since(app).0))
}

/// Who has a socket open, shares a conversation with `user`, and may write to them now: these see whether they are online.
///
/// # Errors
/// As those of a read.
pub fn watchers(app: &App, c: &Connection, user: &User) -> Result<Vec<UserKey>> {
    let mut seeing = Vec::new();
    for partner in conversations::partners(c, user.key)? {
        // Whoever has no socket is told nothing.
        if !app.hub.is_connected(partner) {
            continue;
        }
        let Some(watcher) = users::by_key(c, partner)? else {
            continue;
        };
        let stored = policy::pair(c, watcher.key, user.key)?;
        if ask(app, c, &watcher, user, &stored)?.is_ok() {
            seeing.push(watcher.key);
        }
    }
    Ok(seeing)
}

/// A user to whom `from` may show that they type; whether it gets to them.
///
/// # Errors
/// [`Error::Invalid`] on `field` for oneself; [`Error::PolicyDenied`]; [`Noun::User`] not found for an unknown user and for a disabled one.
pub async fn typing_to(
    app: &App,
    from: &User,
    to: &UserId,
    field: &'static str,
) -> Result<Option<UserKey>> {
    check_not_self(from, to, field)?;
    let user = known(app, to).await?;
    let (app_in, from) = (app.clone(), from.clone());
    app.store
        .read(move |c| {
            let stored = policy::pair(c, from.key, user.key)?;
            let admitted = admit(&app_in, c, (&from, &user), &stored, field)?;
            Ok((!admitted.hidden).then_some(user.key))
        })
        .await
}

/// Whether a user is a safeguarding lead.
///
/// # Errors
/// As those of a read.
pub async fn is_lead(app: &App, user: &User) -> Result<bool> {
    let key = user.key;
    let person = app.store.read(move |c| relations::person(c, key, &[]));
    Ok(person.await?.is_lead)
}

/// # Errors
/// [`Error::Invalid`] on `field`.
pub fn check_not_self(from: &User, to: &UserId, field: &str) -> Result<()> {
    if from.id() == to {
        return Err(Error::invalid(field, rule::oneself()));
    }
    Ok(())
}
