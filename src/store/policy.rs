//! The stored facts that a message needs of its sender and its receiver, and the stamps by which kept decisions are known to stand.

use rusqlite::{Connection, Row, params};

use super::conversations::Members;
use super::{all, first};
use crate::error::Result;
use crate::model::ids::{ConversationId, Id, UserKey};
use crate::model::time::Time;

/// The name under which the dashboard's policy is among the settings, as JSON.
pub const SETTING: &str = "policy";

/// Numbers that are others after each change to what decisions rest on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stamps {
    pub roster: i64,
    pub policy: i64,
    /// Whether there is any no-contact order.
    pub has_orders: bool,
    /// Whether anybody has blocked somebody.
    pub has_blocks: bool,
}

/// The columns of [`Stamps`]. Text: each message asks for them, and should not put its statement together.
macro_rules! stamps {
    () => {
        "roster, policy, orders > 0, blocks > 0"
    };
}

/// Reads the columns of [`Stamps`] from column `at` on.
fn stamps_at(row: &Row, at: usize) -> rusqlite::Result<Stamps> {
    Ok(Stamps {
        roster: row.get(at)?,
        policy: row.get(at + 1)?,
        has_orders: row.get(at + 2)?,
        has_blocks: row.get(at + 3)?,
    })
}

/// What is stored of two people.
#[derive(Debug)]
pub struct StoredPair {
    /// Disabled, or unknown.
    pub is_receiver_disabled: bool,
    /// Their conversation, if they have one.
    pub members: Option<Members>,
    pub stamps: Stamps,
}

/// Reads what is stored of a sender and a receiver. One statement: each message asks for it.
pub fn pair(connection: &Connection, sender: UserKey, receiver: UserKey) -> Result<StoredPair> {
    let sql = concat!(
        "SELECT coalesce((SELECT disabled_at IS NOT NULL FROM users WHERE key = ?1), TRUE),
                (SELECT key FROM conversations WHERE low_key = ?2 AND high_key = ?3), ",
        stamps!(),
        " FROM policy_stamps WHERE one = 1"
    );
    let params = [receiver.0, sender.min(receiver).0, sender.max(receiver).0];
    let found = first(connection, sql, params, |row| {
        let conversation: Option<i64> = row.get(1)?;
        let members = conversation.map(|id| Members::pair(ConversationId(id), sender, receiver));
        Ok(StoredPair {
            is_receiver_disabled: row.get(0)?,
            members,
            stamps: stamps_at(row, 2)?,
        })
    })?;
    Ok(found.unwrap_or(StoredPair {
        is_receiver_disabled: true,
        members: None,
        stamps: Stamps::default(),
    }))
}

pub fn stamps(connection: &Connection) -> Result<Stamps> {
    let sql = concat!("SELECT ", stamps!(), " FROM policy_stamps WHERE one = 1");
    let found = first(connection, sql, [], |row| stamps_at(row, 0))?;
    Ok(found.unwrap_or_default())
}

/// What the dashboard set, as JSON.
pub fn set_here(connection: &Connection) -> Result<Option<String>> {
    let sql = "SELECT value FROM settings WHERE name = ?1";
    first(connection, sql, [SETTING], |row| row.get(0))
}

/// When `other` wrote the newest message that can be answered in this conversation.
pub fn wrote_at(
    connection: &Connection,
    conversation: ConversationId,
    other: UserKey,
) -> Result<Option<Time>> {
    let sql =
        "SELECT wrote_at FROM conversation_members WHERE conversation_key = ?1 AND user_key = ?2";
    let found = first(connection, sql, [conversation.0, other.0], |row| {
        row.get::<_, Option<i64>>(0)
    })?;
    Ok(found.flatten().map(Time))
}

/// Who has sent whom how many messages since then.
pub fn sent_since(connection: &Connection, since: Time) -> Result<Vec<(UserKey, UserKey, i64)>> {
    // By the index of ids, which are in the order of time; those of imported messages are not, and they are history.
    let sql = "SELECT m.sender_key, iif(c.low_key = m.sender_key, c.high_key, c.low_key), count(*)
               FROM messages m JOIN conversations c ON c.key = m.conversation_key
               WHERE m.id >= ?1 AND m.created_at >= ?2 AND c.low_key IS NOT NULL
               GROUP BY m.sender_key, c.key";
    let from = Id::first_of(since.0);
    all(connection, sql, params![from.as_bytes(), since.0], |row| {
        Ok((UserKey(row.get(0)?), UserKey(row.get(1)?), row.get(2)?))
    })
}
