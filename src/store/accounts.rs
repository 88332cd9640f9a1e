//! People as administrators see and change them, and the links by which they set a password.

use rusqlite::{Connection, Row, named_params, params};

use super::guardians::date;
use super::users::HOLDS_WORDS;
use super::{WriteTx, all, first, run, users};
use crate::error::{Conflict, Error, Result};
use crate::model::accounts::{Account, AccountChange, AccountFilter, FactsChange, GroupName};
use crate::model::grades::Grade;
use crate::model::ids::{UserId, UserKey};
use crate::model::safeguarding::duty::{Duty, DutyState};
use crate::model::text::fold;
use crate::model::time::Time;
use crate::model::users::{Role, User};

const SELECT: &str = "SELECT u.key, u.id, u.username, u.name, u.email, u.role, u.disabled_at IS NOT NULL,
                             u.password_hash IS NOT NULL,
                             (SELECT count(*) FROM push_subscriptions s WHERE s.user_key = u.key),
                             u.last_seen_at, u.created_at,
                             (SELECT json_group_array(json_array(g.id, g.name) ORDER BY g.name, g.key)
                              FROM group_members m JOIN groups g ON g.key = m.group_key WHERE m.user_key = u.key),
                             u.grade, u.adult_from, u.phones, u.second_factor,
                             (SELECT d.state FROM duties d WHERE d.user_key = u.key AND d.duty = 'safeguarding')
                      FROM users u";

/// The hub fills in `online`.
fn account(row: &Row) -> rusqlite::Result<Account> {
    let role = row.get_ref(5)?.as_str()?;
    let groups: Vec<(String, String)> =
        serde_json::from_str(row.get_ref(11)?.as_str()?).unwrap_or_default();
    let groups = groups.into_iter().filter_map(|(id, name)| {
        Some(GroupName {
            id: UserId::parse(&id)?,
            name,
        })
    });
    let duty = row
        .get_ref(16)?
        .as_str_or_null()?
        .and_then(DutyState::parse);
    let is_unconfirmed = duty.is_some_and(|state| state != DutyState::Active);
    let listed = |is: bool| is.then_some(Duty::Safeguarding).into_iter().collect();
    Ok(Account {
        duties: listed(duty.is_some()),
        unconfirmed_duties: listed(is_unconfirmed),
        key: UserKey(row.get(0)?),
        id: users::user_id(row, 1)?,
        username: row.get(2)?,
        name: row.get(3)?,
        email: row.get(4)?,
        role: Role::parse(role).unwrap_or(Role::Student),
        disabled: row.get(6)?,
        has_password: row.get(7)?,
        devices: row.get(8)?,
        online: false,
        last_seen_at: row.get::<_, Option<i64>>(9)?.map(Time),
        created_at: Time(row.get(10)?),
        groups: groups.collect(),
        grade: row.get_ref(12)?.as_str_or_null()?.and_then(Grade::parse),
        adult_from: date(row, 13)?,
        phones: phones(row, 14)?,
        second_factor: row.get(15)?,
    })
}

/// Reads the telephone numbers.
pub(super) fn phones(row: &Row, at: usize) -> rusqlite::Result<Vec<String>> {
    let text = row.get_ref(at)?.as_str_or_null()?;
    Ok(text
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default())
}

/// Writes the facts that change.
pub fn set_facts(tx: &WriteTx, user: UserKey, facts: &FactsChange) -> Result<()> {
    let FactsChange {
        grade,
        adult_from,
        phones,
    } = facts;
    if let Some(grade) = grade {
        let sql = "UPDATE users SET grade = ?2 WHERE key = ?1";
        run(tx, sql, params![user.0, grade.map(Grade::as_str)])?;
    }
    if let Some(day) = adult_from {
        let sql = "UPDATE users SET adult_from = ?2 WHERE key = ?1";
        run(tx, sql, params![user.0, day.map(|day| day.to_string())])?;
    }
    if let Some(phones) = phones {
        let text = (!phones.is_empty()).then(|| serde_json::to_string(phones).unwrap_or_default());
        let sql = "UPDATE users SET phones = ?2 WHERE key = ?1";
        run(tx, sql, params![user.0, text])?;
    }
    Ok(())
}

/// People by name.
pub fn list(connection: &Connection, filter: &AccountFilter, limit: i64) -> Result<Vec<Account>> {
    let sql = format!(
        "{SELECT} WHERE u.erased_at IS NULL AND {HOLDS_WORDS}
           AND (:role IS NULL OR u.role = :role)
           AND (:disabled IS NULL OR (u.disabled_at IS NOT NULL) = :disabled)
           AND (:group IS NULL OR u.key IN (SELECT m.user_key FROM group_members m JOIN groups g ON g.key = m.group_key
                                            WHERE g.id = :group))
           AND (:after IS NULL OR (u.folded, u.key) > (SELECT a.folded, a.key FROM users a WHERE a.key = :after))
         ORDER BY u.folded, u.key LIMIT :limit"
    );
    all(
        connection,
        &sql,
        named_params! {
            "?1": users::words_as_json(&filter.search),
            ":role": filter.role.map(Role::as_str),
            ":disabled": filter.disabled,
            ":group": filter.group.as_ref().map(UserId::as_str),
            ":after": filter.after.map(|key| key.0),
            ":limit": limit,
        },
        account,
    )
}

pub fn by_key(connection: &Connection, key: UserKey) -> Result<Option<Account>> {
    let sql = format!("{SELECT} WHERE u.key = ?1 AND u.erased_at IS NULL");
    first(connection, &sql, [key.0], account)
}

/// How many people there are who are not disabled.
pub fn count(connection: &Connection) -> Result<i64> {
    let sql = "SELECT count(*) FROM users WHERE disabled_at IS NULL";
    Ok(first(connection, sql, [], |row| row.get(0))?.unwrap_or(0))
}

/// How many people who log in here are not disabled.
pub fn active_logins(connection: &Connection) -> Result<i64> {
    let sql = "SELECT count(*) FROM users WHERE disabled_at IS NULL AND username IS NOT NULL";
    Ok(first(connection, sql, [], |row| row.get(0))?.unwrap_or(0))
}

/// Writes the facts, the name, the username, the e-mail and the role of `change`; its other fields are written elsewhere.
///
/// # Errors
/// [`Error::Conflict`] when the username or the e-mail is taken.
pub fn update(tx: &WriteTx, user: &User, change: &AccountChange) -> Result<()> {
    set_facts(tx, user.key, &change.facts)?;
    let username = change
        .username
        .as_ref()
        .map(super::super::model::users::Username::as_str);
    let username = username.or(user.username.as_deref());
    let name = change
        .name
        .as_ref()
        .map(super::super::model::users::DisplayName::as_str);
    let name = name.unwrap_or(&user.person.name);
    let email = change.email.as_ref().unwrap_or(&user.email);
    if let Some(new) = &change.username {
        if users::is_taken(tx, new, Some(user.key))? {
            return Err(Error::Conflict(Conflict::Username));
        }
        let sql = "UPDATE users SET username = ?2, username_key = ?3 WHERE key = ?1";
        run(tx, sql, params![user.key.0, new.as_str(), new.key()])?;
    }
    run(
        tx,
        "UPDATE users SET name = ?2, email = ?3, role = ?4, folded = ?5, role_set = role_set OR ?6 WHERE key = ?1",
        params![
            user.key.0,
            name,
            email,
            change.role.unwrap_or(user.role).as_str(),
            fold(&format!("{name} {}", username.unwrap_or_default())),
            change.role.is_some(),
        ],
    )
    .map(drop)
}

/// Takes a username away, for another user to have it in the same write.
pub fn release_username(tx: &WriteTx, user: UserKey) -> Result<()> {
    let sql = "UPDATE users SET username = NULL, username_key = NULL WHERE key = ?1";
    run(tx, sql, [user.0]).map(drop)
}

/// Gives a user the id that the school's own system has for them. What they sent stays theirs.
///
/// # Errors
/// [`Error::Conflict`] when a user has it.
pub fn adopt_id(tx: &WriteTx, user: &User, id: &UserId) -> Result<()> {
    if users::by_id(tx, id)?.is_some() {
        return Err(Error::Conflict(Conflict::UserId));
    }
    let sql = "UPDATE users SET id = ?2 WHERE key = ?1";
    run(tx, sql, params![user.key.0, id.as_str()])?;
    super::notifications::rename_sender(tx, user.id(), id)
}

/// Makes these all of a user's groups; those that do not exist are left out.
pub fn set_groups(tx: &WriteTx, user: UserKey, groups: &[UserId]) -> Result<()> {
    let ids: Vec<&str> = groups.iter().map(UserId::as_str).collect();
    let ids = serde_json::to_string(&ids).unwrap_or_default();
    let sql = "DELETE FROM group_members WHERE user_key = ?1 AND group_key NOT IN (
                   SELECT key FROM groups WHERE id IN (SELECT value FROM json_each(?2)))";
    run(tx, sql, params![user.0, ids])?;
    let sql = "INSERT OR IGNORE INTO group_members (group_key, user_key)
               SELECT key, ?1 FROM groups WHERE id IN (SELECT value FROM json_each(?2))";
    run(tx, sql, params![user.0, ids]).map(drop)
}

/// How many administrators are not disabled.
pub fn admins(connection: &Connection) -> Result<i64> {
    let sql = "SELECT count(*) FROM users WHERE role = 'admin' AND disabled_at IS NULL";
    Ok(first(connection, sql, [], |row| row.get(0))?.unwrap_or(0))
}

/// Whether no other administrator may log in.
pub fn is_last_admin(connection: &Connection, user: &User) -> Result<bool> {
    let is_admin = user.role == Role::Admin && !user.disabled;
    Ok(is_admin && admins(connection)? == 1)
}
