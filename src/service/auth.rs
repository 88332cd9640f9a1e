//! From a token to an actor, and the ways to get a token.

use std::net::IpAddr;
use std::sync::Arc;

use crate::app::App;
use crate::auth::passwords;
use crate::auth::tokens::{Issue, Verified};
use crate::error::{Error, Forbidden, Result, Unauthorized};
use crate::limits::Account;
use crate::model::audit::{Action, By};
use crate::model::events::Effect;
use crate::model::ids::UserId;
use crate::model::keys::{ApiKey, ApiKeySecret, Scope};
use crate::model::time::Time;
use crate::model::users::{DisplayName, NewUser, Role, User, Username};
use crate::store::{audit, users};

/// Of a name that nobody has, so much is remembered, in characters.
const LONGEST_LOGIN: usize = 128;

/// Who is asking.
#[derive(Debug, Clone)]
pub enum Actor {
    Person(Identity),
    Key(Arc<ApiKey>),
}

/// A person, by a token that holds.
#[derive(Debug, Clone)]
pub struct Identity {
    pub user: Arc<User>,
    pub expires_at: Time,
}

impl Actor {
    /// What the log and the notifications' sender say.
    pub fn label(&self) -> String {
        match self {
            Actor::Person(identity) => format!("user:{}", identity.user.id()),
            Actor::Key(key) => format!("key:{}", key.id),
        }
    }

    /// # Errors
    /// [`Error::Forbidden`] for a role that may not send notifications, or a key without the scope.
    pub fn may_notify(&self, app: &App) -> Result<()> {
        match self {
            Actor::Key(key) => key.check(Scope::Notify),
            Actor::Person(identity) => {
                let senders = &app.config.notifications.senders;
                let may = senders.contains(&identity.user.role);
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

/// The person of a JWT.
///
/// # Errors
/// [`Error::Unauthorized`], also for who is disabled or has logged out everywhere since.
pub async fn identity(app: &App, token: &str) -> Result<Identity> {
    let verified = app.auth.tokens.verify(token, app.now()).await?;
    let user = match super::users::find(app, &verified.subject).await? {
        Some(user) => user,
        None if app.config.auth.auto_provision && is_newer_than_erasure(app, &verified).await? => {
            super::users::provision(app, &verified.subject, &verified.profile).await?
        }
        None => return Err(Error::Unauthorized(Unauthorized::UnknownUser)),
    };
    check_current(&user, &verified)?;
    let user = match verified.issue {
        Issue::At(issued) if app.config.auth.auto_provision => {
            super::users::refresh(app, user, &verified.profile, issued).await?
        }
        _ => user,
    };
    Ok(Identity {
        user,
        expires_at: verified.expires_at,
    })
}

/// Whether another issuer's token may make the account: one from before its owner's data was erased may not.
async fn is_newer_than_erasure(app: &App, verified: &Verified) -> Result<bool> {
    let Issue::At(issued) = verified.issue else {
        return Ok(false);
    };
    let erased = super::personal_data::erased_at(app, &verified.subject).await?;
    Ok(erased.is_none_or(|erased| issued.is_some_and(|issued| issued > erased.seconds())))
}

/// # Errors
/// [`Error::Unauthorized`] for who is disabled, or a token of before a log-out-everywhere.
fn check_current(user: &User, verified: &Verified) -> Result<()> {
    if user.disabled {
        return Err(Error::Unauthorized(Unauthorized::Disabled));
    }
    let current = match verified.issue {
        Issue::Version(version) => version == user.token_version,
        // `iat` counts whole seconds: one of the same second may be older, so it is refused.
        Issue::At(issued) => {
            user.tokens_after.0 == 0
                || issued.is_some_and(|issued| issued > user.tokens_after.seconds())
        }
    };
    current
        .then_some(())
        .ok_or(Error::Unauthorized(Unauthorized::Revoked))
}

/// A token and whose it is.
#[derive(Debug)]
pub struct Session {
    pub token: String,
    pub expires_at: Time,
    pub user: Arc<User>,
}

/// A fresh token for somebody who has shown who they are.
pub fn session(app: &App, user: Arc<User>) -> Result<Session> {
    let (token, expires_at) = app.auth.tokens.issue(&user, app.now())?;
    Ok(Session {
        token,
        expires_at,
        user,
    })
}

/// # Errors
/// [`Unauthorized::BadCredentials`] for an unknown name, a wrong password and a disabled account alike, in the same
/// time.
///
/// [`Error::TooMany`] after too many of these for the account or from the address.
pub async fn login(
    app: &App,
    login: String,
    password: String,
    address: Option<IpAddr>,
) -> Result<Session> {
    let name = login.trim().to_lowercase();
    let found = app.store.read(move |c| users::by_login(c, login.trim()));
    let (user, hash) = found.await?.unzip();
    let account = match &user {
        Some(user) => Account::Known(user.key),
        None => Account::Unknown(name.chars().take(LONGEST_LOGIN).collect()),
    };
    app.limits.attempt(Some(&account), address)?;
    let matches = app.auth.passwords.verify(password, hash).await;
    // Not tried at all: the server has too many to look at.
    let matches = matches.inspect_err(|_| app.limits.take_back(Some(&account), address))?;
    match user {
        Some(user) if matches && !user.disabled => {
            app.limits.succeeded(Some(&account), address);
            session(app, Arc::new(user))
        }
        _ => Err(Error::Unauthorized(Unauthorized::BadCredentials)),
    }
}

/// Writes down that an administrator has logged in; of others it is nobody's business.
pub async fn note_login(app: &App, address: Option<IpAddr>, user: &User) -> Result<()> {
    if user.role != Role::Admin {
        return Ok(());
    }
    let id = user.id().clone();
    let by = By::person(&id, address);
    app.store
        .write(move |tx| {
            audit::note(tx, &by, Action::LogIn, id.as_str(), "")?;
            Ok(((), Vec::new()))
        })
        .await
}

/// Changes the caller's password and ends every token so far; the returned session is the only one.
///
/// # Errors
/// [`Error::Invalid`] on `currentPassword` or `newPassword`; [`Error::TooMany`] as at [`login`].
pub async fn change_password(
    app: &App,
    user: &User,
    current: String,
    new: String,
) -> Result<Session> {
    let key = user.key;
    let hash = app
        .store
        .read(move |c| users::password_hash(c, key))
        .await?;
    let account = Account::Known(key);
    app.limits.attempt(Some(&account), None)?;
    let matches = app.auth.passwords.verify(current, hash).await;
    if !matches.inspect_err(|_| app.limits.take_back(Some(&account), None))? {
        return Err(Error::invalid("currentPassword", "is wrong"));
    }
    app.limits.succeeded(Some(&account), None);
    let hash = hash_new(
        app,
        "newPassword",
        new,
        user.username.as_deref(),
        &user.person.name,
    )
    .await?;
    super::users::end_tokens(app, user, Some(hash)).await?;
    session(app, super::users::known(app, user.id()).await?)
}

/// Checks and hashes a password to be.
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
    app.auth.passwords.hash(password).await
}

/// Somebody who logs in here.
#[derive(Debug)]
pub struct NewAccount {
    pub username: Username,
    pub name: DisplayName,
    pub role: Role,
    pub password: String,
}

/// # Errors
/// [`Error::Invalid`] for a weak password, [`Error::Conflict`] when the username is taken.
pub async fn add_account(app: &App, by: By, account: NewAccount) -> Result<User> {
    let new = prepare(app, account).await?;
    let detail = format!("{} ({})", new.name.as_str(), new.role);
    app.store
        .write(move |tx| {
            let user = users::insert(tx, &new, tx.now)?;
            audit::note(tx, &by, Action::PersonAdded, user.id().as_str(), &detail)?;
            let changed = Effect::UserChanged(user.id().clone());
            Ok((user, vec![changed]))
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
    })
}

/// Makes the first admin with the one-time code.
///
/// # Errors
/// [`Forbidden::SetupDone`] once there is an admin; [`Unauthorized::BadSetupCode`]; [`Error::TooMany`].
pub async fn set_up(
    app: &App,
    code: &str,
    account: NewAccount,
    address: Option<IpAddr>,
) -> Result<Session> {
    if app.store.read(users::admin_exists).await? {
        return Err(Error::Forbidden(Forbidden::SetupDone));
    }
    app.limits.attempt(None, address)?;
    app.auth.setup.check(code, app.now())?;
    app.limits.succeeded(None, address);
    let new = prepare(app, account).await?;
    let user = app
        .store
        .write(move |tx| {
            // Asked again where nobody can be quicker.
            if users::admin_exists(tx)? {
                return Err(Error::Forbidden(Forbidden::SetupDone));
            }
            let user = users::insert(tx, &new, tx.now)?;
            let by = By::person(user.id(), address);
            audit::note(tx, &by, Action::SetUp, user.id().as_str(), "")?;
            Ok((user, Vec::new()))
        })
        .await?;
    app.auth.setup.clear();
    session(app, Arc::new(user))
}
