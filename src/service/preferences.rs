//! What a user wants pushed.

use crate::app::App;
use crate::config::PushContent;
use crate::error::Result;
use crate::model::events::Effect;
use crate::model::language::Language;
use crate::model::notifications::Urgency;
use crate::model::preferences::{Display, Instead, Preferences, PreferencesChange, Wish};
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
            tx.emit(Effect::PushDue);
            Ok(new)
        })
        .await
}

/// How the caller's pages show what arrives while they are in the background.
pub async fn display(app: &App, me: &User) -> Result<Display> {
    let preferences = of(app, me).await?;
    let push = &app.config.push;
    let language = Language::of(preferences.language.as_deref());
    // No type has an empty name, so none is muted by it.
    let shows = preferences.wish("", Urgency::Normal, app.now()) == Wish::Now;
    Ok(Display {
        shows,
        muted_types: preferences.muted_types,
        message_link: push.message_link.clone(),
        instead: (push.content == PushContent::Hidden).then(|| Instead {
            message: language.text("message"),
            notification: language.text("notification"),
            text: language.text("open"),
        }),
    })
}
