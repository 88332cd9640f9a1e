//! Groups and their members.

use rusqlite::{Connection, params};

use super::{all, first, run, users};
use crate::error::{Conflict, Error, Result};
use crate::model::groups::{Group, GroupKind, NewGroup};
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
        "INSERT INTO groups (id, name, kind, by_hand, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            new.id.as_str(),
            new.name,
            new.kind.as_str(),
            new.by_hand,
            now.0
        ],
    )?;
    Ok(GroupKey(connection.last_insert_rowid()))
}

/// Its name, which other groups may have too.
pub fn name(connection: &Connection, group: GroupKey) -> Result<String> {
    let sql = "SELECT name FROM groups WHERE key = ?1";
    Ok(first(connection, sql, [group.0], |row| row.get(0))?.unwrap_or_default())
}

/// All groups by name.
pub fn list(connection: &Connection) -> Result<Vec<Group>> {
    let sql = "SELECT g.id, g.name, g.kind, (SELECT count(*) FROM group_members m WHERE m.group_key = g.key)
               FROM groups g ORDER BY g.name COLLATE NOCASE, g.key";
    all(connection, sql, [], |row| {
        Ok(Group {
            id: users::user_id(row, 0)?,
            name: row.get(1)?,
            kind: GroupKind::parse(row.get_ref(2)?.as_str()?).unwrap_or(GroupKind::Other),
            members: row.get(3)?,
        })
    })
}

/// Whether two people are in one group.
pub fn share(connection: &Connection, a: UserKey, b: UserKey) -> Result<bool> {
    let sql = "SELECT 1 FROM group_members x JOIN group_members y ON y.group_key = x.group_key
               WHERE x.user_key = ?1 AND y.user_key = ?2 LIMIT 1";
    Ok(first(connection, sql, [a.0, b.0], |_| Ok(()))?.is_some())
}

pub fn change(
    connection: &Connection,
    group: GroupKey,
    name: Option<&str>,
    kind: Option<GroupKind>,
) -> Result<()> {
    let sql =
        "UPDATE groups SET name = coalesce(?2, name), kind = coalesce(?3, kind) WHERE key = ?1";
    let kind = kind.map(GroupKind::as_str);
    run(connection, sql, params![group.0, name, kind]).map(drop)
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
