//! Whom the notice of a lead has answered.

use rusqlite::params;

use crate::error::Result;
use crate::model::ids::UserKey;
use crate::store::{WriteTx, run};

/// A notice answers a user again after so many seconds.
const PAUSE_SECONDS: i64 = 24 * 3_600;

/// Whether a lead's notice answers a user now: not twice a day.
pub fn take(tx: &WriteTx, lead: UserKey, user: UserKey) -> Result<bool> {
    let sql = "INSERT INTO notice_replies (lead_key, user_key, at) VALUES (?1, ?2, ?3)
               ON CONFLICT (lead_key, user_key) DO UPDATE SET at = excluded.at WHERE at <= ?4";
    let before = tx.now.plus_seconds(-PAUSE_SECONDS);
    Ok(run(tx, sql, params![lead.0, user.0, tx.now.0, before.0])? > 0)
}
