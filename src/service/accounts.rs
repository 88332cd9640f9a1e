//! What administrators do with people: adding, changing, shutting out, and links by which they set a password.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use crate::app::App;
use crate::error::{Error, Forbidden, Noun, Result, Unauthorized};
use crate::model::accounts::{Account, AccountChange, AccountFilter, PasswordLink};
use crate::model::audit::{Action, By};
use crate::model::events::{CloseCode, Effect};
use crate::model::ids::{UserId, UserKey};
use crate::model::random;
use crate::model::users::{NewUser, Role, User};
use crate::service::auth::{self, Session};
use crate::store::{WriteTx, accounts, audit, groups, users};

/// How long a password link holds, in seconds.
const LINK_LIFETIME: i64 = 3 * 24 * 3_600;

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

/// Adds somebody, into these groups.
///
/// # Errors
/// [`Error::Conflict`] when the id, the username or the e-mail is taken; [`Error::Invalid`] on `groups`.
pub async fn add(app: &App, by: By, new: NewUser, groups: Vec<UserId>) -> Result<Account> {
    app.store
        .write(move |tx| {
            let user = users::insert(tx, &new, tx.now)?;
            check_groups(tx, &groups)?;
            accounts::set_groups(tx, user.key, &groups)?;
            let detail = format!("{}, {}", new.name.as_str(), new.role);
            audit::note(tx, &by, Action::PersonAdded, user.id().as_str(), &detail)?;
            let changed = Effect::UserChanged(user.id().clone());
            Ok((account(tx, user.key)?, vec![changed]))
        })
        .await
}

fn check_groups(tx: &WriteTx, ids: &[UserId]) -> Result<()> {
    for id in ids {
        if groups::by_id(tx, id)?.is_none() {
            return Err(Error::invalid("groups", format!("{id} is no group")));
        }
    }
    Ok(())
}

/// Changes somebody. Who is shut out, or loses the role of an administrator, loses their sockets at once.
///
/// # Errors
/// [`Noun::User`] not found; [`Error::Conflict`] as for [`add`]; [`Error::Invalid`] on `groups`, and on `disabled` or
/// `role` when no administrator would be left.
pub async fn change(app: &App, by: By, id: UserId, change: AccountChange) -> Result<Account> {
    let changed = app
        .store
        .write(move |tx| {
            let before = users::by_id(tx, &id)?.ok_or(Error::NotFound(Noun::User))?;
            check_key(&by, &before)?;
            let effects = apply(tx, &before, &change)?;
            note_change(tx, &by, &before, &change)?;
            Ok((account(tx, before.key)?, effects))
        })
        .await?;
    Ok(present(app, changed))
}

/// A key of the school's back end has no power over administrators.
fn check_key(by: &By, target: &User) -> Result<()> {
    if by.is_key() && target.role == Role::Admin {
        return Err(Error::Forbidden(Forbidden::ApiKey));
    }
    Ok(())
}

/// Writes a change and says what follows from it.
pub(super) fn apply(tx: &WriteTx, before: &User, change: &AccountChange) -> Result<Vec<Effect>> {
    let demoted = before.role == Role::Admin && change.role.is_some_and(|r| r != Role::Admin);
    let shut_out = change.disabled == Some(true) && !before.disabled;
    accounts::update(tx, before, change)?;
    if let Some(groups) = &change.groups {
        check_groups(tx, groups)?;
        accounts::set_groups(tx, before.key, groups)?;
    }
    let mut effects = vec![Effect::UserChanged(before.id().clone())];
    if let Some(disabled) = change.disabled.filter(|now| *now != before.disabled) {
        effects.extend(super::users::disable(tx, before, disabled)?);
    }
    if demoted && !shut_out {
        // They come back at once, as what they are now.
        effects.push(Effect::Disconnect(before.key, CloseCode::Restarting));
    }
    if (demoted || shut_out) && before.role == Role::Admin && accounts::admins(tx)? == 0 {
        let field = if demoted { "role" } else { "disabled" };
        return Err(Error::invalid(field, "would leave no administrator"));
    }
    Ok(effects)
}

fn note_change(tx: &WriteTx, by: &By, before: &User, change: &AccountChange) -> Result<()> {
    let target = before.id().as_str();
    let mut said = Vec::new();
    if let Some(username) = &change.username {
        said.push(format!("username {}", username.as_str()));
    }
    if let Some(name) = &change.name {
        said.push(format!("name {}", name.as_str()));
    }
    if let Some(email) = &change.email {
        said.push(format!("e-mail {}", email.as_deref().unwrap_or("none")));
    }
    if let Some(role) = change.role {
        said.push(format!("role {role}"));
    }
    if let Some(groups) = &change.groups {
        let ids: Vec<&str> = groups.iter().map(UserId::as_str).collect();
        said.push(format!("groups {}", ids.join(" ")));
    }
    if !said.is_empty() {
        audit::note(tx, by, Action::PersonChanged, target, &said.join(", "))?;
    }
    match change.disabled.filter(|now| *now != before.disabled) {
        Some(true) => audit::note(tx, by, Action::PersonDisabled, target, ""),
        Some(false) => audit::note(tx, by, Action::PersonEnabled, target, ""),
        None => Ok(()),
    }
}

/// Ends every token of somebody, closes their sockets and forgets their devices.
///
/// # Errors
/// [`Noun::User`] not found.
pub async fn log_out(app: &App, by: By, id: UserId) -> Result<()> {
    app.store
        .write(move |tx| {
            let user = users::by_id(tx, &id)?.ok_or(Error::NotFound(Noun::User))?;
            check_key(&by, &user)?;
            audit::note(tx, &by, Action::PersonLoggedOut, id.as_str(), "")?;
            Ok(((), super::users::revoke(tx, &user, None)?))
        })
        .await
}

/// A link by which somebody sets their password, once, within three days. An earlier one holds no more.
///
/// # Errors
/// [`Noun::User`] not found, also when disabled; [`Error::Invalid`] for who has no username to log in with.
pub async fn password_link(app: &App, by: By, id: UserId) -> Result<PasswordLink> {
    let code = random::base64url::<24>()?;
    let hash = Sha256::digest(&code).into();
    let expires_at = app
        .store
        .write(move |tx| {
            let user = users::by_id(tx, &id)?
                .filter(|user| !user.disabled)
                .ok_or(Error::NotFound(Noun::User))?;
            check_key(&by, &user)?;
            if user.username.is_none() {
                let why = "is missing: there is nothing to log in with";
                return Err(Error::invalid("username", why));
            }
            accounts::check_email(tx, &user)?;
            let expires_at = tx.now.plus_seconds(LINK_LIFETIME);
            accounts::put_password_link(tx, user.key, &hash, expires_at)?;
            audit::note(tx, &by, Action::PasswordLinkMade, id.as_str(), "")?;
            Ok((expires_at, Vec::new()))
        })
        .await?;
    Ok(PasswordLink {
        path: format!("/password/#code={code}"),
        expires_at,
    })
}

/// Sets the password of the person whose link this is. Every token of before ends.
///
/// # Errors
/// [`Unauthorized::BadPasswordLink`]; [`Error::Invalid`] on `password`.
pub async fn use_password_link(
    app: &App,
    code: &str,
    password: String,
    address: Option<IpAddr>,
) -> Result<Session> {
    let hash: [u8; 32] = Sha256::digest(code).into();
    let now = app.now();
    let bad = Error::Unauthorized(Unauthorized::BadPasswordLink);
    app.limits.attempt(None, address)?;
    let found = app
        .store
        .read(move |c| accounts::by_password_link(c, &hash, now));
    let user = found.await?.ok_or(bad)?;
    app.limits.succeeded(None, address);
    let new_hash = auth::hash_new(
        app,
        "password",
        password,
        user.username.as_deref(),
        &user.person.name,
    )
    .await?;
    let id = user.id().clone();
    app.store
        .write(move |tx| {
            // Once: somebody else may have been quicker.
            let user = accounts::by_password_link(tx, &hash, tx.now)?
                .ok_or(Error::Unauthorized(Unauthorized::BadPasswordLink))?;
            accounts::check_email(tx, &user)?;
            let by = By::person(user.id(), address);
            audit::note(
                tx,
                &by,
                Action::PasswordSet,
                user.id().as_str(),
                "by a link",
            )?;
            Ok(((), super::users::revoke(tx, &user, Some(&new_hash))?))
        })
        .await?;
    auth::session(app, super::users::known(app, &id).await?)
}
