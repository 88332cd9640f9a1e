//! All people at once, for an import or an export.

use std::collections::HashMap;

use rusqlite::{Connection, Row, params};

use super::accounts::phones;
use super::groups::GroupKey;
use super::guardians::{date, days};
use super::{WriteTx, all, first, run, users};
use crate::error::Result;
use crate::model::days::Date;
use crate::model::grades::Grade;
use crate::model::groups::{GroupKind, Membership};
use crate::model::ids::{UserId, UserKey};
use crate::model::roster::Mapping;
use crate::model::users::{Role, User};

/// A user as an import compares them.
#[derive(Debug, Clone)]
pub struct Known {
    pub user: User,
    pub has_password: bool,
    pub grade: Option<Grade>,
    pub adult_from: Option<Date>,
    pub phones: Vec<String>,
    /// In the order of the groups' keys.
    pub groups: Vec<(GroupKey, Membership)>,
}

impl Known {
    pub fn is_admin(&self) -> bool {
        self.user.role == Role::Admin
    }
}

/// A group as an import compares it.
#[derive(Debug, Clone)]
pub struct KnownGroup {
    pub key: GroupKey,
    pub id: UserId,
    pub name: String,
    pub kind: GroupKind,
    /// Whether it was made by hand, and no file has named it since.
    pub by_hand: bool,
}

/// Everybody, by key.
pub fn everybody(connection: &Connection) -> Result<Vec<Known>> {
    const AFTER: usize = users::COLUMN_COUNT;
    let sql = format!(
        "SELECT {}, u.password_hash IS NOT NULL, u.grade, u.adult_from, u.phones FROM users u ORDER BY u.key",
        users::columns("u")
    );
    let mut people = all(connection, &sql, [], |row| {
        Ok(Known {
            user: users::user(row, 0)?,
            has_password: row.get(AFTER)?,
            grade: row
                .get_ref(AFTER + 1)?
                .as_str_or_null()?
                .and_then(Grade::parse),
            adult_from: date(row, AFTER + 2)?,
            phones: phones(row, AFTER + 3)?,
            groups: Vec::new(),
        })
    })?;
    let places: HashMap<UserKey, usize> = people
        .iter()
        .enumerate()
        .map(|(at, known)| (known.user.key, at))
        .collect();
    let sql = "SELECT user_key, group_key, lead, from_day, until_day FROM group_members ORDER BY user_key, group_key";
    let membership = |row: &Row| {
        let membership = Membership {
            lead: row.get(2)?,
            days: days(row, 3)?,
        };
        Ok((UserKey(row.get(0)?), GroupKey(row.get(1)?), membership))
    };
    for (user, group, membership) in all(connection, sql, [], membership)? {
        if let Some(at) = places.get(&user) {
            people[*at].groups.push((group, membership));
        }
    }
    Ok(people)
}

/// All groups, by key.
pub fn groups(connection: &Connection) -> Result<Vec<KnownGroup>> {
    let sql = "SELECT key, id, name, kind, by_hand FROM groups ORDER BY key";
    all(connection, sql, [], |row| {
        Ok(KnownGroup {
            key: GroupKey(row.get(0)?),
            id: users::user_id(row, 1)?,
            name: row.get(2)?,
            kind: GroupKind::parse(row.get_ref(3)?.as_str()?).unwrap_or(GroupKind::Other),
            by_hand: row.get(4)?,
        })
    })
}

/// From now on this group is as files have it, no matter who made it.
pub fn keep_group_by_file(
    tx: &WriteTx,
    group: GroupKey,
    (id, name, kind): (&UserId, &str, GroupKind),
) -> Result<()> {
    let before = first(
        tx,
        "SELECT id FROM groups WHERE key = ?1",
        [group.0],
        |row| users::user_id(row, 0),
    )?;
    let Some(before) = before else {
        return Ok(());
    };
    let sql = "UPDATE groups SET by_hand = 0, id = ?2, name = ?3, kind = ?4 WHERE key = ?1";
    run(tx, sql, params![group.0, id.as_str(), name, kind.as_str()])?;
    if before != *id {
        super::announcements::rename_group(tx, &before, id)?;
    }
    Ok(())
}

/// Makes these all of a user's memberships.
pub fn set_memberships(
    tx: &WriteTx,
    user: UserKey,
    wanted: &[(GroupKey, Membership)],
) -> Result<()> {
    let keys: Vec<i64> = wanted.iter().map(|(group, _)| group.0).collect();
    let keys = serde_json::to_string(&keys).unwrap_or_default();
    let sql = "DELETE FROM group_members WHERE user_key = ?1 AND group_key NOT IN (SELECT value FROM json_each(?2))";
    run(tx, sql, params![user.0, keys])?;
    for (group, membership) in wanted {
        super::groups::add_member(tx, *group, user)?;
        super::groups::set_membership(tx, *group, user, membership)?;
    }
    Ok(())
}

/// What the columns of a file with this header are, if that was said before.
pub fn mapping(connection: &Connection, header: &[String]) -> Result<Option<Mapping>> {
    let sql = "SELECT mapping FROM roster_mappings WHERE header = ?1";
    let header = serde_json::to_string(header).unwrap_or_default();
    let kept = first(connection, sql, [header], |row| row.get::<_, String>(0))?;
    Ok(kept.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Keeps what the columns are for the next file with this header; an empty mapping is forgotten.
pub fn keep_mapping(tx: &WriteTx, header: &[String], mapping: &Mapping) -> Result<()> {
    let header = serde_json::to_string(header).unwrap_or_default();
    if mapping.is_empty() {
        let sql = "DELETE FROM roster_mappings WHERE header = ?1";
        return run(tx, sql, [header]).map(drop);
    }
    let mapping = serde_json::to_string(mapping).unwrap_or_default();
    let sql = "INSERT OR REPLACE INTO roster_mappings (header, mapping) VALUES (?1, ?2)";
    run(tx, sql, [header, mapping]).map(drop)
}
