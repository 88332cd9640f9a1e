//! What administrators set on the dashboard.

use std::collections::BTreeMap;

use crate::app::App;
use crate::config::settings::{Setting, Source};
use crate::error::{Conflict, Error, Result};
use crate::model::audit::{Action, AuditActor};
use crate::model::events::Effect;
use crate::model::school::SETTABLE;
use crate::store::{audit, settings};

/// Every key with its value and where it came from.
pub async fn list(app: &App) -> Result<Vec<Setting>> {
    let stored = app.store.read(settings::everything).await?;
    let mut list = app.config.settings();
    for setting in &mut list {
        setting.settable = SETTABLE.contains(&&*setting.key) && !app.school.is_fixed(&setting.key);
        if let Some(value) = stored.get(&setting.key).filter(|_| setting.settable) {
            // As the file has it: a text in quotes.
            let is_text = setting.value.starts_with('"');
            setting.value = if is_text {
                format!("{value:?}")
            } else {
                value.clone()
            };
            setting.source = Source::Dashboard;
        }
    }
    Ok(list)
}

/// Sets values; an empty one takes it away.
///
/// # Errors
/// [`Error::Invalid`] on a key that is not to be set here, or a value that cannot be; [`Conflict::SetInConfig`] for one that
/// the configuration sets.
pub async fn set(
    app: &App,
    by: AuditActor,
    values: BTreeMap<String, String>,
) -> Result<Vec<Setting>> {
    let mut trial = (*app.school.get()).clone();
    for (key, value) in &values {
        trial.set(key, value)?;
        if app.school.is_fixed(key) {
            return Err(Error::Conflict(Conflict::SetInConfig));
        }
    }
    app.store
        .write(move |tx| {
            for (key, value) in &values {
                settings::set(tx, key, value.trim())?;
            }
            let keys: Vec<&str> = values.keys().map(String::as_str).collect();
            audit::note(tx, &by, Action::SettingsChanged, "", &keys.join(", "))?;
            tx.emit(Effect::SettingsChanged(settings::everything(tx)?));
            Ok(())
        })
        .await?;
    list(app).await
}

/// Reads them again: at the start, and when another process has written.
pub async fn reload(app: &App) -> Result<()> {
    let stored = app.store.read(settings::everything).await?;
    app.school.apply(&stored);
    Ok(())
}
