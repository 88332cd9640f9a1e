//! Copies of a database in use.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use super::connection;
use super::files::{self, sync_folder};
use crate::error::{Error, Result};
use crate::limits::priority::{Priority, yield_to_others};

/// Writes a consistent, compact copy of the database at `source` to `target` and checks it. Writers go on meanwhile. To be
/// called on a thread of its own, whose priority it lowers.
///
/// # Errors
/// When `target` exists, cannot be written, or the copy does not pass `PRAGMA quick_check`; then no file is left.
pub fn copy(source: &Path, target: &Path) -> Result<()> {
    if target.exists() {
        let why = format!("{} exists already", target.display());
        return Err(Error::Internal(why));
    }
    replace(source, target)
}

/// As [`copy`], also where there is a file at `target`, which stays until the copy is whole.
///
/// # Errors
/// As [`copy`].
pub(super) fn replace(source: &Path, target: &Path) -> Result<()> {
    let fail = |why: String| Error::Internal(why);
    let mut connection = Connection::open_with_flags(source, connection::read_only())?;
    connection::tune(&mut connection)?;
    // Under another name until it is complete: a file at the target is a good copy.
    let partial = files::sibling(target, ".partial");
    remove_partial(&partial);
    // As private as the database itself.
    files::restrict(&partial)
        .map_err(|e| fail(format!("cannot write {}: {e}", target.display())))?;
    let written = vacuum(&connection, source, &partial, target)
        .and_then(|()| check(&partial))
        .and_then(|()| {
            std::fs::File::open(&partial)
                .and_then(|file| file.sync_all())
                .and_then(|()| std::fs::rename(&partial, target))
                .and_then(|()| sync_folder(target))
                .map_err(|e| fail(format!("cannot write {}: {e}", target.display())))
        });
    written.inspect_err(|_| remove_partial(&partial))
}

/// What was written of a copy, and SQLite's journal of it.
pub(crate) fn remove_partial(partial: &Path) {
    for path in [partial.to_owned(), files::sibling(partial, "-journal")] {
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "cannot remove an unfinished copy");
        }
    }
}

/// How often what was written of a copy goes to the disk.
const SYNC_PERIOD: Duration = Duration::from_millis(20);

/// Writes the copy on a thread of low priority, and to the disk a little at a time. Writing all of it at the end would hold up
/// commits.
fn vacuum(connection: &Connection, source: &Path, partial: &Path, target: &Path) -> Result<()> {
    let done = AtomicBool::new(false);
    let sync = || {
        while !done.load(Ordering::Relaxed) {
            std::thread::sleep(SYNC_PERIOD);
            // The last one, which counts, is the caller's.
            let _ = std::fs::File::open(partial).and_then(|file| file.sync_data());
        }
    };
    let written = std::thread::scope(|scope| {
        scope.spawn(sync);
        yield_to_others(Priority::Low);
        let written = connection.execute("VACUUM INTO ?1", [partial.to_string_lossy()]);
        done.store(true, Ordering::Relaxed);
        written
    });
    match written {
        Ok(_) => Ok(()),
        Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            Err(damaged(source, &e.to_string()))
        }
        Err(e) => Err(Error::Internal(format!(
            "cannot write {}: {e}",
            target.display()
        ))),
    }
}

/// Runs `PRAGMA integrity_check`, which looks at everything, and follows every reference.
pub(super) fn check_all(path: &Path) -> Result<()> {
    let look = || {
        let connection = Connection::open_with_flags(path, connection::read_only())?;
        let finding: String =
            connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        let dangling = connection.prepare("PRAGMA foreign_key_check")?.exists([])?;
        Ok((finding, dangling))
    };
    match look() {
        Ok((finding, false)) if finding == "ok" => Ok(()),
        Ok((finding, true)) if finding == "ok" => Err(damaged(path, "rows are missing")),
        Ok((finding, _)) => Err(damaged(path, &finding)),
        Err(error) => Err(damaged_or_refused(path, &error)),
    }
}

/// In one line.
fn damaged(path: &Path, why: &str) -> Error {
    let why = why.replace('\n', " ");
    Error::Internal(format!("{} is damaged: {why}", path.display()))
}

/// What SQLite cannot read is damaged, unless it is the system that refuses.
fn damaged_or_refused(path: &Path, error: &rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{CannotOpen, DatabaseBusy, DiskFull, PermissionDenied, ReadOnly};
    match error.sqlite_error_code() {
        Some(CannotOpen | DatabaseBusy | DiskFull | PermissionDenied | ReadOnly) => {
            Error::Internal(format!("{} cannot be read: {error}", path.display()))
        }
        _ => damaged(path, &error.to_string()),
    }
}

/// Runs `PRAGMA quick_check` on a database file.
///
/// # Errors
/// With SQLite's first finding.
pub fn check(path: &Path) -> Result<()> {
    let look = || {
        let connection = Connection::open_with_flags(path, connection::read_only())?;
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
    };
    match look() {
        Ok(finding) if finding == "ok" => Ok(()),
        Ok(finding) => Err(damaged(path, &finding)),
        Err(error) => Err(damaged_or_refused(path, &error)),
    }
}
