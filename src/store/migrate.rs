//! The schema's versions. They only go forward; before one is taken, a copy of the database is kept beside it.

use std::path::Path;

use rusqlite::Connection;

use super::backup;
use super::files::{OpenError, sibling};
use crate::error::{Error, Result};
use crate::model::audit::{ChainHash, Line};
use crate::model::text;
use crate::model::time::Time;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// The newest version that this binary knows.
pub fn latest() -> i32 {
    embedded::migrations::runner()
        .get_migrations()
        .iter()
        .map(refinery::Migration::version)
        .max()
        .unwrap_or(0)
}

/// The version of an existing database, 0 of one without tables; `None` when it is not one of ours.
pub fn version(connection: &Connection) -> rusqlite::Result<Option<i32>> {
    let (history, ours, tables): (i64, i64, i64) = connection.query_row(
        "SELECT count(*) FILTER (WHERE name = 'refinery_schema_history'),
                count(*) FILTER (WHERE name IN ('meta', 'sequence')), count(*)
         FROM sqlite_schema WHERE type = 'table'",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    // A first start that was cut short leaves a file without tables, or with the history of versions alone. Other programs
    // may keep such a history, too.
    if tables == history {
        return Ok(Some(0));
    }
    if history == 0 || ours < 2 {
        return Ok(None);
    }
    connection.query_row(
        "SELECT coalesce(max(version), 0) FROM refinery_schema_history",
        [],
        |row| row.get(0).map(Some),
    )
}

/// Brings the schema from `version` to [`latest`].
///
/// # Errors
/// [`OpenError`]; each version is taken in a transaction of its own, so a failed one leaves no half.
pub fn up(connection: &mut Connection, path: &Path, version: i32) -> Result<(), OpenError> {
    if version > 0 && version < latest() {
        let copy = sibling(path, &format!(".schema-{version}.backup"));
        tracing::info!(copy = %copy.display(), "copying the database before the migration");
        // A copy that an earlier upgrade left there is older than this database.
        keep(path, &copy)
            .map_err(|e| OpenError::new(path, format!("cannot copy before migrating: {e}")))?;
        tracing::info!(from = version, to = latest(), "migrating the database");
    }
    add_functions(connection).map_err(|e| OpenError::new(path, format!("cannot migrate: {e}")))?;
    for migrated in embedded::migrations::runner().run_iter(connection) {
        let migrated =
            migrated.map_err(|e| OpenError::new(path, format!("cannot migrate: {e}")))?;
        if version > 0 {
            tracing::info!(
                version = migrated.version(),
                name = migrated.name(),
                "migrated"
            );
        }
    }
    Ok(())
}

/// What migrations call that SQL cannot do: columns hold what these functions of the program give.
pub fn add_functions(connection: &Connection) -> rusqlite::Result<()> {
    use rusqlite::functions::FunctionFlags;
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    for (name, of) in [
        ("schoolbell_case_key", text::case_key as fn(&str) -> String),
        ("schoolbell_fold", text::fold),
    ] {
        connection.create_scalar_function(name, 1, flags, move |call| {
            Ok(of(call.get_raw(0).as_str()?))
        })?;
    }
    connection.create_scalar_function("schoolbell_audit_hash", 8, flags, |call| {
        let previous = ChainHash::from_bytes(call.get(0)?);
        let line = Line {
            key: call.get(1)?,
            at: Time(call.get(2)?),
            actor: call.get_raw(3).as_str()?,
            address: call.get_raw(4).as_str_or_null()?,
            action: call.get_raw(5).as_str()?,
            target: call.get_raw(6).as_str()?,
            detail: call.get_raw(7).as_str()?,
        };
        Ok(line.hash(&previous).as_bytes().to_vec())
    })
}

/// Copies on a thread of its own, whose priority is lowered.
fn keep(path: &Path, copy: &Path) -> Result<()> {
    std::thread::scope(|scope| {
        let copying = scope.spawn(|| backup::replace(path, copy));
        let panicked = |_| Err(Error::Internal("the copy panicked".into()));
        copying.join().unwrap_or_else(panicked)
    })
}
