//! Holds, and the erasures that wait for their end.

use rusqlite::{Connection, params};

use super::{person, person_columns, person_if_any};
use crate::error::Result;
use crate::model::ids::{Id, UserKey};
use crate::model::personal_data::Messages;
use crate::model::safeguarding::holds::HoldView;
use crate::model::time::Time;
use crate::store::{WriteTx, all, first, run};

/// Whether the conversation `m.conversation_key` is held: itself, or one of its two people.
pub const CONVERSATION_IS_HELD: &str = "EXISTS (
    SELECT 1 FROM conversations held JOIN holds h ON h.ended_at IS NULL AND (
        (h.user_key IN (held.low_key, held.high_key) AND (h.other_key IS NULL OR h.other_key IN (held.low_key, held.high_key))))
    WHERE held.key = m.conversation_key)";

/// All holds, those in force first, the newest first; without those that a lead is in themselves.
pub fn list(connection: &Connection, but_of: UserKey) -> Result<Vec<HoldView>> {
    let sql = format!(
        "SELECT h.id, {}, {}, h.reason, {}, h.created_at, {}, h.ended_at
         FROM holds h JOIN users a ON a.key = h.user_key LEFT JOIN users b ON b.key = h.other_key
         JOIN users l ON l.key = h.made_by LEFT JOIN users e ON e.key = h.ended_by
         WHERE h.user_key <> ?1 AND h.other_key IS NOT ?1
         ORDER BY h.ended_at IS NOT NULL, h.created_at DESC, h.key DESC",
        person_columns("a"),
        person_columns("b"),
        person_columns("l"),
        person_columns("e"),
    );
    all(connection, &sql, [but_of.0], |row| {
        let users = std::iter::once(person(row, 1)?).chain(person_if_any(row, 4)?);
        Ok(HoldView {
            id: Id::from_bytes(row.get(0)?),
            users: users.collect(),
            reason: row.get(7)?,
            made_by: person(row, 8)?,
            created_at: Time(row.get(11)?),
            ended_by: person_if_any(row, 12)?,
            ended_at: row.get::<_, Option<i64>>(15)?.map(Time),
        })
    })
}

pub fn insert(
    tx: &WriteTx,
    (user, other): (UserKey, Option<UserKey>),
    reason: &str,
    lead: UserKey,
) -> Result<Id> {
    let id = Id::generate();
    let sql = "INSERT INTO holds (id, user_key, other_key, reason, made_by, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let other = other.map(|other| other.0);
    run(
        tx,
        sql,
        params![id.as_bytes(), user.0, other, reason, lead.0, tx.now.0],
    )?;
    Ok(id)
}

/// A hold in force: whom it concerns.
pub fn in_force(connection: &Connection, id: Id) -> Result<Option<(UserKey, Option<UserKey>)>> {
    let sql = "SELECT user_key, other_key FROM holds WHERE id = ?1 AND ended_at IS NULL";
    first(connection, sql, [id.as_bytes()], |row| {
        let other: Option<i64> = row.get(1)?;
        Ok((UserKey(row.get(0)?), other.map(UserKey)))
    })
}

pub fn end(tx: &WriteTx, id: Id, lead: UserKey) -> Result<()> {
    let sql = "UPDATE holds SET ended_by = ?2, ended_at = ?3 WHERE id = ?1";
    run(tx, sql, params![id.as_bytes(), lead.0, tx.now.0]).map(drop)
}

/// What of a user's erasure a hold is in the way of: the user themselves, or a conversation of theirs; and where their messages go too, all of
/// somebody whom they have a conversation with. `?1` is the user, `?2` whether messages go.
const IN_THE_WAY: &str = "EXISTS (
    SELECT 1 FROM holds h WHERE h.ended_at IS NULL AND (
        ?1 IN (h.user_key, coalesce(h.other_key, 0))
        OR (?2 AND h.other_key IS NULL AND EXISTS (
            SELECT 1 FROM conversations pair WHERE pair.low_key = min(?1, h.user_key) AND pair.high_key = max(?1, h.user_key)))))";

/// Whether a hold is in the way of a user's erasure.
pub fn forbids_erasure(connection: &Connection, user: UserKey, messages: Messages) -> Result<bool> {
    let sql = format!("SELECT {IN_THE_WAY}");
    let params = params![user.0, messages == Messages::Remove];
    Ok(first(connection, &sql, params, |row| row.get(0))?.unwrap_or(false))
}

/// Whether somebody is to be erased once no hold is in the way.
pub fn is_pending(connection: &Connection, user: UserKey) -> Result<bool> {
    let sql = "SELECT 1 FROM pending_erasures WHERE user_key = ?1";
    Ok(first(connection, sql, [user.0], |_| Ok(()))?.is_some())
}

/// Somebody who is to be erased once no hold concerns them.
#[derive(Debug, Clone)]
pub struct PendingErasure {
    pub user: UserKey,
    /// Who asked for it.
    pub actor: String,
    pub messages: Messages,
}

/// Remembers that a user is to be erased.
pub fn defer_erasure(tx: &WriteTx, pending: &PendingErasure) -> Result<()> {
    let sql = "INSERT INTO pending_erasures (user_key, actor, messages, asked_at) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (user_key) DO UPDATE SET actor = excluded.actor, messages = excluded.messages";
    let messages = match pending.messages {
        Messages::Keep => "keep",
        Messages::Remove => "remove",
    };
    let params = params![pending.user.0, pending.actor, messages, tx.now.0];
    run(tx, sql, params).map(drop)
}

/// Erasures that no hold is in the way of any more.
pub fn due_erasures(connection: &Connection) -> Result<Vec<PendingErasure>> {
    let sql = "SELECT user_key, actor, messages FROM pending_erasures";
    let pending = all(connection, sql, [], |row| {
        Ok(PendingErasure {
            user: UserKey(row.get(0)?),
            actor: row.get(1)?,
            messages: match row.get_ref(2)?.as_str()? {
                "remove" => Messages::Remove,
                _ => Messages::Keep,
            },
        })
    })?;
    let mut due = Vec::new();
    for one in pending {
        if !forbids_erasure(connection, one.user, one.messages)? {
            due.push(one);
        }
    }
    Ok(due)
}

pub fn forget_erasure(tx: &WriteTx, user: UserKey) -> Result<()> {
    let sql = "DELETE FROM pending_erasures WHERE user_key = ?1";
    run(tx, sql, [user.0]).map(drop)
}

/// Whether a line of the audit log is by or about somebody who is held. `a` is the line.
pub const LINE_IS_HELD: &str = "EXISTS (
    SELECT 1 FROM holds h JOIN users u ON u.key IN (h.user_key, h.other_key)
    WHERE h.ended_at IS NULL AND (a.target = u.id OR a.actor = 'user:' || u.id))";
