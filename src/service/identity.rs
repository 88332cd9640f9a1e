//! Who a user is, by a token: one of ours, or of the school's own app.

use std::sync::Arc;

use crate::app::App;
use crate::auth::token_refused::TokenRefused;
use crate::auth::tokens::Tokens;
use crate::auth::verified::{Issue, Session, SessionBy, Verified};
use crate::config::LinkBy;
use crate::error::{Error, Result, Unauthorized};
use crate::model::ids::UserId;
use crate::model::time::Time;
use crate::model::users::{Origin, Role, User};
use crate::store::personal_data;

/// A user, by a valid token.
#[derive(Debug, Clone)]
pub struct Identity {
    pub user: Arc<User>,
    pub expires_at: Time,
    /// The session of the token, if it is one of ours; else the origin of a session that it begins.
    pub session: std::result::Result<Session, SessionBy>,
}

impl Identity {
    /// The id of the session, where there is one.
    pub fn session_id(&self) -> Option<Arc<str>> {
        self.session.as_ref().ok().map(|session| session.id.clone())
    }
}

/// What a token stands for.
#[derive(Debug)]
pub enum Standing {
    /// One of ours.
    Own(Identity),
    /// One of the school's app, for a user who is here. `iat` as in the token, in seconds.
    App {
        identity: Identity,
        iat: Option<i64>,
    },
    /// One of the school's app, for a user whom its first use makes.
    New { id: UserId, iat: Option<i64> },
}

/// The person of a JWT. Makes or refreshes them, where tokens of the school's app may.
///
/// # Errors
/// [`Error::Unauthorized`], also for a user who is disabled or has logged out everywhere since.
pub async fn identity(app: &App, token: &str) -> Result<Identity> {
    let (verified, standing) = examine(app, token).await.map_err(TokenRefused::noted)?;
    let (identity, iat) = match standing {
        Standing::Own(identity) => return Ok(identity),
        Standing::App { identity, iat } => (identity, iat),
        Standing::New { id, iat } => {
            let user = super::users::provision(app, &id, &verified.profile).await?;
            // Another user may have made them meanwhile.
            let made = acting(app, &verified, user, iat, SessionBy::App);
            (made.map_err(TokenRefused::noted)?, iat)
        }
    };
    if !app.config.auth.auto_provision {
        return Ok(identity);
    }
    let user = super::users::refresh(app, identity.user, &verified.profile, iat).await?;
    Ok(Identity { user, ..identity })
}

/// What a token says and stands for; changes nothing.
///
/// # Errors
/// [`TokenRefused`].
pub async fn examine(app: &App, token: &str) -> Result<(Arc<Verified>, Standing), TokenRefused> {
    let verified = app.auth.tokens.verify(token, app.now()).await?;
    let standing = match &verified.issue {
        Issue::Own { version, session } => own(app, &verified, *version, session).await?,
        Issue::Foreign { iat, issuer } => foreign(app, &verified, *iat, issuer).await?,
    };
    Ok((verified, standing))
}

async fn own(
    app: &App,
    verified: &Verified,
    version: i64,
    session: &Session,
) -> Result<Standing, TokenRefused> {
    let unknown = || Error::Unauthorized(Unauthorized::UnknownUser);
    let id = verified.id.as_ref().ok_or_else(unknown)?;
    let user = super::users::find(app, id).await?.ok_or_else(unknown)?;
    check_enabled(&user)?;
    let ended = app.user_cache.has_ended(&app.store, &session.id).await?;
    if version != user.token_version || ended {
        return Err(Error::Unauthorized(Unauthorized::Revoked).into());
    }
    check_may_act(app, &user, session.by)?;
    let now = app.now();
    if verified.is_use_to_be_noted(now) {
        super::sessions::note_seen(app, session, now);
    }
    Ok(Standing::Own(Identity {
        user,
        expires_at: verified.expires_at,
        session: Ok(session.clone()),
    }))
}

async fn foreign(
    app: &App,
    verified: &Verified,
    iat: Option<i64>,
    issuer: &str,
) -> Result<Standing, TokenRefused> {
    let linked = app
        .user_cache
        .linked(&app.store, issuer, &verified.subject)
        .await?;
    let by = match &linked {
        Some(_) => SessionBy::LinkedApp,
        None => SessionBy::App,
    };
    let Some(id) = linked.as_ref().or(verified.id.as_ref()) else {
        let why = "its subject cannot be an id here, and is linked to nobody";
        return Err(TokenRefused::Because(why.into()));
    };
    match super::users::find(app, id).await? {
        Some(user) => {
            let identity = acting(app, verified, user, iat, by)?;
            Ok(Standing::App { identity, iat })
        }
        None if app.config.auth.auto_provision && is_newer_than_erasure(app, id, iat).await? => {
            let id = id.clone();
            Ok(Standing::New { id, iat })
        }
        None => Err(Error::Unauthorized(Unauthorized::UnknownUser).into()),
    }
}

/// A user for whom a token of the school's app acts.
fn acting(
    app: &App,
    verified: &Verified,
    user: Arc<User>,
    iat: Option<i64>,
    by: SessionBy,
) -> Result<Identity, TokenRefused> {
    check_enabled(&user)?;
    // `iat` counts whole seconds: one of the same second may be older, so it is refused.
    let current =
        user.tokens_after.0 == 0 || iat.is_some_and(|issued| issued > user.tokens_after.seconds());
    if !current {
        return Err(Error::Unauthorized(Unauthorized::Revoked).into());
    }
    check_may_act(app, &user, by)?;
    Ok(Identity {
        user,
        expires_at: verified.expires_at,
        session: Err(by),
    })
}

/// Whom a token of the school's own app may act for: users whom such a token made; users who were imported and never had a password, or a
/// link to set one; users whom an administrator linked to it; and, with `auth.link_by = "id"`, any user of that id. An administrator
/// only where linked, or made one by a claim that is trusted; a safeguarding lead only where linked.
///
/// # Errors
/// [`Unauthorized::NotLinked`].
fn check_may_act(app: &App, user: &User, by: SessionBy) -> Result<()> {
    let config = &app.config.auth;
    let may = match (by, user.role) {
        (SessionBy::Login | SessionBy::LinkedApp, _) => true,
        (SessionBy::App, _) if user.has_duty => false,
        (SessionBy::App, Role::Admin) => config.trust_admin_claim && !user.role_set,
        (SessionBy::App, _) => {
            user.origin == Origin::Token
                || user.origin == Origin::Import && !user.had_login
                || config.link_by == LinkBy::Id
        }
    };
    if may {
        return Ok(());
    }
    tracing::info!(
        user = %user.id(), role = %user.role,
        "token refused: this person was not made by such a token; link them with \
         PUT /api/admin/people/ID/identities, or set auth.link_by"
    );
    Err(Error::Unauthorized(Unauthorized::NotLinked))
}

/// Whether another issuer's token may make the account: one from before its owner's data was erased may not.
async fn is_newer_than_erasure(app: &App, id: &UserId, issued: Option<i64>) -> Result<bool> {
    let erased = erased_at(app, id).await?;
    Ok(erased.is_none_or(|erased| issued.is_some_and(|issued| issued > erased.seconds())))
}

/// The hashes by which an erased id is recognised without being stored: ours, and that of earlier versions.
pub fn erased_macs(tokens: &Tokens, id: &UserId) -> [String; 2] {
    let text = format!("erased {id}");
    [tokens.mac(&text), tokens.previous_mac(&text)]
}

/// When a user of this id was erased, if one was. A token from before then makes no new account.
async fn erased_at(app: &App, id: &UserId) -> Result<Option<Time>> {
    let macs = erased_macs(&app.auth.tokens, id);
    app.store
        .read(move |c| {
            let found = macs.map(|mac| personal_data::erased_at(c, &mac));
            let [now, before] = found;
            Ok(now?.max(before?))
        })
        .await
}

fn check_enabled(user: &User) -> Result<()> {
    if user.disabled {
        return Err(Error::Unauthorized(Unauthorized::Disabled));
    }
    Ok(())
}
