//! The duty of a safeguarding lead: granted by an administrator, confirmed by another lead.

use super::{tell, user};
use crate::app::App;
use crate::error::{Error, Forbidden, Noun, Result};
use crate::model::audit::{Action, AuditActor};
use crate::model::events::Effect;
use crate::model::ids::UserId;
use crate::model::safeguarding::duties::LeadView;
use crate::model::safeguarding::duty::{Duty, DutyState};
use crate::model::safeguarding::news::News;
use crate::model::users::{Role, User};
use crate::rule;
use crate::store::safeguarding::duties;
use crate::store::{WriteTx, audit};

/// Everybody who has the duty, by name.
///
/// # Errors
/// As those of a read.
pub async fn list(app: &App) -> Result<Vec<LeadView>> {
    app.store.read(duties::list).await
}

/// Sets the duties of a user. While there is another lead in force, a grant begins when one of them confirms it.
///
/// # Errors
/// [`Error::Invalid`] on `duties` for who is neither a teacher nor a member of staff; [`Forbidden::ApiKey`].
pub(in crate::service) fn set(
    tx: &WriteTx,
    app: &App,
    by: &AuditActor,
    user: &User,
    new: &[Duty],
) -> Result<()> {
    let before = duties::state(tx, user.key)?;
    let granted = !new.is_empty();
    if before.is_some() == granted {
        return Ok(());
    }
    if by.key.is_some() {
        return Err(Error::Forbidden(Forbidden::ApiKey));
    }
    match granted {
        true => grant(tx, app, by, user),
        false => revoke(tx, app, by, user),
    }
}

fn grant(tx: &WriteTx, app: &App, by: &AuditActor, user: &User) -> Result<()> {
    if !matches!(user.role, Role::Teacher | Role::Staff) || user.disabled {
        return Err(Error::invalid("duties", rule::duty_of_staff()));
    }
    let has_others = !duties::leads(tx)?.is_empty();
    let state = match has_others {
        true => DutyState::Pending,
        false => DutyState::Active,
    };
    duties::grant(tx, user.key, state, &by.actor)?;
    duties::note_maker(tx, user.key, &by.actor)?;
    tx.emit(Effect::UserChanged(user.id().clone()));
    let detail = format!("safeguarding, {}", state.as_str());
    audit::note(tx, by, Action::DutyGranted, user.id().as_str(), &detail)?;
    let name = user.person.name.to_string();
    let news = match has_others {
        true => News::LeadToConfirm { name },
        false => News::LeadGranted { name },
    };
    tell::leads(tx, app, &[user.key], &news)?;
    tell::external(tx, app, &news)
}

/// A lead is shut out, and so is none while that lasts: the leads are told, and the address outside of the school.
pub(in crate::service) fn note_shut_out(tx: &WriteTx, app: &App, user: &User) -> Result<()> {
    if duties::state(tx, user.key)? != Some(DutyState::Active) {
        return Ok(());
    }
    let news = News::LeadRevoked {
        name: user.person.name.to_string(),
    };
    tell::leads(tx, app, &[user.key], &news)?;
    tell::external(tx, app, &news)
}

/// Takes the duty away.
pub(in crate::service) fn revoke(
    tx: &WriteTx,
    app: &App,
    by: &AuditActor,
    user: &User,
) -> Result<()> {
    // The one who loses it is told, too.
    let news = News::LeadRevoked {
        name: user.person.name.to_string(),
    };
    tell::leads(tx, app, &[], &news)?;
    tell::external(tx, app, &news)?;
    duties::revoke(tx, user.key)?;
    tx.emit(Effect::UserChanged(user.id().clone()));
    let target = user.id().as_str();
    audit::note(tx, by, Action::DutyRevoked, target, "safeguarding")
}

/// Confirms the duty of another lead, which then begins or goes on.
///
/// # Errors
/// [`Noun::User`] not found, also for somebody whose duty needs no confirmation; [`Forbidden::SamePerson`] for oneself, and for somebody
/// whose account the caller made or changed.
pub async fn confirm(app: &App, me: &User, by: AuditActor, id: UserId) -> Result<LeadView> {
    let (me, app_in) = (me.clone(), app.clone());
    app.store
        .write(move |tx| {
            let user = user(tx, &id)?;
            let state = duties::state(tx, user.key)?;
            if user.disabled || !matches!(state, Some(DutyState::Pending | DutyState::Suspended)) {
                return Err(Noun::User.into());
            }
            check_other_person(tx, &me, &user)?;
            duties::confirm(tx, user.key, &by.actor)?;
            audit::note(tx, &by, Action::DutyConfirmed, id.as_str(), "safeguarding")?;
            let news = News::LeadConfirmed {
                name: user.person.name.to_string(),
            };
            tell::leads(tx, &app_in, &[me.key], &news)?;
            tell::external(tx, &app_in, &news)?;
            let leads = duties::list(tx)?.into_iter();
            let confirmed = leads.into_iter().find(|lead| lead.user.id == id);
            confirmed.ok_or(Error::NotFound(Noun::User))
        })
        .await
}

/// Two keys are two people: `approves` is not the one who asks, nor made, granted, linked or reset their account lately, nor the other way
/// round; and nobody else can have logged in as both. Who stood behind an API key or the command line is not known: it may have been the
/// administrator who approves.
///
/// # Errors
/// [`Forbidden::SamePerson`].
pub(super) fn check_other_person(tx: &WriteTx, approves: &User, asks: &User) -> Result<()> {
    let actor = |user: &User| AuditActor::person(user.id(), None).actor;
    let unknown = approves.role == Role::Admin && duties::has_unknown_maker(tx, asks.key, tx.now)?;
    if approves.key == asks.key
        || unknown
        || duties::is_maker(tx, asks.key, &actor(approves), tx.now)?
        || duties::is_maker(tx, approves.key, &actor(asks), tx.now)?
        || duties::could_be_both(tx, approves.key, asks.key, tx.now)?
    {
        return Err(Error::Forbidden(Forbidden::SamePerson));
    }
    Ok(())
}

/// Notes that somebody has made an account, or can have logged in with it by a new way in. The duty of a lead is suspended until another
/// lead confirms it; where there is none, it goes on, and the address outside of the school is told.
pub(in crate::service) fn note_access(
    tx: &WriteTx,
    app: &App,
    by: &AuditActor,
    user: &User,
) -> Result<()> {
    let own = AuditActor::person(user.id(), None).actor;
    if by.actor == own {
        return Ok(());
    }
    duties::note_maker(tx, user.key, &by.actor)?;
    if duties::state(tx, user.key)? != Some(DutyState::Active) {
        return Ok(());
    }
    let name = user.person.name.to_string();
    let others = duties::leads(tx)?;
    if !others.iter().any(|lead| *lead != user.key) {
        let news = News::LeadReset { name };
        tell::person(tx, &app.hub, user.key, &news)?;
        return tell::external(tx, app, &news);
    }
    duties::suspend(tx, user.key)?;
    audit::note(
        tx,
        by,
        Action::DutySuspended,
        user.id().as_str(),
        "safeguarding",
    )?;
    let news = News::LeadSuspended { name };
    tell::leads(tx, app, &[], &news)?;
    tell::external(tx, app, &news)
}
