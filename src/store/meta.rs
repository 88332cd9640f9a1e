//! Facts about the database itself.

use rusqlite::Connection;

use super::{first, run};
use crate::error::Result;
use crate::model::ids::Seq;
use crate::model::time::Time;

/// The seq of the newest durable event.
pub fn seq(connection: &Connection) -> Result<Seq> {
    Ok(first(connection, "SELECT value FROM sequence", [], |row| {
        row.get(0)
    })?
    .unwrap_or(0))
}

/// Names this history of the sequence.
pub fn epoch(connection: &Connection) -> Result<String> {
    let sql = "SELECT value FROM meta WHERE name = 'epoch'";
    Ok(first(connection, sql, [], |row| row.get(0))?.unwrap_or_default())
}

/// Where this history begins: 0 unless a backup was restored.
pub fn epoch_seq(connection: &Connection) -> Result<Seq> {
    Ok(number(connection, "epoch_seq")?.unwrap_or(0))
}

/// A fact that is a number.
pub(super) fn number(connection: &Connection, name: &str) -> Result<Option<i64>> {
    let sql = "SELECT CAST(value AS INTEGER) FROM meta WHERE name = ?1";
    first(connection, sql, [name], |row| row.get(0))
}

/// Another number after each commit of another connection (`PRAGMA data_version`).
pub(super) fn data_version(connection: &Connection) -> Result<i64> {
    let version = first(connection, "PRAGMA data_version", [], |row| row.get(0))?;
    Ok(version.unwrap_or(0))
}

/// Begins a new history after `seq`: cursors from before it belong to the previous one.
pub fn begin_epoch(connection: &Connection, seq: Seq) -> Result<()> {
    run(connection, "UPDATE sequence SET value = ?1", [seq])?;
    let sql = "UPDATE meta SET value = lower(hex(randomblob(8))) WHERE name = 'epoch'";
    run(connection, sql, [])?;
    let sql = "INSERT INTO meta (name, value) VALUES ('epoch_seq', ?1)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    run(connection, sql, [seq.to_string()]).map(drop)
}

/// A test write: whether the database takes one.
pub fn touch(connection: &Connection, now: Time) -> Result<()> {
    run(
        connection,
        "INSERT INTO meta (name, value) VALUES ('health', ?1)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [now.0.to_string()],
    )
    .map(drop)
}

/// Sets a fact; whether it was another before.
pub fn is_new(connection: &Connection, name: &str, value: &str) -> Result<bool> {
    let sql = "INSERT INTO meta (name, value) VALUES (?1, ?2)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value <> excluded.value";
    Ok(run(connection, sql, [name, value])? > 0)
}
