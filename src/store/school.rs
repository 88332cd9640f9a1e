//! Everybody and what they are to each other today, for the preview of a policy.

use std::collections::HashMap;

use rusqlite::Connection;

use super::groups::{IS_LIVE, LEADS};
use super::guardians::{CHILD_IS_PUPIL, LINK_IS_LIVE};
use super::{all, first, policy, relations, users};
use crate::error::Result;
use crate::model::days::Date;
use crate::model::ids::{UserId, UserKey};
use crate::model::policy::{PersonFacts, School, SchoolGroup, SchoolPerson};
use crate::model::time::Time;

/// The school of today, with messages since then. `groups`: those of which it must be known who is in them. Safeguarding leads and
/// disabled people are left out.
pub fn load(
    connection: &Connection,
    groups: &[&UserId],
    since: Time,
    today: Date,
) -> Result<School> {
    let mut school = School::default();
    let mut places = HashMap::new();
    for (place, mut person) in people(connection, groups)?.into_iter().enumerate() {
        // Only what holds today matters here.
        person.facts.guardian.retain(|days| days.contains(today));
        person.facts.guardian.truncate(1);
        person.facts.groups.retain(|(_, days)| days.contains(today));
        places.insert(person.key, place);
        school.people.push(person);
    }
    let sql = format!(
        "SELECT m.group_key, g.kind = 'class', m.user_key, {LEADS}
         FROM group_members m JOIN groups g ON g.key = m.group_key JOIN users u ON u.key = m.user_key
         WHERE {IS_LIVE} ORDER BY m.group_key"
    );
    let members: Vec<(i64, bool, UserKey, bool)> = all(connection, &sql, [], |row| {
        Ok((row.get(0)?, row.get(1)?, UserKey(row.get(2)?), row.get(3)?))
    })?;
    let mut last = None;
    for (group, is_class, member, leads) in members {
        if last.replace(group) != Some(group) {
            let members = Vec::new();
            school.groups.push(SchoolGroup { is_class, members });
        }
        if let (Some(group), Some(place)) = (school.groups.last_mut(), places.get(&member)) {
            group.members.push((*place, leads));
        }
    }
    let sql = format!(
        "SELECT l.child_key, l.guardian_key FROM guardian_links l WHERE l.contact AND {LINK_IS_LIVE} AND {CHILD_IS_PUPIL}"
    );
    let pairs: Vec<(UserKey, UserKey)> = all(connection, &sql, [], |row| {
        Ok((UserKey(row.get(0)?), UserKey(row.get(1)?)))
    })?;
    let place = |key: &UserKey| places.get(key).copied();
    let of_both = |(child, guardian): &(UserKey, UserKey)| Some((place(child)?, place(guardian)?));
    school.links = pairs.iter().filter_map(of_both).collect();
    let sent = policy::sent_since(connection, since)?;
    let of_both =
        |(from, to, count): &(UserKey, UserKey, i64)| Some((place(from)?, place(to)?, *count));
    school.sent = sent.iter().filter_map(of_both).collect();
    Ok(school)
}

/// How many pupils there are.
pub fn pupils(connection: &Connection) -> Result<u64> {
    let sql = "SELECT count(*) FROM users WHERE role = 'student' AND disabled_at IS NULL";
    let count = first(connection, sql, [], |row| row.get::<_, i64>(0))?;
    Ok(count.unwrap_or(0).unsigned_abs())
}

fn people(connection: &Connection, groups: &[&UserId]) -> Result<Vec<SchoolPerson>> {
    let sql = format!(
        "SELECT {} FROM users u
         WHERE u.disabled_at IS NULL AND u.key NOT IN (SELECT user_key FROM leads)
         ORDER BY u.role, u.folded, u.key",
        users::columns("u")
    );
    let users = all(connection, &sql, [], |row| users::user(row, 0))?;
    let facts = |key| -> Result<PersonFacts> { relations::person(connection, key, groups) };
    let each = users.into_iter().map(|user| {
        Ok(SchoolPerson {
            key: user.key,
            id: user.id().clone(),
            name: user.person.name.to_string(),
            facts: facts(user.key)?,
        })
    });
    each.collect()
}
