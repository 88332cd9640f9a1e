//! People by id, as all else here looks them up.

use std::sync::Arc;

use crate::app::App;
use crate::error::{Error, Noun, Result};
use crate::model::ids::UserId;
use crate::model::users::User;

/// A user by id, disabled or not.
pub async fn find(app: &App, id: &UserId) -> Result<Option<Arc<User>>> {
    app.user_cache.get(&app.store, id).await
}

/// A user by id whose past can be read, disabled or not.
///
/// # Errors
/// [`Noun::User`] not found.
pub async fn known(app: &App, id: &UserId) -> Result<Arc<User>> {
    find(app, id).await?.ok_or(Error::NotFound(Noun::User))
}
