//! One-time links by which people set a password: for one, and for many.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::login::LoggedIn;
use super::{auth, second_factors};
use crate::app::App;
use crate::auth::devices;
use crate::error::{Error, Noun, Result, Unauthorized};
use crate::limits::Guess;
use crate::model::audit::{Action, AuditActor};
use crate::model::events::Effect;
use crate::model::ids::{UserId, UserKey};
use crate::model::password_links::{LinkOrigin, LinksFilter, LinksMade, PasswordLink, Slip, path};
use crate::model::random;
use crate::model::sessions::Client;
use crate::model::users::User;
use crate::rule;
use crate::service::safeguarding::duties;
use crate::store::{audit, password_links, users};

/// How long a link for one user is valid, in seconds.
const LINK_LIFETIME_SECONDS: i64 = 3 * 24 * 3_600;
/// How many links one write stores: it should not be longer than a few commits.
const SLICE: usize = 200;

/// A code, and what is stored of it.
fn code() -> Result<(String, [u8; 32])> {
    let code = random::base64url::<24>()?;
    let hash = Sha256::digest(&code).into();
    Ok((code, hash))
}

/// A link by which a user sets their password, once, within three days. An earlier one is no longer valid.
///
/// # Errors
/// [`Noun::User`] not found, also when disabled; [`Error::Invalid`] for who has no username to log in with.
pub async fn make(app: &App, by: AuditActor, id: UserId) -> Result<PasswordLink> {
    let (code, hash) = code()?;
    let app_in = app.clone();
    let expires_at = app
        .store
        .write(move |tx| {
            let user = users::by_id(tx, &id)?
                .filter(|user| !user.disabled)
                .ok_or(Error::NotFound(Noun::User))?;
            super::accounts::check_target(&by, &user)?;
            if user.username.is_none() {
                let why = rule::no_username();
                return Err(Error::invalid("username", why));
            }
            let expires_at = tx.now.plus_seconds(LINK_LIFETIME_SECONDS);
            password_links::put(tx, user.key, LinkOrigin::Office, (&hash, false), expires_at)?;
            audit::note(tx, &by, Action::PasswordLinkMade, id.as_str(), "")?;
            duties::note_access(tx, &app_in, &by, &user)?;
            // From now on they log in here: no token of the app acts for them.
            tx.emit(Effect::UserChanged(id.clone()));
            Ok(expires_at)
        })
        .await?;
    Ok(PasswordLink {
        path: path(app.config.server.base(), &code),
        expires_at,
    })
}

/// Links for everybody who fits the filter, each valid once, for so many days. Earlier links of theirs are no longer valid.
///
/// # Errors
/// [`Error::Invalid`] where nobody fits.
pub async fn make_many(
    app: &App,
    by: AuditActor,
    filter: LinksFilter,
    days: u32,
) -> Result<LinksMade> {
    let read = app
        .store
        .read_long(move |c| password_links::addressees(c, &filter));
    let addressees = read.await?;
    if addressees.is_empty() {
        return Err(Error::invalid("filter", rule::nobody_fits()));
    }
    let expires_at = app.now().plus_seconds(i64::from(days) * 24 * 3_600);
    let base = app.config.server.base();
    let mut slips = Vec::with_capacity(addressees.len());
    let mut stored = Vec::with_capacity(addressees.len());
    for addressee in addressees {
        let (code, hash) = code()?;
        stored.push((addressee.key, addressee.id.clone(), hash));
        slips.push(Slip {
            path: path(base, &code),
            addressee,
        });
    }
    let detail = format!("{} links, for {days} days", stored.len());
    let noted = by.clone();
    app.store
        .write(move |tx| audit::note(tx, &noted, Action::PasswordLinksMade, "", &detail))
        .await?;
    while !stored.is_empty() {
        let slice: Vec<(UserKey, UserId, [u8; 32])> =
            stored.drain(..stored.len().min(SLICE)).collect();
        let (app_in, by) = (app.clone(), by.clone());
        app.store
            .write(move |tx| {
                for (user, id, hash) in &slice {
                    password_links::put(tx, *user, LinkOrigin::Office, (hash, false), expires_at)?;
                    if let Some(user) = users::by_key(tx, *user)? {
                        duties::note_access(tx, &app_in, &by, &user)?;
                    }
                    tx.emit(Effect::UserChanged(id.clone()));
                }
                Ok(())
            })
            .await?;
    }
    Ok(LinksMade { slips, expires_at })
}

/// The user whose link this is, for the page that asks for the password. The link stays valid.
///
/// # Errors
/// [`Unauthorized::BadPasswordLink`].
pub async fn owner(app: &App, code: &str) -> Result<User> {
    let hash: [u8; 32] = Sha256::digest(code).into();
    let now = app.now();
    let found = app
        .store
        .read(move |c| password_links::owner(c, &hash, now));
    found
        .await?
        .ok_or(Error::Unauthorized(Unauthorized::BadPasswordLink))
}

/// What a link alone does not prove: who has a second factor shows it here too.
async fn prove(
    app: &App,
    user: &User,
    code: Option<String>,
) -> Result<Option<second_factors::Proof>> {
    if !user.second_factor {
        return Ok(None);
    }
    let code = code.filter(|code| !code.trim().is_empty());
    let code = code.ok_or(Error::Unauthorized(Unauthorized::SecondFactorRequired))?;
    // Counted with the password changes of its owner: a stolen link is no way to try all codes.
    app.limits.attempt(&Guess::Change(user.key))?;
    let proof = second_factors::examine(app, user, &code).await?;
    let proof = proof.ok_or(Error::Unauthorized(Unauthorized::BadSecondFactor))?;
    Ok(Some(proof))
}

/// Sets the password of the person whose link this is. Every earlier token ends.
///
/// # Errors
/// [`Unauthorized::BadPasswordLink`]; [`Error::Invalid`] on `password`; [`Unauthorized::SecondFactorRequired`] and
/// [`Unauthorized::BadSecondFactor`], after which the link is still valid.
pub async fn redeem(
    app: &App,
    code: &str,
    password: String,
    second_factor: Option<String>,
    client: Client,
) -> Result<LoggedIn> {
    let hash: [u8; 32] = Sha256::digest(code).into();
    let now = app.now();
    let bad = Error::Unauthorized(Unauthorized::BadPasswordLink);
    // The code cannot be guessed: 192 random bits.
    let found = app
        .store
        .read(move |c| password_links::owner(c, &hash, now));
    let user = found.await?.ok_or(bad)?;
    let proof = prove(app, &user, second_factor).await?;
    let new_hash = auth::hash_new(
        app,
        "password",
        password,
        user.username.as_deref(),
        &user.person.name,
    )
    .await?;
    let session = app.auth.tokens.begin(app.now());
    let begun = session.clone();
    let (user, new_hash) = app
        .store
        .write(move |tx| {
            // Only once: another request may have been quicker.
            let user = password_links::owner(tx, &hash, tx.now)?
                .ok_or(Error::Unauthorized(Unauthorized::BadPasswordLink))?;
            if user.second_factor && proof.is_none() {
                return Err(Error::Unauthorized(Unauthorized::SecondFactorRequired));
            }
            if let Some(proof) = &proof
                && !second_factors::accept(tx, &user, proof)?
            {
                return Err(Error::Unauthorized(Unauthorized::BadSecondFactor));
            }
            let by = AuditActor::person(user.id(), client.address);
            audit::note(
                tx,
                &by,
                Action::PasswordSet,
                user.id().as_str(),
                "by a link",
            )?;
            let user = auth::set_password(tx, &user, &new_hash, (&begun, &client.browser))?;
            Ok((user, new_hash))
        })
        .await?;
    app.limits.succeeded(&Guess::Change(user.key));
    // From now on the device is known: others' wrong passwords keep nobody out who has just come in.
    let device = devices::issue(&app.auth.tokens, user.id(), &new_hash, app.now())?;
    Ok(LoggedIn {
        issued: auth::issue(app, Arc::new(user), &session)?,
        device,
    })
}
