//! Puts a copy in the place of the database.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::backup::{check_all, replace};
use super::connection;
use super::files::{self, give_to_owner, sync_folder};
use super::{audit, meta, open};
use crate::error::{Error, Result};
use crate::model::audit::{Action, AuditActor};
use crate::model::ids::Seq;
use crate::model::time::Time;

/// What a restored database's sequence begins above whatever can be known of the old one's: events from before that were
/// lost with it must not be taken for those that are to come.
const EPOCH_GAP: Seq = 10_000_000;

/// Puts the database in `file` in the place of the one at `target`; returns where that was put aside. No process may have it
/// open.
///
/// # Errors
/// When `file` is no sound database of ours or the disk refuses; then `target` is as it was.
pub fn restore(file: &Path, target: &Path, by: &AuditActor, now: Time) -> Result<Option<PathBuf>> {
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
    let fresh = files::sibling(target, ".restoring");
    replace(file, &fresh)?;
    let swapped = || {
        give_to_owner(&fresh, target)?;
        merge_log(target);
        swap(&fresh, target, now)
    };
    begin_history(&fresh, target, file, version, by, now)
        .and_then(|()| swapped().map_err(|e| fail(target, e.to_string())))
        .inspect_err(|_| {
            let _ = std::fs::remove_file(&fresh);
        })
}

/// The schema that first had an audit log: an older copy gets the line of its migration at most.
const AUDIT_SCHEMA: i32 = 3;
/// The schema in which its lines are chained.
const CHAINED_SCHEMA: i32 = 19;

/// Gives the copy an epoch of its own and a line in its audit log.
fn begin_history(
    fresh: &Path,
    old: &Path,
    file: &Path,
    version: i32,
    by: &AuditActor,
    now: Time,
) -> Result<()> {
    let connection = Connection::open(fresh)?;
    let newest = meta::seq(&connection)?;
    // The old database may be damaged: that is what backups are for.
    let old_newest = Connection::open_with_flags(old, connection::read_only())
        .ok()
        .and_then(|old| meta::seq(&old).ok());
    meta::begin_epoch(&connection, newest.max(old_newest.unwrap_or(0)) + EPOCH_GAP)?;
    if version < AUDIT_SCHEMA {
        return Ok(());
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if version < CHAINED_SCHEMA {
        return audit::note_unchained(&connection, now, by, Action::BackupRestored, &name);
    }
    audit::note_at(&connection, now, by, Action::BackupRestored, &name, "")
}

/// Gives the old one another name, with its logs, and renames the new one into its place: at each moment there is one of the
/// two. On an error everything goes back.
fn swap(fresh: &Path, target: &Path, now: Time) -> std::io::Result<Option<PathBuf>> {
    std::fs::File::open(fresh)?.sync_all()?;
    let stamp = now.to_string().replace([':', '.'], "-");
    let aside = files::sibling(target, &format!(".before-{stamp}"));
    let was_there = target.exists();
    if was_there && std::fs::hard_link(target, &aside).is_err() {
        // A file system without links: for a moment there is none.
        std::fs::rename(target, &aside)?;
    }
    let mut moved = Vec::new();
    // The logs without the database too: SQLite would take them for the new one's.
    let logs = ["-wal", "-shm"].map(|suffix| (files::sibling(target, suffix), suffix));
    let swapped = logs
        .into_iter()
        .filter(|(from, _)| from.exists())
        .try_for_each(|(from, suffix)| {
            let to = files::sibling(&aside, suffix);
            std::fs::rename(&from, &to)?;
            moved.push((from, to));
            Ok(())
        })
        .and_then(|()| std::fs::rename(fresh, target));
    if let Err(error) = swapped {
        if target.exists() {
            // Removes the other name.
            let _ = std::fs::remove_file(&aside);
        } else if was_there {
            moved.push((target.to_owned(), aside));
        }
        for (from, to) in moved.into_iter().rev() {
            if let Err(error) = std::fs::rename(&to, &from) {
                tracing::error!(%error, from = %to.display(), to = %from.display(), "cannot restore the database: rename this file back");
            }
        }
        return Err(error);
    }
    sync_folder(target)?;
    Ok(was_there.then_some(aside))
}

/// Moves what is in the old database's log into it, if it still can be: then one file is all of it.
fn merge_log(old: &Path) {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let settled = Connection::open_with_flags(old, flags).and_then(|connection| {
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    });
    if let Err(error) = settled {
        tracing::debug!(%error, "cannot fold the log into the database that was put aside");
    }
}
