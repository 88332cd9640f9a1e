//! Whose class somebody is in and whose parent somebody is, as far as the viewer may see it.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, Params, params};

use super::groups::{IS_LIVE, LEADS, classes};
use super::guardians::LINK_IS_LIVE;
use super::safeguarding::duties;
use super::{accounts, all, users};
use crate::error::Result;
use crate::model::ids::UserKey;
use crate::model::users::{Affiliation, ChildView, Role, User};

/// Somebody in a class.
struct InClass {
    user: UserKey,
    group: i64,
    name: String,
    leads: bool,
}

/// A child of somebody.
struct Child {
    guardian: UserKey,
    key: UserKey,
    view: ChildView,
}

/// What `viewer` may see of each of these, where there is anything. Administrators, staff and safeguarding leads see all; telephone numbers are for the office.
/// Who teaches a pupil sees their classes, and of their guardians which of the pupils are theirs. A guardian sees the classes of
/// their own children. And everybody sees of a teacher what they teach them or their child.
pub fn seen_by(
    connection: &Connection,
    viewer: &User,
    people: &[UserKey],
) -> Result<HashMap<UserKey, Affiliation>> {
    let sees_all = matches!(viewer.role, Role::Admin | Role::Staff)
        || (viewer.role == Role::Teacher && duties::is_lead(connection, viewer.key)?);
    let (taught, attended) = match sees_all {
        true => (HashSet::new(), HashSet::new()),
        false => (
            taught_by(connection, viewer.key)?,
            attended_by(connection, viewer.key)?,
        ),
    };
    if !sees_all && taught.is_empty() && attended.is_empty() {
        return Ok(HashMap::new());
    }
    let children = children_of(connection, people)?;
    let keys: HashSet<UserKey> = people
        .iter()
        .copied()
        .chain(children.iter().map(|child| child.key))
        .collect();
    let classes = classes_of(connection, &keys.into_iter().collect::<Vec<_>>())?;
    let own: HashSet<UserKey> = own_children(connection, viewer.key)?;
    let is_taught = |key: UserKey| {
        let mut all = classes.get(&key).into_iter().flatten();
        all.any(|class| !class.leads && taught.contains(&class.group))
    };
    let names = |key: UserKey, wanted: &dyn Fn(&InClass) -> bool| -> Vec<String> {
        let all = classes.get(&key).into_iter().flatten();
        all.filter(|class| wanted(class))
            .map(|class| class.name.clone())
            .collect()
    };
    let mut phones = match matches!(viewer.role, Role::Admin | Role::Staff) {
        true => phones_of(connection, people)?,
        false => HashMap::new(),
    };
    let mut seen = HashMap::new();
    for key in people.iter().copied() {
        let sees_classes = sees_all || is_taught(key) || own.contains(&key) || key == viewer.key;
        let classes = if sees_classes {
            names(key, &|_| true)
        } else {
            names(key, &|class| class.leads && attended.contains(&class.group))
        };
        let of_them = children.iter().filter(|child| child.guardian == key);
        let visible = of_them.filter(|child| sees_all || key == viewer.key || is_taught(child.key));
        let children: Vec<ChildView> = visible
            .map(|child| ChildView {
                classes: names(child.key, &|class| !class.leads),
                ..child.view.clone()
            })
            .collect();
        let phones = phones.remove(&key).unwrap_or_default();
        if !classes.is_empty() || !children.is_empty() || !phones.is_empty() {
            let affiliation = Affiliation {
                classes,
                phones,
                children,
            };
            seen.insert(key, affiliation);
        }
    }
    Ok(seen)
}

/// The classes that somebody leads.
fn taught_by(connection: &Connection, user: UserKey) -> Result<HashSet<i64>> {
    keys(connection, &classes("m.user_key = ?1", LEADS), [user.0])
}

/// The classes that somebody, or a child of theirs, is taught in.
fn attended_by(connection: &Connection, user: UserKey) -> Result<HashSet<i64>> {
    let members = format!(
        "(m.user_key = ?1 OR m.user_key IN (
            SELECT l.child_key FROM guardian_links l WHERE l.guardian_key = ?1 AND l.contact AND {LINK_IS_LIVE}))"
    );
    let sql = classes(&members, &format!("NOT {LEADS}"));
    keys(connection, &sql, [user.0])
}

fn keys(connection: &Connection, sql: &str, params: impl Params) -> Result<HashSet<i64>> {
    Ok(all(connection, sql, params, |row| row.get(0))?
        .into_iter()
        .collect())
}

fn own_children(connection: &Connection, user: UserKey) -> Result<HashSet<UserKey>> {
    let sql = format!(
        "SELECT l.child_key FROM guardian_links l WHERE l.guardian_key = ?1 AND l.contact AND {LINK_IS_LIVE}"
    );
    let found = all(connection, &sql, [user.0], |row| row.get(0).map(UserKey));
    Ok(found?.into_iter().collect())
}

/// The classes of these people, by name.
fn classes_of(
    connection: &Connection,
    people: &[UserKey],
) -> Result<HashMap<UserKey, Vec<InClass>>> {
    let sql = format!(
        "SELECT m.user_key, g.key, g.name, {LEADS}
         FROM json_each(?1) wanted JOIN group_members m ON m.user_key = wanted.value
         JOIN groups g ON g.key = m.group_key JOIN users u ON u.key = m.user_key
         WHERE g.kind = 'class' AND {IS_LIVE} ORDER BY g.name, g.key"
    );
    let found = all(connection, &sql, params![json(people)], |row| {
        Ok(InClass {
            user: UserKey(row.get(0)?),
            group: row.get(1)?,
            name: row.get(2)?,
            leads: row.get(3)?,
        })
    });
    let mut by_user: HashMap<UserKey, Vec<InClass>> = HashMap::new();
    for one in found? {
        by_user.entry(one.user).or_default().push(one);
    }
    Ok(by_user)
}

/// The children of these people, by name.
fn children_of(connection: &Connection, people: &[UserKey]) -> Result<Vec<Child>> {
    let sql = format!(
        "SELECT l.guardian_key, c.key, c.id, c.name
         FROM json_each(?1) wanted JOIN guardian_links l ON l.guardian_key = wanted.value
         JOIN users c ON c.key = l.child_key
         WHERE {LINK_IS_LIVE} AND c.disabled_at IS NULL ORDER BY c.folded, c.key"
    );
    all(connection, &sql, params![json(people)], |row| {
        Ok(Child {
            guardian: UserKey(row.get(0)?),
            key: UserKey(row.get(1)?),
            view: ChildView {
                id: users::user_id(row, 2)?,
                name: row.get(3)?,
                classes: Vec::new(),
            },
        })
    })
}

/// The telephone numbers of these people.
fn phones_of(connection: &Connection, people: &[UserKey]) -> Result<HashMap<UserKey, Vec<String>>> {
    let sql =
        "SELECT u.key, u.phones FROM json_each(?1) wanted JOIN users u ON u.key = wanted.value
               WHERE u.phones IS NOT NULL";
    let found = all(connection, sql, params![json(people)], |row| {
        Ok((UserKey(row.get(0)?), accounts::phones(row, 1)?))
    });
    Ok(found?.into_iter().collect())
}

fn json(people: &[UserKey]) -> String {
    let keys: Vec<i64> = people.iter().map(|key| key.0).collect();
    serde_json::to_string(&keys).unwrap_or_default()
}
