//! The journal: what was erased, removed, ordered or ended, in the database and in a file beside it.
//!
//! What must stay true: whatever the file has and the database has not is done again before anybody is served. So no copy of before brings
//! it back, however it came into the database's place.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::connection;
use super::files::{self, OpenError};
use super::safeguarding::no_contact;
use super::{
    WriteTx, all, first, guardians, personal_data, removals, retention, run, users, writer,
};
use crate::error::Result;
use crate::model::events::Effect;
use crate::model::ids::{Id, UserId, UserKey};
use crate::model::journal::{Entry, Erasure, Line, Removal};
use crate::model::personal_data::Messages;
use crate::model::time::Time;
use crate::model::users::NOBODY;

/// The file.
pub fn file(database: &Path) -> PathBuf {
    files::sibling(database, ".journal")
}

/// Writes a line, in the write that it is about.
pub fn add(tx: &WriteTx, entry: &Entry) -> Result<()> {
    let line = Line {
        id: Id::generate().to_string(),
        entry: entry.clone(),
    };
    store(tx, &line)?;
    tx.emit(Effect::Journal(text(&line)));
    Ok(())
}

fn store(connection: &Connection, line: &Line) -> Result<()> {
    let sql = "INSERT INTO journal (id, entry) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING";
    let entry = serde_json::to_string(&line.entry).unwrap_or_default();
    run(connection, sql, params![line.id, entry]).map(drop)
}

/// A line as it stands in the file.
fn text(line: &Line) -> String {
    serde_json::to_string(line).unwrap_or_default() + "\n"
}

/// Takes a user who was erased out of all lines, in the write that erases them, and out of the file.
pub fn forget(tx: &WriteTx, id: &UserId, alias: &UserId) -> Result<()> {
    let mut lines = stored(tx)?;
    let mut is_changed = false;
    for line in &mut lines {
        if let Some(entry) = line.entry.without(id, alias) {
            line.entry = entry;
            let sql = "UPDATE journal SET entry = ?2 WHERE id = ?1";
            let text = serde_json::to_string(&line.entry).unwrap_or_default();
            run(tx, sql, params![line.id, text])?;
            is_changed = true;
        }
    }
    if is_changed {
        let whole = lines.iter().map(text).collect();
        tx.emit(Effect::JournalRewritten(whole));
    }
    Ok(())
}

/// Appends lines to the file, through to the disk.
///
/// # Errors
/// Those of the file system.
pub fn append(database: &Path, lines: &str) -> std::io::Result<()> {
    let file = file(database);
    let is_new = !file.exists();
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut open = options.open(&file)?;
    open.write_all(lines.as_bytes())?;
    open.sync_data()?;
    if is_new {
        files::give_to_owner(&file, database)?;
        files::sync_folder(&file)?;
    }
    Ok(())
}

/// Puts these lines in the place of the whole file: at each moment there is one of the two.
///
/// # Errors
/// Those of the file system.
pub fn rewrite(database: &Path, lines: &str) -> std::io::Result<()> {
    let file = file(database);
    let fresh = files::sibling(&file, ".new");
    let _ = std::fs::remove_file(&fresh);
    files::restrict(&fresh)?;
    std::fs::write(&fresh, lines)?;
    std::fs::File::open(&fresh)?.sync_all()?;
    files::give_to_owner(&fresh, database)?;
    std::fs::rename(&fresh, &file)?;
    files::sync_folder(&file)
}

/// Writes into the file what it lacks of the lines of a database that is to be replaced. One that cannot be read has nothing to give.
///
/// # Errors
/// Those of the file system.
pub fn save(database: &Path) -> std::io::Result<()> {
    let open = Connection::open_with_flags(database, connection::read_only());
    let lines = open.ok().and_then(|connection| stored(&connection).ok());
    complete(database, &lines.unwrap_or_default()).map(drop)
}

/// Appends those of the lines that the file lacks; returns what it had.
fn complete(database: &Path, stored: &[Line]) -> std::io::Result<Vec<Line>> {
    // A power cut may have taken the end of the last line, in the middle of a character: the database has that one.
    let bytes = match std::fs::read(file(database)) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(e),
    };
    let had = String::from_utf8_lossy(&bytes);
    let filed: Vec<Line> = had
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let ids: HashSet<&str> = filed.iter().map(|line| line.id.as_str()).collect();
    let missing = stored.iter().filter(|line| !ids.contains(line.id.as_str()));
    let mut missing: String = missing.map(text).collect();
    if !missing.is_empty() {
        if !had.is_empty() && !had.ends_with('\n') {
            missing.insert(0, '\n');
        }
        append(database, &missing)?;
    }
    Ok(filed)
}

/// Whether a guardian link ended that the journal knows of, and was not made again since.
pub fn has_ended(connection: &Connection, child: &str, guardian: &str) -> Result<bool> {
    let sql = "SELECT entry ->> 'kind' = 'link_ended' FROM journal
               WHERE entry ->> 'child' = ?1 AND entry ->> 'guardian' = ?2 ORDER BY key DESC LIMIT 1";
    let found = first(connection, sql, [child, guardian], |row| row.get(0))?;
    Ok(found.unwrap_or(false))
}

/// Does again what the file has and the database has not, and writes into the file what it lacks; returns how many lines were
/// done again. For a database that no writer of this process has yet.
///
/// # Errors
/// [`OpenError`]; then nothing has been done again.
pub fn replay(connection: &mut Connection, database: &Path, now: Time) -> Result<usize, OpenError> {
    let fail =
        |e: String| OpenError::new(&file(database), format!("cannot replay the journal: {e}"));
    let stored = stored(connection).map_err(|e| fail(e.to_string()))?;
    let filed = complete(database, &stored).map_err(|e| fail(e.to_string()))?;
    let known: HashSet<&str> = stored.iter().map(|line| line.id.as_str()).collect();
    let lost: Vec<&Line> = filed
        .iter()
        .filter(|line| !known.contains(line.id.as_str()))
        .collect();
    if lost.is_empty() {
        return Ok(0);
    }
    writer::write_alone(connection, now, |tx| replay_lines(tx, &lost))
        .map_err(|e| fail(e.to_string()))
}

fn stored(connection: &Connection) -> Result<Vec<Line>> {
    let sql = "SELECT id, entry FROM journal ORDER BY key";
    let found: Vec<(String, String)> =
        all(connection, sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let lines = found.into_iter().filter_map(|(id, entry)| {
        let entry = serde_json::from_str(&entry).ok()?;
        Some(Line { id, entry })
    });
    Ok(lines.collect())
}

/// Returns how many lines were done. An order about somebody whom the copy does not have yet is left for a later start.
fn replay_lines(tx: &WriteTx, lines: &[&Line]) -> Result<usize> {
    let mut done = 0;
    for (at, line) in lines.iter().enumerate() {
        let is_done = match &line.entry {
            Entry::Erased(erasure) => erase(tx, erasure).map(|()| true)?,
            Entry::Removed(removal) => remove(tx, removal).map(|()| true)?,
            Entry::Order(order) => {
                let ended = Entry::OrderEnded {
                    id: order.id.clone(),
                };
                let is_over = lines[at..].iter().any(|later| later.entry == ended);
                is_over || no_contact::put(tx, order)?
            }
            Entry::OrderEnded { id } => no_contact::remove(tx, id).map(|_| true)?,
            Entry::LinkEnded {
                child,
                guardian,
                by_hand,
            } => {
                let made_again = Entry::LinkMade {
                    child: child.clone(),
                    guardian: guardian.clone(),
                };
                if !lines[at..].iter().any(|later| later.entry == made_again) {
                    end_link(tx, child, guardian, *by_hand)?;
                }
                true
            }
            Entry::LinkMade { .. } => true,
        };
        if is_done {
            store(tx, line)?;
            done += 1;
        }
    }
    Ok(done)
}

/// Erases whom the copy still has.
fn erase(tx: &WriteTx, erasure: &Erasure) -> Result<()> {
    let sql = "SELECT key, id FROM users WHERE erased_at IS NULL";
    let everybody = all(tx, sql, [], |row| {
        Ok((UserKey(row.get(0)?), users::user_id(row, 1)?))
    })?;
    let found = everybody.into_iter().find(|(_, id)| erasure.is_of(id));
    let user = match found {
        Some((key, _)) => users::by_key(tx, key)?,
        None => None,
    };
    if let Some(user) = user {
        if erasure.messages == Messages::Remove {
            retention::remove_messages_of(tx, user.key)?;
        }
        personal_data::erase(tx, &user, &erasure.alias, NOBODY)?;
    }
    personal_data::remember_erased(tx, &erasure.mac)
}

/// Removes a message, by its sender where the copy does not know the lead who did it.
fn remove(tx: &WriteTx, removal: &Removal) -> Result<()> {
    let Some(found) = removals::find(tx, removal.message)? else {
        return Ok(());
    };
    let lead = match &removal.remover {
        Some(id) => users::by_id(tx, id)?,
        None => None,
    };
    let remover = lead.map_or(found.sender, |lead| lead.key);
    let at = tx.at(Time(removal.at));
    removals::remove(&at, removal.message, removal.by, remover).map(drop)
}

/// Ends a link, unless somebody has ended it by hand.
fn end_link(tx: &WriteTx, child: &UserId, guardian: &UserId, by_hand: bool) -> Result<()> {
    let (Some(child), Some(guardian)) = (users::by_id(tx, child)?, users::by_id(tx, guardian)?)
    else {
        return Ok(());
    };
    match guardians::between(tx, child.key, guardian.key)? {
        Some(link) if !link.ended_by_hand => guardians::end(tx, &link, by_hand),
        _ => Ok(()),
    }
}
