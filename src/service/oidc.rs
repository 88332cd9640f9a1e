//! Logging in with the school's own provider: who the person is whom it vouches for.

use std::sync::Arc;

use super::auth::{Issued, issue};
use super::confirmation;
use super::login::let_in;
use super::users::from_profile;
use crate::app::App;
use crate::auth::oidc::{Attempt, Vouched};
use crate::config::OidcMatch;
use crate::error::{Error, Result, Unauthorized};
use crate::model::audit::{Action, AuditActor};
use crate::model::events::Effect;
use crate::model::ids::UserId;
use crate::model::sessions::Client;
use crate::model::users::{ExternalIdentity, Role, User};
use crate::store::{WriteTx, audit, identities, users};

/// Where to send a browser that logs in with the provider, and what it must bring back. `confirms`: it must make sure again who it is, and
/// the session that begins is confirmed.
///
/// # Errors
/// [`Unauthorized::Oidc`] where there is no provider, or it cannot be reached.
pub async fn begin(app: &App, confirms: bool) -> Result<(url::Url, Attempt)> {
    let failed = Error::Unauthorized(Unauthorized::Oidc);
    let Some(oidc) = &app.auth.oidc else {
        return Err(failed);
    };
    let asked_since = confirms.then(|| app.now().seconds());
    oidc.begin(asked_since).await.map_err(|error| {
        tracing::error!(error, "cannot use the provider of auth.oidc");
        failed
    })
}

/// Lets in whom the provider vouches for.
///
/// # Errors
/// [`Unauthorized::Oidc`] where it vouches for nobody; [`Unauthorized::OidcUnknown`] for who is nobody here;
/// [`Unauthorized::Disabled`].
pub async fn finish(app: &App, code: String, attempt: Attempt, client: Client) -> Result<Issued> {
    let failed = || Error::Unauthorized(Unauthorized::Oidc);
    let oidc = app.auth.oidc.as_ref().ok_or_else(failed)?;
    let confirms_session = attempt.asked_since.is_some();
    let vouched = oidc.finish(code, attempt).await.map_err(|error| {
        tracing::warn!(error, "a login with the provider of auth.oidc failed");
        failed()
    })?;
    let session = app.auth.tokens.begin(app.now());
    let begun = session.clone();
    let config = app.config.auth.oidc.clone();
    let trust_admin_claim = app.config.auth.trust_admin_claim;
    let user = app
        .store
        .write(move |tx| {
            let user = match find(tx, &config.r#match, &vouched)? {
                Some(user) => user,
                None if config.provision => provision(tx, &vouched, trust_admin_claim)?,
                None => return Err(Error::Unauthorized(Unauthorized::OidcUnknown)),
            };
            if user.disabled {
                return Err(Error::Unauthorized(Unauthorized::Disabled));
            }
            let_in(tx, &user, &begun, &client, "with the provider")?;
            Ok(user)
        })
        .await
        .inspect_err(
            |error| tracing::info!(%error, "a login with the provider of auth.oidc was refused"),
        )?;
    if confirms_session {
        confirmation::hold_session(app, session.id.clone());
    }
    issue(app, Arc::new(user), &session)
}

/// The person of a login: who is linked to it, or else who matches, and is linked from now on.
fn find(tx: &WriteTx, by: &[OidcMatch], vouched: &Vouched) -> Result<Option<User>> {
    let identity = identity(vouched);
    if let Some(key) = identities::user(tx, &identity)? {
        return users::by_key(tx, key);
    }
    for one in by {
        let found = match one {
            OidcMatch::Subject => None,
            OidcMatch::Email => match &vouched.email {
                Some(email) => users::by_own_email(tx, email)?,
                None => None,
            },
            OidcMatch::Username => match &vouched.username {
                Some(username) => users::by_username(tx, username)?,
                None => None,
            },
        };
        let Some(user) = found else { continue };
        // Another login of this provider is theirs already: an address or a name has changed hands. And nobody becomes an administrator,
        // or gets round a second factor, by an address or a name.
        let has_other = identities::of(tx, user.key)?
            .iter()
            .any(|other| other.issuer == identity.issuer);
        if user.disabled {
            return Err(Error::Unauthorized(Unauthorized::Disabled));
        }
        if has_other || user.role == Role::Admin || user.second_factor {
            tracing::warn!(
                user = %user.id(), role = %user.role, has_other,
                "a login with the provider matches this person and may not be linked by itself: \
                 an administrator links it with PUT /api/admin/people/ID/identities"
            );
            // Not nobody either: a second account of theirs must not be made.
            return Err(Error::Unauthorized(Unauthorized::OidcUnknown));
        }
        link(tx, &user, &identity)?;
        return Ok(Some(user));
    }
    Ok(None)
}

fn identity(vouched: &Vouched) -> ExternalIdentity {
    ExternalIdentity {
        issuer: vouched.issuer.clone(),
        subject: vouched.subject.clone(),
    }
}

fn link(tx: &WriteTx, user: &User, identity: &ExternalIdentity) -> Result<()> {
    identities::add(tx, user.key, identity)?;
    let (by, target) = (AuditActor::server(), user.id().as_str());
    audit::note(
        tx,
        &by,
        Action::IdentitiesSet,
        target,
        "by a login with the provider",
    )?;
    tx.emit(Effect::IdentitiesChanged);
    Ok(())
}

/// Makes the person whom nobody here is.
fn provision(tx: &WriteTx, vouched: &Vouched, trust_admin_claim: bool) -> Result<User> {
    let id = UserId::generate();
    // Some providers have no name but that to log in with.
    let mut profile = vouched.profile.clone();
    profile.name = profile.name.or_else(|| vouched.username.clone());
    let new = from_profile(&id, &profile, trust_admin_claim)?;
    let user = users::insert(tx, &new, tx.now)?;
    audit::note(
        tx,
        &AuditActor::server(),
        Action::PersonAdded,
        id.as_str(),
        &format!("as {}, by a login with the provider", new.role),
    )?;
    link(tx, &user, &identity(vouched))?;
    tx.emit(Effect::UserChanged(id));
    Ok(user)
}
