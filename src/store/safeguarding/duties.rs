//! Who is a safeguarding lead, and who could have logged in as somebody else.

use rusqlite::{Connection, params};

use super::{person, person_columns};
use crate::error::Result;
use crate::model::ids::UserKey;
use crate::model::safeguarding::duties::LeadView;
use crate::model::safeguarding::duty::DutyState;
use crate::model::time::Time;
use crate::store::{WriteTx, all, first, run};

/// The leads whose duty is in force.
pub fn leads(connection: &Connection) -> Result<Vec<UserKey>> {
    let sql = "SELECT user_key FROM leads ORDER BY user_key";
    all(connection, sql, [], |row| row.get(0).map(UserKey))
}

pub fn is_lead(connection: &Connection, user: UserKey) -> Result<bool> {
    let sql = "SELECT 1 FROM leads WHERE user_key = ?1";
    Ok(first(connection, sql, [user.0], |_| Ok(()))?.is_some())
}

/// How the duty of a user stands, if they have it.
pub fn state(connection: &Connection, user: UserKey) -> Result<Option<DutyState>> {
    let sql = "SELECT state FROM duties WHERE user_key = ?1 AND duty = 'safeguarding'";
    let found = first(connection, sql, [user.0], |row| {
        Ok(DutyState::parse(row.get_ref(0)?.as_str()?))
    })?;
    Ok(found.flatten())
}

/// Everybody who has the duty, by name.
pub fn list(connection: &Connection) -> Result<Vec<LeadView>> {
    let sql = format!(
        "SELECT {}, d.state, d.granted_by, d.granted_at, d.confirmed_by, d.confirmed_at
         FROM duties d JOIN users u ON u.key = d.user_key
         WHERE d.duty = 'safeguarding' AND u.disabled_at IS NULL ORDER BY u.folded, u.key",
        person_columns("u")
    );
    all(connection, &sql, [], |row| {
        let state = DutyState::parse(row.get_ref(3)?.as_str()?);
        Ok(LeadView {
            user: person(row, 0)?,
            state: state.unwrap_or(DutyState::Suspended),
            granted_by: row.get(4)?,
            granted_at: Time(row.get(5)?),
            confirmed_by: row.get(6)?,
            confirmed_at: row.get::<_, Option<i64>>(7)?.map(Time),
        })
    })
}

pub fn grant(tx: &WriteTx, user: UserKey, state: DutyState, by: &str) -> Result<()> {
    let sql = "INSERT INTO duties (user_key, duty, state, granted_by, granted_at) VALUES (?1, 'safeguarding', ?2, ?3, ?4)";
    let params = params![user.0, state.as_str(), by, tx.now.0];
    run(tx, sql, params).map(drop)
}

pub fn revoke(tx: &WriteTx, user: UserKey) -> Result<()> {
    let sql = "DELETE FROM duties WHERE user_key = ?1 AND duty = 'safeguarding'";
    run(tx, sql, [user.0]).map(drop)
}

pub fn confirm(tx: &WriteTx, user: UserKey, by: &str) -> Result<()> {
    let sql = "UPDATE duties SET state = 'active', confirmed_by = ?2, confirmed_at = ?3
               WHERE user_key = ?1 AND duty = 'safeguarding'";
    run(tx, sql, params![user.0, by, tx.now.0]).map(drop)
}

pub fn suspend(tx: &WriteTx, user: UserKey) -> Result<()> {
    let sql = "UPDATE duties SET state = 'suspended' WHERE user_key = ?1 AND duty = 'safeguarding'";
    run(tx, sql, [user.0]).map(drop)
}

/// Seconds for which nobody approves for somebody whose account they made or changed.
const MAKER_SECONDS: i64 = 30 * 24 * 3_600;

/// Remembers that somebody made an account, or could have logged in with it.
pub fn note_maker(tx: &WriteTx, user: UserKey, actor: &str) -> Result<()> {
    let sql = "INSERT INTO account_makers (user_key, actor, at) VALUES (?1, ?2, ?3)
               ON CONFLICT (user_key, actor) DO UPDATE SET at = excluded.at";
    run(tx, sql, params![user.0, actor, tx.now.0]).map(drop)
}

/// Whether this actor added a user, granted them a duty, linked an identity to them or gave them a way in within the last 30 days.
pub fn is_maker(connection: &Connection, user: UserKey, actor: &str, now: Time) -> Result<bool> {
    let sql = "SELECT 1 FROM account_makers WHERE user_key = ?1 AND actor = ?2 AND at > ?3";
    let since = now.plus_seconds(-MAKER_SECONDS).0;
    let params = params![user.0, actor, since];
    Ok(first(connection, sql, params, |_| Ok(()))?.is_some())
}

/// Whether an account was made or changed lately by somebody who cannot be named: an API key, or the command line.
pub fn has_unknown_maker(connection: &Connection, user: UserKey, now: Time) -> Result<bool> {
    let sql =
        "SELECT 1 FROM account_makers WHERE user_key = ?1 AND at > ?2 AND actor NOT LIKE 'user:%'";
    let since = now.plus_seconds(-MAKER_SECONDS).0;
    Ok(first(connection, sql, [user.0, since], |_| Ok(()))?.is_some())
}

/// Whether one and the same could lately have logged in as either of two leads, since their duties were granted or confirmed. That one
/// administrator has granted both says nothing.
pub fn could_be_both(connection: &Connection, a: UserKey, b: UserKey, now: Time) -> Result<bool> {
    let sql = "SELECT 1 FROM account_makers x JOIN account_makers y ON y.actor = x.actor AND y.user_key = ?2
               JOIN duties dx ON dx.user_key = x.user_key JOIN duties dy ON dy.user_key = y.user_key
               WHERE x.user_key = ?1 AND x.at > ?3 AND y.at > ?3
                 AND x.at > max(dx.granted_at, coalesce(dx.confirmed_at, 0))
                 AND y.at > max(dy.granted_at, coalesce(dy.confirmed_at, 0))";
    let since = now.plus_seconds(-MAKER_SECONDS).0;
    Ok(first(connection, sql, [a.0, b.0, since], |_| Ok(()))?.is_some())
}

/// Forgets who made accounts longer ago.
pub fn tidy_makers(tx: &WriteTx) -> Result<()> {
    let since = tx.now.plus_seconds(-MAKER_SECONDS).0;
    run(tx, "DELETE FROM account_makers WHERE at <= ?1", [since]).map(drop)
}
