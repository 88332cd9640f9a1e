//! All people at once, for an import or an export.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection, params};

use super::{WriteTx, all, groups, run, users};
use crate::error::Result;
use crate::model::groups::{GroupKind, NewGroup};
use crate::model::ids::{UserId, UserKey};
use crate::model::roster::Line;
use crate::model::users::{Role, User};

/// A user as an import compares them.
#[derive(Debug, Clone)]
pub struct Known {
    pub user: User,
    pub has_password: bool,
    /// Names of groups.
    pub groups: Vec<String>,
    /// Those among them that were made by hand, and that no file has named since.
    pub by_hand: Vec<String>,
}

impl Known {
    pub fn is_admin(&self) -> bool {
        self.user.role == Role::Admin
    }
}

/// Everybody, by key.
pub fn everybody(connection: &Connection) -> Result<Vec<Known>> {
    let sql = format!(
        "SELECT {}, u.password_hash IS NOT NULL FROM users u ORDER BY u.key",
        users::columns("u")
    );
    let people = all(connection, &sql, [], |row| {
        Ok((users::user(row, 0)?, row.get(users::COLUMN_COUNT)?))
    })?;
    // Two groups may have one name: a file cannot tell them apart.
    let sql = "SELECT m.user_key, g.name, max(g.by_hand) FROM group_members m JOIN groups g ON g.key = m.group_key
               GROUP BY m.user_key, g.name ORDER BY m.user_key, g.name";
    let mut groups: HashMap<UserKey, (Vec<String>, Vec<String>)> = HashMap::new();
    for (user, name, by_hand) in all(connection, sql, [], |row| {
        Ok((UserKey(row.get(0)?), row.get::<_, String>(1)?, row.get(2)?))
    })? {
        let of_user = groups.entry(user).or_default();
        if by_hand {
            of_user.1.push(name.clone());
        }
        of_user.0.push(name);
    }
    let known = people.into_iter().map(|(user, has_password)| {
        let (groups, by_hand) = groups.remove(&user.key).unwrap_or_default();
        Known {
            user,
            has_password,
            groups,
            by_hand,
        }
    });
    Ok(known.collect())
}

/// Everybody who has a username, by it.
pub fn lines(connection: &Connection) -> Result<Vec<Line>> {
    let mut known = everybody(connection)?;
    known.retain(|one| one.user.username.is_some());
    known.sort_by_cached_key(|one| one.user.username.clone());
    let line = |one: Known| Line {
        id: one.user.id().to_string(),
        username: one.user.username.clone().unwrap_or_default(),
        name: one.user.person.name.to_string(),
        role: one.user.role,
        groups: one.groups,
        email: one.user.email.clone().unwrap_or_default(),
        disabled: one.user.disabled,
    };
    Ok(known.into_iter().map(line).collect())
}

/// From now on these groups are as files have them, no matter who made them.
pub fn keep_groups_by_file(tx: &WriteTx, names: &BTreeSet<String>) -> Result<()> {
    let names = serde_json::to_string(names).unwrap_or_default();
    let sql =
        "UPDATE groups SET by_hand = 0 WHERE by_hand AND name IN (SELECT value FROM json_each(?1))";
    run(tx, sql, [names]).map(drop)
}

/// Makes these all of a user's groups, by name; one that does not exist is made.
pub fn set_groups_by_name(tx: &WriteTx, user: UserKey, names: &[String]) -> Result<()> {
    for name in names {
        if by_name(tx, name)?.is_none() {
            let new = NewGroup {
                id: UserId::generate(),
                name: name.clone(),
                kind: GroupKind::Other,
                by_hand: false,
            };
            groups::insert(tx, &new, tx.now)?;
        }
    }
    let wanted = serde_json::to_string(names).unwrap_or_default();
    let sql = "DELETE FROM group_members WHERE user_key = ?1 AND group_key NOT IN (
                   SELECT key FROM groups WHERE name IN (SELECT value FROM json_each(?2)))";
    run(tx, sql, params![user.0, wanted])?;
    for name in names {
        if let Some(group) = by_name(tx, name)? {
            groups::add_member(tx, group, user)?;
        }
    }
    Ok(())
}

fn by_name(connection: &Connection, name: &str) -> Result<Option<groups::GroupKey>> {
    let sql = "SELECT key FROM groups WHERE name = ?1 ORDER BY key LIMIT 1";
    super::first(connection, sql, [name], |row| {
        row.get(0).map(groups::GroupKey)
    })
}

/// The names of all groups.
pub fn group_names(connection: &Connection) -> Result<Vec<String>> {
    all(connection, "SELECT name FROM groups", [], |row| row.get(0))
}
