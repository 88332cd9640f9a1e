//! What two people are to each other: the facts of a decision, each with its days, found by index.

use rusqlite::{Connection, Row};

use super::groups::{IS_LIVE, LEADS, classes, leads};
use super::guardians::{CHILD_IS_PUPIL, LINK_IS_LIVE, date, days};
use super::{all, first, users};
use crate::error::{Noun, Result};
use crate::model::days::{Date, Days};
use crate::model::grades::Grade;
use crate::model::ids::{UserId, UserKey};
use crate::model::policy::{
    Fact, Named, Order, PairFacts, PersonFacts, Relation, Relations, Roles,
};
use crate::model::users::Role;

/// The days of the link `l`, and what shortens them: `l.from_day, l.until_day, l.agreed_at IS NOT NULL, adult_from`.
const LINK_DAYS: &str = "l.from_day, l.until_day, l.agreed_at IS NOT NULL,
    (SELECT of_age.adult_from FROM users of_age WHERE of_age.key = l.child_key)";

/// Reads [`LINK_DAYS`]. From the day on which a pupil is of age a link holds only where they agreed; `None`: on no day.
pub(super) fn link_days(row: &Row, at: usize) -> rusqlite::Result<Option<Days>> {
    let link = days(row, at)?;
    let has_agreed: bool = row.get(at + 2)?;
    let adult_from = date(row, at + 3)?.filter(|_| !has_agreed);
    let of_child = Days {
        from: None,
        until: adult_from.and_then(Date::previous),
    };
    Ok(link.and(of_child))
}

/// A user's facts, with the groups among `groups` that they are in.
///
/// # Errors
/// [`Noun::User`] not found.
pub fn person(connection: &Connection, user: UserKey, groups: &[&UserId]) -> Result<PersonFacts> {
    let sql = "SELECT role, grade, EXISTS (SELECT 1 FROM leads WHERE user_key = ?1)
               FROM users WHERE key = ?1";
    let found = first(connection, sql, [user.0], |row| {
        let role = Role::parse(row.get_ref(0)?.as_str()?).unwrap_or(Role::Student);
        Ok(PersonFacts {
            grade: row.get_ref(1)?.as_str_or_null()?.and_then(Grade::parse),
            is_lead: row.get(2)?,
            ..PersonFacts::new(role)
        })
    })?;
    let mut person = found.ok_or(Noun::User)?;
    person.guardian = guardian_days(connection, user)?;
    if !groups.is_empty() {
        let sql = "SELECT g.id, m.from_day, m.until_day FROM group_members m JOIN groups g ON g.key = m.group_key
                   WHERE m.user_key = ?1";
        let all: Vec<(UserId, Days)> = all(connection, sql, [user.0], |row| {
            Ok((users::user_id(row, 0)?, days(row, 1)?))
        })?;
        let named = |(group, _): &(UserId, Days)| groups.contains(&group);
        person.groups = all.into_iter().filter(named).collect();
    }
    Ok(person)
}

/// On which days somebody is a guardian of a pupil.
fn guardian_days(connection: &Connection, user: UserKey) -> Result<Vec<Days>> {
    let sql = format!(
        "SELECT {LINK_DAYS} FROM guardian_links l WHERE l.guardian_key = ?1 AND NOT l.ended_by_hand AND {CHILD_IS_PUPIL}"
    );
    let links = all(connection, &sql, [user.0], |row| link_days(row, 0))?;
    Ok(links.into_iter().flatten().collect())
}

/// The role of a user, and `guardian` where they are somebody's guardian today.
pub fn roles(connection: &Connection, user: UserKey, role: Role, today: Date) -> Result<Roles> {
    let guardian = guardian_days(connection, user)?;
    Ok(Roles::on(today, role, &guardian))
}

/// All that is known of one who writes to another. `groups`: those of which it must be known who is in them.
///
/// # Errors
/// [`Noun::User`] not found.
pub fn pair(
    connection: &Connection,
    from: UserKey,
    to: UserKey,
    groups: &[&UserId],
) -> Result<PairFacts> {
    let mut pair = PairFacts {
        from: person(connection, from, groups)?,
        to: person(connection, to, groups)?,
        facts: shared_groups(connection, from, to)?,
        orders: Vec::new(),
    };
    // Without guardians there is no relation over one.
    let has_guardian = |person: &PersonFacts| !person.guardian.is_empty();
    if has_guardian(&pair.to) {
        pair.facts
            .extend(teaches_child(connection, from, to, Relation::TeachesChild)?);
        pair.facts
            .extend(links(connection, from, to, Relation::ChildOf)?);
    }
    if has_guardian(&pair.from) {
        pair.facts.extend(teaches_child(
            connection,
            to,
            from,
            Relation::ChildTaughtBy,
        )?);
        pair.facts
            .extend(links(connection, to, from, Relation::GuardianOf)?);
    }
    if has_guardian(&pair.from) && has_guardian(&pair.to) {
        pair.facts.extend(shared_children(connection, from, to)?);
    }
    pair.orders = orders(connection, (from, &pair.from), (to, &pair.to))?;
    Ok(pair)
}

/// A group that both are in.
struct Shared {
    group: Named,
    is_class: bool,
    leads: [bool; 2],
    roles: [Role; 2],
    days: Option<Days>,
}

fn shared_groups(connection: &Connection, from: UserKey, to: UserKey) -> Result<Vec<Fact>> {
    let sql = format!(
        "SELECT g.id, g.name, g.kind = 'class', {}, {}, ua.role, ub.role, a.from_day, a.until_day, b.from_day, b.until_day
         FROM group_members a JOIN group_members b ON b.group_key = a.group_key AND b.user_key = ?2
         JOIN groups g ON g.key = a.group_key JOIN users ua ON ua.key = a.user_key JOIN users ub ON ub.key = b.user_key
         WHERE a.user_key = ?1",
        leads("a", "ua"),
        leads("b", "ub"),
    );
    let role = |row: &Row, at| -> rusqlite::Result<Role> {
        Ok(Role::parse(row.get_ref(at)?.as_str()?).unwrap_or(Role::Student))
    };
    let shared = all(connection, &sql, [from.0, to.0], |row| {
        Ok(Shared {
            group: named(row, 0)?,
            is_class: row.get(2)?,
            leads: [row.get(3)?, row.get(4)?],
            roles: [role(row, 5)?, role(row, 6)?],
            days: days(row, 7)?.and(days(row, 9)?),
        })
    })?;
    let mut facts = Vec::new();
    for one in shared {
        let Some(days) = one.days else { continue };
        let relations = Relations::in_group(one.is_class, one.leads, one.roles);
        facts.extend(relations.iter().map(|relation| Fact {
            relation,
            group: Some(one.group.clone()),
            child: None,
            days,
        }));
    }
    Ok(facts)
}

/// The classes in which `teacher` teaches a child of `guardian`.
fn teaches_child(
    connection: &Connection,
    teacher: UserKey,
    guardian: UserKey,
    relation: Relation,
) -> Result<Vec<Fact>> {
    let sql = format!(
        "SELECT g.id, g.name, c.id, c.name, t.from_day, t.until_day, p.from_day, p.until_day, {LINK_DAYS}
         FROM guardian_links l JOIN users c ON c.key = l.child_key
         JOIN group_members p ON p.user_key = l.child_key JOIN groups g ON g.key = p.group_key AND g.kind = 'class'
         JOIN group_members t ON t.group_key = p.group_key AND t.user_key = ?1 JOIN users ut ON ut.key = t.user_key
         WHERE l.guardian_key = ?2 AND l.contact AND NOT l.ended_by_hand AND {CHILD_IS_PUPIL} AND {}",
        leads("t", "ut")
    );
    let found = all(connection, &sql, [teacher.0, guardian.0], |row| {
        let in_class = days(row, 4)?.and(days(row, 6)?);
        let days = match (in_class, link_days(row, 8)?) {
            (Some(in_class), Some(link)) => in_class.and(link),
            _ => None,
        };
        let (group, child) = (Some(named(row, 0)?), Some(named(row, 2)?));
        Ok(days.map(|days| Fact {
            relation,
            group,
            child,
            days,
        }))
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// The link by which `guardian` is one of `child`.
fn links(
    connection: &Connection,
    child: UserKey,
    guardian: UserKey,
    relation: Relation,
) -> Result<Vec<Fact>> {
    let sql = format!(
        "SELECT {LINK_DAYS} FROM guardian_links l
         WHERE l.child_key = ?1 AND l.guardian_key = ?2 AND l.contact AND NOT l.ended_by_hand AND {CHILD_IS_PUPIL}"
    );
    let found = all(connection, &sql, [child.0, guardian.0], |row| {
        link_days(row, 0)
    })?;
    let facts = found.into_iter().flatten().map(|days| Fact {
        relation,
        group: None,
        child: None,
        days,
    });
    Ok(facts.collect())
}

/// Whether one of the two is a guardian of the other today.
pub fn are_linked(connection: &Connection, a: UserKey, b: UserKey) -> Result<bool> {
    let sql = format!(
        "SELECT 1 FROM guardian_links l
         WHERE ((l.child_key = ?1 AND l.guardian_key = ?2) OR (l.child_key = ?2 AND l.guardian_key = ?1)) AND {LINK_IS_LIVE}"
    );
    Ok(first(connection, &sql, [a.0, b.0], |_| Ok(()))?.is_some())
}

/// The children of whom both are guardians.
fn shared_children(connection: &Connection, a: UserKey, b: UserKey) -> Result<Vec<Fact>> {
    let sql = format!(
        "SELECT c.id, c.name, {LINK_DAYS}, {} FROM guardian_links l
         JOIN guardian_links other ON other.child_key = l.child_key AND other.guardian_key = ?2
         JOIN users c ON c.key = l.child_key
         WHERE l.guardian_key = ?1 AND l.contact AND other.contact AND NOT l.ended_by_hand AND NOT other.ended_by_hand
           AND {CHILD_IS_PUPIL}",
        LINK_DAYS.replace("l.", "other.")
    );
    let found = all(connection, &sql, [a.0, b.0], |row| {
        let days = match (link_days(row, 2)?, link_days(row, 6)?) {
            (Some(own), Some(other)) => own.and(other),
            _ => None,
        };
        let child = Some(named(row, 0)?);
        Ok(days.map(|days| Fact {
            relation: Relation::SharesChild,
            group: None,
            child,
            days,
        }))
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// Everybody in the classes that somebody leads, and the pupils' guardians who get what concerns the child; without those from whom an
/// order keeps them apart.
pub fn own_classes(connection: &Connection, leader: UserKey) -> Result<Vec<UserKey>> {
    let members = format!(
        "SELECT m.user_key FROM group_members m JOIN users u ON u.key = m.user_key
         WHERE u.role IN ('student', 'teacher', 'staff') AND {IS_LIVE} AND m.group_key IN ({})",
        classes("m.user_key = ?1", LEADS)
    );
    // Whether an order about a role is about this user.
    let has_role = |user: &str| {
        format!(
            "(o.role = (SELECT role FROM users WHERE key = {user}) OR (o.role = 'guardian' AND EXISTS (
                 SELECT 1 FROM guardian_links l WHERE l.guardian_key = {user} AND {LINK_IS_LIVE} AND {CHILD_IS_PUPIL})))"
        )
    };
    let sql = format!(
        "WITH own (key) AS (
             {members} UNION
             SELECT l.guardian_key FROM guardian_links l
             WHERE l.child_key IN ({members}) AND l.receives AND {LINK_IS_LIVE} AND {CHILD_IS_PUPIL})
         SELECT own.key FROM own
         WHERE own.key = ?1 OR NOT EXISTS (
             SELECT 1 FROM no_contact o WHERE coalesce(o.until_day >= (SELECT today()), TRUE) AND (
                 (o.a_key = ?1 AND (o.b_key = own.key OR {})) OR (o.a_key = own.key AND (o.b_key = ?1 OR {}))))",
        has_role("own.key"),
        has_role("?1"),
    );
    all(connection, &sql, [leader.0], |row| row.get(0).map(UserKey))
}

/// The no-contact orders between the two, by name and by role.
fn orders(
    connection: &Connection,
    (from, from_facts): (UserKey, &PersonFacts),
    (to, to_facts): (UserKey, &PersonFacts),
) -> Result<Vec<Order>> {
    let sql = "SELECT id, until_day, role, a_key FROM no_contact
               WHERE (a_key = ?1 AND (b_key = ?2 OR role IS NOT NULL)) OR (a_key = ?2 AND (b_key = ?1 OR role IS NOT NULL))";
    let found: Vec<(String, Days, Option<Role>, UserKey)> =
        all(connection, sql, [from.0, to.0], |row| {
            let days = Days {
                from: None,
                until: date(row, 1)?,
            };
            let role = row.get_ref(2)?.as_str_or_null()?.and_then(Role::parse);
            Ok((row.get(0)?, days, role, UserKey(row.get(3)?)))
        })?;
    let mut orders = Vec::new();
    for (id, days, role, about) in found {
        let other = if about == from { to_facts } else { from_facts };
        let mut add = |days| {
            let id = id.clone();
            orders.push(Order { id, days });
        };
        match role {
            None => add(days),
            Some(role) if role == other.role => add(days),
            // Whoever is somebody's guardian is one, whatever their role.
            Some(Role::Guardian) => {
                let both = other
                    .guardian
                    .iter()
                    .filter_map(|guardian| days.and(*guardian));
                both.for_each(&mut add);
            }
            Some(_) => {}
        }
    }
    Ok(orders)
}

fn named(row: &Row, at: usize) -> rusqlite::Result<Named> {
    Ok(Named {
        id: users::user_id(row, at)?,
        name: row.get(at + 1)?,
    })
}
