//! From a token to an actor, and the ways to get a token.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::app::App;
use crate::auth::passwords;
use crate::auth::verified::{Session, SessionBy};
use crate::error::{Conflict, Error, Forbidden, Noun, Result, Unauthorized};
use crate::limits::Guess;
use crate::limits::fair_queue::Turn;
use crate::model::audit::{Action, AuditActor};
use crate::model::events::Effect;
use crate::model::ids::UserId;
use crate::model::keys::{ApiKey, ApiKeySecret, Scope};
use crate::model::policy::Preset;
use crate::model::sessions::Client;
use crate::model::time::Time;
use crate::model::users::{DisplayName, NewUser, Origin, Role, User, Username};
use crate::rule;
use crate::store::{self, WriteTx, audit, settings, users};

pub use super::identity::{Identity, identity};
use super::policy::{self, announce};
use super::sessions;

/// Who is asking.
#[derive(Debug, Clone)]
pub enum Actor {
    Person(Identity),
    Key(Arc<ApiKey>),
}

impl Actor {
    /// The caller's label in the log, and as the sender of notifications.
    pub fn label(&self) -> String {
        match self {
            Actor::Person(identity) => format!("user:{}", identity.user.id()),
            Actor::Key(key) => format!("key:{}", key.id),
        }
    }

    /// # Errors
    /// [`Error::Forbidden`] for a role that may not send notifications, or a key without the scope.
    pub async fn may_notify(&self, app: &App) -> Result<()> {
        match self {
            Actor::Key(key) => key.check(Scope::Notify),
            Actor::Person(identity) => {
                let may = announce::may_announce(app, &identity.user).await?;
                may.then_some(()).ok_or(Error::Forbidden(Forbidden::Role))
            }
        }
    }
}

/// Who presents this bearer token: a person's JWT or an API key.
///
/// # Errors
/// [`Error::Unauthorized`].
pub async fn actor(app: &App, token: &str) -> Result<Actor> {
    if token.starts_with(ApiKeySecret::PREFIX) {
        return super::keys::authenticate(app, token).await.map(Actor::Key);
    }
    identity(app, token).await.map(Actor::Person)
}

/// A token of ours and whose it is.
#[derive(Debug)]
pub struct Issued {
    pub token: String,
    pub expires_at: Time,
    pub user: Arc<User>,
}

/// A token of this session.
///
/// # Errors
/// [`Error::Internal`] where it cannot be signed.
pub fn issue(app: &App, user: Arc<User>, session: &Session) -> Result<Issued> {
    let (token, expires_at) = app.auth.tokens.issue(&user, session, app.now())?;
    Ok(Issued {
        token,
        expires_at,
        user,
    })
}

/// A fresh token in the session of the caller's. A token that is issued for one of the school's app ends when that ends.
pub async fn renew(app: &App, identity: &Identity, client: Client) -> Result<Issued> {
    let session = match &identity.session {
        Ok(session) => {
            if session.by == SessionBy::Login {
                sessions::renew(app, &identity.user, session, client.browser).await?;
            }
            session.clone()
        }
        Err(by) => Session {
            until: identity.expires_at,
            by: *by,
            ..app.auth.tokens.begin(app.now())
        },
    };
    issue(app, identity.user.clone(), &session)
}

/// Ends the session of this token: its tokens are invalid and its sockets are closed. Only the school's app can end its own
/// tokens.
pub async fn log_out(app: &App, identity: &Identity) -> Result<()> {
    let Ok(session) = identity.session.clone() else {
        return Ok(());
    };
    let user = identity.user.key;
    app.store
        .write(move |tx| {
            store::sessions::end(tx, &session.id, user, session.until)?;
            tx.emit(Effect::SessionEnded(user, session.id));
            Ok(())
        })
        .await
}

/// Changes the caller's password and ends every token so far; the returned session is the only one.
///
/// # Errors
/// [`Error::Invalid`] on `currentPassword` or `newPassword`; [`Error::TooMany`] as at [`login`](super::login::login).
pub async fn change_password(
    app: &App,
    user: &User,
    current: String,
    new: String,
    client: Client,
) -> Result<Issued> {
    let key = user.key;
    let hash = app
        .store
        .read(move |c| users::password_hash(c, key))
        .await?;
    // A count of its own, so that guesses from outside do not keep the owner from changing the password.
    let guess = Guess::Change(key);
    app.limits.attempt(&guess)?;
    let matches = app
        .auth
        .passwords
        .verify(current, hash, Turn::proven())
        .await;
    if !matches.inspect_err(|_| app.limits.take_back(&guess))? {
        return Err(Error::invalid("currentPassword", rule::wrong()));
    }
    app.limits.succeeded(&guess);
    let hash = hash_new(
        app,
        "newPassword",
        new,
        user.username.as_deref(),
        &user.person.name,
    )
    .await?;
    let changed = user.clone();
    let session = app.auth.tokens.begin(app.now());
    let begun = session.clone();
    let user = app
        .store
        .write(move |tx| {
            if changed.role == Role::Admin {
                let by = AuditActor::person(changed.id(), client.address);
                let target = changed.id().as_str();
                audit::note(tx, &by, Action::PasswordSet, target, "by themselves")?;
            }
            // Meanwhile somebody may have reset the password, ended the sessions, or shut them out.
            let now = users::by_key(tx, changed.key)?;
            if now.is_none_or(|now| now.disabled || now.token_version != changed.token_version) {
                return Err(Error::Unauthorized(Unauthorized::Revoked));
            }
            set_password(tx, &changed, &hash, (&begun, &client.browser))
        })
        .await?;
    issue(app, Arc::new(user), &session)
}

/// Ends every session of a user, sets their password, and begins this session on this device. Returns the user as they are then.
pub(super) fn set_password(
    tx: &WriteTx,
    user: &User,
    hash: &str,
    (session, device): (&Session, &str),
) -> Result<User> {
    super::users::revoke(tx, user, Some(hash))?;
    let user = users::by_key(tx, user.key)?.ok_or(Error::NotFound(Noun::User))?;
    sessions::begin(tx, &user, session, device)?;
    Ok(user)
}

/// Checks and hashes a new password.
///
/// # Errors
/// [`Error::Invalid`] that names `field`.
pub(super) async fn hash_new(
    app: &App,
    field: &str,
    password: String,
    username: Option<&str>,
    name: &str,
) -> Result<String> {
    let mut context: Vec<&str> = name.split_whitespace().collect();
    context.extend(username);
    passwords::check(field, &password, &context)?;
    app.auth.passwords.hash(password, Turn::proven()).await
}

/// A user who logs in here.
#[derive(Debug)]
pub struct NewAccount {
    pub username: Username,
    pub name: DisplayName,
    pub role: Role,
    pub password: String,
}

/// # Errors
/// [`Error::Invalid`] for a weak password, [`Error::Conflict`] when the username is taken.
pub async fn add_account(app: &App, by: AuditActor, account: NewAccount) -> Result<User> {
    let new = prepare(app, account).await?;
    let detail = format!("as {}", new.role);
    app.store
        .write(move |tx| {
            let user = users::insert(tx, &new, tx.now)?;
            audit::note(tx, &by, Action::PersonAdded, user.id().as_str(), &detail)?;
            tx.emit(Effect::UserChanged(user.id().clone()));
            Ok(user)
        })
        .await
}

async fn prepare(app: &App, account: NewAccount) -> Result<NewUser> {
    let username = account.username.as_str();
    let name = account.name.as_str();
    let hash = hash_new(app, "password", account.password, Some(username), name).await?;
    Ok(NewUser {
        id: UserId::generate(),
        username: Some(account.username),
        name: account.name,
        email: None,
        avatar: None,
        role: account.role,
        password_hash: Some(hash),
        origin: Origin::Hand,
    })
}

/// What a new school chooses at set-up.
#[derive(Debug, Default)]
pub struct SetUpChoices {
    /// Who may write to whom.
    pub policy: Option<Preset>,
    /// Settings by key, of which those that the configuration has stay as they are.
    pub settings: BTreeMap<String, String>,
}

/// Makes the first admin with the one-time code.
///
/// # Errors
/// [`Forbidden::SetupDone`] once there is an admin; [`Unauthorized::BadSetupCode`].
pub async fn set_up(
    app: &App,
    code: &str,
    account: NewAccount,
    choices: SetUpChoices,
    client: Client,
) -> Result<Issued> {
    let SetUpChoices { policy: preset, .. } = choices;
    if preset.is_some() && app.decisions.is_fixed() {
        return Err(Error::Conflict(Conflict::SetInConfig));
    }
    let mut settings = choices.settings;
    settings.retain(|key, _| !app.school.is_fixed(key));
    let mut trial = (*app.school.get()).clone();
    for (key, value) in &settings {
        trial.set(key, value)?;
    }
    if app.store.read(users::admin_exists).await? {
        return Err(Error::Forbidden(Forbidden::SetupDone));
    }
    // The code cannot be guessed: 144 random bits.
    app.auth.setup.check(code, app.now())?;
    let new = prepare(app, account).await?;
    let session = app.auth.tokens.begin(app.now());
    let begun = session.clone();
    let user = app
        .store
        .write(move |tx| {
            // Checked again inside the write, where no other request can be quicker.
            if users::admin_exists(tx)? {
                return Err(Error::Forbidden(Forbidden::SetupDone));
            }
            let user = users::insert(tx, &new, tx.now)?;
            let by = AuditActor::person(user.id(), client.address);
            audit::note(tx, &by, Action::SetUp, user.id().as_str(), "")?;
            if let Some(preset) = preset {
                policy::set::store(tx, &preset.policy())?;
                audit::note(tx, &by, Action::PolicyChanged, "", preset.as_str())?;
            }
            for (key, value) in &settings {
                settings::set(tx, key, value)?;
            }
            tx.emit(Effect::SettingsChanged(settings::everything(tx)?));
            sessions::begin(tx, &user, &begun, &client.browser)?;
            Ok(user)
        })
        .await?;
    app.auth.setup.clear();
    issue(app, Arc::new(user), &session)
}
