//! Reviews of conversations.

use rusqlite::{Connection, Row, params};

use super::{person, person_columns, person_if_any};
use crate::error::Result;
use crate::model::ids::{Id, UserKey};
use crate::model::messages::Removed;
use crate::model::page::Range;
use crate::model::safeguarding::reviews::{ReviewView, ReviewedMessage, State};
use crate::model::time::Time;
use crate::store::conversations;
use crate::store::messages::removed_by;
use crate::store::{WriteTx, all, first, run, users};

fn select() -> String {
    format!(
        "SELECT r.key, r.id, {}, {}, r.reason, r.urgent, {}, r.asked_at, {}, r.approved_at, r.ends_at, r.told_at
         FROM reviews r JOIN users a ON a.key = r.low_key JOIN users b ON b.key = r.high_key
         JOIN users l ON l.key = r.asked_by LEFT JOIN users x ON x.key = r.approved_by",
        person_columns("a"),
        person_columns("b"),
        person_columns("l"),
        person_columns("x"),
    )
}

fn view(row: &Row, now: Time) -> rusqlite::Result<ReviewView> {
    let time = |at| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(Time));
    let (approved_at, ends_at) = (time(17)?, time(18)?);
    Ok(ReviewView {
        key: row.get(0)?,
        id: Id::from_bytes(row.get(1)?),
        users: [person(row, 2)?, person(row, 5)?],
        reason: Some(row.get(8)?),
        urgent: row.get(9)?,
        state: match ends_at {
            None => State::Waiting,
            Some(at) if at > now => State::Open,
            Some(_) => State::Ended,
        },
        needs_approval: approved_at.is_none(),
        asked_by: person(row, 10)?,
        asked_at: Time(row.get(13)?),
        approved_by: person_if_any(row, 14)?,
        approved_at,
        ends_at,
        told_at: time(19)?,
    })
}

/// All reviews but those of the conversations of `but_of`, the newest first.
pub fn list(
    connection: &Connection,
    but_of: UserKey,
    now: Time,
    range: Range,
) -> Result<Vec<ReviewView>> {
    let sql = format!(
        "{} WHERE ?1 NOT IN (r.low_key, r.high_key) AND r.key < ?2 ORDER BY r.key DESC LIMIT ?3 OFFSET ?4",
        select()
    );
    let before = range.before.unwrap_or(i64::MAX);
    let params = [but_of.0, before, range.rows(), range.skip()];
    all(connection, &sql, params, |row| view(row, now))
}

/// A review, with its people's keys.
pub struct Stored {
    pub view: ReviewView,
    pub users: [UserKey; 2],
    pub asked_by: UserKey,
}

pub fn by_id(connection: &Connection, id: Id, now: Time) -> Result<Option<Stored>> {
    let sql = format!("{} WHERE r.id = ?1", select());
    let Some(view) = first(connection, &sql, [id.as_bytes()], |row| view(row, now))? else {
        return Ok(None);
    };
    let sql = "SELECT low_key, high_key, asked_by FROM reviews WHERE key = ?1";
    first(connection, sql, [view.key], |row| {
        Ok(Stored {
            view: view.clone(),
            users: [UserKey(row.get(0)?), UserKey(row.get(1)?)],
            asked_by: UserKey(row.get(2)?),
        })
    })
}

/// Asks for a review. `ends_at`: of one that can be read at once.
pub fn insert(
    tx: &WriteTx,
    [a, b]: [UserKey; 2],
    (reason, urgent): (&str, bool),
    lead: UserKey,
    ends_at: Option<Time>,
) -> Result<Id> {
    let id = Id::generate();
    run(
        tx,
        "INSERT INTO reviews (id, low_key, high_key, reason, urgent, asked_by, asked_at, ends_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            id.as_bytes(),
            a.min(b).0,
            a.max(b).0,
            reason,
            urgent,
            lead.0,
            tx.now.0,
            ends_at.map(|at| at.0),
        ],
    )?;
    Ok(id)
}

/// Approves a review. `ends_at`: of one that could not be read until now.
pub fn approve(tx: &WriteTx, review: i64, by: UserKey, ends_at: Option<Time>) -> Result<()> {
    let sql = "UPDATE reviews SET approved_by = ?2, approved_at = ?3, ends_at = coalesce(?4, ends_at) WHERE key = ?1";
    let params = params![review, by.0, tx.now.0, ends_at.map(|at| at.0)];
    run(tx, sql, params).map(drop)
}

pub fn set_told(tx: &WriteTx, review: i64) -> Result<()> {
    let sql = "UPDATE reviews SET told_at = ?2 WHERE key = ?1";
    run(tx, sql, [review, tx.now.0]).map(drop)
}

/// Reviews that were approved, or urgent ones that were asked for, before `before`, of which the people have not been told, and the leads not reminded; and marks them
/// as reminded.
pub fn take_untold(tx: &WriteTx, before: Time) -> Result<Vec<[UserKey; 2]>> {
    let sql = "UPDATE reviews SET reminded_at = ?1
               WHERE ends_at IS NOT NULL AND told_at IS NULL AND reminded_at IS NULL
                 AND iif(urgent, asked_at, approved_at) <= ?2
               RETURNING low_key, high_key";
    all(tx, sql, [tx.now.0, before.0], |row| {
        Ok([UserKey(row.get(0)?), UserKey(row.get(1)?)])
    })
}

/// Messages of the two, newest first, with what was taken back and what is hidden.
pub fn messages(
    connection: &Connection,
    [a, b]: [UserKey; 2],
    range: Range,
) -> Result<Vec<ReviewedMessage>> {
    let Some(members) = conversations::of_pair(connection, a, b)? else {
        return Ok(Vec::new());
    };
    let sql = "SELECT m.id, m.seq, s.id, coalesce(r.content, m.content), m.created_at, m.removed_at, m.removed_by, m.hidden
               FROM messages m JOIN users s ON s.key = m.sender_key
               LEFT JOIN message_removals r ON r.conversation_key = m.conversation_key AND r.message_seq = m.seq
               WHERE m.conversation_key = ?1 AND m.seq < ?2 ORDER BY m.seq DESC LIMIT ?3 OFFSET ?4";
    let before = range.before.unwrap_or(i64::MAX);
    let params = [members.conversation.0, before, range.rows(), range.skip()];
    all(connection, sql, params, |row| {
        let removed_at: Option<i64> = row.get(5)?;
        let by = removed_by(row, 6)?;
        Ok(ReviewedMessage {
            id: Id::from_bytes(row.get(0)?),
            seq: row.get(1)?,
            sender_id: users::user_id(row, 2)?,
            content: row.get(3)?,
            created_at: Time(row.get(4)?),
            removed: removed_at
                .zip(by)
                .map(|(at, by)| Removed { by, at: Time(at) }),
            hidden: row.get(7)?,
        })
    })
}

/// As [`list`], all of them.
pub fn everything(connection: &Connection, but_of: UserKey, now: Time) -> Result<Vec<ReviewView>> {
    let sql = format!(
        "{} WHERE ?1 NOT IN (r.low_key, r.high_key) ORDER BY r.key",
        select()
    );
    all(connection, &sql, [but_of.0], |row| view(row, now))
}
