//! Sessions that were logged out before their tokens end.

use rusqlite::{Connection, params};

use super::{WriteTx, all, run};
use crate::error::Result;
use crate::model::ids::UserKey;
use crate::model::time::Time;

/// Ends a session whose last token would be valid until then.
pub fn end(tx: &WriteTx, id: &str, user: UserKey, until: Time) -> Result<()> {
    let sql = "INSERT OR IGNORE INTO ended_sessions (id, user_key, until) VALUES (?1, ?2, ?3)";
    run(tx, sql, params![id, user.0, until.0]).map(drop)
}

/// All that have ended.
pub fn ended(connection: &Connection) -> Result<Vec<String>> {
    all(connection, "SELECT id FROM ended_sessions", [], |row| {
        row.get(0)
    })
}

/// Forgets those whose tokens have all expired.
pub fn tidy(tx: &WriteTx) -> Result<()> {
    // A token is accepted for half a minute after its expiry.
    let sql = "DELETE FROM ended_sessions WHERE until < ?1";
    run(tx, sql, [tx.now.0 - 60_000]).map(drop)
}
