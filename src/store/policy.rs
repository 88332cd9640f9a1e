//! The stored facts that a decision about two people needs.

use rusqlite::Connection;

use super::conversations::Members;
use super::first;
use crate::error::Result;
use crate::model::ids::{ConversationId, UserKey};

/// What is stored of two people.
#[derive(Debug)]
pub struct PairFacts {
    /// Disabled, or unknown.
    pub is_receiver_disabled: bool,
    /// Their conversation, if they have one.
    pub members: Option<Members>,
}

/// Reads the facts of a sender and a receiver. One statement: each message asks for them.
pub fn pair_facts(
    connection: &Connection,
    sender: UserKey,
    receiver: UserKey,
) -> Result<PairFacts> {
    let sql = "SELECT disabled_at IS NOT NULL,
                      (SELECT key FROM conversations WHERE low_key = ?2 AND high_key = ?3)
               FROM users WHERE key = ?1";
    let params = [receiver.0, sender.min(receiver).0, sender.max(receiver).0];
    let found = first(connection, sql, params, |row| {
        let conversation: Option<i64> = row.get(1)?;
        let members = conversation.map(|id| Members::pair(ConversationId(id), sender, receiver));
        Ok(PairFacts {
            is_receiver_disabled: row.get(0)?,
            members,
        })
    })?;
    Ok(found.unwrap_or(PairFacts {
        is_receiver_disabled: true,
        members: None,
    }))
}
