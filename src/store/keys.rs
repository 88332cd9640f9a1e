//! API keys, by the hash of their secret.

use rusqlite::{Connection, params};

use super::{all, first, run};
use crate::error::Result;
use crate::model::keys::{ApiKey, ApiKeyView};
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

/// All keys, the newest first, those that were revoked among them.
pub fn list(connection: &Connection, limit: i64) -> Result<Vec<ApiKeyView>> {
    let sql = "SELECT id, name, scopes, created_at, last_used_at, revoked_at FROM api_keys
               ORDER BY key DESC LIMIT ?1";
    all(connection, sql, [limit], |row| {
        let scopes = row.get_ref(2)?.as_str()?;
        Ok(ApiKeyView {
            id: row.get(0)?,
            name: row.get(1)?,
            scopes: scopes.split(' ').map(str::to_owned).collect(),
            created_at: Time(row.get(3)?),
            last_used_at: row.get::<_, Option<i64>>(4)?.map(Time),
            revoked_at: row.get::<_, Option<i64>>(5)?.map(Time),
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
