//! Announcements: their text, whom they are for, and when they go.

use rusqlite::{Connection, Row, named_params, params};

use super::{WriteTx, all, first, run, users};
use crate::error::Result;
use crate::model::announcements::{Announcement, NewAnnouncement, State};
use crate::model::ids::{Id, UserId, UserKey};
use crate::model::notifications::{NotificationKey, Urgency};
use crate::model::time::Time;

const SELECT: &str = "SELECT a.key, a.id, a.title, a.message, a.link, a.urgency, a.audience, a.created_at, a.send_at,
                             a.cancelled_at, a.notification_key, r.id, n.recipient_count, u.name,
                             EXISTS (SELECT 1 FROM notification_deliveries d WHERE d.notification_key = n.key)
                      FROM announcements a
                      LEFT JOIN announcements r ON r.key = a.reminder_of
                      LEFT JOIN notifications n ON n.key = a.notification_key
                      LEFT JOIN users u ON a.sender LIKE 'user:%' AND u.id = substr(a.sender, 6)";

fn announcement(row: &Row) -> rusqlite::Result<Announcement> {
    let notification: Option<i64> = row.get(10)?;
    let cancelled: Option<i64> = row.get(9)?;
    let delivering: bool = row.get(14)?;
    let audience = serde_json::from_str(row.get_ref(6)?.as_str()?);
    Ok(Announcement {
        key: row.get(0)?,
        id: Id::from_bytes(row.get(1)?),
        title: row.get(2)?,
        message: row.get(3)?,
        link: row.get(4)?,
        urgency: Urgency::parse(row.get_ref(5)?.as_str()?).unwrap_or_default(),
        audience: audience.unwrap_or_default(),
        created_at: Time(row.get(7)?),
        send_at: Time(row.get(8)?),
        state: match (cancelled, notification) {
            (Some(_), _) => State::Cancelled,
            (None, None) => State::Scheduled,
            (None, Some(_)) if delivering => State::Sending,
            (None, Some(_)) => State::Sent,
        },
        notification: notification.map(NotificationKey),
        reminder_of: row.get::<_, Option<[u8; 16]>>(11)?.map(Id::from_bytes),
        recipients: row.get(12)?,
        sender_name: row.get(13)?,
    })
}

/// Stores an announcement that is still to be sent.
pub fn insert(
    tx: &WriteTx,
    id: Id,
    new: &NewAnnouncement,
    reminder_of: Option<i64>,
    sender: &str,
) -> Result<()> {
    run(
        tx,
        "INSERT INTO announcements (id, title, message, link, urgency, audience, sender, idempotency_key, reminder_of,
                                    created_at, send_at)
         VALUES (:id, :title, :message, :link, :urgency, :audience, :sender, :idempotency_key, :reminder_of,
                 :now, :send_at)",
        named_params! {
            ":id": id.as_bytes(),
            ":title": new.title,
            ":message": new.message,
            ":link": new.link.as_ref().map(super::super::model::notifications::Link::as_str),
            ":urgency": new.urgency.as_str(),
            ":audience": serde_json::to_string(&new.audience).unwrap_or_default(),
            ":sender": sender,
            ":idempotency_key": new.idempotency_key,
            ":reminder_of": reminder_of,
            ":now": tx.now.0,
            ":send_at": new.send_at.unwrap_or(tx.now).0,
        },
    )
    .map(drop)
}

pub fn by_id(connection: &Connection, id: Id) -> Result<Option<Announcement>> {
    let sql = format!("{SELECT} WHERE a.id = ?1");
    first(connection, &sql, [id.as_bytes()], announcement)
}

/// What the sender made with this idempotency key before.
pub fn by_idempotency_key(
    connection: &Connection,
    sender: &str,
    idempotency_key: &str,
) -> Result<Option<Announcement>> {
    let sql = format!("{SELECT} WHERE a.sender = ?1 AND a.idempotency_key = ?2");
    first(connection, &sql, [sender, idempotency_key], announcement)
}

/// Newest first.
pub fn list(connection: &Connection, before: Option<i64>, limit: i64) -> Result<Vec<Announcement>> {
    let sql = format!("{SELECT} WHERE a.key < ?1 ORDER BY a.key DESC LIMIT ?2");
    let before = before.unwrap_or(i64::MAX);
    all(connection, &sql, [before, limit], announcement)
}

/// Those whose time has come, the oldest first, each with its sender.
pub fn due(connection: &Connection, now: Time) -> Result<Vec<(Announcement, String)>> {
    let ids = all(
        connection,
        "SELECT id, sender FROM announcements
         WHERE notification_key IS NULL AND cancelled_at IS NULL AND send_at <= ?1 ORDER BY send_at, key LIMIT 100",
        [now.0],
        |row| Ok((Id::from_bytes(row.get(0)?), row.get(1)?)),
    )?;
    let found = ids.into_iter().map(|(id, sender)| {
        let announcement = by_id(connection, id)?;
        Ok(announcement.map(|announcement| (announcement, sender)))
    });
    found.filter_map(Result::transpose).collect()
}

/// The announcement went out as this notification.
pub fn set_sent(tx: &WriteTx, key: i64, notification: Id) -> Result<()> {
    let sql = "UPDATE announcements SET notification_key = (SELECT key FROM notifications WHERE id = ?2) WHERE key = ?1";
    run(tx, sql, params![key, notification.as_bytes()]).map(drop)
}

/// Whether it was not too late.
pub fn cancel(tx: &WriteTx, key: i64) -> Result<bool> {
    let sql = "UPDATE announcements SET cancelled_at = ?2
               WHERE key = ?1 AND notification_key IS NULL AND cancelled_at IS NULL AND send_at > ?2";
    Ok(run(tx, sql, [key, tx.now.0])? > 0)
}

/// Cancels one that cannot be sent, whenever that is.
pub fn give_up(tx: &WriteTx, key: i64) -> Result<()> {
    let sql = "UPDATE announcements SET cancelled_at = ?2 WHERE key = ?1 AND notification_key IS NULL AND cancelled_at IS NULL";
    run(tx, sql, [key, tx.now.0]).map(drop)
}

/// The notification as which it went out.
pub fn notification_of(connection: &Connection, key: i64) -> Result<Option<NotificationKey>> {
    let sql = "SELECT notification_key FROM announcements WHERE key = ?1";
    let found = first(connection, sql, [key], |row| row.get::<_, Option<i64>>(0))?;
    Ok(found.flatten().map(NotificationKey))
}

/// The names of some of these people, by name.
pub fn names(connection: &Connection, people: &[UserKey], limit: i64) -> Result<Vec<String>> {
    let sql = "SELECT name FROM users WHERE key IN (SELECT value FROM json_each(?1)) ORDER BY folded, key LIMIT ?2";
    all(
        connection,
        sql,
        params![users::as_json(people), limit],
        |row| row.get(0),
    )
}

/// Names a group by its new id where announcements that are not sent yet name it.
pub fn rename_group(tx: &WriteTx, before: &UserId, now: &UserId) -> Result<()> {
    // Ids have no quotes, and stand in them.
    let sql = "UPDATE announcements SET audience = replace(audience, ?1, ?2)
               WHERE notification_key IS NULL AND cancelled_at IS NULL AND instr(audience, ?1)";
    let quoted = |id: &UserId| format!("\"{id}\"");
    run(tx, sql, [quoted(before), quoted(now)]).map(drop)
}
