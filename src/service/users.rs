//! People: who they are, and what ends their tokens.

use std::sync::Arc;

pub use super::known::{find, known};
use super::safeguarding::notice;
use super::{policy, presence};
use crate::app::App;
use crate::auth::claims::Profile;
use crate::error::{Error, Result};
use crate::model::events::{CloseCode, Effect};
use crate::model::ids::{UserId, UserKey};
use crate::model::page::{List, Page, Range};
use crate::model::safeguarding::duty::Duty;
use crate::model::text;
use crate::model::users::{DisplayName, NewUser, Origin, Role, User, UserView};
use crate::store::safeguarding::duties;
use crate::store::{WriteTx, affiliations, password_links, sessions, subscriptions, users};

/// People to whom `me` may write now, or whom they may answer, by a part of their name; `range` is of their keys.
pub async fn search(app: &App, me: &User, text: &str, range: Range) -> Result<Page<UserView>> {
    let (viewer, words, app_in) = (me.clone(), text::words(text), app.clone());
    let _turn = app.limits.searching.turn(me.key).await?;
    let read = app.store.read_long(move |c| {
        let (condition, answerable) = policy::reachable(&app_in, c, &viewer)?;
        let found = users::search(c, viewer.key, &words, (&condition, answerable), range)?;
        let keys: Vec<UserKey> = found.iter().map(|user| user.key).collect();
        let seen = affiliations::seen_by(c, &viewer, &keys)?;
        let can = policy::can_each(&app_in, c, &viewer, &found)?;
        Ok((found, seen, can))
    });
    let (found, mut seen, can) = read.await?;
    let page = Page::newest_first(found, range.limit(), List::Directory, |user| user.key.0);
    let shown = |user: &User| UserView {
        can: can.get(&user.key).copied(),
        ..view(app, user).with(seen.remove(&user.key))
    };
    Ok(Page {
        items: page.items.iter().map(shown).collect(),
        paging: page.paging,
    })
}

/// A person as `viewer` sees them now, with where they belong and what the viewer may do with them.
///
/// # Errors
/// [`Noun::User`](crate::error::Noun) not found, of somebody whom the viewer may neither write to nor answer, and with whom they have no past.
pub async fn seen(app: &App, viewer: &User, user: &User) -> Result<UserView> {
    let (viewer_in, user_in, app_in) = (viewer.clone(), user.clone(), app.clone());
    let read = app.store.read(move |c| {
        let can = policy::visible(&app_in, c, &viewer_in, &user_in)?;
        let mut seen = affiliations::seen_by(c, &viewer_in, &[user_in.key])?;
        let notice = notice::above(&app_in, c, &user_in)?;
        Ok((can, notice, seen.remove(&user_in.key)))
    });
    let (can, notice, affiliation) = read.await?;
    let shown = match can {
        None => UserView::new(user, (app.hub.is_online(user.key), user.last_seen_at)),
        Some(can) if can.why.is_none() => view(app, user),
        Some(_) => UserView::new(user, (false, None)),
    };
    Ok(UserView {
        can,
        notice,
        ..shown.with(affiliation)
    })
}

/// A user as they see themselves.
///
/// # Errors
/// As those of a read.
pub async fn own(app: &App, user: &User) -> Result<UserView> {
    let key = user.key;
    let is_lead = app.store.read(move |c| duties::is_lead(c, key)).await?;
    let duties = is_lead.then_some(Duty::Safeguarding).into_iter().collect();
    Ok(UserView::own(user, app.hub.is_online(user.key), duties))
}

/// A person as others see them now who may write to them.
pub fn view(app: &App, user: &User) -> UserView {
    UserView::new(user, presence::shown(app, user))
}

/// # Errors
/// [`Error::Conflict`] when the id or the username is taken.
pub async fn add(app: &App, new: NewUser) -> Result<User> {
    app.store
        .write(move |tx| {
            let user = users::insert(tx, &new, tx.now)?;
            tx.emit(Effect::UserChanged(user.id().clone()));
            Ok(user)
        })
        .await
}

/// Disables a user, or enables them again. Their tokens, their sockets and their push subscriptions end at once.
pub async fn set_disabled(app: &App, user: &User, disabled: bool) -> Result<()> {
    let user = user.clone();
    app.store
        .write(move |tx| disable(tx, &user, disabled))
        .await
}

/// What [`set_disabled`] writes, for a write that does more.
pub(super) fn disable(tx: &WriteTx, user: &User, disabled: bool) -> Result<()> {
    users::set_disabled(tx, user.key, disabled.then_some(tx.now))?;
    tx.emit(Effect::UserChanged(user.id().clone()));
    if disabled {
        subscriptions::delete_all(tx, user.key)?;
        sessions::forget_all(tx, user.key)?;
        password_links::delete(tx, user.key)?;
        tx.emit(Effect::Disconnect(user.key, CloseCode::Revoked));
    }
    Ok(())
}

/// Ends every token of a user, closes their sockets and forgets their push subscriptions: a device that was lost is told
/// nothing more. With a hash, changes the password in the same commit.
pub async fn end_tokens(app: &App, user: &User, new_hash: Option<String>) -> Result<()> {
    let user = user.clone();
    app.store
        .write(move |tx| revoke(tx, &user, new_hash.as_deref()))
        .await
}

/// What [`end_tokens`] writes, for a write that does more.
pub(super) fn revoke(tx: &WriteTx, user: &User, new_hash: Option<&str>) -> Result<()> {
    users::end_tokens(tx, user.key, tx.now)?;
    sessions::forget_all(tx, user.key)?;
    subscriptions::delete_all(tx, user.key)?;
    password_links::delete(tx, user.key)?;
    if let Some(hash) = new_hash {
        users::set_password_hash(tx, user.key, hash)?;
    }
    tx.emit(Effect::UserChanged(user.id().clone()));
    tx.emit(Effect::Disconnect(user.key, CloseCode::Revoked));
    Ok(())
}

/// The user that another issuer speaks of.
///
/// # Errors
/// [`Error::Invalid`] for an id that cannot be a name, where the profile has none.
pub(super) fn from_profile(
    id: &UserId,
    profile: &Profile,
    trust_admin_claim: bool,
) -> Result<NewUser> {
    let role = match profile.role {
        Some(Role::Admin) if !trust_admin_claim => Role::Student,
        role => role.unwrap_or(Role::Student),
    };
    Ok(NewUser {
        id: id.clone(),
        username: None,
        name: display_name(profile, id)?,
        email: short(profile.email.as_ref()),
        avatar: short(profile.avatar.as_ref()),
        role,
        password_hash: None,
        origin: Origin::Token,
    })
}

/// Makes the user that another issuer's token speaks of.
pub async fn provision(app: &App, id: &UserId, profile: &Profile) -> Result<Arc<User>> {
    let new = from_profile(id, profile, app.config.auth.trust_admin_claim)?;
    let role = new.role;
    match add(app, new).await {
        Ok(user) => {
            tracing::info!(user = %id, role = %role, "user provisioned from a token");
            Ok(Arc::new(user))
        }
        // Another request with the same token was quicker.
        Err(Error::Conflict(_)) => known(app, id).await,
        Err(error) => Err(error),
    }
}

/// Takes over name, e-mail, avatar and role where the token says something new. An older token changes nothing, and no token
/// changes a role that an import or an administrator set, or makes a user staff later.
pub async fn refresh(
    app: &App,
    user: Arc<User>,
    profile: &Profile,
    issued: Option<i64>,
) -> Result<Arc<User>> {
    let issued = issued.unwrap_or(user.profile_at);
    // A name that cannot be shown changes nothing. The stored one is not checked again: it may be older than the rules.
    let current = &*user.person.name;
    let claimed = profile.name.as_deref().filter(|name| *name != current);
    let claimed = claimed.and_then(|name| DisplayName::parse(name).ok());
    let name = claimed.as_ref().map_or(current, DisplayName::as_str);
    let email = short(profile.email.as_ref()).or_else(|| user.email.clone());
    let avatar =
        short(profile.avatar.as_ref()).or_else(|| user.person.avatar.as_deref().map(Into::into));
    let role = match profile.role.filter(|_| !user.role_set) {
        Some(Role::Admin) if !app.config.auth.trust_admin_claim => user.role,
        Some(Role::Staff) | None => user.role,
        Some(role) => role,
    };
    let same = name == current
        && role == user.role
        && email == user.email
        && avatar.as_deref() == user.person.avatar.as_deref();
    if same || issued < user.profile_at {
        return Ok(user);
    }
    let (before, name) = (user.clone(), name.to_owned());
    app.store
        .write(move |tx| {
            let (email, avatar) = (email.as_deref(), avatar.as_deref());
            users::refresh(tx, before.key, &name, email, avatar, role, issued)?;
            tx.emit(Effect::UserChanged(before.id().clone()));
            Ok(())
        })
        .await?;
    known(app, user.id()).await
}

/// The claim's name where it can be shown, else the id.
fn display_name(profile: &Profile, id: &UserId) -> Result<DisplayName> {
    let claimed = profile.name.as_deref().map(DisplayName::parse);
    match claimed {
        Some(Ok(name)) => Ok(name),
        _ => DisplayName::parse(id.as_str()),
    }
}

/// A claim that is stored as it is, if it is of a sane length.
fn short(claim: Option<&String>) -> Option<String> {
    claim
        .filter(|text| !text.is_empty() && text.len() <= 2_048)
        .cloned()
}

/// Closes the sockets of users whom another process has disabled.
///
/// # Errors
/// As those of a read.
pub async fn disconnect_disabled(app: &App) -> Result<()> {
    let online: Vec<UserKey> = app.hub.online().into_iter().map(|(key, _)| key).collect();
    let disabled = app.store.read(move |c| {
        let mut disabled = Vec::new();
        for key in online {
            if users::by_key(c, key)?.is_none_or(|user| user.disabled) {
                disabled.push(key);
            }
        }
        Ok(disabled)
    });
    for key in disabled.await? {
        app.hub.disconnect(key, CloseCode::Revoked);
    }
    Ok(())
}
