//! Full-text search over messages (SQLite FTS5), in a file of its own beside the database.
//!
//! FTS5 merges its segments now and then, for as long as the largest words in them take, and nothing can cut that short. In the
//! database it would keep every write waiting. What must stay true:
//! - the file holds nothing that cannot be rebuilt from the messages: it is rebuilt when it is missing, of another version, or of another
//!   history than the database (a restored backup);
//! - it is behind the database, and may be ahead after a power cut: whatever it finds is looked up in the database, as the caller's
//!   own.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, InterruptHandle, OpenFlags, TransactionBehavior, params};

use super::connection;
use super::files;
use super::messages::{PEOPLE, select_with_people, with_people};
use super::{WriteTx, all, first, meta, run};
use crate::error::{Error, Result};
use crate::model::ids::{Seq, UserKey};
use crate::model::messages::Message;
use crate::model::page::Range;
use crate::model::search::{Terms, index_text};

/// Of [`SCHEMA`] and of how texts are cut into words ([`index_text`]). A file of another version is rebuilt.
const INDEX_VERSION: i64 = 1;

const SCHEMA: &str = r#"
    DROP TABLE IF EXISTS message_search;
    DROP TABLE IF EXISTS progress;
    CREATE VIRTUAL TABLE message_search USING fts5 (
        people, content,
        content = '', contentless_delete = 1,
        tokenize = "unicode61 remove_diacritics 0 categories 'L* N* M* Co'", prefix = '2 3'
    );
    -- The epoch of the database, the newest message that is in, and how many removed ones are not in any more.
    CREATE TABLE progress (
        one     INTEGER PRIMARY KEY CHECK (one = 1),
        epoch   TEXT    NOT NULL,
        seq     INTEGER NOT NULL,
        removed INTEGER NOT NULL
    ) STRICT;
"#;

/// Messages indexed in one transaction.
const SLICE_MESSAGES: usize = 1_000;
/// Messages looked up at once to see whether they are still there.
const LOOK_UP_MESSAGES: usize = 2_000;

/// The index's file.
pub fn file(database: &Path) -> PathBuf {
    files::sibling(database, ".search")
}

/// Makes the index readable on a connection to the database, as `search`.
pub(super) fn attach(connection: &Connection, database: &Path) -> rusqlite::Result<()> {
    let file = file(database);
    connection
        .execute("ATTACH ?1 AS search", [file.to_string_lossy()])
        .map(drop)
}

/// The user's messages that hold all the words, newest first.
pub fn query(
    connection: &Connection,
    me: UserKey,
    terms: &Terms,
    range: Range,
) -> Result<Vec<Message>> {
    // CROSS keeps the order: what the index finds is looked up, newest first, until there is enough.
    let tail = format!(
        "search.message_search f
         CROSS JOIN messages m ON m.seq = f.rowid AND m.removed_at IS NULL AND (NOT m.hidden OR m.sender_key = ?3)
         CROSS JOIN conversation_members mine ON mine.conversation_key = m.conversation_key AND mine.user_key = ?3
         {PEOPLE}
         WHERE f.message_search MATCH ?1 AND f.rowid < ?4 ORDER BY f.rowid DESC LIMIT ?2 OFFSET ?5"
    );
    // `people` first: its list is the short one, and FTS5 lets it lead.
    let wanted = format!("people : u{} AND content : ({})", me.0, terms.as_fts5());
    let before = range.before.unwrap_or(Seq::MAX);
    let params = params![wanted, range.rows(), me.0, before, range.skip()];
    all(connection, &select_with_people(&tail), params, with_people)
}

/// Whether there are messages that are not indexed yet.
pub fn is_behind(connection: &Connection) -> Result<bool> {
    let sql = "SELECT seq FROM search.progress";
    let indexed: Seq = first(connection, sql, [], |row| row.get(0))?.unwrap_or(0);
    let sql = "SELECT seq FROM messages ORDER BY seq DESC LIMIT 1";
    let newest: Seq = first(connection, sql, [], |row| row.get(0))?.unwrap_or(0);
    Ok(newest > indexed)
}

/// Notes that so many messages were removed.
pub fn note_removed(tx: &WriteTx, messages: usize) -> Result<()> {
    let sql = "UPDATE meta SET value = CAST(value AS INTEGER) + ?1 WHERE name = 'messages_removed'";
    run(tx, sql, [messages as i64]).map(drop)
}

fn removed(database: &Connection) -> Result<i64> {
    Ok(meta::number(database, "messages_removed")?.unwrap_or(0))
}

/// The index, for the one thread that writes it.
pub(super) struct Index {
    /// Reads only.
    database: Connection,
    index: Connection,
    walk: Option<Walk>,
}

/// A scan of the index for messages that were removed from the database.
struct Walk {
    from: Seq,
    /// What had been removed when it began.
    removed: i64,
}

impl Index {
    /// Opens the file. Creates it if it is missing, and rebuilds it if it is damaged or outdated.
    ///
    /// # Errors
    /// Those of SQLite: of a file that is none of its own, too.
    pub fn open(path: &Path) -> Result<Self> {
        let file = file(path);
        let failed = |e: std::io::Error| {
            let why = format!("{}: {e}", file.display());
            Error::Internal(why)
        };
        let is_there = file.exists();
        if !is_there || !is_sound(&file) {
            if is_there {
                tracing::warn!(file = %file.display(), "rebuilding the damaged search index");
            }
            // A log that outlived its file would be taken for that of the next.
            for of in ["-wal", "-shm", ""] {
                let _ = std::fs::remove_file(files::sibling(&file, of));
            }
            // As private as the database itself.
            files::restrict(&file)
                .and_then(|()| files::give_to_owner(&file, path))
                .map_err(failed)?;
        }
        let mut database = Connection::open_with_flags(path, connection::read_only())?;
        connection::tune(&mut database)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut index = Connection::open_with_flags(&file, flags)?;
        connection::tune(&mut index)?;
        // What a power cut takes from the end of it is indexed again.
        index.execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = NORMAL;
             PRAGMA journal_size_limit = 67108864;",
        )?;
        let mut index = Index {
            database,
            index,
            walk: None,
        };
        index.begin()?;
        Ok(index)
    }

    /// Lets another thread interrupt what is being done to the index.
    pub fn interrupt(&self) -> InterruptHandle {
        self.index.get_interrupt_handle()
    }

    /// Changes with each commit to the database.
    pub fn database_version(&self) -> i64 {
        meta::data_version(&self.database).unwrap_or(0)
    }

    fn begin(&mut self) -> Result<()> {
        let epoch = meta::epoch(&self.database)?;
        let tx = self
            .index
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let of = "SELECT 1 FROM progress WHERE epoch = ?1";
        if version == INDEX_VERSION && first(&tx, of, [&epoch], |_| Ok(()))?.is_some() {
            // A power cut may have taken messages that were in the index: their numbers are given out again.
            let seq = meta::seq(&self.database)?;
            let sql = "SELECT id FROM message_search_docsize WHERE id > ?1";
            let ahead: Vec<Seq> = all(&tx, sql, [seq], |row| row.get(0))?;
            take_out(&tx, &ahead)?;
            run(&tx, "UPDATE progress SET seq = min(seq, ?1)", [seq])?;
        } else {
            tx.execute_batch(SCHEMA)?;
            tx.pragma_update(None, "user_version", INDEX_VERSION)?;
            let sql = "INSERT INTO progress (one, epoch, seq, removed) VALUES (1, ?1, 0, ?2)";
            run(&tx, sql, params![epoch, removed(&self.database)?])?;
        }
        Ok(tx.commit()?)
    }

    /// Indexes the next messages; returns whether there may be more.
    pub fn catch_up(&mut self) -> Result<bool> {
        let sql = "SELECT seq FROM progress";
        let from: Seq = first(&self.index, sql, [], |row| row.get(0))?.unwrap_or(0);
        let members = "SELECT group_concat('u' || c.user_key, ' ') FROM conversation_members c
                       WHERE c.conversation_key = m.conversation_key";
        let pending: Vec<(Seq, String, String)> = all(
            &self.database,
            &format!(
                "SELECT m.seq, ({members}), m.content FROM messages m WHERE m.seq > ?1 ORDER BY m.seq LIMIT ?2"
            ),
            [from, SLICE_MESSAGES as i64],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        let Some(&(newest, ..)) = pending.last() else {
            return Ok(false);
        };
        let tx = self
            .index
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process, a command, may have written to it.
        let sql = "UPDATE progress SET seq = ?2 WHERE seq = ?1";
        if run(&tx, sql, [from, newest])? == 0 {
            return Ok(true);
        }
        for (seq, people, content) in &pending {
            run(
                &tx,
                "INSERT INTO message_search (rowid, people, content) VALUES (?1, ?2, ?3)",
                params![seq, people, index_text(content)],
            )?;
        }
        tx.commit()?;
        Ok(pending.len() == SLICE_MESSAGES)
    }

    /// Whether something was removed from the database that is in the index.
    pub fn is_stale(&self) -> Result<bool> {
        let sql = "SELECT removed FROM progress";
        let gone = first(&self.index, sql, [], |row| row.get(0))?.unwrap_or(0);
        Ok(self.walk.is_some() || removed(&self.database)? != gone)
    }

    /// Removes some of the deleted messages from the index; returns whether there may be more.
    pub fn clean(&mut self) -> Result<bool> {
        let walk = match self.walk.take() {
            Some(walk) => walk,
            None => Walk {
                from: 0,
                removed: removed(&self.database)?,
            },
        };
        let sql = "SELECT id FROM message_search_docsize WHERE id > ?1 ORDER BY id LIMIT ?2";
        let params = [walk.from, LOOK_UP_MESSAGES as i64];
        let indexed: Vec<Seq> = all(&self.index, sql, params, |row| row.get(0))?;
        let tx = self
            .index
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let Some(&last) = indexed.last() else {
            run(&tx, "UPDATE progress SET removed = ?1", [walk.removed])?;
            tx.commit()?;
            return Ok(false);
        };
        let sql = "SELECT seq FROM messages WHERE seq BETWEEN ?1 AND ?2 AND removed_at IS NULL";
        let there: HashSet<Seq> = all(&self.database, sql, [indexed[0], last], |row| row.get(0))?
            .into_iter()
            .collect();
        let gone: Vec<Seq> = indexed
            .into_iter()
            .filter(|seq| !there.contains(seq))
            .collect();
        take_out(&tx, &gone)?;
        tx.commit()?;
        self.walk = Some(Walk { from: last, ..walk });
        Ok(true)
    }
}

/// Whether SQLite can read the file.
fn is_sound(file: &Path) -> bool {
    let tables = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .and_then(|c| c.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())));
    let code = tables.err().and_then(|error| error.sqlite_error_code());
    !matches!(
        code,
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
    )
}

fn take_out(index: &Connection, messages: &[Seq]) -> Result<()> {
    messages.iter().try_for_each(|seq| {
        run(index, "DELETE FROM message_search WHERE rowid = ?1", [seq]).map(drop)
    })
}
