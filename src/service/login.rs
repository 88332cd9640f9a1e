//! Logging in with a password.

use std::net::IpAddr;
use std::sync::Arc;

use super::auth::{Issued, issue};
use super::{second_factors, sessions};
use crate::app::App;
use crate::auth::devices::{self, DeviceCookie};
use crate::auth::verified::Session;
use crate::error::{Error, Result, Unauthorized};
use crate::limits::Guess;
use crate::limits::fair_queue::Turn;
use crate::model::audit::{Action, AuditActor};
use crate::model::sessions::Client;
use crate::model::text;
use crate::model::users::{Role, User};
use crate::store::{WriteTx, audit, users};

/// How much of an unknown name is remembered, in characters.
const MAX_LOGIN_CHARS: usize = 128;

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
            let session = app.auth.tokens.begin(app.now());
            let begun = session.clone();
            let write = app.store.write(move |tx| {
                let_in(tx, &user, &begun, &client, "")?;
                Ok(user)
            });
            let issued = issue(app, Arc::new(write.await?), &session)?;
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
    let tried = &app.limits.codes;
    let is_known = matches!(guess, Guess::Device(_));
    if !is_known {
        tried.begin(&user.key).map_err(Error::TooMany)?;
    }
    if second_factors::use_code(app, user, &code).await? {
        tried.forget(&user.key);
        return Ok(());
    }
    app.limits.ledger.failed_login(Some(user.key));
    tokio::time::sleep(app.limits.failed_from(address)).await;
    Err(Error::Unauthorized(Unauthorized::BadSecondFactor))
}

/// Begins a session of a user who has shown who they are. The audit log records it of administrators alone: by what, in `detail`.
pub(super) fn let_in(
    tx: &WriteTx,
    user: &User,
    session: &Session,
    client: &Client,
    detail: &str,
) -> Result<()> {
    if user.role == Role::Admin {
        let by = AuditActor::person(user.id(), client.address);
        audit::note(tx, &by, Action::LogIn, user.id().as_str(), detail)?;
    }
    sessions::begin(tx, user, session, &client.browser)
}
