//! Copies of a database in use.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::open;
use crate::error::{Error, Result};

/// Writes a consistent, compact copy of the database at `source` to `target` and checks it. Writers go on meanwhile.
///
/// # Errors
/// When `target` exists, cannot be written, or the copy does not pass `PRAGMA quick_check`; then no file is left.
pub fn copy(source: &Path, target: &Path) -> Result<()> {
    let fail = |why: String| Error::Internal(why);
    if target.exists() {
        return Err(fail(format!("{} exists already", target.display())));
    }
    let mut connection = Connection::open_with_flags(source, open::read_only())?;
    open::tune(&mut connection)?;
    // A name of its own until it is whole: who finds the target finds a good copy.
    let partial = open::sibling(target, ".partial");
    let _ = std::fs::remove_file(&partial);
    // As private as the database itself.
    open::restrict(&partial)
        .map_err(|e| fail(format!("cannot write {}: {e}", target.display())))?;
    let written = connection
        .execute("VACUUM INTO ?1", [partial.to_string_lossy()])
        .map_err(|e| fail(format!("cannot write {}: {e}", target.display())))
        .and_then(|_| check(&partial))
        .and_then(|()| {
            std::fs::File::open(&partial)
                .and_then(|file| file.sync_all())
                .and_then(|()| std::fs::rename(&partial, target))
                .map_err(|e| fail(format!("cannot write {}: {e}", target.display())))
        });
    written.inspect_err(|_| {
        let _ = std::fs::remove_file(&partial);
    })
}

/// Runs `PRAGMA quick_check` on a database file.
///
/// # Errors
/// With SQLite's first finding.
pub fn check(path: &Path) -> Result<()> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    let finding: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if finding == "ok" {
        Ok(())
    } else {
        Err(Error::Internal(format!(
            "{} is damaged: {finding}",
            path.display()
        )))
    }
}
