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
use crate::model::users::{Role, User};
use crate::rule;
use crate::store::policy::{self, StoredPair};
use crate::store::{blocks, reachable, relations};

/// What somebody may do with another now, before the words for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Answer {
    /// [`May::Reply`] where there is something to answer.
    write: May,
    why: Option<Why>,
    has_conversation: bool,
}

/// The decision, and what stands between the two besides.
fn ask(app: &App, c: &Connection, me: &User, other: &User, stored: &StoredPair) -> Result<Answer> {
    let has_conversation = stored.members.is_some();
    let answer = |write, why| Answer {
        write,
        why,
        has_conversation,
    };
    let closed = match has_conversation {
        true => Why::Closed,
        false => Why::NotAllowed,
    };
    if me.key == other.key || stored.is_receiver_disabled {
        return Ok(answer(May::No, Some(closed)));
    }
    let may = app
        .decisions
        .decide(c, stored.stamps, me.key, other.key)?
        .may;
    if may == May::No {
        return Ok(answer(May::No, Some(closed)));
    }
    if stored.stamps.has_blocks && has_blocked(c, me, other)? {
        return Ok(answer(May::No, Some(Why::YouBlocked)));
    }
    if may == May::Start {
        return Ok(answer(May::Start, None));
    }
    let wrote_at = match &stored.members {
        Some(members) => policy::wrote_at(c, members.conversation, other.key)?,
        None => None,
    };
    if wrote_at.is_some_and(|at| at >= answerable_since(app)) {
        return Ok(answer(May::Reply, None));
    }
    Ok(answer(May::No, Some(Why::AnswerOnly)))
}

/// What was written before this can be answered no more.
fn answerable_since(app: &App) -> crate::model::time::Time {
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
    let answer = ask(app, c, me, other, stored)?;
    match answer.why {
        None => Ok(Admitted {
            hidden: stored.stamps.has_blocks && has_blocked(c, other, me)?,
        }),
        Some(why) if answer.has_conversation => {
            let rule = rule::policy(why.as_str());
            Err(Error::PolicyDenied(vec![FieldError::new(field, rule)]))
        }
        Some(_) => Err(Noun::User.into()),
    }
}

/// What `me` may do with `other` now.
///
/// # Errors
/// As those of a read.
pub fn can(app: &App, c: &Connection, me: &User, other: &User) -> Result<Can> {
    let stored = policy::pair(c, me.key, other.key)?;
    let answer = ask(app, c, me, other, &stored)?;
    let mut can = Can {
        write: answer.write,
        why: answer.why,
        quiet_until: None,
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
    let today = app.calendar.today();
    let guardian = relations::guardian_days(c, user.key)?;
    let roles = Roles::of(&[user.role]);
    Ok(match guardian.iter().any(|days| days.contains(today)) {
        true => roles.with(Role::Guardian),
        false => roles,
    })
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

/// Those of `watchers` who may write to `user` now, and so may see whether they are online.
///
/// # Errors
/// As those of a read.
pub fn watchers(
    app: &App,
    c: &Connection,
    user: &User,
    watchers: Vec<User>,
) -> Result<Vec<UserKey>> {
    let mut seeing = Vec::with_capacity(watchers.len());
    for watcher in watchers {
        let stored = policy::pair(c, watcher.key, user.key)?;
        if ask(app, c, &watcher, user, &stored)?.why.is_none() {
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
