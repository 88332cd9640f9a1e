//! Groups and their members.

use rusqlite::{Connection, params};

use super::guardians::{LINK_IS_LIVE, days};
use super::{all, first, run, users};
use crate::error::{Conflict, Error, Result};
use crate::model::grades::Grade;
use crate::model::groups::{Group, GroupKind, Guardian, Member, Membership, NewGroup};
use crate::model::ids::{UserId, UserKey};
use crate::model::time::Time;
use crate::model::users::Role;

/// Whether the user `u` of the membership `m` leads the group `g`: as the roster has it, and else teachers and staff a class, which
/// nobody else leads.
pub(super) const LEADS: &str =
    "CASE WHEN g.kind = 'class' THEN u.role IN ('teacher', 'staff') AND coalesce(m.lead, TRUE)
                                ELSE coalesce(m.lead, FALSE) END";

/// [`LEADS`] for tables that go by other names.
pub(super) fn leads(member: &str, user: &str) -> String {
    let named = LEADS.replace("m.", &format!("{member}."));
    named.replace("u.", &format!("{user}."))
}

/// The keys of the classes `g` in which these memberships `m` hold today, of users `u`, and what else is to hold of them.
pub(super) fn classes(members: &str, and: &str) -> String {
    format!(
        "SELECT m.group_key FROM group_members m JOIN groups g ON g.key = m.group_key JOIN users u ON u.key = m.user_key
         WHERE {members} AND g.kind = 'class' AND {IS_LIVE} AND {and}"
    )
}

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

pub fn exists(connection: &Connection, group: GroupKey) -> Result<bool> {
    let sql = "SELECT 1 FROM groups WHERE key = ?1";
    Ok(first(connection, sql, [group.0], |_| Ok(()))?.is_some())
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

/// Whether the membership `m` holds today.
pub(super) const IS_LIVE: &str = "coalesce(m.from_day <= (SELECT today()), TRUE) AND coalesce(m.until_day >= (SELECT today()), TRUE)";

/// Whether two people are in one group, today.
pub fn share(connection: &Connection, a: UserKey, b: UserKey) -> Result<bool> {
    let sql = format!(
        "SELECT 1 FROM group_members m WHERE m.user_key = ?1 AND {IS_LIVE} AND m.group_key IN (
             SELECT m.group_key FROM group_members m WHERE m.user_key = ?2 AND {IS_LIVE}) LIMIT 1"
    );
    Ok(first(connection, &sql, [a.0, b.0], |_| Ok(()))?.is_some())
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

/// The people of a group by name, those who lead it first.
pub fn members(connection: &Connection, group: GroupKey) -> Result<Vec<Member>> {
    let sql = format!(
        "SELECT u.id, u.name, u.role, {LEADS}, m.from_day, m.until_day, u.grade, u.disabled_at IS NOT NULL,
                u.password_hash IS NOT NULL,
                (SELECT json_group_array(json_array(a.id, a.name) ORDER BY l.priority IS NULL, l.priority, a.folded, a.key)
                 FROM guardian_links l JOIN users a ON a.key = l.guardian_key WHERE l.child_key = u.key AND {LINK_IS_LIVE})
         FROM group_members m JOIN groups g ON g.key = m.group_key JOIN users u ON u.key = m.user_key
         WHERE m.group_key = ?1 ORDER BY 4 DESC, u.folded, u.key"
    );
    all(connection, &sql, [group.0], |row| {
        // JSON that the statement made.
        let guardians: Vec<(String, String)> =
            serde_json::from_str(row.get_ref(9)?.as_str()?).unwrap_or_default();
        Ok(Member {
            id: users::user_id(row, 0)?,
            name: row.get(1)?,
            role: Role::parse(row.get_ref(2)?.as_str()?).unwrap_or(Role::Student),
            lead: row.get(3)?,
            days: days(row, 4)?,
            grade: row.get_ref(6)?.as_str_or_null()?.and_then(Grade::parse),
            disabled: row.get(7)?,
            has_password: row.get(8)?,
            guardians: guardians
                .into_iter()
                .filter_map(|(id, name)| {
                    Some(Guardian {
                        id: UserId::parse(&id)?,
                        name,
                    })
                })
                .collect(),
        })
    })
}

/// Sets what a membership says. Whether something changed.
pub fn set_membership(
    connection: &Connection,
    group: GroupKey,
    member: UserKey,
    membership: &Membership,
) -> Result<bool> {
    let Membership { lead, days } = membership;
    let [from, until] = [days.from, days.until].map(|day| day.map(|day| day.to_string()));
    let sql = "UPDATE group_members SET lead = ?3, from_day = ?4, until_day = ?5
               WHERE group_key = ?1 AND user_key = ?2 AND (lead, from_day, until_day) IS NOT (?3, ?4, ?5)";
    let changed = run(
        connection,
        sql,
        params![group.0, member.0, lead, from, until],
    )?;
    Ok(changed > 0)
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
