//! Which user a token of an issuer and subject acts for.

use rusqlite::{Connection, params};

use super::users::user_id;
use super::{WriteTx, all, first, run};
use crate::error::Result;
use crate::model::ids::{UserId, UserKey};
use crate::model::users::ExternalIdentity;

/// All links, for those who look one up with each request.
pub fn everybody(connection: &Connection) -> Result<Vec<(ExternalIdentity, UserId)>> {
    let sql =
        "SELECT i.issuer, i.subject, u.id FROM identities i JOIN users u ON u.key = i.user_key";
    all(connection, sql, [], |row| {
        Ok((identity(row)?, user_id(row, 2)?))
    })
}

pub fn of(connection: &Connection, user: UserKey) -> Result<Vec<ExternalIdentity>> {
    let sql = "SELECT issuer, subject FROM identities WHERE user_key = ?1 ORDER BY issuer, subject";
    all(connection, sql, [user.0], identity)
}

fn identity(row: &rusqlite::Row) -> rusqlite::Result<ExternalIdentity> {
    Ok(ExternalIdentity {
        issuer: row.get(0)?,
        subject: row.get(1)?,
    })
}

/// The user who has it, if that is another one.
pub fn owner(
    connection: &Connection,
    identity: &ExternalIdentity,
    besides: UserKey,
) -> Result<Option<UserKey>> {
    let sql =
        "SELECT user_key FROM identities WHERE issuer = ?1 AND subject = ?2 AND user_key <> ?3";
    let params = params![identity.issuer, identity.subject, besides.0];
    first(connection, sql, params, |row| row.get(0).map(UserKey))
}

/// Adds one to a user's.
pub fn add(tx: &WriteTx, user: UserKey, identity: &ExternalIdentity) -> Result<()> {
    let sql = "INSERT INTO identities (issuer, subject, user_key) VALUES (?1, ?2, ?3)";
    run(tx, sql, params![identity.issuer, identity.subject, user.0]).map(drop)
}

/// The user who has it.
pub fn user(connection: &Connection, identity: &ExternalIdentity) -> Result<Option<UserKey>> {
    let sql = "SELECT user_key FROM identities WHERE issuer = ?1 AND subject = ?2";
    let params = params![identity.issuer, identity.subject];
    first(connection, sql, params, |row| row.get(0).map(UserKey))
}

/// Makes these all of a user's.
pub fn set(tx: &WriteTx, user: UserKey, identities: &[ExternalIdentity]) -> Result<()> {
    run(tx, "DELETE FROM identities WHERE user_key = ?1", [user.0])?;
    for one in identities {
        add(tx, user, one)?;
    }
    Ok(())
}
