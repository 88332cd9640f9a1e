//! What each person wants pushed.

use rusqlite::{Connection, params};

use super::{first, run, users};
use crate::error::Result;
use crate::model::ids::UserKey;
use crate::model::preferences::Preferences;

/// The person's own, or the default.
pub fn of(connection: &Connection, me: UserKey) -> Result<Preferences> {
    let sql = "SELECT value FROM push_preferences WHERE user_key = ?1";
    let stored = first(connection, sql, [me.0], |row| row.get::<_, String>(0))?;
    // This one stands with the user, of whom it is asked more often.
    let sql = "SELECT show_online FROM users WHERE key = ?1";
    let show_online = first(connection, sql, [me.0], |row| row.get(0))?.flatten();
    Ok(Preferences {
        show_online,
        ..stored.and_then(|json| parse(&json)).unwrap_or_default()
    })
}

/// Preferences as they are stored. What cannot be read, after a downgrade for instance, is as if it had never been set.
pub(super) fn parse(json: &str) -> Option<Preferences> {
    serde_json::from_str(json)
        .inspect_err(|error| tracing::error!(%error, "cannot read stored preferences"))
        .ok()
}

pub fn set(connection: &Connection, me: UserKey, preferences: &Preferences) -> Result<()> {
    users::set_show_online(connection, me, preferences.show_online)?;
    let stored = Preferences {
        show_online: None,
        ..preferences.clone()
    };
    let json = serde_json::to_string(&stored).unwrap_or_default();
    let sql = "INSERT INTO push_preferences (user_key, value) VALUES (?1, ?2)
               ON CONFLICT (user_key) DO UPDATE SET value = excluded.value";
    run(connection, sql, params![me.0, json]).map(drop)
}
