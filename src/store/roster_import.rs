//! The import that runs: its steps, and how far it is.

use rusqlite::{Connection, params};

use super::{WriteTx, all, first, run};
use crate::error::Result;
use crate::model::audit::AuditActor;
use crate::model::roster::{ImportState, Step, StepCounts, StepProblem};

/// What is known of an import.
#[derive(Debug, Clone)]
pub struct StoredImport {
    pub digest: String,
    pub actor: String,
    pub address: Option<String>,
    pub state: ImportState,
    pub total: usize,
    pub done: usize,
    pub counts: StepCounts,
    pub problems: Vec<StepProblem>,
}

/// The import that runs, or ran last.
pub fn current(connection: &Connection) -> Result<Option<StoredImport>> {
    let sql =
        "SELECT digest, actor, address, state, total, done, counts, problems FROM roster_import";
    first(connection, sql, [], |row| {
        let state = match row.get_ref(3)?.as_str()? {
            "done" => ImportState::Done,
            "running" => ImportState::Running,
            _ => ImportState::Staging,
        };
        Ok(StoredImport {
            digest: row.get(0)?,
            actor: row.get(1)?,
            address: row.get(2)?,
            state,
            total: row.get::<_, i64>(4)? as usize,
            done: row.get::<_, i64>(5)? as usize,
            counts: serde_json::from_str(row.get_ref(6)?.as_str()?).unwrap_or_default(),
            problems: serde_json::from_str(row.get_ref(7)?.as_str()?).unwrap_or_default(),
        })
    })
}

/// Begins to write down an import, in the place of the one that ran last.
pub fn stage(
    tx: &WriteTx,
    digest: &str,
    by: &AuditActor,
    total: usize,
    counts: StepCounts,
) -> Result<()> {
    run(tx, "DELETE FROM roster_import_steps", [])?;
    let sql =
        "INSERT OR REPLACE INTO roster_import (one, digest, actor, address, state, total, counts, number)
               VALUES (1, ?1, ?2, ?3, 'staging', ?4, ?5, coalesce((SELECT number FROM roster_import), 0) + 1)";
    let address = by.address.map(|address| address.to_string());
    let counts = serde_json::to_string(&counts).unwrap_or_default();
    run(
        tx,
        sql,
        params![digest, by.actor, address, total as i64, counts],
    )
    .map(drop)
}

/// Writes down steps, behind those that are there.
pub fn add_steps(tx: &WriteTx, steps: &[String]) -> Result<()> {
    for step in steps {
        run(
            tx,
            "INSERT INTO roster_import_steps (step) VALUES (?1)",
            [step],
        )?;
    }
    Ok(())
}

/// From now on the steps are done.
pub fn begin(tx: &WriteTx) -> Result<()> {
    run(tx, "UPDATE roster_import SET state = 'running'", []).map(drop)
}

/// Forgets an import whose steps were not all written down: none of them is done.
pub fn forget_staged(tx: &WriteTx) -> Result<()> {
    if run(tx, "DELETE FROM roster_import WHERE state = 'staging'", [])? > 0 {
        run(tx, "DELETE FROM roster_import_steps", [])?;
    }
    Ok(())
}

/// Which import the newest is, counted from 1; 0: there was none.
pub fn number(connection: &Connection) -> Result<i64> {
    let sql = "SELECT number FROM roster_import";
    Ok(first(connection, sql, [], |row| row.get(0))?.unwrap_or(0))
}

/// The next steps, with their places; `None` is one that cannot be read.
pub fn next(connection: &Connection, limit: usize) -> Result<Vec<(i64, Option<Step>)>> {
    let sql = "SELECT n, step FROM roster_import_steps ORDER BY n LIMIT ?1";
    all(connection, sql, [limit as i64], |row| {
        let step = serde_json::from_str(row.get_ref(1)?.as_str()?);
        Ok((row.get(0)?, step.ok()))
    })
}

/// The steps up to this one are done, and these were left out.
pub fn done(
    tx: &WriteTx,
    (up_to, count): (i64, usize),
    counts: StepCounts,
    problems: &[StepProblem],
) -> Result<()> {
    run(tx, "DELETE FROM roster_import_steps WHERE n <= ?1", [up_to])?;
    let problems = serde_json::to_string(problems).unwrap_or_default();
    let counts = serde_json::to_string(&counts).unwrap_or_default();
    let sql = "UPDATE roster_import SET done = done + ?1, counts = ?2, problems = ?3";
    run(tx, sql, params![count as i64, counts, problems]).map(drop)
}

/// All steps are done.
pub fn finish(tx: &WriteTx) -> Result<()> {
    run(tx, "UPDATE roster_import SET state = 'done'", []).map(drop)
}
