//! Messages that were taken back: they keep their place, and what they said is kept apart.

use rusqlite::{Connection, Row, params};

use super::conversations::{self, Members};
use super::{WriteTx, all, first, messages, pushes, run, search, users};
use crate::error::Result;
use crate::model::ids::{ConversationId, Id, Seq, UserKey};
use crate::model::messages::{MessageRemoved, RemovedBy};
use crate::model::time::Time;

/// A message, as it stands in its conversation.
#[derive(Debug, Clone)]
pub struct Found {
    pub conversation: ConversationId,
    pub seq: Seq,
    pub sender: UserKey,
    /// The other one of the two.
    pub receiver: UserKey,
    pub created_at: Time,
    /// Its receiver does not see it.
    pub hidden: bool,
    pub removed: bool,
}

impl Found {
    /// Whether a user sees it in a conversation of theirs.
    pub fn is_seen_by(&self, user: UserKey) -> bool {
        user == self.sender || (user == self.receiver && !self.hidden)
    }
}

/// A message by its id.
pub fn find(connection: &Connection, id: Id) -> Result<Option<Found>> {
    let sql = "SELECT m.conversation_key, m.seq, m.sender_key, iif(pair.low_key = m.sender_key, pair.high_key, pair.low_key),
                      m.created_at, m.hidden, m.removed_at IS NOT NULL
               FROM messages m JOIN conversations pair ON pair.key = m.conversation_key WHERE m.id = ?1";
    first(connection, sql, [id.as_bytes()], |row| {
        Ok(Found {
            conversation: ConversationId(row.get(0)?),
            seq: row.get(1)?,
            sender: UserKey(row.get(2)?),
            receiver: UserKey(row.get(3)?),
            created_at: Time(row.get(4)?),
            hidden: row.get(5)?,
            removed: row.get(6)?,
        })
    })
}

/// A removal that was just stored: what to tell, and whom.
pub struct Removed {
    pub event: MessageRemoved,
    pub found: Found,
}

/// Takes a message back; nothing where it is not there, or is taken back already.
pub fn remove(tx: &WriteTx, id: Id, by: RemovedBy, remover: UserKey) -> Result<Option<Removed>> {
    let Some(found) = find(tx, id)?.filter(|found| !found.removed) else {
        return Ok(None);
    };
    let (conversation, seq) = (found.conversation, tx.next_seq());
    run(
        tx,
        "INSERT INTO message_removals (seq, conversation_key, message_seq, remover_key, content)
         SELECT ?3, conversation_key, seq, ?4, content FROM messages WHERE conversation_key = ?1 AND seq = ?2",
        [conversation.0, found.seq, seq, remover.0],
    )?;
    run(
        tx,
        "UPDATE messages SET content = '', removed_at = ?3, removed_by = ?4 WHERE conversation_key = ?1 AND seq = ?2",
        params![conversation.0, found.seq, tx.now.0, by.as_str()],
    )?;
    if !found.hidden {
        conversations::uncount(tx, conversation, found.sender, found.seq)?;
        let members = Members::pair(conversation, found.sender, found.receiver);
        for recipient in members.recipients(found.sender) {
            pushes::forget(tx, recipient, found.seq)?;
        }
    }
    search::note_removed(tx, 1)?;
    let id_of = |key: UserKey| {
        let sql = "SELECT id FROM users WHERE key = ?1";
        first(tx, sql, [key.0], |row| users::user_id(row, 0))
    };
    let (Some(sender_id), Some(receiver_id)) = (id_of(found.sender)?, id_of(found.receiver)?)
    else {
        return Ok(None);
    };
    let event = MessageRemoved {
        seq,
        id,
        sender_id,
        receiver_id,
        by,
    };
    Ok(Some(Removed { event, found }))
}

/// What a message said before it was taken back.
pub fn original(
    connection: &Connection,
    conversation: ConversationId,
    seq: Seq,
) -> Result<Option<String>> {
    let sql =
        "SELECT content FROM message_removals WHERE conversation_key = ?1 AND message_seq = ?2";
    first(connection, sql, [conversation.0, seq], |row| row.get(0))
}

/// The removals in a user's conversations after a place in the sequence, in order.
pub fn after(
    connection: &Connection,
    me: UserKey,
    since: Seq,
    limit: i64,
) -> Result<Vec<MessageRemoved>> {
    let sql = "SELECT r.seq, m.id, s.id, other.id, m.removed_by
               FROM message_removals r
               JOIN conversation_members me ON me.conversation_key = r.conversation_key AND me.user_key = ?1
               JOIN messages m ON m.conversation_key = r.conversation_key AND m.seq = r.message_seq
                    AND (NOT m.hidden OR m.sender_key = ?1)
               JOIN conversations pair ON pair.key = r.conversation_key
               JOIN users s ON s.key = m.sender_key
               JOIN users other ON other.key = iif(pair.low_key = m.sender_key, pair.high_key, pair.low_key)
               WHERE r.seq > ?2 ORDER BY r.seq LIMIT ?3";
    all(connection, sql, [me.0, since, limit], event)
}

fn event(row: &Row) -> rusqlite::Result<MessageRemoved> {
    Ok(MessageRemoved {
        seq: row.get(0)?,
        id: Id::from_bytes(row.get(1)?),
        sender_id: users::user_id(row, 2)?,
        receiver_id: users::user_id(row, 3)?,
        by: messages::removed_by(row, 4)?.unwrap_or(RemovedBy::School),
    })
}

/// Forgets what a message said that is deleted itself.
pub(super) fn forget(tx: &WriteTx, conversation: ConversationId, seq: Seq) -> Result<()> {
    let sql = "DELETE FROM message_removals WHERE conversation_key = ?1 AND message_seq = ?2";
    run(tx, sql, [conversation.0, seq]).map(drop)
}
