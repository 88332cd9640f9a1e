//! API keys of the school's own back end.

use std::sync::Arc;

use crate::app::App;
use crate::error::{Error, Result, Unauthorized};
use crate::model::keys::{ApiKey, ApiKeySecret, Scope};
use crate::store::keys;

/// How old `last_used_at` may be before it is written again, in milliseconds: a key in use is not a write each time.
const LAST_USED_STEP: i64 = 60_000;

/// Makes a key. What it returns is the only copy of the secret.
///
/// # Errors
/// [`Error::Invalid`] on `name` or `scopes`.
pub async fn create(app: &App, name: &str, scopes: &[Scope]) -> Result<ApiKeySecret> {
    if scopes.is_empty() {
        return Err(Error::invalid("scopes", "must name at least one"));
    }
    let secret = ApiKeySecret::generate()?;
    let hash = ApiKeySecret::hash(secret.expose());
    let scopes: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    let key = ApiKey {
        id: uuid::Uuid::now_v7().to_string(),
        name: ApiKey::parse_name(name)?,
        scopes: scopes.join(" "),
        last_used_at: None,
    };
    app.store
        .write(move |tx| Ok((keys::insert(tx, &key, &hash, tx.now)?, Vec::new())))
        .await?;
    Ok(secret)
}

/// Whether there was a live key of this id. It is refused from the next request on.
pub async fn revoke(app: &App, id: String) -> Result<bool> {
    app.store
        .write(move |tx| Ok((keys::revoke(tx, &id, tx.now)?, Vec::new())))
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
        .is_none_or(|at| now.0 - at.0 > LAST_USED_STEP)
    {
        let id = key.id.clone();
        app.store
            .write(move |tx| Ok((keys::set_last_used(tx, &id, now)?, Vec::new())))
            .await?;
    }
    Ok(Arc::new(key))
}
