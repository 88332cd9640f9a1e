//! What is stored about the clock.

use rusqlite::{Connection, params};

use super::{first, meta, run};
use crate::error::Result;
use crate::model::time::Time;

fn get(connection: &Connection, name: &str) -> Result<Option<Time>> {
    Ok(meta::number(connection, name)?.map(Time))
}

/// When it was last checked.
pub fn last_seen(connection: &Connection) -> Result<Option<Time>> {
    get(connection, "clock")
}

/// Since when it is in doubt.
pub fn doubted_since(connection: &Connection) -> Result<Option<Time>> {
    get(connection, "clock_doubted")
}

/// The time of the newest message or line of the audit log.
pub fn newest_record(connection: &Connection) -> Result<Option<Time>> {
    let sql = "SELECT max(at) FROM (
                   SELECT (SELECT created_at FROM messages ORDER BY seq DESC LIMIT 1) AS at
                   UNION ALL SELECT (SELECT at FROM audit ORDER BY key DESC LIMIT 1))";
    let newest = first(connection, sql, [], |row| row.get::<_, Option<i64>>(0))?;
    Ok(newest.flatten().map(Time))
}

pub fn note(connection: &Connection, now: Time, doubted: Option<Time>) -> Result<()> {
    let sql = "INSERT INTO meta (name, value) VALUES (?1, ?2)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    run(connection, sql, params!["clock", now.0.to_string()])?;
    match doubted {
        Some(since) => run(
            connection,
            sql,
            params!["clock_doubted", since.0.to_string()],
        ),
        None => run(
            connection,
            "DELETE FROM meta WHERE name = 'clock_doubted'",
            [],
        ),
    }
    .map(drop)
}
