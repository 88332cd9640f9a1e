//! Conversations, their members and the counters that stand with each member.

use rusqlite::{Connection, params};

use super::{WriteTx, all, first, run, users};
use crate::error::Result;
use crate::model::ids::{ConversationId, Seq, UserKey};
use crate::model::time::Time;

/// A conversation and who is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    pub conversation: ConversationId,
    users: Vec<UserKey>,
}

impl Members {
    /// Of a conversation of two.
    pub fn pair(conversation: ConversationId, a: UserKey, b: UserKey) -> Self {
        Members {
            conversation,
            users: vec![a, b],
        }
    }

    /// Who is told of what happens in the conversation.
    pub fn all(&self) -> &[UserKey] {
        &self.users
    }

    /// Who receives what `sender` writes. There is no other way to an audience of a message.
    pub fn recipients(&self, sender: UserKey) -> Vec<UserKey> {
        let others = self.users.iter().copied();
        others.filter(|user| *user != sender).collect()
    }
}

/// The conversation of two people, if they have one.
pub fn of_pair(connection: &Connection, a: UserKey, b: UserKey) -> Result<Option<Members>> {
    let sql = "SELECT key FROM conversations WHERE low_key = ?1 AND high_key = ?2";
    first(connection, sql, [a.min(b).0, a.max(b).0], |row| {
        Ok(Members::pair(ConversationId(row.get(0)?), a, b))
    })
}

/// The conversation of two people, begun at `now` if they have none.
pub fn open_pair(connection: &Connection, a: UserKey, b: UserKey, now: Time) -> Result<Members> {
    match of_pair(connection, a, b)? {
        Some(members) => Ok(members),
        None => insert_pair(connection, a, b, now),
    }
}

/// A new conversation of two people, without a message yet.
pub fn insert_pair(connection: &Connection, a: UserKey, b: UserKey, now: Time) -> Result<Members> {
    run(
        connection,
        "INSERT INTO conversations (low_key, high_key, created_at) VALUES (?1, ?2, ?3)",
        [a.min(b).0, a.max(b).0, now.0],
    )?;
    let id = ConversationId(connection.last_insert_rowid());
    for member in [a, b] {
        run(
            connection,
            "INSERT INTO conversation_members (conversation_key, user_key, last_seq) VALUES (?1, ?2, 0)",
            [id.0, member.0],
        )?;
    }
    Ok(Members::pair(id, a, b))
}

/// Moves the counters for a new message. One that is hidden from its recipients changes nothing of theirs, and gives them nothing to
/// answer.
pub fn advance(
    tx: &WriteTx,
    members: &Members,
    sender: UserKey,
    seq: Seq,
    hidden: bool,
) -> Result<()> {
    let sql = "UPDATE conversation_members SET last_seq = ?3, unread_count = unread_count + ?4, wrote_at = coalesce(?5, wrote_at)
               WHERE conversation_key = ?1 AND user_key = ?2";
    let mut statement = tx.prepare_cached(sql)?;
    let id = members.conversation.0;
    let wrote_at = (!hidden).then_some(tx.now.0);
    statement.execute(params![id, sender.0, seq, 0, wrote_at])?;
    if hidden {
        return Ok(());
    }
    for recipient in members.recipients(sender) {
        statement.execute(params![id, recipient.0, seq, 1, None::<i64>])?;
        users::add_unread(tx, recipient, 1, 0)?;
    }
    Ok(())
}

/// How far a member has read, and how much is unread.
pub fn read_state(
    connection: &Connection,
    conversation: ConversationId,
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
    conversation: ConversationId,
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

/// A member who had not read a message that is gone has one unread message less.
pub fn uncount(
    tx: &WriteTx,
    conversation: ConversationId,
    sender: UserKey,
    seq: Seq,
) -> Result<()> {
    let sql = "UPDATE conversation_members SET unread_count = unread_count - 1
               WHERE conversation_key = ?1 AND user_key <> ?2 AND last_read_seq < ?3 AND unread_count > 0
               RETURNING user_key";
    let of = [conversation.0, sender.0, seq];
    let readers: Vec<i64> = all(tx, sql, of, |row| row.get(0))?;
    readers
        .into_iter()
        .try_for_each(|reader| users::add_unread(tx, UserKey(reader), -1, 0))
}

/// Everybody who sees something of a conversation with `me`.
pub fn partners(connection: &Connection, me: UserKey) -> Result<Vec<UserKey>> {
    let sql = "SELECT other.user_key FROM conversation_members me
               JOIN conversation_members other
                 ON other.conversation_key = me.conversation_key AND other.user_key <> me.user_key
               WHERE me.user_key = ?1 AND other.last_seq > 0";
    all(connection, sql, [me.0], |row| row.get(0).map(UserKey))
}

/// Whether a member sees any message of a conversation.
pub fn has_messages(
    connection: &Connection,
    conversation: ConversationId,
    member: UserKey,
) -> Result<bool> {
    let sql = "SELECT last_seq > 0 FROM conversation_members WHERE conversation_key = ?1 AND user_key = ?2";
    let found = first(connection, sql, [conversation.0, member.0], |row| {
        row.get(0)
    })?;
    Ok(found.unwrap_or(false))
}
