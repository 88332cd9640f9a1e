//! What a user missed: every durable event after their cursor, read from the tables themselves.

use rusqlite::{Connection, Row};

use super::messages::{PEOPLE, SEEN_BY_ME, select_with_people, with_people};
use super::{all, first, meta, notifications, removals, users};
use crate::error::Result;
use crate::model::events::{Cursor, Event};
use crate::model::ids::{Id, Seq, UserKey};
use crate::model::messages::MessageRead;
use crate::model::notifications::{NotificationsRead, Which};
use crate::model::time::Time;
use crate::model::users::Unread;

/// The most events that are sent again; a client that missed more fetches.
pub const MAX_EVENTS: i64 = 300;

/// Where a user stands, in one snapshot of the database.
#[derive(Debug)]
pub struct Snapshot {
    /// The newest seq of the snapshot: later events are live.
    pub seq: Seq,
    /// Names the history that the seqs are of.
    pub epoch: String,
    pub unread: Unread,
    pub missed: Missed,
}

/// What happened after a cursor.
#[derive(Debug)]
pub enum Missed {
    /// All of it, in order.
    Events(Vec<Event>),
    TooMany,
    /// The cursor is of a future or a history that this database does not know.
    Unknown,
}

/// Reads where `me` stands and, with a cursor, what came after it.
pub fn snapshot(connection: &Connection, me: UserKey, since: Option<&Cursor>) -> Result<Snapshot> {
    let seq = meta::seq(connection)?;
    let epoch = meta::epoch(connection)?;
    let unread = users::unread(connection, me)?;
    let missed = match since {
        None => Missed::Events(Vec::new()),
        Some(since) if since.seq > seq => Missed::Unknown,
        Some(since) if since.epoch.as_deref().is_some_and(|e| e != epoch) => Missed::Unknown,
        // A plain number names no history: one from before a restore belongs to another.
        Some(since) if since.epoch.is_none() && since.seq < meta::epoch_seq(connection)? => {
            Missed::Unknown
        }
        Some(since) => after(connection, me, since.seq)?,
    };
    Ok(Snapshot {
        seq,
        epoch,
        unread,
        missed,
    })
}

fn after(connection: &Connection, me: UserKey, since: Seq) -> Result<Missed> {
    let Some(messages) = messages(connection, me, since)? else {
        return Ok(Missed::TooMany);
    };
    let mut events = messages;
    let limit = MAX_EVENTS + 1;
    let notifications = notifications::after(connection, me, since, limit)?;
    events.extend(
        notifications
            .into_iter()
            .map(|n| Event::Notification(n.into())),
    );
    events.extend(message_reads(connection, me, since, limit)?);
    events.extend(notification_reads(connection, me, since, limit)?);
    let removals = removals::after(connection, me, since, limit)?;
    events.extend(removals.into_iter().map(Event::MessageRemoved));
    if events.len() as i64 > MAX_EVENTS {
        return Ok(Missed::TooMany);
    }
    events.sort_by_key(Event::seq);
    Ok(Missed::Events(events))
}

/// Counted before they are read and sorted: a user may be a million behind.
fn messages(connection: &Connection, me: UserKey, since: Seq) -> Result<Option<Vec<Event>>> {
    const MISSED: &str = "FROM conversation_members me
        JOIN messages m ON m.conversation_key = me.conversation_key AND m.seq > ?2 AND (NOT m.hidden OR m.sender_key = ?1)
        WHERE me.user_key = ?1 AND me.last_seq > ?2";
    let sql = format!("SELECT count(*) FROM (SELECT 1 {MISSED} LIMIT ?3)");
    let params = [me.0, since, MAX_EVENTS + 1];
    let count: i64 = first(connection, &sql, params, |row| row.get(0))?.unwrap_or(0);
    if count > MAX_EVENTS {
        return Ok(None);
    }
    let tail = format!(
        "conversation_members me
         JOIN messages m ON m.conversation_key = me.conversation_key AND m.seq > ?2 AND {SEEN_BY_ME} {PEOPLE}
         WHERE me.user_key = ?1 AND me.last_seq > ?2"
    );
    let found = all(
        connection,
        &select_with_people(&tail),
        [me.0, since],
        with_people,
    )?;
    Ok(Some(
        found
            .into_iter()
            .map(|m| Event::NewMessage(m.into()))
            .collect(),
    ))
}

fn message_reads(
    connection: &Connection,
    me: UserKey,
    since: Seq,
    limit: i64,
) -> Result<Vec<Event>> {
    let read = |row: &Row| {
        Ok(Event::MessageRead(MessageRead {
            seq: row.get(0)?,
            reader_id: users::user_id(row, 1)?,
            partner_id: users::user_id(row, 2)?,
            up_to: Id::from_bytes(row.get(3)?),
            read_at: Time(row.get(4)?),
        }))
    };
    let mut events = Vec::new();
    for side in ["reader_key", "partner_key"] {
        let sql = format!(
            "SELECT e.seq, reader.id, partner.id, m.id, e.read_at FROM message_reads e
             JOIN users reader ON reader.key = e.reader_key
             JOIN users partner ON partner.key = e.partner_key
             JOIN messages m ON m.conversation_key = e.conversation_key AND m.seq = e.up_to_seq
             WHERE e.{side} = ?1 AND e.seq > ?2 ORDER BY e.seq LIMIT ?3"
        );
        events.extend(all(connection, &sql, [me.0, since, limit], read)?);
    }
    Ok(events)
}

fn notification_reads(
    connection: &Connection,
    me: UserKey,
    since: Seq,
    limit: i64,
) -> Result<Vec<Event>> {
    let sql = "SELECT seq, ids FROM notification_reads WHERE user_key = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
    all(connection, sql, [me.0, since, limit], |row| {
        let which = match row.get_ref(1)?.as_str_or_null()? {
            Some(ids) => Which::Ids(serde_json::from_str(ids).unwrap_or_default()),
            None => Which::All(true),
        };
        let seq = row.get(0)?;
        Ok(Event::NotificationsRead(NotificationsRead { seq, which }))
    })
}
