//! What a user wants pushed.

use crate::app::App;
use crate::config::PushContent;
use crate::error::Result;
use crate::model::events::Effect;
use crate::model::language::Language;
use crate::model::notifications::Urgency;
use crate::model::preferences::{Display, Instead, Preferences, PreferencesChange, Wish};
use crate::model::users::User;
use crate::store::{self, blocks, preferences, pushes};

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
    let (key, id) = (me.key, me.id().clone());
    let changed = app.store.write(move |tx| {
        let before = preferences::of(tx, key)?;
        let was_shown = before.show_online;
        let new = change.apply(before)?;
        preferences::set(tx, key, &new)?;
        pushes::reconsider(tx, key, tx.now)?;
        tx.emit(Effect::PushDue);
        if new.show_online != was_shown {
            tx.emit(Effect::UserChanged(id));
        }
        Ok((was_shown, new))
    });
    let (was_shown, new) = changed.await?;
    if new.show_online != was_shown {
        super::presence::shows_or_hides(app, me).await?;
    }
    Ok(new)
}

/// How the caller's pages show what arrives while they are in the background.
pub async fn display(app: &App, me: &User) -> Result<Display> {
    let (me, app_in) = (me.clone(), app.clone());
    let read = app.store.read(move |c| {
        let policy = app_in.decisions.policy(c, store::policy::stamps(c)?)?;
        let roles = super::policy::roles_of(&app_in, c, &me)?;
        let zone = app_in.school.get().time_zone.clone();
        let is_quiet = policy.quiet_until(roles, app_in.now(), &zone).is_some();
        let muted = blocks::muted_ids(c, me.key)?;
        Ok((preferences::of(c, me.key)?, is_quiet, muted))
    });
    let (preferences, is_quiet, muted_partners) = read.await?;
    let push = &app.config.push;
    let language = Language::of(preferences.language.as_deref());
    // No type has an empty name, so none is muted by it.
    let shows = !is_quiet && preferences.wish("", Urgency::Normal, app.now()) == Wish::Now;
    Ok(Display {
        shows,
        muted_types: preferences.muted_types,
        muted_partners,
        message_link: push.message_link.clone(),
        instead: (push.content == PushContent::Hidden).then(|| Instead {
            message: language.text("message"),
            notification: language.text("notification"),
            text: language.text("open"),
        }),
    })
}
