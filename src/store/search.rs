//! Full-text search over messages (SQLite FTS5). The index is written behind, when the writer is idle; the watermark
//! is in the same transaction, so a crash neither skips nor repeats a message.

use rusqlite::{Connection, params};

use super::messages::{PEOPLE, select_with_people, with_people};
use super::{all, first, run};
use crate::error::Result;
use crate::model::ids::{Seq, UserKey};
use crate::model::messages::Message;
use crate::model::search::{Terms, index_text};

/// Messages indexed in one transaction.
pub const SLICE: usize = 200;

/// The user's messages that hold all the words, newest first.
pub fn query(
    connection: &Connection,
    me: UserKey,
    terms: &Terms,
    limit: usize,
) -> Result<Vec<Message>> {
    let tail = format!(
        "(SELECT rowid AS seq FROM message_search WHERE message_search MATCH ?1
          ORDER BY rowid DESC LIMIT ?2) f
         JOIN messages m ON m.seq = f.seq {PEOPLE}
         ORDER BY m.seq DESC"
    );
    // `people` first: its list is the short one, and FTS5 lets it lead.
    let wanted = format!("people : u{} AND content : ({})", me.0, terms.to_fts5());
    let params = params![wanted, limit as i64];
    all(connection, &select_with_people(&tail), params, with_people)
}

fn watermark(connection: &Connection) -> Result<Seq> {
    let sql = "SELECT seq FROM message_search_watermark";
    Ok(first(connection, sql, [], |row| row.get(0))?.unwrap_or(0))
}

/// Whether there are messages that no search finds yet.
pub fn is_behind(connection: &Connection) -> Result<bool> {
    let newest: Option<Seq> = first(
        connection,
        "SELECT seq FROM messages ORDER BY seq DESC LIMIT 1",
        [],
        |row| row.get(0),
    )?;
    Ok(newest.unwrap_or(0) > watermark(connection)?)
}

/// Indexes at most `limit` more messages and returns how many it did.
pub fn catch_up(connection: &Connection, limit: usize) -> Result<usize> {
    let from = watermark(connection)?;
    let pending: Vec<(Seq, i64, String)> = all(
        connection,
        "SELECT seq, conversation_key, content FROM messages WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        [from, limit as i64],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let Some(&(newest, ..)) = pending.last() else {
        return Ok(0);
    };
    for (seq, conversation, content) in &pending {
        let members: Vec<String> = all(
            connection,
            "SELECT 'u' || user_key FROM conversation_members WHERE conversation_key = ?1",
            [conversation],
            |row| row.get(0),
        )?;
        run(
            connection,
            "INSERT INTO message_search (rowid, people, content) VALUES (?1, ?2, ?3)",
            params![seq, members.join(" "), index_text(content)],
        )?;
    }
    run(
        connection,
        "UPDATE message_search_watermark SET seq = ?1",
        [newest],
    )?;
    Ok(pending.len())
}
