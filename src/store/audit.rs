//! The audit log. Triggers of the database see to it that lines are only added.

use rusqlite::{Connection, Row, named_params, params};

use super::{WriteTx, all, first, run};
use crate::error::Result;
use crate::model::audit::{Action, AuditActor, Entry};
use crate::model::time::Time;

/// Adds a line, in the transaction of what it is about.
pub fn note(
    tx: &WriteTx,
    by: &AuditActor,
    action: Action,
    target: &str,
    detail: &str,
) -> Result<()> {
    note_at(tx, tx.now, by, action, target, detail)
}

/// As [`note`], on a database that no server has open.
pub(super) fn note_at(
    connection: &Connection,
    at: Time,
    by: &AuditActor,
    action: Action,
    target: &str,
    detail: &str,
) -> Result<()> {
    let address = by.address.map(|address| address.to_string());
    run(
        connection,
        "INSERT INTO audit (at, actor, address, action, target, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![at.0, by.actor, address, action.as_str(), target, detail],
    )
    .map(drop)
}

/// How many lines of this actor and action there are since then.
pub fn count(connection: &Connection, actor: &str, action: Action, since: Time) -> Result<i64> {
    let sql = "SELECT count(*) FROM audit WHERE action = ?1 AND at >= ?2 AND actor = ?3";
    let params = params![action.as_str(), since.0, actor];
    Ok(first(connection, sql, params, |row| row.get(0))?.unwrap_or(0))
}

const COLUMNS: &str =
    "a.key, a.at, a.actor, coalesce(u.name, k.name), a.address, a.action, a.target,
                       coalesce(p.name, g.name), a.detail
                FROM audit a
                LEFT JOIN users u ON a.actor LIKE 'user:%' AND u.id = substr(a.actor, 6)
                LEFT JOIN api_keys k ON a.actor LIKE 'key:%' AND k.id = substr(a.actor, 5)
                LEFT JOIN users p ON p.id = a.target
                LEFT JOIN groups g ON g.id = a.target";

fn entry(row: &Row) -> rusqlite::Result<Entry> {
    Ok(Entry {
        key: row.get(0)?,
        at: Time(row.get(1)?),
        actor: row.get(2)?,
        actor_name: row.get(3)?,
        address: row.get(4)?,
        action: row.get(5)?,
        target: row.get(6)?,
        target_name: row.get(7)?,
        detail: row.get(8)?,
    })
}

/// The newest lines before `before`; of one action, where that is asked for.
pub fn list(
    connection: &Connection,
    before: Option<i64>,
    action: Option<&str>,
    limit: i64,
) -> Result<Vec<Entry>> {
    let sql = format!(
        "SELECT {COLUMNS} WHERE a.key < :before AND (:action IS NULL OR a.action = :action)
         ORDER BY a.key DESC LIMIT :limit"
    );
    let params = named_params! {
        ":before": before.unwrap_or(i64::MAX), ":action": action, ":limit": limit,
    };
    all(connection, &sql, params, entry)
}

/// All lines of what a user did or what was done to them, the newest first.
pub fn about(connection: &Connection, actor: &str, target: &str) -> Result<Vec<Entry>> {
    let sql = format!("SELECT {COLUMNS} WHERE a.actor = ?1 OR a.target = ?2 ORDER BY a.key DESC");
    all(connection, &sql, [actor, target], entry)
}
