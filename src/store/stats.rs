//! Figures for charts, by hour.

use rusqlite::{Connection, params};

use super::{WriteTx, all, run};
use crate::error::Result;

/// How long they are kept, in hours.
const KEEP_HOURS: i64 = 400 * 24;

/// Adds to the hour's counts.
pub fn add(tx: &WriteTx, hour: i64, counts: &[(String, u64)]) -> Result<()> {
    for (name, count) in counts {
        let sql = "INSERT INTO figures (hour, name, value) VALUES (?1, ?2, ?3)
                   ON CONFLICT (hour, name) DO UPDATE SET value = value + excluded.value";
        run(tx, sql, params![hour, name, *count as i64])?;
    }
    run(
        tx,
        "DELETE FROM figures WHERE hour < ?1",
        [hour - KEEP_HOURS],
    )
    .map(drop)
}

/// `(hour, name, value)` from this hour on, in the order of the hours.
pub fn since(connection: &Connection, hour: i64) -> Result<Vec<(i64, String, i64)>> {
    let sql = "SELECT hour, name, value FROM figures WHERE hour >= ?1 ORDER BY hour, name";
    all(connection, sql, [hour], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })
}
