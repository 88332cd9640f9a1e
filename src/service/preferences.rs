//! What somebody wants pushed.

use crate::app::App;
use crate::error::Result;
use crate::model::events::Effect;
use crate::model::preferences::{Preferences, PreferencesChange};
use crate::model::users::User;
use crate::store::{preferences, pushes};

/// The caller's own, or the default.
pub async fn of(app: &App, me: &User) -> Result<Preferences> {
    let key = me.key;
    app.store.read(move |c| preferences::of(c, key)).await
}

/// Changes the caller's. What waits for the end of quiet hours is looked at again.
///
/// # Errors
/// [`Error::Invalid`](crate::error::Error::Invalid) that names the field.
pub async fn change(app: &App, me: &User, change: PreferencesChange) -> Result<Preferences> {
    let key = me.key;
    app.store
        .write(move |tx| {
            let new = change.apply(preferences::of(tx, key)?)?;
            preferences::set(tx, key, &new)?;
            pushes::reconsider(tx, key, tx.now)?;
            Ok((new, vec![Effect::PushDue]))
        })
        .await
}
