//! The journal: what was erased, removed, ordered or ended, in the database and in a file beside it.
//!
//! What must stay true: whatever the file has and the database has not is done again before anybody is served. So no copy of before brings
//! it back, however it came into the database's place.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::files::{self, OpenError};
use super::guardians::{self, End};
use super::safeguarding::no_contact;
use super::{WriteTx, all, first, personal_data, removals, retention, run, users, writer};
use crate::error::Result;
use crate::model::events::Effect;
use crate::model::ids::{Id, UserKey};
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

/// Appends lines to the file, through to the disk.
///
/// # Errors
/// Those of the file system.
pub fn append(file: &Path, lines: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(file)?;
    file.write_all(lines.as_bytes())?;
    file.sync_data()
}

/// Whether a guardian link ended that the journal knows of, and was not made again since.
pub fn has_ended(connection: &Connection, child: &str, guardian: &str) -> Result<bool> {
    let sql = "SELECT entry ->> 'kind' = 'link_ended' FROM journal
               WHERE entry ->> 'child' = ?1 AND entry ->> 'guardian' = ?2 ORDER BY key DESC LIMIT 1";
    let found = first(connection, sql, [child, guardian], |row| row.get(0))?;
    Ok(found.unwrap_or(false))
}

/// How many lines were done again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    pub lines: usize,
}

/// Does again what the file has and the database has not, and writes into the file what it lacks. For a database that nobody has open.
///
/// # Errors
/// [`OpenError`]; then nothing has been done.
pub fn replay(
    connection: &mut Connection,
    database: &Path,
    now: Time,
) -> Result<Replayed, OpenError> {
    let file = file(database);
    let fail = |e: String| OpenError::new(&file, format!("cannot replay the journal: {e}"));
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(fail(e.to_string())),
    };
    // A power cut may have taken the end of the last line: the database has that one.
    let filed: Vec<Line> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let stored = stored(connection).map_err(|e| fail(e.to_string()))?;
    let known: HashSet<&str> = stored.iter().map(|line| line.id.as_str()).collect();
    let lost: Vec<&Line> = filed
        .iter()
        .filter(|line| !known.contains(line.id.as_str()))
        .collect();
    if !lost.is_empty() {
        writer::write_alone(connection, now, |tx| replay_lines(tx, &lost))
            .map_err(|e| fail(e.to_string()))?;
    }
    let filed: HashSet<&str> = filed.iter().map(|line| line.id.as_str()).collect();
    let mut missing: String = stored
        .iter()
        .filter(|line| !filed.contains(line.id.as_str()))
        .map(self::text)
        .collect();
    if !missing.is_empty() {
        if !text.is_empty() && !text.ends_with('\n') {
            missing.insert(0, '\n');
        }
        append(&file, &missing)
            .and_then(|()| files::give_to_owner(&file, database))
            .map_err(|e| fail(e.to_string()))?;
    }
    Ok(Replayed { lines: lost.len() })
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

fn replay_lines(tx: &WriteTx, lines: &[&Line]) -> Result<()> {
    for (at, line) in lines.iter().enumerate() {
        match &line.entry {
            Entry::Erased(erasure) => erase(tx, erasure)?,
            Entry::Removed(removal) => remove(tx, removal)?,
            Entry::Order(order) => {
                no_contact::put(tx, order)?;
            }
            Entry::OrderEnded { id } => {
                no_contact::remove(tx, id)?;
            }
            Entry::LinkEnded { child, guardian } => {
                let made_again = Entry::LinkMade {
                    child: child.clone(),
                    guardian: guardian.clone(),
                };
                let is_last = !lines[at..].iter().any(|later| later.entry == made_again);
                if is_last {
                    end_link(tx, child.as_str(), guardian.as_str())?;
                }
            }
            Entry::LinkMade { .. } => {}
        }
        store(tx, line)?;
    }
    Ok(())
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

fn remove(tx: &WriteTx, removal: &Removal) -> Result<()> {
    let Some(remover) = users::by_id(tx, &removal.remover)? else {
        return Ok(());
    };
    let at = tx.at(Time(removal.at));
    removals::remove(&at, removal.message, removal.by, remover.key).map(drop)
}

fn end_link(tx: &WriteTx, child: &str, guardian: &str) -> Result<()> {
    let sql = "SELECT key FROM users WHERE id = ?1";
    let key = |id: &str| first(tx, sql, [id], |row| row.get(0).map(UserKey));
    let (Some(child), Some(guardian)) = (key(child)?, key(guardian)?) else {
        return Ok(());
    };
    let links = guardians::stored_of(tx, child, End::Child)?.into_iter();
    match links.into_iter().find(|link| link.guardian == guardian) {
        Some(link) => guardians::end(tx, &link, true),
        None => Ok(()),
    }
}
