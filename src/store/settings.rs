//! What administrators set on the dashboard.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::{WriteTx, all, run};
use crate::error::Result;

/// All values, by `section.key`.
pub fn everything(connection: &Connection) -> Result<BTreeMap<String, String>> {
    let sql = "SELECT name, value FROM settings";
    let values = all(connection, sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(values.into_iter().collect())
}

/// An empty value is none.
pub fn set(tx: &WriteTx, name: &str, value: &str) -> Result<()> {
    if value.is_empty() {
        return run(tx, "DELETE FROM settings WHERE name = ?1", [name]).map(drop);
    }
    let sql = "INSERT OR REPLACE INTO settings (name, value) VALUES (?1, ?2)";
    run(tx, sql, [name, value]).map(drop)
}
