//! Second factors, and the recovery codes in their place.

use rusqlite::{Connection, params};

use super::{WriteTx, first, run};
use crate::error::Result;
use crate::model::ids::UserKey;

/// Stores a new one in the place of any before it. It is in force once it is turned on.
pub fn put(tx: &WriteTx, user: UserKey, nonce: &str) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO second_factors (user_key, nonce) VALUES (?1, ?2)";
    run(tx, sql, params![user.0, nonce]).map(drop)
}

/// The nonce of a user's, and the step of the newest code that was accepted.
pub fn of(connection: &Connection, user: UserKey) -> Result<Option<(String, i64)>> {
    let sql = "SELECT nonce, last_step FROM second_factors WHERE user_key = ?1";
    first(connection, sql, [user.0], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}

/// A code of this step was accepted.
pub fn set_step(tx: &WriteTx, user: UserKey, step: i64) -> Result<()> {
    let sql = "UPDATE second_factors SET last_step = ?2 WHERE user_key = ?1";
    run(tx, sql, params![user.0, step]).map(drop)
}

/// Puts it in force, with these recovery codes by their hashes.
pub fn turn_on(tx: &WriteTx, user: UserKey, hashes: &[[u8; 32]]) -> Result<()> {
    run(
        tx,
        "UPDATE users SET second_factor = 1 WHERE key = ?1",
        [user.0],
    )?;
    set_recovery_codes(tx, user, hashes)
}

/// Replaces all recovery codes.
pub fn set_recovery_codes(tx: &WriteTx, user: UserKey, hashes: &[[u8; 32]]) -> Result<()> {
    run(
        tx,
        "DELETE FROM recovery_codes WHERE user_key = ?1",
        [user.0],
    )?;
    let sql = "INSERT INTO recovery_codes (user_key, hash) VALUES (?1, ?2)";
    hashes
        .iter()
        .try_for_each(|hash| run(tx, sql, params![user.0, hash]).map(drop))
}

/// Uses up a recovery code. Whether there was one.
pub fn use_recovery_code(tx: &WriteTx, user: UserKey, hash: &[u8; 32]) -> Result<bool> {
    let sql = "DELETE FROM recovery_codes WHERE user_key = ?1 AND hash = ?2";
    Ok(run(tx, sql, params![user.0, hash])? > 0)
}

/// How many recovery codes are left.
pub fn recovery_codes(connection: &Connection, user: UserKey) -> Result<u32> {
    let sql = "SELECT count(*) FROM recovery_codes WHERE user_key = ?1";
    Ok(first(connection, sql, [user.0], |row| row.get(0))?.unwrap_or_default())
}

/// Takes it away.
pub fn remove(tx: &WriteTx, user: UserKey) -> Result<()> {
    for sql in [
        "DELETE FROM second_factors WHERE user_key = ?1",
        "DELETE FROM recovery_codes WHERE user_key = ?1",
        "UPDATE users SET second_factor = 0 WHERE key = ?1",
    ] {
        run(tx, sql, [user.0])?;
    }
    Ok(())
}
