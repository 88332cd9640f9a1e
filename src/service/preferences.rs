//! What somebody wants pushed.

use crate::app::App;
use crate::error::Result;
use crate::model::events::Effect;
use crate::model::preferences::Preferences;
use crate::model::users::User;
use crate::store::{preferences, pushes};

/// The caller's own, or the default.
pub async fn of(app: &App, me: &User) -> Result<Preferences> {
    let key = me.key;
    app.store.read(move |c| preferences::of(c, key)).await
}

/// Replaces the caller's. What waits for the end of quiet hours is looked at again.
pub async fn set(app: &App, me: &User, new: Preferences) -> Result<Preferences> {
    let key = me.key;
    app.store
        .write(move |tx| {
            preferences::set(tx, key, &new)?;
            pushes::reconsider(tx, key, tx.now)?;
            Ok((new, vec![Effect::PushDue]))
        })
        .await
}
