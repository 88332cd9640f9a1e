//! API keys, by the hash of their secret.

use rusqlite::{Connection, params};

use super::{first, run};
use crate::error::Result;
use crate::model::keys::ApiKey;
use crate::model::time::Time;

pub fn by_hash(connection: &Connection, hash: &[u8; 32]) -> Result<Option<ApiKey>> {
    let sql = "SELECT id, name, scopes, last_used_at FROM api_keys WHERE hash = ?1 AND revoked_at IS NULL";
    first(connection, sql, [hash], |row| {
        Ok(ApiKey {
            id: row.get(0)?,
            name: row.get(1)?,
            scopes: row.get(2)?,
            last_used_at: row.get::<_, Option<i64>>(3)?.map(Time),
        })
    })
}

pub fn insert(connection: &Connection, key: &ApiKey, hash: &[u8; 32], now: Time) -> Result<()> {
    run(
        connection,
        "INSERT INTO api_keys (id, name, hash, scopes, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![key.id, key.name, hash, key.scopes, now.0],
    )
    .map(drop)
}

/// Whether there was a live one to revoke.
pub fn revoke(connection: &Connection, id: &str, now: Time) -> Result<bool> {
    let sql = "UPDATE api_keys SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL";
    Ok(run(connection, sql, params![id, now.0])? > 0)
}

pub fn set_last_used(connection: &Connection, id: &str, now: Time) -> Result<()> {
    let sql = "UPDATE api_keys SET last_used_at = ?2 WHERE id = ?1";
    run(connection, sql, params![id, now.0]).map(drop)
}
