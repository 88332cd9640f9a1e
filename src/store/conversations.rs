//! Conversations, their members and the counters that stand with each member.

use rusqlite::Connection;

use super::{all, first, run, users};
use crate::error::Result;
use crate::model::ids::{Seq, UserKey};
use crate::model::time::Time;

/// A conversation's row number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConversationKey(pub i64);

/// The conversation of two people, if they have one.
pub fn of_pair(connection: &Connection, a: UserKey, b: UserKey) -> Result<Option<ConversationKey>> {
    let sql = "SELECT key FROM conversations WHERE low_key = ?1 AND high_key = ?2";
    first(connection, sql, [a.min(b).0, a.max(b).0], |row| {
        row.get(0).map(ConversationKey)
    })
}

/// A new conversation of two people, without a message yet.
pub fn insert_pair(
    connection: &Connection,
    a: UserKey,
    b: UserKey,
    now: Time,
) -> Result<ConversationKey> {
    run(
        connection,
        "INSERT INTO conversations (low_key, high_key, created_at) VALUES (?1, ?2, ?3)",
        [a.min(b).0, a.max(b).0, now.0],
    )?;
    let key = ConversationKey(connection.last_insert_rowid());
    for member in [a, b] {
        run(
            connection,
            "INSERT INTO conversation_members (conversation_key, user_key, last_seq) VALUES (?1, ?2, 0)",
            [key.0, member.0],
        )?;
    }
    Ok(key)
}

/// Moves the counters for a new message.
pub fn advance(
    connection: &Connection,
    conversation: ConversationKey,
    sender: UserKey,
    receiver: UserKey,
    seq: Seq,
) -> Result<()> {
    let sql = "UPDATE conversation_members SET last_seq = ?3, unread_count = unread_count + ?4
               WHERE conversation_key = ?1 AND user_key = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    statement.execute([conversation.0, sender.0, seq, 0])?;
    statement.execute([conversation.0, receiver.0, seq, 1])?;
    users::add_unread(connection, receiver, 1, 0)
}

/// How far a member has read, and how much is unread.
pub fn read_state(
    connection: &Connection,
    conversation: ConversationKey,
    member: UserKey,
) -> Result<(Seq, i64)> {
    let sql = "SELECT last_read_seq, unread_count FROM conversation_members
               WHERE conversation_key = ?1 AND user_key = ?2";
    let found = first(connection, sql, [conversation.0, member.0], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    Ok(found.unwrap_or((0, 0)))
}

/// Sets how far a member has read: `newly_read` messages fewer are unread.
pub fn set_read(
    connection: &Connection,
    conversation: ConversationKey,
    member: UserKey,
    up_to: Seq,
    newly_read: i64,
) -> Result<()> {
    run(
        connection,
        "UPDATE conversation_members SET last_read_seq = ?3, unread_count = unread_count - ?4
         WHERE conversation_key = ?1 AND user_key = ?2",
        [conversation.0, member.0, up_to, newly_read],
    )?;
    users::add_unread(connection, member, -newly_read, 0)
}

/// Everybody who shares a conversation with `me`.
pub fn partners(connection: &Connection, me: UserKey) -> Result<Vec<UserKey>> {
    let sql = "SELECT other.user_key FROM conversation_members me
               JOIN conversation_members other
                 ON other.conversation_key = me.conversation_key AND other.user_key <> me.user_key
               WHERE me.user_key = ?1";
    all(connection, sql, [me.0], |row| row.get(0).map(UserKey))
}
