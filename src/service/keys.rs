//! API keys of the school's own back end.

use std::sync::Arc;

use crate::app::App;
use crate::error::{Error, Noun, Result, Unauthorized};
use crate::model::audit::{Action, AuditActor};
use crate::model::keys::{ApiKey, ApiKeySecret, Scope};
use crate::rule;
use crate::store::{audit, keys};

/// How old `last_used_at` may be before it is written again, in milliseconds: a key in use is not a write each time.
const LAST_USED_STEP_MS: i64 = 60_000;

/// A key that was made: the only copy of its secret.
pub struct MadeKey {
    pub id: String,
    pub secret: ApiKeySecret,
}

/// Makes a key. What it returns is the only copy of the secret.
///
/// # Errors
/// [`Error::Invalid`] on `name` or `scopes`.
pub async fn create(app: &App, by: AuditActor, name: &str, scopes: &[Scope]) -> Result<MadeKey> {
    if scopes.is_empty() {
        return Err(Error::invalid("scopes", rule::one_at_least()));
    }
    let secret = ApiKeySecret::generate()?;
    let hash = ApiKeySecret::hash(secret.expose());
    let scopes: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    let id = uuid::Uuid::now_v7().to_string();
    let key = ApiKey {
        id: id.clone(),
        name: ApiKey::parse_name(name)?,
        scopes: scopes.join(" "),
        last_used_at: None,
    };
    app.store
        .write(move |tx| {
            keys::insert(tx, &key, &hash, tx.now)?;
            audit::note(tx, &by, Action::KeyMade, &key.id, &key.scopes)?;
            Ok(())
        })
        .await?;
    Ok(MadeKey { id, secret })
}

/// Ends a key: it is refused from the next request on.
///
/// # Errors
/// [`Noun::Key`] not found, also when it was revoked before.
pub async fn revoke(app: &App, by: AuditActor, id: String) -> Result<()> {
    app.store
        .write(move |tx| {
            if !keys::revoke(tx, &id, tx.now)? {
                return Err(Error::NotFound(Noun::Key));
            }
            audit::note(tx, &by, Action::KeyRevoked, &id, "")?;
            Ok(())
        })
        .await
}

/// The key whose secret this is.
///
/// # Errors
/// [`Unauthorized::BadToken`].
pub async fn authenticate(app: &App, secret: &str) -> Result<Arc<ApiKey>> {
    let hash = ApiKeySecret::hash(secret);
    let found = app.store.read(move |c| keys::by_hash(c, &hash)).await?;
    let key = found.ok_or(Error::Unauthorized(Unauthorized::BadToken))?;
    let now = app.now();
    if key
        .last_used_at
        .is_none_or(|at| now.0 - at.0 > LAST_USED_STEP_MS)
    {
        let id = key.id.clone();
        app.store
            .write(move |tx| keys::set_last_used(tx, &id, now))
            .await?;
    }
    Ok(Arc::new(key))
}
