//! Sessions: those that go on, and those that were logged out before their tokens end.

use rusqlite::{Connection, params};

use super::{WriteTx, all, first, run};
use crate::error::Result;
use crate::model::ids::UserKey;
use crate::model::sessions::SessionInfo;
use crate::model::time::Time;
use crate::model::users::User;

/// Sessions of one user at a time.
pub const MAX_PER_USER: i64 = 100;

/// What is stored of a session that begins.
#[derive(Debug)]
pub struct NewSession<'s> {
    pub id: &'s str,
    pub started: Time,
    pub until: Time,
    pub device: &'s str,
}

/// Stores a session, or that it is still in use.
pub fn put(tx: &WriteTx, user: &User, new: &NewSession) -> Result<()> {
    let sql = "INSERT INTO sessions (id, user_key, version, created_at, last_seen_at, until, device)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
               ON CONFLICT (id) DO UPDATE SET last_seen_at = max(last_seen_at, excluded.last_seen_at)";
    let NewSession {
        id,
        started,
        until,
        device,
    } = new;
    let (key, version) = (user.key.0, user.token_version);
    run(
        tx,
        sql,
        params![id, key, version, started.0, tx.now.0, until.0, device],
    )
    .map(drop)
}

/// A session of a user that is over the limit: the one that was not seen for longest. Its id, and until when its tokens are valid.
pub fn surplus(tx: &WriteTx, user: UserKey) -> Result<Option<(String, Time)>> {
    let sql = "SELECT id, until FROM sessions WHERE user_key = ?1
               ORDER BY last_seen_at DESC, id DESC LIMIT 1 OFFSET ?2";
    first(tx, sql, params![user.0, MAX_PER_USER], |row| {
        Ok((row.get(0)?, Time(row.get(1)?)))
    })
}

/// The sessions of a user that go on, the last seen first. None is marked as the caller's.
pub fn of(connection: &Connection, user: UserKey, now: Time) -> Result<Vec<SessionInfo>> {
    let sql = "SELECT s.id, s.created_at, s.last_seen_at, s.device
               FROM sessions s JOIN users u ON u.key = s.user_key AND u.token_version = s.version
               WHERE s.user_key = ?1 AND s.until > ?2
               ORDER BY s.last_seen_at DESC, s.id DESC";
    all(connection, sql, params![user.0, now.0], |row| {
        Ok(SessionInfo {
            id: row.get(0)?,
            created_at: Time(row.get(1)?),
            last_seen_at: Time(row.get(2)?),
            device: row.get(3)?,
            current: false,
        })
    })
}

/// Until when the tokens of a user's session are valid, if it goes on.
pub fn until(connection: &Connection, user: UserKey, id: &str) -> Result<Option<Time>> {
    let sql = "SELECT until FROM sessions WHERE id = ?1 AND user_key = ?2";
    first(connection, sql, params![id, user.0], |row| {
        row.get(0).map(Time)
    })
}

/// Notes when a session was last seen.
pub fn set_last_seen(tx: &WriteTx, id: &str, at: Time) -> Result<()> {
    let sql = "UPDATE sessions SET last_seen_at = ?2 WHERE id = ?1 AND last_seen_at < ?2";
    run(tx, sql, params![id, at.0]).map(drop)
}

/// Forgets all of a user's: their tokens are invalid by their version.
pub fn forget_all(tx: &WriteTx, user: UserKey) -> Result<()> {
    run(tx, "DELETE FROM sessions WHERE user_key = ?1", [user.0]).map(drop)
}

/// Ends a session whose last token would be valid until then.
pub fn end(tx: &WriteTx, id: &str, user: UserKey, until: Time) -> Result<()> {
    run(tx, "DELETE FROM sessions WHERE id = ?1", [id])?;
    let sql = "INSERT OR IGNORE INTO ended_sessions (id, user_key, until) VALUES (?1, ?2, ?3)";
    run(tx, sql, params![id, user.0, until.0]).map(drop)
}

/// Whether a session was logged out.
pub fn has_ended(connection: &Connection, id: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM ended_sessions WHERE id = ?1";
    Ok(first(connection, sql, [id], |_| Ok(()))?.is_some())
}

/// All that were logged out.
pub fn ended(connection: &Connection) -> Result<Vec<String>> {
    all(connection, "SELECT id FROM ended_sessions", [], |row| {
        row.get(0)
    })
}

/// Forgets those whose tokens are all invalid anyway.
pub fn tidy(tx: &WriteTx) -> Result<()> {
    // A token is accepted for half a minute after its expiry.
    let over = tx.now.0 - 60_000;
    run(tx, "DELETE FROM ended_sessions WHERE until < ?1", [over])?;
    run(tx, "DELETE FROM sessions WHERE until < ?1", [over]).map(drop)
}
