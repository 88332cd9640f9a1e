//! Messages, and how far they have been read.

use std::sync::Arc;

use rusqlite::{Connection, Row, params};

use super::conversations::{self, Members};
use super::{WriteTx, all, first, pushes, run, users};
use crate::error::Result;
use crate::model::ids::{ConversationId, Id, Seq, UserKey};
use crate::model::messages::{ClientId, Content, Message, MessageRead, Removed, RemovedBy};
use crate::model::page::{Limit, Range};
use crate::model::time::Time;
use crate::model::users::{Person, User};

/// A message's own columns, from the table as `m`. A message is read when a read of the other one's reaches it; the
/// first that does tells when.
pub(super) const COLUMNS: &str = "m.seq, m.id, m.sender_key, m.content, m.client_id, m.created_at, \
    (SELECT r.read_at FROM message_reads r WHERE r.conversation_key = m.conversation_key \
     AND r.partner_key = m.sender_key AND r.up_to_seq >= m.seq ORDER BY r.up_to_seq LIMIT 1), \
    m.removed_at, m.removed_by";
pub(super) const COLUMN_COUNT: usize = 9;

/// Whether the member `me` sees the message `m`: one that was written to somebody who had blocked the writer is seen by its writer alone.
pub(super) const SEEN_BY_ME: &str = "(NOT m.hidden OR m.sender_key = me.user_key)";

/// Reads [`COLUMNS`] from column `at` on.
pub(super) fn message(
    row: &Row,
    at: usize,
    sender: Arc<Person>,
    receiver: Arc<Person>,
) -> rusqlite::Result<Message> {
    let read_at: Option<i64> = row.get(at + 6)?;
    let removed = match row.get::<_, Option<i64>>(at + 7)? {
        Some(removed_at) => removed_by(row, at + 8)?.map(|by| Removed {
            by,
            at: Time(removed_at),
        }),
        None => None,
    };
    Ok(Message {
        id: Id::from_bytes(row.get(at + 1)?),
        seq: row.get(at)?,
        sender_id: sender.id.clone(),
        receiver_id: receiver.id.clone(),
        content: row.get(at + 3)?,
        read: read_at.is_some(),
        read_at: read_at.map(Time),
        created_at: Time(row.get(at + 5)?),
        client_id: row.get(at + 4)?,
        removed,
        sender,
        receiver,
    })
}

/// Reads who took a message back.
pub(super) fn removed_by(row: &Row, at: usize) -> rusqlite::Result<Option<RemovedBy>> {
    let text = row.get_ref(at)?.as_str_or_null()?;
    Ok(text.and_then(RemovedBy::parse))
}

/// A message between two people who are known already.
pub(super) fn between(row: &Row, at: usize, a: &User, b: &User) -> rusqlite::Result<Message> {
    let sender = UserKey(row.get(at + 2)?);
    let (from, to) = if sender == a.key { (a, b) } else { (b, a) };
    message(row, at, from.person.clone(), to.person.clone())
}

/// Reads [`COLUMNS`] and, behind them, the two people of the conversation.
pub(super) fn with_people(row: &Row) -> rusqlite::Result<Message> {
    let sender: i64 = row.get(2)?;
    let is_from_low = sender == row.get::<_, i64>(COLUMN_COUNT)?;
    let low = users::person(row, COLUMN_COUNT + 1)?;
    let high = users::person(row, COLUMN_COUNT + 4)?;
    let (sender, receiver) = if is_from_low {
        (low, high)
    } else {
        (high, low)
    };
    message(row, 0, sender, receiver)
}

/// `SELECT` of a message with its people; the tail names the rows of `m`.
pub(super) fn select_with_people(tail: &str) -> String {
    format!(
        "SELECT {COLUMNS}, pair.low_key, low.id, low.name, low.avatar, high.id, high.name, high.avatar
         FROM {tail}"
    )
}

/// The joins that [`select_with_people`] needs after `messages m`.
pub(super) const PEOPLE: &str = "JOIN conversations pair ON pair.key = m.conversation_key
    JOIN users low ON low.key = pair.low_key JOIN users high ON high.key = pair.high_key";

/// The sender's message of this client id, if it is stored already.
pub fn by_client_id(
    connection: &Connection,
    sender: UserKey,
    client_id: &ClientId,
) -> Result<Option<Message>> {
    let tail = format!("messages m {PEOPLE} WHERE m.sender_key = ?1 AND m.client_id = ?2");
    let sql = select_with_people(&tail);
    let params = params![sender.0, client_id.as_str()];
    first(connection, &sql, params, with_people)
}

/// Stores a message in a conversation of two and moves the counters. `hidden`: the receiver has blocked the sender.
pub fn insert(
    tx: &WriteTx,
    members: &Members,
    (sender, receiver): (&User, &User),
    content: Content,
    client_id: Option<ClientId>,
    hidden: bool,
) -> Result<Message> {
    let message = Message {
        id: Id::generate(),
        seq: tx.next_seq(),
        sender_id: sender.id().clone(),
        receiver_id: receiver.id().clone(),
        content: content.as_str().to_owned(),
        read: false,
        read_at: None,
        created_at: tx.now,
        client_id: client_id.map(|c| c.as_str().to_owned()),
        removed: None,
        sender: sender.person.clone(),
        receiver: receiver.person.clone(),
    };
    run(
        tx,
        "INSERT INTO messages (conversation_key, seq, id, sender_key, content, client_id, created_at, hidden)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            members.conversation.0,
            message.seq,
            message.id.as_bytes(),
            sender.key.0,
            message.content,
            message.client_id,
            message.created_at.0,
            hidden,
        ],
    )?;
    conversations::advance(tx, members, sender.key, message.seq, hidden)?;
    Ok(message)
}

/// Which part of a conversation to read.
#[derive(Debug, Clone, Copy)]
pub enum Window {
    Before(Range),
    After(Seq, Limit),
}

/// Messages of the two, newest first, except for [`Window::After`], which is oldest first.
pub fn history(
    connection: &Connection,
    me: &User,
    partner: &User,
    window: Window,
) -> Result<Vec<Message>> {
    let Some(members) = conversations::of_pair(connection, me.key, partner.key)? else {
        return Ok(Vec::new());
    };
    let conversation = members.conversation;
    let (bound, order, seq, rows, skip) = match window {
        Window::Before(range) => {
            let before = range.before.unwrap_or(Seq::MAX);
            ("<", "DESC", before, range.rows(), range.skip())
        }
        Window::After(seq, limit) => (">", "ASC", seq, limit.plus_one(), 0),
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM messages m
         WHERE m.conversation_key = ?1 AND m.seq {bound} ?2 AND (NOT m.hidden OR m.sender_key = ?5)
         ORDER BY m.seq {order} LIMIT ?3 OFFSET ?4"
    );
    let params = [conversation.0, seq, rows, skip, me.key.0];
    all(connection, &sql, params, |row| between(row, 0, me, partner))
}

/// The newest message that `reader` sees, or the one of this id, if it belongs to the conversation.
fn read_target(
    connection: &Connection,
    conversation: ConversationId,
    reader: UserKey,
    up_to: Option<Id>,
) -> Result<Option<(Seq, Id)>> {
    let read = |row: &Row| Ok((row.get(0)?, Id::from_bytes(row.get(1)?)));
    if let Some(id) = up_to {
        let sql = "SELECT seq, id FROM messages
                   WHERE id = ?1 AND conversation_key = ?2 AND (NOT hidden OR sender_key = ?3)";
        let params = params![id.as_bytes(), conversation.0, reader.0];
        first(connection, sql, params, read)
    } else {
        let sql = "SELECT seq, id FROM messages
                   WHERE conversation_key = ?1 AND (NOT hidden OR sender_key = ?2) ORDER BY seq DESC LIMIT 1";
        first(connection, sql, [conversation.0, reader.0], read)
    }
}

/// What marking read came to.
pub enum Marked {
    /// The message to read up to is not of this conversation.
    UnknownMessage,
    Nothing,
    Read {
        updated: i64,
        event: MessageRead,
    },
}

/// Marks what `partner` wrote to `reader` as read, up to a message or to the newest.
pub fn mark_read(
    tx: &WriteTx,
    conversation: ConversationId,
    reader: &User,
    partner: &User,
    up_to: Option<Id>,
) -> Result<Marked> {
    let Some((target, target_id)) = read_target(tx, conversation, reader.key, up_to)? else {
        return Ok(match up_to {
            Some(_) => Marked::UnknownMessage,
            None => Marked::Nothing,
        });
    };
    let (read_so_far, unread) = conversations::read_state(tx, conversation, reader.key)?;
    if unread == 0 {
        return Ok(Marked::Nothing);
    }
    let updated = if up_to.is_none() {
        unread
    } else {
        let sql = "SELECT count(*) FROM messages
                   WHERE conversation_key = ?1 AND seq > ?2 AND seq <= ?3 AND sender_key = ?4 AND NOT hidden
                     AND removed_at IS NULL";
        let params = [conversation.0, read_so_far, target, partner.key.0];
        first(tx, sql, params, |row| row.get(0))?.unwrap_or(0)
    };
    if updated == 0 {
        return Ok(Marked::Nothing);
    }
    conversations::set_read(tx, conversation, reader.key, target, updated)?;
    pushes::forget_messages(tx, reader.key, conversation, target)?;
    let event = MessageRead {
        seq: tx.next_seq(),
        reader_id: reader.id().clone(),
        partner_id: partner.id().clone(),
        up_to: target_id,
        read_at: tx.now,
    };
    run(
        tx,
        "INSERT INTO message_reads (seq, conversation_key, reader_key, partner_key, up_to_seq, read_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        [
            event.seq,
            conversation.0,
            reader.key.0,
            partner.key.0,
            target,
            event.read_at.0,
        ],
    )?;
    Ok(Marked::Read { updated, event })
}

/// A conversation of a user's: with whom, the newest message, and how many are unread.
pub struct Listed {
    pub partner: User,
    pub last_message: Message,
    pub unread_count: i64,
}

/// Some of the user's conversations, newest first.
pub fn conversations(connection: &Connection, me: &User, range: Range) -> Result<Vec<Listed>> {
    let sql = format!(
        "SELECT me.unread_count, {message}, {partner}
         FROM conversation_members me
         JOIN conversations pair ON pair.key = me.conversation_key
         JOIN users p ON p.key = iif(pair.low_key = me.user_key, pair.high_key, pair.low_key)
         JOIN messages m ON m.conversation_key = me.conversation_key AND m.seq = me.last_seq
         WHERE me.user_key = ?1 AND me.last_seq < ?2
         ORDER BY me.last_seq DESC LIMIT ?3 OFFSET ?4",
        message = COLUMNS,
        partner = users::columns("p"),
    );
    let before = range.before.unwrap_or(Seq::MAX);
    let params = params![me.key.0, before, range.rows(), range.skip()];
    all(connection, &sql, params, |row| {
        let partner = users::user(row, 1 + COLUMN_COUNT)?;
        Ok(Listed {
            last_message: between(row, 1, me, &partner)?,
            unread_count: row.get(0)?,
            partner,
        })
    })
}
