//! Reviews: a lead reads a conversation. Two keys: the lead who asks, and a second lead or an administrator who approves.

use super::duties::check_other_person;
use super::{stored_user, tell, user};
use crate::app::App;
use crate::error::{Conflict, Error, Forbidden, Noun, Result};
use crate::model::audit::{Action, AuditActor};
use crate::model::ids::Id;
use crate::model::page::Range;
use crate::model::safeguarding::news::News;
use crate::model::safeguarding::reviews::{NewReview, ReviewView, ReviewedMessage, State};
use crate::model::users::{Role, User};
use crate::rule;
use crate::store::safeguarding::reviews::{self, Stored};
use crate::store::{WriteTx, audit};

/// How long a review can be read once it is approved, and an urgent one at once, in seconds.
const READING_SECONDS: i64 = 72 * 3_600;
const URGENT_SECONDS: i64 = 24 * 3_600;
const DAY_SECONDS: i64 = 24 * 3_600;

/// Asks for a review.
///
/// # Errors
/// [`Noun::User`] not found; [`Error::Invalid`] on `userIds` for one person twice; [`Forbidden::Involved`] for the lead's own conversation.
pub async fn ask(app: &App, me: &User, by: AuditActor, new: NewReview) -> Result<ReviewView> {
    let (me, app_in) = (me.clone(), app.clone());
    app.store
        .write(move |tx| {
            let a = user(tx, &new.users[0])?;
            let b = user(tx, &new.users[1])?;
            if a.key == b.key {
                return Err(Error::invalid("userIds", rule::two_people()));
            }
            let pair = [a.key, b.key];
            if pair.contains(&me.key) {
                return Err(Error::Forbidden(Forbidden::Involved));
            }
            let ends_at = new.urgent.then(|| tx.now.plus_seconds(URGENT_SECONDS));
            let how = (new.reason.as_str(), new.urgent);
            let id = reviews::insert(tx, pair, how, me.key, ends_at)?;
            let urgent = if new.urgent { ", urgent" } else { "" };
            let detail = format!("{} and {}{urgent}", a.id(), b.id());
            let about = (&*id.to_string(), detail.as_str());
            audit::note_text(tx, &by, Action::ReviewAsked, about, &new.reason)?;
            let name = me.person.name.to_string();
            let news = match new.urgent {
                true => News::ReviewUrgent { name },
                false => News::ReviewAsked { name },
            };
            let but = [me.key, a.key, b.key];
            tell::leads(tx, &app_in, &but, &news)?;
            if new.urgent {
                tell::external(tx, &app_in, &news)?;
            }
            Ok(found(tx, &me, id)?.view)
        })
        .await
}

/// A review that `me` may see: none of their own conversations.
fn found(tx: &WriteTx, me: &User, id: Id) -> Result<Stored> {
    let found = reviews::by_id(tx, id, tx.now)?;
    let found = found.filter(|found| !found.users.contains(&me.key));
    let mut found = found.ok_or(Error::NotFound(Noun::Review))?;
    hide_reason(me, &mut found.view);
    Ok(found)
}

/// Reasons are for leads.
fn hide_reason(me: &User, view: &mut ReviewView) {
    if me.role == Role::Admin {
        view.reason = None;
    }
}

/// All reviews but those of the caller's own conversations, the newest first.
///
/// # Errors
/// As those of a read.
pub async fn list(app: &App, me: &User, range: Range) -> Result<Vec<ReviewView>> {
    let (me, now) = (me.clone(), app.now());
    app.store
        .read(move |c| {
            let mut found = reviews::list(c, me.key, now, range)?;
            found.iter_mut().for_each(|one| hide_reason(&me, one));
            Ok(found)
        })
        .await
}

/// Approves a review, which can be read from now on; an urgent one afterwards.
///
/// # Errors
/// [`Noun::Review`] not found; [`Forbidden::SamePerson`] for the lead who asked, and where one of the two has made or changed the other's
/// account within 30 days; [`Conflict::Approved`].
pub async fn approve(app: &App, me: &User, by: AuditActor, id: Id) -> Result<ReviewView> {
    let me = me.clone();
    app.store
        .write(move |tx| {
            let stored = found(tx, &me, id)?;
            if stored.view.approved_at.is_some() {
                return Err(Error::Conflict(Conflict::Approved));
            }
            let asks = stored_user(tx, stored.asked_by)?;
            check_other_person(tx, &me, &asks)?;
            let ends_at = match stored.view.ends_at {
                None => Some(tx.now.plus_seconds(READING_SECONDS)),
                Some(_) => None,
            };
            reviews::approve(tx, stored.view.key, me.key, ends_at)?;
            audit::note(tx, &by, Action::ReviewApproved, &id.to_string(), "")?;
            Ok(found(tx, &me, id)?.view)
        })
        .await
}

/// A part of the conversation, newest first. That the lead looks at it is written into the audit log.
///
/// # Errors
/// [`Noun::Review`] not found; [`Forbidden::ReviewClosed`] for another lead than the one who asked, before it is approved, and once its time
/// is over.
pub async fn messages(
    app: &App,
    me: &User,
    by: AuditActor,
    id: Id,
    range: Range,
) -> Result<Vec<ReviewedMessage>> {
    let me = me.clone();
    app.store
        .write(move |tx| {
            let stored = found(tx, &me, id)?;
            if stored.asked_by != me.key || stored.view.state != State::Open {
                return Err(Error::Forbidden(Forbidden::ReviewClosed));
            }
            let messages = reviews::messages(tx, stored.users, range)?;
            let part = match (messages.last(), messages.first()) {
                (Some(oldest), Some(newest)) => format!(
                    "{} messages, {} to {}",
                    messages.len(),
                    oldest.created_at,
                    newest.created_at
                ),
                _ => "no messages".to_owned(),
            };
            audit::note(tx, &by, Action::ReviewLooked, &id.to_string(), &part)?;
            Ok(messages)
        })
        .await
}

/// Tells the two people that their conversation was read.
///
/// # Errors
/// [`Noun::Review`] not found; [`Forbidden::ReviewClosed`] for one that was never read.
pub async fn tell(app: &App, me: &User, by: AuditActor, id: Id) -> Result<ReviewView> {
    let (me, app_in) = (me.clone(), app.clone());
    app.store
        .write(move |tx| {
            let stored = found(tx, &me, id)?;
            if stored.view.ends_at.is_none() {
                return Err(Error::Forbidden(Forbidden::ReviewClosed));
            }
            if stored.view.told_at.is_some() {
                return Ok(stored.view);
            }
            reviews::set_told(tx, stored.view.key)?;
            let [a, b] = &stored.view.users;
            let pairs = stored.users.into_iter().zip([b, a]);
            for (person, other) in pairs {
                let name = other.name.clone();
                tell::person(tx, &app_in.hub, person, &News::YouWereRead { name })?;
            }
            audit::note(tx, &by, Action::ReviewTold, &id.to_string(), "")?;
            Ok(found(tx, &me, id)?.view)
        })
        .await
}

/// Reminds the leads of reviews whose people have not been told for long.
///
/// # Errors
/// As those of a write.
pub async fn remind(app: &App) -> Result<()> {
    let app_in = app.clone();
    let days = i64::from(app.config.safeguarding.tell_after_days.get());
    app.store
        .write(move |tx| {
            let before = tx.now.plus_seconds(-days * DAY_SECONDS);
            for pair in reviews::take_untold(tx, before)? {
                tell::leads(tx, &app_in, &pair, &News::ReviewUntold)?;
            }
            Ok(())
        })
        .await
}
