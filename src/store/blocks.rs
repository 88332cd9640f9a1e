//! Who has blocked whom, and whose messages a user wants no push of.

use std::collections::HashSet;

use rusqlite::{Connection, params};

use super::{WriteTx, all, first, run, users};
use crate::error::Result;
use crate::model::ids::{UserId, UserKey};
use crate::model::users::User;

pub fn exists(connection: &Connection, by: UserKey, blocked: UserKey) -> Result<bool> {
    let sql = "SELECT 1 FROM blocks WHERE user_key = ?1 AND blocked_key = ?2";
    Ok(first(connection, sql, [by.0, blocked.0], |_| Ok(()))?.is_some())
}

/// Whether it is new.
pub fn insert(tx: &WriteTx, by: UserKey, blocked: UserKey) -> Result<bool> {
    let sql = "INSERT INTO blocks (user_key, blocked_key, created_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    Ok(run(tx, sql, params![by.0, blocked.0, tx.now.0])? > 0)
}

/// Whether there was one.
pub fn remove(tx: &WriteTx, by: UserKey, blocked: UserKey) -> Result<bool> {
    let sql = "DELETE FROM blocks WHERE user_key = ?1 AND blocked_key = ?2";
    Ok(run(tx, sql, [by.0, blocked.0])? > 0)
}

/// Whom a user has blocked, by name.
pub fn of(connection: &Connection, by: UserKey) -> Result<Vec<User>> {
    let sql = format!(
        "SELECT {} FROM blocks b JOIN users u ON u.key = b.blocked_key WHERE b.user_key = ?1 ORDER BY u.folded, u.key",
        users::columns("u")
    );
    all(connection, &sql, [by.0], |row| users::user(row, 0))
}

/// From now on the user wants no push of what a partner writes.
pub fn mute(tx: &WriteTx, user: UserKey, partner: UserKey) -> Result<()> {
    let sql = "INSERT INTO mutes (user_key, partner_key, created_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    run(tx, sql, params![user.0, partner.0, tx.now.0]).map(drop)
}

/// Whether they had muted the partner.
pub fn unmute(tx: &WriteTx, user: UserKey, partner: UserKey) -> Result<bool> {
    let sql = "DELETE FROM mutes WHERE user_key = ?1 AND partner_key = ?2";
    Ok(run(tx, sql, [user.0, partner.0])? > 0)
}

/// The ids of all partners whom a user has muted.
pub fn muted_ids(connection: &Connection, user: UserKey) -> Result<Vec<UserId>> {
    let sql = "SELECT u.id FROM mutes m JOIN users u ON u.key = m.partner_key WHERE m.user_key = ?1 ORDER BY u.id";
    all(connection, sql, [user.0], |row| users::user_id(row, 0))
}

/// All partners whom a user has muted.
pub fn muted(connection: &Connection, user: UserKey) -> Result<HashSet<UserKey>> {
    let sql = "SELECT partner_key FROM mutes WHERE user_key = ?1";
    let found = all(connection, sql, [user.0], |row| row.get(0).map(UserKey));
    Ok(found?.into_iter().collect())
}
