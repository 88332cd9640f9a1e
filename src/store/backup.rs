//! Copies of a database in use.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::{audit, meta, open};
use crate::error::{Error, Result};
use crate::model::audit::{Action, By};
use crate::model::ids::Seq;
use crate::model::time::Time;

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

/// What a restored database's sequence begins above whatever can be known of the old one's: events of before that were
/// lost with it must not be taken for those that are to come.
const EPOCH_GAP: Seq = 10_000_000;

/// Puts the database in `file` in the place of the one at `target`; returns where that was put aside. Nobody may have it
/// open.
///
/// # Errors
/// When `file` is no sound database of ours or the disk refuses; then `target` is as it was.
pub fn restore(file: &Path, target: &Path, by: &By, now: Time) -> Result<Option<PathBuf>> {
    let fail = |path: &Path, why: String| Error::Internal(format!("{}: {why}", path.display()));
    let same = |a: &Path, b: &Path| matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
    if !file.is_file() {
        return Err(fail(file, "there is no such file".into()));
    }
    if same(file, target) {
        return Err(fail(file, "this is the database itself".into()));
    }
    let version = open::inspect(file).map_err(|e| Error::Internal(e.to_string()))?;
    if version == 0 {
        return Err(fail(file, "there is nothing in it".into()));
    }
    check_all(file)?;
    if let Some(folder) = target.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| fail(folder, e.to_string()))?;
    }
    let fresh = open::sibling(target, ".restoring");
    let _ = std::fs::remove_file(&fresh);
    copy(file, &fresh)?;
    begin_history(&fresh, target, file, by, now)
        .and_then(|()| swap(&fresh, target, now).map_err(|e| fail(target, e.to_string())))
        .inspect_err(|_| {
            let _ = std::fs::remove_file(&fresh);
        })
}

/// Gives the copy an epoch of its own, and its audit log the line.
fn begin_history(fresh: &Path, old: &Path, file: &Path, by: &By, now: Time) -> Result<()> {
    let connection = Connection::open(fresh)?;
    let newest = meta::seq(&connection)?;
    // What is there may be damaged: that is what backups are for.
    let old_newest = Connection::open_with_flags(old, open::read_only())
        .ok()
        .and_then(|old| meta::seq(&old).ok());
    meta::begin_epoch(&connection, newest.max(old_newest.unwrap_or(0)) + EPOCH_GAP)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    audit::note_at(&connection, now, by, Action::BackupRestored, &name, "")
}

/// Renames: the old one aside with its logs, the new one into its place.
fn swap(fresh: &Path, target: &Path, now: Time) -> std::io::Result<Option<PathBuf>> {
    std::fs::File::open(fresh)?.sync_all()?;
    let stamp = now.to_string().replace([':', '.'], "-");
    let aside = open::sibling(target, &format!(".before-{stamp}"));
    let mut moved = None;
    if target.exists() {
        for suffix in ["-wal", "-shm", ""] {
            let from = open::sibling(target, suffix);
            if from.exists() {
                std::fs::rename(from, open::sibling(&aside, suffix))?;
            }
        }
        moved = Some(aside);
    }
    std::fs::rename(fresh, target)?;
    if let Some(folder) = target.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(moved)
}

/// Runs `PRAGMA integrity_check`, which looks at everything, and follows every reference.
fn check_all(path: &Path) -> Result<()> {
    let connection = Connection::open_with_flags(path, open::read_only())?;
    let finding: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let dangling = statement.exists([])?;
    match finding.as_str() {
        "ok" if !dangling => Ok(()),
        "ok" => Err(Error::Internal(format!(
            "{} is damaged: rows are missing",
            path.display()
        ))),
        finding => Err(Error::Internal(format!(
            "{} is damaged: {}",
            path.display(),
            finding.replace('\n', " ")
        ))),
    }
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
            "{} is damaged: {}",
            path.display(),
            finding.replace('\n', " ")
        )))
    }
}
