//! The outbox of mails.

use rusqlite::{Connection, Row, params};

use super::{WriteTx, all, first, preferences, run, users};
use crate::error::Result;
use crate::model::events::Effect;
use crate::model::ids::UserKey;
use crate::model::mails::{
    DeadMail, DueMail, Failure, Kind, MailRecord, MailUser, Outcome, Recipient, Stage,
};
use crate::model::safeguarding::news::News;
use crate::model::time::Time;

/// How long it is kept what came of a mail, in milliseconds.
const KEPT_MS: i64 = 14 * 24 * 3_600 * 1_000;
/// How many that were given up are shown.
const MAX_DEAD: u32 = 200;

/// An address may be used while it is one person's. `u` is the user.
pub const HAS_OWN_ADDRESS: &str = "u.email IS NOT NULL AND u.email <> ''
    AND NOT EXISTS (SELECT 1 FROM users o WHERE o.email = u.email AND o.key <> u.key)";

/// Puts a mail into the outbox.
pub fn put(tx: &WriteTx, id: &str, kind: Kind, user: UserKey, expires_at: Time) -> Result<()> {
    let sql = "INSERT INTO mails (id, kind, user_key, created_at, expires_at, due_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?4)";
    let (now, until) = (tx.now.0, expires_at.0);
    run(tx, sql, params![id, kind.as_str(), user.0, now, until]).map(drop)
}

/// Puts a mail into the outbox that says what has happened, and is of use for so many seconds. To nobody: to the address outside of the
/// school.
pub fn put_news(
    tx: &WriteTx,
    id: &str,
    user: Option<UserKey>,
    news: &News,
    seconds: i64,
) -> Result<()> {
    let sql =
        "INSERT INTO mails (id, kind, user_key, place, params, created_at, expires_at, due_at)
               VALUES (?1, 'safeguarding', ?2, iif(?2 IS NULL, 'external', NULL), ?3, ?4, ?5, ?4)";
    let text = serde_json::to_string(news).unwrap_or_default();
    let (now, until) = (tx.now.0, tx.now.plus_seconds(seconds).0);
    run(
        tx,
        sql,
        params![id, user.map(|user| user.0), text, now, until],
    )?;
    tx.emit(Effect::MailDue);
    Ok(())
}

/// Whether a user's address is theirs alone.
pub fn has_own_address(connection: &Connection, user: UserKey) -> Result<bool> {
    let sql = format!("SELECT 1 FROM users u WHERE u.key = ?1 AND {HAS_OWN_ADDRESS}");
    Ok(first(connection, &sql, [user.0], |_| Ok(()))?.is_some())
}

/// How many mails of this kind a user was to get since then.
pub fn count_since(connection: &Connection, user: UserKey, kind: Kind, since: Time) -> Result<u32> {
    let sql = "SELECT count(*) FROM mails WHERE user_key = ?1 AND kind = ?2 AND created_at > ?3";
    let params = params![user.0, kind.as_str(), since.0];
    Ok(first(connection, sql, params, |row| row.get(0))?.unwrap_or_default())
}

/// The next mail that is due: those that somebody waits for go first. Else, when one is.
pub fn next(connection: &Connection, now: Time) -> Result<(Option<DueMail>, Option<Time>)> {
    let sql = "SELECT key, id, kind, user_key, attempts, expires_at, params FROM mails
               WHERE state = 'waiting' AND due_at <= ?1
               ORDER BY kind NOT IN ('forgotten_password', 'safeguarding'), due_at, key LIMIT 1";
    let due = first(connection, sql, [now.0], |row| {
        Ok(DueMail {
            key: row.get(0)?,
            id: row.get(1)?,
            kind: kind(row, 2)?,
            user: row.get::<_, Option<i64>>(3)?.map(UserKey),
            news: serde_json::from_str(row.get_ref(6)?.as_str()?).ok(),
            attempts: row.get(4)?,
            expires_at: Time(row.get(5)?),
        })
    })?;
    let sql = "SELECT min(due_at) FROM mails WHERE state = 'waiting'";
    let at = first(connection, sql, [], |row| row.get::<_, Option<i64>>(0))?;
    Ok((due, at.flatten().map(Time)))
}

fn kind(row: &Row, at: usize) -> rusqlite::Result<Kind> {
    // The table has no other.
    Ok(Kind::parse(row.get_ref(at)?.as_str()?).unwrap_or(Kind::PasswordLink))
}

/// To whom a mail goes now: to nobody who is disabled or has no address of their own.
pub fn recipient(connection: &Connection, user: UserKey) -> Result<Option<Recipient>> {
    let sql = format!(
        "SELECT u.name, u.username, u.email, p.value FROM users u
         LEFT JOIN push_preferences p ON p.user_key = u.key
         WHERE u.key = ?1 AND u.disabled_at IS NULL AND u.username IS NOT NULL AND {HAS_OWN_ADDRESS}"
    );
    first(connection, &sql, [user.0], |row| {
        let preferences = row.get_ref(3)?.as_str_or_null()?;
        let preferences = preferences.and_then(preferences::parse);
        Ok(Recipient {
            name: row.get(0)?,
            username: row.get(1)?,
            email: row.get(2)?,
            language: preferences.and_then(|preferences| preferences.language),
        })
    })
}

/// Stores what came of an attempt.
pub fn settle(tx: &WriteTx, key: i64, outcome: &Outcome) -> Result<()> {
    let (state, due_at, failure) = match outcome {
        Outcome::Sent => ("sent", None, None),
        Outcome::Later(at, failure) => ("waiting", Some(at.0), Some(failure)),
        Outcome::Dead(failure) => ("dead", None, Some(failure)),
        Outcome::Dropped => ("dropped", None, None),
    };
    let done_at = due_at.is_none().then_some(tx.now.0);
    let sql = "UPDATE mails SET state = ?2, due_at = coalesce(?3, due_at), done_at = ?4, attempts = attempts + 1,
                      stage = ?5, code = ?6, said = ?7 WHERE key = ?1";
    let stage = failure.map(|failure| failure.stage.as_str());
    let code = failure.and_then(|failure| failure.code);
    let said = failure.map(|failure| &failure.said);
    run(
        tx,
        sql,
        params![key, state, due_at, done_at, stage, code, said],
    )
    .map(drop)
}

/// How many wait, and how many were sent in the last two weeks.
pub fn counts(connection: &Connection, now: Time) -> Result<(u32, u32)> {
    let sql = "SELECT (SELECT count(*) FROM mails WHERE state = 'waiting'),
                      (SELECT count(*) FROM mails WHERE done_at > ?1 AND state = 'sent')";
    let counts = first(connection, sql, [now.0 - KEPT_MS], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    Ok(counts.unwrap_or_default())
}

/// Mails that were given up, the newest first.
pub fn dead(connection: &Connection, now: Time) -> Result<Vec<DeadMail>> {
    let sql = "SELECT m.kind, u.id, u.name, m.done_at, m.stage, m.code, m.said
               FROM mails m LEFT JOIN users u ON u.key = m.user_key
               WHERE m.done_at > ?1 AND m.state = 'dead' ORDER BY m.done_at DESC, m.key DESC LIMIT ?2";
    all(connection, sql, [now.0 - KEPT_MS, MAX_DEAD.into()], |row| {
        let stage = row.get_ref(4)?.as_str_or_null()?.and_then(Stage::parse);
        Ok(DeadMail {
            kind: kind(row, 0)?,
            user: match row.get_ref(1)?.as_str_or_null()? {
                None => None,
                Some(_) => Some(MailUser {
                    id: users::user_id(row, 1)?,
                    name: row.get(2)?,
                }),
            },
            at: Time(row.get(3)?),
            failure: Failure {
                stage: stage.unwrap_or(Stage::Connection),
                code: row.get(5)?,
                said: row.get::<_, Option<String>>(6)?.unwrap_or_default(),
                had_begun: false,
            },
        })
    })
}

/// Mails to a user, the oldest first.
pub fn of(connection: &Connection, user: UserKey) -> Result<Vec<MailRecord>> {
    let sql = "SELECT kind, created_at, state, said FROM mails WHERE user_key = ?1 AND kind <> 'safeguarding' ORDER BY created_at, key";
    all(connection, sql, [user.0], |row| {
        Ok(MailRecord {
            kind: kind(row, 0)?,
            created_at: Time(row.get(1)?),
            state: row.get(2)?,
            said: row.get(3)?,
        })
    })
}

/// What is still to go to a user's address is dropped, and the links that went there are no longer valid: the address is another now.
pub fn drop_for(tx: &WriteTx, user: UserKey) -> Result<()> {
    let sql = "UPDATE mails SET state = 'dropped', done_at = ?2 WHERE user_key = ?1 AND state = 'waiting'";
    run(tx, sql, params![user.0, tx.now.0])?;
    let sql = "DELETE FROM password_links WHERE user_key = ?1 AND mailed";
    run(tx, sql, [user.0]).map(drop)
}

/// Forgets what came of mails long ago.
pub fn tidy(tx: &WriteTx) -> Result<()> {
    let sql = "DELETE FROM mails WHERE done_at < ?1";
    run(tx, sql, [tx.now.0 - KEPT_MS]).map(drop)
}
