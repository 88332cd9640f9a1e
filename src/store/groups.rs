//! Groups and their members.

use rusqlite::{Connection, params};

use super::{first, run};
use crate::error::{Conflict, Error, Result};
use crate::model::groups::NewGroup;
use crate::model::ids::{UserId, UserKey};
use crate::model::time::Time;

/// A group's row number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupKey(pub i64);

pub fn by_id(connection: &Connection, id: &UserId) -> Result<Option<GroupKey>> {
    let sql = "SELECT key FROM groups WHERE id = ?1";
    first(connection, sql, [id.as_str()], |row| {
        row.get(0).map(GroupKey)
    })
}

/// # Errors
/// [`Error::Conflict`] when the id is taken.
pub fn insert(connection: &Connection, new: &NewGroup, now: Time) -> Result<GroupKey> {
    if by_id(connection, &new.id)?.is_some() {
        return Err(Error::Conflict(Conflict::GroupId));
    }
    run(
        connection,
        "INSERT INTO groups (id, name, kind, created_at) VALUES (?1, ?2, ?3, ?4)",
        params![new.id.as_str(), new.name, new.kind.as_str(), now.0],
    )?;
    Ok(GroupKey(connection.last_insert_rowid()))
}

pub fn rename(connection: &Connection, group: GroupKey, name: &str) -> Result<()> {
    let sql = "UPDATE groups SET name = ?2 WHERE key = ?1";
    run(connection, sql, params![group.0, name]).map(drop)
}

pub fn delete(connection: &Connection, group: GroupKey) -> Result<()> {
    run(connection, "DELETE FROM groups WHERE key = ?1", [group.0]).map(drop)
}

/// Whether the membership is new.
pub fn add_member(connection: &Connection, group: GroupKey, member: UserKey) -> Result<bool> {
    let sql = "INSERT OR IGNORE INTO group_members (group_key, user_key) VALUES (?1, ?2)";
    Ok(run(connection, sql, [group.0, member.0])? > 0)
}

/// Whether there was one to remove.
pub fn remove_member(connection: &Connection, group: GroupKey, member: UserKey) -> Result<bool> {
    let sql = "DELETE FROM group_members WHERE group_key = ?1 AND user_key = ?2";
    Ok(run(connection, sql, [group.0, member.0])? > 0)
}
