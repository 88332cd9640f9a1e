//! People, and what each has not read.

use std::sync::Arc;

use rusqlite::{Connection, Row, named_params, params};

use super::{all, first, run};
use crate::error::{Conflict, Error, Result};
use crate::model::ids::{UserId, UserKey};
use crate::model::page::Range;
use crate::model::text::{case_key, fold};
use crate::model::time::Time;
use crate::model::users::{NewUser, Origin, Person, Role, Unread, User, Username};

const COLUMNS: &str = "key, id, name, avatar, username, email, role, disabled_at, token_version, \
                       tokens_after, last_seen_at, profile_at, origin, had_login, role_set, second_factor, show_online, has_duty";
/// How many columns these are.
pub(super) const COLUMN_COUNT: usize = 18;

/// Reads an id that the database holds; it was parsed when it came in.
pub(super) fn user_id(row: &Row, column: usize) -> rusqlite::Result<UserId> {
    let text = row.get_ref(column)?.as_str()?;
    UserId::parse(text).ok_or(rusqlite::Error::InvalidColumnType(
        column,
        "user id".into(),
        rusqlite::types::Type::Text,
    ))
}

/// Reads id, name and avatar from three columns in a row.
pub(super) fn person(row: &Row, at: usize) -> rusqlite::Result<Arc<Person>> {
    Ok(Arc::new(Person {
        id: user_id(row, at)?,
        name: row.get_ref(at + 1)?.as_str()?.into(),
        avatar: row.get_ref(at + 2)?.as_str_or_null()?.map(Into::into),
    }))
}

/// Reads [`COLUMNS`] from column `at` on.
pub(super) fn user(row: &Row, at: usize) -> rusqlite::Result<User> {
    let role = row.get_ref(at + 6)?.as_str()?;
    Ok(User {
        key: UserKey(row.get(at)?),
        person: person(row, at + 1)?,
        username: row.get(at + 4)?,
        email: row.get(at + 5)?,
        role: Role::parse(role).unwrap_or(Role::Student),
        disabled: row.get_ref(at + 7)?.as_i64_or_null()?.is_some(),
        token_version: row.get(at + 8)?,
        tokens_after: Time(row.get(at + 9)?),
        last_seen_at: row.get::<_, Option<i64>>(at + 10)?.map(Time),
        profile_at: row.get(at + 11)?,
        origin: Origin::parse(row.get_ref(at + 12)?.as_str()?).unwrap_or(Origin::Hand),
        had_login: row.get(at + 13)?,
        role_set: row.get(at + 14)?,
        second_factor: row.get(at + 15)?,
        show_online: row.get(at + 16)?,
        has_duty: row.get(at + 17)?,
    })
}

/// [`COLUMNS`] of the table that goes by `alias`.
pub(super) fn columns(alias: &str) -> String {
    COLUMNS
        .split(", ")
        .map(|column| format!("{alias}.{column}"))
        .collect::<Vec<_>>()
        .join(", ")
}

pub fn by_id(connection: &Connection, id: &UserId) -> Result<Option<User>> {
    let sql = select("WHERE id = ?1");
    first(connection, &sql, [id.as_str()], |row| user(row, 0))
}

pub fn by_key(connection: &Connection, key: UserKey) -> Result<Option<User>> {
    let sql = select("WHERE key = ?1");
    first(connection, &sql, [key.0], |row| user(row, 0))
}

fn select(condition: &str) -> String {
    format!("SELECT {COLUMNS} FROM users {condition}")
}

/// A user who logs in here, by username or e-mail, with the hash to check. An address that several people share finds nobody.
pub fn by_login(connection: &Connection, login: &str) -> Result<Option<(User, String)>> {
    if let Some(found) = by_username(connection, login)? {
        let hash = password_hash(connection, found.key)?;
        if let Some(hash) = hash {
            return Ok(Some((found, hash)));
        }
    }
    let sql = format!("SELECT {COLUMNS}, password_hash FROM users WHERE email = ?1 LIMIT 2");
    let mut found = all(connection, &sql, [login], |row| {
        Ok((user(row, 0)?, row.get::<_, Option<String>>(COLUMN_COUNT)?))
    })?;
    match (found.pop(), found.is_empty()) {
        (Some((user, Some(hash))), true) => Ok(Some((user, hash))),
        _ => Ok(None),
    }
}

/// The user who alone has an address.
pub fn by_own_email(connection: &Connection, email: &str) -> Result<Option<User>> {
    let sql = select("WHERE email = ?1 LIMIT 2");
    let mut found = all(connection, &sql, [email], |row| user(row, 0))?;
    Ok(found.pop().filter(|_| found.is_empty()))
}

/// A user by username or e-mail, whether they have a password or only had a link to set one. An address that several people share
/// finds nobody.
pub fn by_login_or_link(connection: &Connection, login: &str) -> Result<Option<User>> {
    if let Some(found) = by_username(connection, login)? {
        return Ok(Some(found));
    }
    by_own_email(connection, login)
}

/// What a row's `folded` must be to hold each of these words, as [`crate::model::text::words`] gives them: `?1` of the statement.
pub(super) const HOLDS_WORDS: &str =
    "NOT EXISTS (SELECT 1 FROM json_each(?1) word WHERE instr(u.folded, word.value) = 0)";

pub(super) fn words_as_json(words: &[String]) -> String {
    serde_json::to_string(words).unwrap_or_default()
}

/// Active people whose name or username holds all these words, and who fit a condition on `u`, by name. The condition may have the
/// parameters `:me` and `:answerable`.
pub fn search(
    connection: &Connection,
    me: UserKey,
    words: &[String],
    (condition, answerable): (&str, i64),
    range: Range,
) -> Result<Vec<User>> {
    let sql = format!(
        "SELECT {} FROM users u
         WHERE u.disabled_at IS NULL AND u.key <> :me AND {holds_words}
           AND (:before IS NULL OR (u.folded, u.key) > (SELECT a.folded, a.key FROM users a WHERE a.key = :before))
           AND :answerable IS NOT NULL AND {condition}
         ORDER BY u.folded, u.key LIMIT :rows OFFSET :skip",
        columns("u"),
        holds_words = HOLDS_WORDS.replace("?1", ":words"),
    );
    // Not kept: the condition is another one for each who looks.
    let mut statement = connection.prepare(&sql)?;
    let words = words_as_json(words);
    let params = named_params! {
        ":words": words,
        ":me": me.0,
        ":before": range.before,
        ":answerable": answerable,
        ":rows": range.rows(),
        ":skip": range.skip(),
    };
    let found = statement.query_map(params, |row| user(row, 0))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// A user by the name that they log in with. Where two names have become one by a way of comparing that is newer than they, one
/// of them has no key, and goes by its exact spelling.
pub fn by_username(connection: &Connection, username: &str) -> Result<Option<User>> {
    let exact = select("WHERE username = ?1 COLLATE BINARY AND username_key IS NULL");
    let found = first(connection, &exact, [username], |row| user(row, 0))?;
    if found.is_some() {
        return Ok(found);
    }
    let by_key = select("WHERE username_key = ?1");
    first(connection, &by_key, [case_key(username)], |row| {
        user(row, 0)
    })
}

/// People whose username now compares as equal to that of an older account.
pub fn without_username_key(connection: &Connection) -> Result<Vec<User>> {
    let sql = select("WHERE username IS NOT NULL AND username_key IS NULL");
    all(connection, &sql, [], |row| user(row, 0))
}

/// # Errors
/// [`Error::Conflict`] when the id, the username or the e-mail is taken.
pub fn insert(connection: &Connection, new: &NewUser, now: Time) -> Result<User> {
    let username = new
        .username
        .as_ref()
        .map(super::super::model::users::Username::as_str);
    let folded = fold(&format!(
        "{} {}",
        new.name.as_str(),
        username.unwrap_or_default()
    ));
    let inserted = run(
        connection,
        "INSERT INTO users (id, username, username_key, name, email, avatar, role, password_hash, folded, created_at,
                            origin, had_login, role_set)
         VALUES (:id, :username, :username_key, :name, :email, :avatar, :role, :password_hash, :folded, :now,
                 :origin, :password_hash IS NOT NULL, :origin <> 'token')",
        named_params! {
            ":id": new.id.as_str(),
            ":username": username,
            ":username_key": new.username.as_ref().map(Username::key),
            ":origin": new.origin.as_str(),
            ":name": new.name.as_str(),
            ":email": new.email,
            ":avatar": new.avatar,
            ":role": new.role.as_str(),
            ":password_hash": new.password_hash,
            ":folded": folded,
            ":now": now.0,
        },
    );
    if let Err(error) = inserted {
        if by_id(connection, &new.id)?.is_some() {
            return Err(Error::Conflict(Conflict::UserId));
        }
        if let Some(username) = &new.username
            && is_taken(connection, username, None)?
        {
            return Err(Error::Conflict(Conflict::Username));
        }
        return Err(error);
    }
    let key = UserKey(connection.last_insert_rowid());
    run(
        connection,
        "INSERT INTO unread (user_key) VALUES (?1)",
        [key.0],
    )?;
    by_key(connection, key)?.ok_or_else(|| Error::Internal("a user vanished".into()))
}

/// Whether another user has this username, or one that is compared as the same.
pub fn is_taken(
    connection: &Connection,
    username: &Username,
    besides: Option<UserKey>,
) -> Result<bool> {
    let sql = "SELECT 1 FROM users WHERE (username_key = ?1 OR username = ?2) AND key IS NOT ?3";
    let params = params![username.key(), username.as_str(), besides.map(|key| key.0)];
    Ok(first(connection, sql, params, |_| Ok(()))?.is_some())
}

/// What another issuer's token says of a user, where it differs.
pub fn refresh(
    connection: &Connection,
    key: UserKey,
    name: &str,
    email: Option<&str>,
    avatar: Option<&str>,
    role: Role,
    profile_at: i64,
) -> Result<()> {
    run(
        connection,
        "UPDATE users SET name = ?2, email = ?3, avatar = ?4, profile_at = ?6, role = ?7,
                          folded = ?5 || ' ' || coalesce(username_key, '')
         WHERE key = ?1",
        params![
            key.0,
            name,
            email,
            avatar,
            fold(name),
            profile_at,
            role.as_str()
        ],
    )
    .map(drop)
}

pub fn admin_exists(connection: &Connection) -> Result<bool> {
    let sql = "SELECT 1 FROM users WHERE role = 'admin' LIMIT 1";
    Ok(first(connection, sql, [], |_| Ok(()))?.is_some())
}

pub fn anybody_exists(connection: &Connection) -> Result<bool> {
    Ok(first(connection, "SELECT 1 FROM users LIMIT 1", [], |_| Ok(()))?.is_some())
}

pub fn password_hash(connection: &Connection, key: UserKey) -> Result<Option<String>> {
    let sql = "SELECT password_hash FROM users WHERE key = ?1";
    Ok(first(connection, sql, [key.0], |row| row.get(0))?.flatten())
}

pub fn set_password_hash(connection: &Connection, key: UserKey, hash: &str) -> Result<()> {
    let sql = "UPDATE users SET password_hash = ?2, had_login = 1 WHERE key = ?1";
    run(connection, sql, params![key.0, hash]).map(drop)
}

/// Ends every token issued so far.
pub fn end_tokens(connection: &Connection, key: UserKey, now: Time) -> Result<()> {
    let sql =
        "UPDATE users SET token_version = token_version + 1, tokens_after = ?2 WHERE key = ?1";
    run(connection, sql, params![key.0, now.0]).map(drop)
}

pub fn set_disabled(connection: &Connection, key: UserKey, at: Option<Time>) -> Result<()> {
    // A user who was disabled comes back with new tokens.
    let sql = "UPDATE users SET disabled_at = ?2,
                      token_version = token_version + (?2 IS NOT NULL), tokens_after = coalesce(?2, tokens_after)
               WHERE key = ?1";
    run(connection, sql, params![key.0, at.map(|t| t.0)]).map(drop)
}

/// Whether others see when they are online; `None`: as their role has it.
pub fn set_show_online(connection: &Connection, key: UserKey, shows: Option<bool>) -> Result<()> {
    let sql = "UPDATE users SET show_online = ?2 WHERE key = ?1";
    run(connection, sql, params![key.0, shows]).map(drop)
}

pub fn set_last_seen(connection: &Connection, key: UserKey, at: Time) -> Result<()> {
    let sql = "UPDATE users SET last_seen_at = ?2 WHERE key = ?1";
    run(connection, sql, params![key.0, at.0]).map(drop)
}

pub fn unread(connection: &Connection, key: UserKey) -> Result<Unread> {
    let sql = "SELECT messages, notifications FROM unread WHERE user_key = ?1";
    let counts = first(connection, sql, [key.0], |row| {
        Ok(Unread {
            messages: row.get(0)?,
            notifications: row.get(1)?,
        })
    })?;
    Ok(counts.unwrap_or_default())
}

/// These keys as SQLite's `json_each` takes them.
pub(super) fn as_json(keys: &[UserKey]) -> String {
    let keys: Vec<i64> = keys.iter().map(|key| key.0).collect();
    // Numbers: nothing that fails to serialise.
    serde_json::to_string(&keys).unwrap_or_default()
}

/// One unread notification more for each of these, who come from [`as_json`].
pub(super) fn add_unread_notification(connection: &Connection, keys: &str) -> Result<()> {
    let sql = "UPDATE unread SET notifications = notifications + 1
               WHERE user_key IN (SELECT value FROM json_each(?1))";
    run(connection, sql, [keys]).map(drop)
}

/// Adds to the counters; negative to take away.
pub(super) fn add_unread(
    connection: &Connection,
    key: UserKey,
    messages: i64,
    notifications: i64,
) -> Result<()> {
    let sql = "UPDATE unread SET messages = messages + ?2, notifications = notifications + ?3 WHERE user_key = ?1";
    run(connection, sql, [key.0, messages, notifications]).map(drop)
}
