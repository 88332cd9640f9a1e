//! One-time links by which people set a password.

use rusqlite::{Connection, Row, named_params, params};

use super::groups::IS_LIVE;
use super::guardians::LINK_IS_LIVE;
use super::mails::HAS_OWN_ADDRESS;
use super::{WriteTx, all, first, preferences, run, users};
use crate::error::Result;
use crate::model::ids::{UserId, UserKey};
use crate::model::password_links::{Addressee, LinkOrigin, LinksFilter};
use crate::model::time::Time;
use crate::model::users::{Role, User};

/// Puts a one-time link in the place of any earlier one of this origin.
pub fn put(
    tx: &WriteTx,
    user: UserKey,
    origin: LinkOrigin,
    (hash, mailed): (&[u8; 32], bool),
    expires_at: Time,
) -> Result<()> {
    let sql = "INSERT INTO password_links (user_key, origin, hash, expires_at, mailed) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (user_key, origin) DO UPDATE SET
                   hash = excluded.hash, expires_at = excluded.expires_at, mailed = excluded.mailed";
    run(
        tx,
        sql,
        params![user.0, origin.as_str(), hash, expires_at.0, mailed],
    )?;
    let sql = "UPDATE users SET had_login = 1 WHERE key = ?1";
    run(tx, sql, [user.0]).map(drop)
}

/// The user whose link this is, while it is valid.
pub fn owner(connection: &Connection, hash: &[u8; 32], now: Time) -> Result<Option<User>> {
    let sql = "SELECT user_key FROM password_links WHERE hash = ?1 AND expires_at > ?2";
    let key = first(connection, sql, params![hash, now.0], |row| {
        row.get(0).map(UserKey)
    })?;
    let user = key.map(|key| users::by_key(connection, key)).transpose()?;
    Ok(user.flatten().filter(|user| !user.disabled))
}

/// When a link ends, while it is valid.
pub fn expiry(connection: &Connection, hash: &[u8; 32], now: Time) -> Result<Option<Time>> {
    let sql = "SELECT expires_at FROM password_links WHERE hash = ?1 AND expires_at > ?2";
    first(connection, sql, params![hash, now.0], |row| {
        row.get(0).map(Time)
    })
}

/// Removes a user's links: one was used, or none must be used any more.
pub fn delete(tx: &WriteTx, user: UserKey) -> Result<()> {
    run(
        tx,
        "DELETE FROM password_links WHERE user_key = ?1",
        [user.0],
    )
    .map(drop)
}

/// Active people who log in here and fit the filter, with what a slip says of each.
pub fn addressees(connection: &Connection, filter: &LinksFilter) -> Result<Vec<Addressee>> {
    let classes = format!(
        "SELECT json_group_array(g.name ORDER BY g.name, g.key) FROM group_members m JOIN groups g ON g.key = m.group_key
         WHERE g.kind = 'class' AND {IS_LIVE} AND m.user_key ="
    );
    let children = format!(
        "SELECT json_group_array(json_array(c.name, json(({classes} c.key))) ORDER BY c.folded, c.key)
         FROM guardian_links l JOIN users c ON c.key = l.child_key WHERE l.guardian_key = u.key AND {LINK_IS_LIVE}"
    );
    let sql = format!(
        "SELECT u.key, u.id, u.name, u.username, u.role, p.value, ({classes} u.key), ({children}), {HAS_OWN_ADDRESS}
         FROM users u LEFT JOIN push_preferences p ON p.user_key = u.key
         WHERE u.disabled_at IS NULL AND u.erased_at IS NULL AND u.username IS NOT NULL
           AND u.role IN (SELECT value FROM json_each(:roles))
           AND (:has_password IS NULL OR (u.password_hash IS NOT NULL) = :has_password)
           AND (:logged_in IS NULL OR (u.last_seen_at IS NOT NULL) = :logged_in)
           AND (:groups IS NULL OR EXISTS (
                SELECT 1 FROM group_members m JOIN groups g ON g.key = m.group_key
                WHERE g.id IN (SELECT value FROM json_each(:groups)) AND {IS_LIVE} AND (m.user_key = u.key OR EXISTS (
                    SELECT 1 FROM guardian_links l
                    WHERE l.guardian_key = u.key AND l.child_key = m.user_key AND {LINK_IS_LIVE}))))
         ORDER BY u.folded, u.key"
    );
    let json = |list: Vec<&str>| serde_json::to_string(&list).unwrap_or_default();
    let roles: Vec<&str> = filter.roles.iter().map(|role| role.as_str()).collect();
    let groups = filter.groups.as_ref();
    let groups = groups.map(|ids| json(ids.iter().map(UserId::as_str).collect()));
    all(
        connection,
        &sql,
        named_params! {
            ":roles": json(roles),
            ":groups": groups,
            ":has_password": filter.has_password,
            ":logged_in": filter.logged_in,
        },
        addressee,
    )
}

fn addressee(row: &Row) -> rusqlite::Result<Addressee> {
    let list = |at: usize| -> rusqlite::Result<&str> { Ok(row.get_ref(at)?.as_str()?) };
    let preferences = row
        .get_ref(5)?
        .as_str_or_null()?
        .and_then(preferences::parse);
    // JSON that the statement made.
    Ok(Addressee {
        key: UserKey(row.get(0)?),
        id: users::user_id(row, 1)?,
        name: row.get(2)?,
        username: row.get(3)?,
        role: Role::parse(row.get_ref(4)?.as_str()?).unwrap_or(Role::Student),
        language: preferences.and_then(|preferences| preferences.language),
        classes: serde_json::from_str(list(6)?).unwrap_or_default(),
        children: serde_json::from_str(list(7)?).unwrap_or_default(),
        has_own_address: row.get(8)?,
    })
}
