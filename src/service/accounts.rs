//! What administrators do with people: adding, changing, disabling, and links by which people set a password.

use crate::app::App;
use crate::error::{Conflict, Error, Forbidden, Noun, Result};
use crate::model::accounts::{Account, AccountChange, AccountFilter, FactsChange};
use crate::model::audit::{Action, AuditActor};
use crate::model::events::{CloseCode, Effect};
use crate::model::ids::{UserId, UserKey};
use crate::model::keys::Scope;
use crate::model::users::{ExternalIdentity, NewUser, Role, User};
use crate::rule;
use crate::service::safeguarding::duties;
use crate::store::safeguarding::{duties as safeguarding, holds};
use crate::store::{WriteTx, accounts, audit, groups, identities, mails, users};

/// People by name, as administrators see them.
pub async fn list(app: &App, filter: AccountFilter, limit: i64) -> Result<Vec<Account>> {
    let read = app
        .store
        .read(move |c| accounts::list(c, &filter, limit))
        .await?;
    Ok(read
        .into_iter()
        .map(|account| present(app, account))
        .collect())
}

/// # Errors
/// [`Noun::User`] not found.
pub async fn one(app: &App, id: UserId) -> Result<Account> {
    let read = app.store.read(move |c| {
        let user = users::by_id(c, &id)?.ok_or(Error::NotFound(Noun::User))?;
        account(c, user.key)
    });
    Ok(present(app, read.await?))
}

fn account(connection: &rusqlite::Connection, key: UserKey) -> Result<Account> {
    accounts::by_key(connection, key)?.ok_or(Error::NotFound(Noun::User))
}

fn present(app: &App, account: Account) -> Account {
    let online = app.hub.is_online(account.key);
    Account { online, ..account }
}

/// Adds a user, with these facts, into these groups.
///
/// # Errors
/// [`Error::Conflict`] when the id, the username or the e-mail is taken; [`Error::Invalid`] on `groups`.
pub async fn add(
    app: &App,
    by: AuditActor,
    new: NewUser,
    facts: FactsChange,
    groups: Vec<UserId>,
) -> Result<Account> {
    app.store
        .write(move |tx| {
            check_key(tx, &by, 0, [new.role])?;
            let user = users::insert(tx, &new, tx.now)?;
            check_groups(tx, &groups)?;
            accounts::set_groups(tx, user.key, &groups)?;
            accounts::set_facts(tx, user.key, &facts)?;
            let detail = format!("as {}", new.role);
            audit::note(tx, &by, Action::PersonAdded, user.id().as_str(), &detail)?;
            safeguarding::note_maker(tx, user.key, &by.actor)?;
            tx.emit(Effect::UserChanged(user.id().clone()));
            account(tx, user.key)
        })
        .await
}

fn check_groups(tx: &WriteTx, ids: &[UserId]) -> Result<()> {
    for id in ids {
        if groups::by_id(tx, id)?.is_none() {
            return Err(Error::invalid("groups", rule::not_a_group(id.as_str())));
        }
    }
    Ok(())
}

/// Changes a user. A user who is disabled, or loses the role of an administrator, loses their sockets at once.
///
/// # Errors
/// [`Noun::User`] not found; [`Error::Conflict`] as for [`add`]; [`Error::Invalid`] on `groups`, and on `disabled` or
/// `role` when no administrator would be left.
pub async fn change(
    app: &App,
    by: AuditActor,
    id: UserId,
    change: AccountChange,
) -> Result<Account> {
    let app_in = app.clone();
    let changed = app
        .store
        .write(move |tx| {
            let before = users::by_id(tx, &id)?.ok_or(Error::NotFound(Noun::User))?;
            check_target(&by, &before)?;
            let shut_out = change.disabled == Some(true) && !before.disabled;
            let role = change.role.filter(|role| *role != before.role);
            check_key(tx, &by, usize::from(shut_out), role)?;
            apply(tx, &before, &change)?;
            note_change(tx, &by, &before, &change)?;
            change_duties(tx, &app_in, &by, &before, &change)?;
            account(tx, before.key)
        })
        .await?;
    Ok(present(app, changed))
}

/// What a change means for the duty of a lead: it is granted or taken away, ends with the role, and is suspended where mail can now bring
/// somebody else a new password.
pub(super) fn change_duties(
    tx: &WriteTx,
    app: &App,
    by: &AuditActor,
    before: &User,
    change: &AccountChange,
) -> Result<()> {
    let is_moved = |email: &Option<String>| email.is_some() && *email != before.email;
    if change.email.as_ref().is_some_and(is_moved) {
        duties::note_access(tx, app, by, before)?;
    }
    let user = users::by_key(tx, before.key)?.ok_or(Error::NotFound(Noun::User))?;
    let ends = !matches!(user.role, Role::Teacher | Role::Staff)
        && safeguarding::state(tx, user.key)?.is_some();
    if ends {
        duties::revoke(tx, app, by, &user)?;
    }
    if change.disabled == Some(true) && !before.disabled {
        duties::note_shut_out(tx, app, &user)?;
    }
    match &change.duties {
        Some(new) => duties::set(tx, app, by, &user, new),
        None => Ok(()),
    }
}

/// A key of the school's back end has no power over administrators.
pub(super) fn check_target(by: &AuditActor, target: &User) -> Result<()> {
    if by.key.is_some() && target.role == Role::Admin {
        return Err(Error::Forbidden(Forbidden::ApiKey));
    }
    Ok(())
}

/// A key may disable one in this many of the people who log in here in a day.
const KEY_SHARE: i64 = 5;

/// What a key may not do by itself: a stolen one could disable the whole school, or let a user write to all of it.
///
/// # Errors
/// [`Forbidden::NeedsAdministrator`] for disabling more than a fifth of the people within a day; [`Forbidden::Scope`] for making
/// teachers and staff without the scope for that.
pub(super) fn check_key(
    tx: &WriteTx,
    by: &AuditActor,
    shut_out: usize,
    roles: impl IntoIterator<Item = Role>,
) -> Result<()> {
    let Some(key) = &by.key else {
        return Ok(());
    };
    if shut_out > 0 {
        let since = tx.now.plus_seconds(-24 * 3_600);
        let before = audit::count(tx, &by.actor, Action::PersonDisabled, since)?;
        let active = accounts::active_logins(tx)? + before;
        if (shut_out as i64 + before) * KEY_SHARE > active {
            return Err(Error::Forbidden(Forbidden::NeedsAdministrator));
        }
    }
    let grown = |role: Role| matches!(role, Role::Teacher | Role::Staff);
    if roles.into_iter().any(grown) {
        key.check(Scope::RosterRoles)?;
    }
    Ok(())
}

/// Writes a change.
pub(super) fn apply(tx: &WriteTx, before: &User, change: &AccountChange) -> Result<()> {
    let demoted = before.role == Role::Admin && change.role.is_some_and(|r| r != Role::Admin);
    let shut_out = change.disabled == Some(true) && !before.disabled;
    accounts::update(tx, before, change)?;
    if change
        .email
        .as_ref()
        .is_some_and(|email| *email != before.email)
    {
        mails::drop_for(tx, before.key)?;
    }
    tx.emit(Effect::UserChanged(before.id().clone()));
    if let Some(id) = &change.id {
        accounts::adopt_id(tx, before, id)?;
        tx.emit(Effect::UserChanged(id.clone()));
        // Their sockets and pages know the previous id.
        super::users::revoke(tx, before, None)?;
    }
    if let Some(groups) = &change.groups {
        check_groups(tx, groups)?;
        accounts::set_groups(tx, before.key, groups)?;
    }
    if let Some(disabled) = change.disabled.filter(|now| *now != before.disabled) {
        if !disabled && holds::is_pending(tx, before.key)? {
            return Err(Error::invalid("disabled", rule::to_be_erased()));
        }
        super::users::disable(tx, before, disabled)?;
    }
    if demoted && !shut_out {
        // They come back at once, with their new role.
        tx.emit(Effect::Disconnect(before.key, CloseCode::Restarting));
    }
    if (demoted || shut_out) && before.role == Role::Admin && accounts::admins(tx)? == 0 {
        let field = if demoted { "role" } else { "disabled" };
        return Err(Error::invalid(field, rule::last_administrator()));
    }
    Ok(())
}

fn note_change(tx: &WriteTx, by: &AuditActor, before: &User, change: &AccountChange) -> Result<()> {
    let target = before.id().as_str();
    let said = changed_fields(before, change);
    if !said.is_empty() {
        audit::note(tx, by, Action::PersonChanged, target, &said)?;
    }
    match change.disabled.filter(|now| *now != before.disabled) {
        Some(true) => audit::note(tx, by, Action::PersonDisabled, target, ""),
        Some(false) => audit::note(tx, by, Action::PersonEnabled, target, ""),
        None => Ok(()),
    }
}

/// Which fields a change is about, for the audit log. Names and addresses do not belong there, since the log stays when people
/// are erased.
pub(super) fn changed_fields(before: &User, change: &AccountChange) -> String {
    let mut said = Vec::new();
    if let Some(id) = &change.id {
        said.push(format!("id from {}", before.id()) + &format!(" to {id}"));
    }
    if change.username.is_some() {
        said.push("username".to_owned());
    }
    if change.name.is_some() {
        said.push("name".to_owned());
    }
    if change.email.is_some() {
        said.push("email".to_owned());
    }
    if let Some(role) = change.role {
        said.push(format!("role from {} to {role}", before.role));
    }
    let facts = &change.facts;
    for (name, changes) in [
        ("grade", facts.grade.is_some()),
        ("adultFrom", facts.adult_from.is_some()),
        ("phones", facts.phones.is_some()),
    ] {
        if changes {
            said.push(name.to_owned());
        }
    }
    if let Some(groups) = &change.groups {
        let ids: Vec<&str> = groups.iter().map(UserId::as_str).collect();
        said.push(format!("groups {}", ids.join(" ")));
    }
    said.join(", ")
}

/// The identities of a user at other issuers of tokens.
///
/// # Errors
/// [`Noun::User`] not found.
pub async fn identities(app: &App, id: UserId) -> Result<Vec<ExternalIdentity>> {
    app.store
        .read(move |c| {
            let user = users::by_id(c, &id)?.ok_or(Error::NotFound(Noun::User))?;
            identities::of(c, user.key)
        })
        .await
}

/// Sets the identities of a user at other issuers: all of these, and no others. Tokens for the previous ones end.
///
/// # Errors
/// [`Noun::User`] not found; [`Conflict::Identity`] where one is another user's.
pub async fn set_identities(
    app: &App,
    by: AuditActor,
    id: UserId,
    new: Vec<ExternalIdentity>,
) -> Result<Vec<ExternalIdentity>> {
    let app_in = app.clone();
    app.store
        .write(move |tx| {
            let user = users::by_id(tx, &id)?.ok_or(Error::NotFound(Noun::User))?;
            let before = identities::of(tx, user.key)?;
            for one in &new {
                if identities::owner(tx, one, user.key)?.is_some() {
                    return Err(Error::Conflict(Conflict::Identity));
                }
            }
            identities::set(tx, user.key, &new)?;
            let now = identities::of(tx, user.key)?;
            if now == before {
                return Ok(now);
            }
            let detail = format!("{} identities", now.len());
            audit::note(tx, &by, Action::IdentitiesSet, id.as_str(), &detail)?;
            duties::note_access(tx, &app_in, &by, &user)?;
            tx.emit(Effect::IdentitiesChanged);
            if before.iter().any(|one| !now.contains(one)) {
                super::users::revoke(tx, &user, None)?;
            }
            Ok(now)
        })
        .await
}

/// Ends every token of a user, closes their sockets and forgets their devices.
///
/// # Errors
/// [`Noun::User`] not found.
pub async fn log_out(app: &App, by: AuditActor, id: UserId) -> Result<()> {
    app.store
        .write(move |tx| {
            let user = users::by_id(tx, &id)?.ok_or(Error::NotFound(Noun::User))?;
            check_target(&by, &user)?;
            audit::note(tx, &by, Action::PersonLoggedOut, id.as_str(), "")?;
            super::users::revoke(tx, &user, None)
        })
        .await
}
