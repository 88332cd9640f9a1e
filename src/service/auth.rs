//! From a token to an actor, and the ways to get a token.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::auth::devices::{self, DeviceCookie};
use crate::auth::passwords;
use crate::auth::verified::{Session, SessionBy};
use crate::error::{Error, Forbidden, Noun, Result, Unauthorized};
use crate::limits::Guess;
use crate::limits::attempts::Attempts;
use crate::limits::fair_queue::Turn;
use crate::model::audit::{Action, AuditActor};
use crate::model::events::Effect;
use crate::model::ids::{UserId, UserKey};
use crate::model::keys::{ApiKey, ApiKeySecret, Scope};
use crate::model::sessions::Client;
use crate::model::text;
use crate::model::time::Time;
use crate::model::users::{DisplayName, NewUser, Origin, Role, User, Username};
use crate::rule;
use crate::store::{self, WriteTx, audit, users};

pub use super::identity::{Identity, identity};
use super::{second_factors, sessions};

/// How much of an unknown name is remembered, in characters.
const MAX_LOGIN_CHARS: usize = 128;

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

/// What a user brings to log in.
#[derive(Debug)]
pub struct Credentials {
    pub login: String,
    pub password: String,
    /// Of the second factor.
    pub code: Option<String>,
    pub client: Client,
    /// Names and values of the cookies that came with it.
    pub cookies: Vec<(String, String)>,
}

/// A login, and the cookie by which its device is known from now on.
#[derive(Debug)]
pub struct LoggedIn {
    pub issued: Issued,
    pub device: DeviceCookie,
}

/// # Errors
/// [`Unauthorized::BadCredentials`] for an unknown name, a wrong password and a disabled account alike, in the same
/// time.
///
/// [`Error::TooMany`] after too many of these for the account, unless the device is known; [`Error::Unavailable`] where too many
/// wait.
pub async fn login(app: &App, given: Credentials) -> Result<LoggedIn> {
    let Credentials {
        login,
        password,
        code,
        client,
        cookies,
    } = given;
    let address = client.address;
    let folded = text::case_key(login.trim());
    let name: String = folded.chars().take(MAX_LOGIN_CHARS).collect();
    let found = app.store.read(move |c| users::by_login(c, login.trim()));
    let (user, hash) = found.await?.unzip();
    let device = user.as_ref().zip(hash.as_ref()).and_then(|(user, hash)| {
        let cookies = cookies.iter().map(|(name, value)| (&**name, &**value));
        devices::known(&app.auth.tokens, cookies, user.id(), hash, app.now())
    });
    // A device that guesses too much counts as unknown again.
    let by_device = device.as_deref().map(Guess::Device);
    let by_device = by_device.filter(|guess| app.limits.attempt(guess).is_ok());
    let known = by_device.is_some();
    let guess = if let Some(guess) = by_device {
        guess
    } else {
        let guess = Guess::Account(&name);
        app.limits.attempt(&guess)?;
        guess
    };
    let turn = if known {
        Turn::proven()
    } else {
        Turn::stranger(address, &name, app.limits.is_suspect(address))
    };
    let matches = app
        .auth
        .passwords
        .verify(password, hash.clone(), turn)
        .await;
    // Not tried at all: too many wait already.
    let matches = matches.inspect_err(|_| app.limits.take_back(&guess))?;
    match user.zip(hash) {
        Some((user, hash)) if matches && !user.disabled => {
            if user.second_factor {
                check_code(app, &user, code, (&guess, address)).await?;
            }
            app.limits.succeeded(&guess);
            let device = devices::issue(&app.auth.tokens, user.id(), &hash, app.now())?;
            let issued = let_in(app, client, user).await?;
            Ok(LoggedIn { issued, device })
        }
        found => {
            app.limits
                .ledger
                .failed_login(found.map(|(user, _)| user.key));
            tokio::time::sleep(app.limits.failed_from(address)).await;
            Err(Error::Unauthorized(Unauthorized::BadCredentials))
        }
    }
}

/// Wrong codes of a second factor, by user.
struct TriedCodes(Attempts<UserKey>);

impl Default for TriedCodes {
    fn default() -> Self {
        // Ten, and then one each ten minutes: with three codes valid at a time, years.
        TriedCodes(Attempts::new(
            10,
            Duration::from_secs(600),
            Duration::from_secs(600),
        ))
    }
}

/// Asks who has shown the right password for a code as well.
async fn check_code(
    app: &App,
    user: &User,
    code: Option<String>,
    (guess, address): (&Guess<'_>, Option<IpAddr>),
) -> Result<()> {
    let Some(code) = code.filter(|code| !code.trim().is_empty()) else {
        app.limits.take_back(guess);
        return Err(Error::Unauthorized(Unauthorized::SecondFactorRequired));
    };
    // Whoever has the password must not try all codes: they are few. On a device that is known the account's own count is enough.
    let tried = app.state::<TriedCodes>();
    let is_known = matches!(guess, Guess::Device(_));
    if !is_known {
        tried.0.begin(&user.key).map_err(Error::TooMany)?;
    }
    if second_factors::use_code(app, user, &code).await? {
        tried.0.forget(&user.key);
        return Ok(());
    }
    app.limits.ledger.failed_login(Some(user.key));
    tokio::time::sleep(app.limits.failed_from(address)).await;
    Err(Error::Unauthorized(Unauthorized::BadSecondFactor))
}

/// Begins a session of a user who has shown who they are. The audit log records it of administrators alone.
async fn let_in(app: &App, client: Client, user: User) -> Result<Issued> {
    let session = app.auth.tokens.begin(app.now());
    let begun = session.clone();
    let user = app
        .store
        .write(move |tx| {
            if user.role == Role::Admin {
                let by = AuditActor::person(user.id(), client.address);
                audit::note(tx, &by, Action::LogIn, user.id().as_str(), "")?;
            }
            sessions::begin(tx, &user, &begun, &client.browser)?;
            Ok(user)
        })
        .await?;
    issue(app, Arc::new(user), &session)
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

/// Makes the first admin with the one-time code.
///
/// # Errors
/// [`Forbidden::SetupDone`] once there is an admin; [`Unauthorized::BadSetupCode`].
pub async fn set_up(app: &App, code: &str, account: NewAccount, client: Client) -> Result<Issued> {
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
            sessions::begin(tx, &user, &begun, &client.browser)?;
            Ok(user)
        })
        .await?;
    app.auth.setup.clear();
    issue(app, Arc::new(user), &session)
}
