//! The schema's versions. They only go forward; before one is taken, a copy of the database is kept beside it.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::open::{OpenError, sibling};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// The newest version that this binary knows.
pub fn latest() -> i32 {
    embedded::migrations::runner()
        .get_migrations()
        .iter()
        .map(|m| m.version())
        .max()
        .unwrap_or(0)
}

/// The version of an existing database, 0 of one without tables; `None` when it is not one of ours.
pub fn version(connection: &Connection) -> rusqlite::Result<Option<i32>> {
    let ours = connection
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE name = 'refinery_schema_history'",
            [],
            |_| Ok(()),
        )
        .optional()?;
    if ours.is_none() {
        // A first start that was cut short leaves a file without tables.
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        return Ok((tables == 0).then_some(0));
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
        if !copy.exists() {
            super::open::restrict(&copy).map_err(|e| OpenError::new(&copy, e.to_string()))?;
            connection
                .execute("VACUUM INTO ?1", [copy.to_string_lossy()])
                .map_err(|e| OpenError::new(path, format!("cannot copy before migrating: {e}")))?;
        }
        tracing::info!(copy = %copy.display(), from = version, to = latest(), "migrating the database");
    }
    embedded::migrations::runner()
        .run(connection)
        .map_err(|e| OpenError::new(path, format!("cannot migrate: {e}")))?;
    Ok(())
}
