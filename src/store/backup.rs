//! Copies of a database in use.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{audit, meta, open};
use crate::error::{Error, Result};
use crate::limits::priority::{Priority, yield_to_others};
use crate::model::audit::{Action, By};
use crate::model::ids::Seq;
use crate::model::time::Time;

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
    let mut connection = Connection::open_with_flags(source, open::read_only())?;
    open::tune(&mut connection)?;
    // A name of its own until it is whole: who finds the target finds a good copy.
    let partial = open::sibling(target, ".partial");
    remove_partial(&partial);
    // As private as the database itself.
    open::restrict(&partial)
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
    for path in [partial.to_owned(), open::sibling(partial, "-journal")] {
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "an unfinished copy stays");
        }
    }
}

/// Makes the renaming of a file last.
fn sync_folder(file: &Path) -> std::io::Result<()> {
    match file.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// How often what was written of a copy goes to the disk.
const SYNC: Duration = Duration::from_millis(20);

/// Writes the copy, in the gaps that others leave: on a thread that yields the processor, and to the disk a little at a
/// time. All of it at the end would keep the commits of the meantime waiting.
fn vacuum(connection: &Connection, source: &Path, partial: &Path, target: &Path) -> Result<()> {
    let done = AtomicBool::new(false);
    let sync = || {
        while !done.load(Ordering::Relaxed) {
            std::thread::sleep(SYNC);
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
    if !file.exists() {
        return Err(fail(file, "there is no such file".into()));
    }
    if !file.is_file() {
        return Err(fail(file, "this is no file".into()));
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
    replace(file, &fresh)?;
    let swapped = || {
        give_to_owner(&fresh, target)?;
        settle(target);
        swap(&fresh, target, now)
    };
    begin_history(&fresh, target, file, version, by, now)
        .and_then(|()| swapped().map_err(|e| fail(target, e.to_string())))
        .inspect_err(|_| {
            let _ = std::fs::remove_file(&fresh);
        })
}

/// The schema that first had an audit log: an older copy gets the line of its migration at most.
const AUDIT_SINCE: i32 = 3;

/// Gives the copy an epoch of its own, and its audit log the line.
fn begin_history(
    fresh: &Path,
    old: &Path,
    file: &Path,
    version: i32,
    by: &By,
    now: Time,
) -> Result<()> {
    let connection = Connection::open(fresh)?;
    let newest = meta::seq(&connection)?;
    // What is there may be damaged: that is what backups are for.
    let old_newest = Connection::open_with_flags(old, open::read_only())
        .ok()
        .and_then(|old| meta::seq(&old).ok());
    meta::begin_epoch(&connection, newest.max(old_newest.unwrap_or(0)) + EPOCH_GAP)?;
    if version < AUDIT_SINCE {
        return Ok(());
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    audit::note_at(&connection, now, by, Action::BackupRestored, &name, "")
}

/// Gives the old one another name, with its logs, and renames the new one into its place: at each moment there is one of the
/// two. On an error everything goes back.
fn swap(fresh: &Path, target: &Path, now: Time) -> std::io::Result<Option<PathBuf>> {
    std::fs::File::open(fresh)?.sync_all()?;
    let stamp = now.to_string().replace([':', '.'], "-");
    let aside = open::sibling(target, &format!(".before-{stamp}"));
    let was_there = target.exists();
    if was_there && std::fs::hard_link(target, &aside).is_err() {
        // A file system without links: for a moment there is none.
        std::fs::rename(target, &aside)?;
    }
    let mut moved = Vec::new();
    // The logs without the database too: SQLite would take them for the new one's.
    let logs = ["-wal", "-shm"].map(|suffix| (open::sibling(target, suffix), suffix));
    let swapped = logs
        .into_iter()
        .filter(|(from, _)| from.exists())
        .try_for_each(|(from, suffix)| {
            let to = open::sibling(&aside, suffix);
            std::fs::rename(&from, &to)?;
            moved.push((from, to));
            Ok(())
        })
        .and_then(|()| std::fs::rename(fresh, target));
    if let Err(error) = swapped {
        if target.exists() {
            // The other name is one too many.
            let _ = std::fs::remove_file(&aside);
        } else if was_there {
            moved.push((target.to_owned(), aside));
        }
        for (from, to) in moved.into_iter().rev() {
            if let Err(error) = std::fs::rename(&to, &from) {
                tracing::error!(%error, from = %to.display(), to = %from.display(), "rename this back");
            }
        }
        return Err(error);
    }
    sync_folder(target)?;
    Ok(was_there.then_some(aside))
}

/// Moves what is in the old database's log into it, if it still can be: then one file is all of it.
fn settle(old: &Path) {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let settled = Connection::open_with_flags(old, flags).and_then(|connection| {
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    });
    if let Err(error) = settled {
        tracing::debug!(%error, "the database that is put aside keeps its log");
    }
}

/// Gives a file to whom the database belongs that it replaces or belongs to, or its folder: root may restore what a server runs on
/// that is not root, or run a command beside it.
#[cfg(unix)]
pub(super) fn give_to_owner(fresh: &Path, old: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let folder = old.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let wanted = old.metadata().or_else(|_| folder.metadata())?;
    let ours = fresh.metadata()?;
    if (wanted.uid(), wanted.gid()) == (ours.uid(), ours.gid()) {
        return Ok(());
    }
    std::os::unix::fs::chown(fresh, Some(wanted.uid()), Some(wanted.gid()))
}

#[cfg(not(unix))]
pub(super) fn give_to_owner(_: &Path, _: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Runs `PRAGMA integrity_check`, which looks at everything, and follows every reference.
fn check_all(path: &Path) -> Result<()> {
    let look = || {
        let connection = Connection::open_with_flags(path, open::read_only())?;
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
        let connection = Connection::open_with_flags(path, open::read_only())?;
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
    };
    match look() {
        Ok(finding) if finding == "ok" => Ok(()),
        Ok(finding) => Err(damaged(path, &finding)),
        Err(error) => Err(damaged_or_refused(path, &error)),
    }
}
