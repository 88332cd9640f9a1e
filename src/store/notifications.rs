//! Notifications: the text once, a narrow row for each recipient.

use std::collections::HashSet;

use rusqlite::{Connection, Row, named_params, params};

use super::groups::IS_LIVE;
use super::{WriteTx, all, first, run, users};
use crate::error::Result;
use crate::model::audience::Audience;
use crate::model::ids::{Id, Seq, UserId, UserKey};
use crate::model::notifications::{
    NewNotification, Notification, NotificationKey, Sender, Sent, Type,
};
use crate::model::page::Range;
use crate::model::personal_data::Outgoing;
use crate::model::time::Time;
use crate::model::users::Role;

const COLUMNS: &str = "r.seq, n.id, n.type, n.title, n.message, n.link, r.read_at, n.created_at, s.id, s.name, s.role";
/// The sender as `s`, beside the notification as `n`: where it was a person.
const SENDER: &str =
    "LEFT JOIN users s ON s.id = CASE WHEN n.sender LIKE 'user:%' THEN substr(n.sender, 6) END";

fn notification(row: &Row) -> rusqlite::Result<Notification> {
    let read_at: Option<i64> = row.get(6)?;
    Ok(Notification {
        id: Id::from_bytes(row.get(1)?),
        seq: row.get(0)?,
        kind: row.get(2)?,
        title: row.get(3)?,
        message: row.get(4)?,
        link: row.get(5)?,
        read: read_at.is_some(),
        read_at: read_at.map(Time),
        created_at: Time(row.get(7)?),
        sender: match row.get_ref(8)?.as_str_or_null()? {
            None => None,
            Some(_) => Some(Sender {
                id: users::user_id(row, 8)?,
                name: row.get(9)?,
                role: Role::parse(row.get_ref(10)?.as_str()?).unwrap_or(Role::Student),
            }),
        },
    })
}

/// The people of an audience in rising order of their keys, and the named ids that are unknown.
pub fn resolve(
    connection: &Connection,
    audience: &Audience,
) -> Result<(Vec<UserKey>, Vec<String>)> {
    let key = |row: &Row| row.get(0).map(UserKey);
    let mut unknown = Vec::new();
    let mut people: Vec<UserKey> = Vec::new();
    if audience.all {
        let sql = "SELECT key FROM users WHERE disabled_at IS NULL";
        people.extend(all(connection, sql, [], key)?);
    }
    for role in &audience.roles {
        let sql = "SELECT key FROM users WHERE role = ?1 AND disabled_at IS NULL";
        people.extend(all(connection, sql, [role.as_str()], key)?);
    }
    for group in &audience.groups {
        let Some(group_key) = super::groups::by_id(connection, group)? else {
            unknown.push(group.to_string());
            continue;
        };
        let sql = format!(
            "SELECT u.key FROM group_members m JOIN users u ON u.key = m.user_key
             WHERE m.group_key = ?1 AND u.disabled_at IS NULL AND {IS_LIVE}"
        );
        people.extend(all(connection, &sql, [group_key.0], key)?);
    }
    let sql = "SELECT key FROM users WHERE id = ?1 AND disabled_at IS NULL";
    for id in &audience.users {
        match first(connection, sql, [id], key)? {
            Some(found) => people.push(found),
            None => unknown.push(id.clone()),
        }
    }
    people.sort_unstable();
    people.dedup();
    let mut excepted = HashSet::new();
    for id in &audience.except {
        excepted.extend(first(connection, sql, [id], key)?);
    }
    people.retain(|key| !excepted.contains(key));
    Ok((people, unknown))
}

/// What an earlier request with this idempotency key was, as its hash, and what it was answered.
pub fn by_idempotency_key(
    connection: &Connection,
    sender: &str,
    idempotency_key: &str,
) -> Result<Option<(Vec<u8>, Sent)>> {
    let sql = "SELECT request_hash, id, recipient_count, unknown FROM notifications
               WHERE sender = ?1 AND idempotency_key = ?2";
    first(connection, sql, [sender, idempotency_key], |row| {
        let unknown = row.get_ref(3)?.as_str()?;
        let sent = Sent {
            id: Id::from_bytes(row.get(1)?),
            recipients: row.get(2)?,
            unknown: serde_json::from_str(unknown).unwrap_or_default(),
        };
        Ok((row.get(0)?, sent))
    })
}

/// Stores the text. The recipients' rows are [`deliver`]'s.
pub fn insert(
    tx: &WriteTx,
    new: &NewNotification,
    sender: &str,
    request_hash: &[u8],
    sent: &Sent,
) -> Result<NotificationKey> {
    run(
        tx,
        "INSERT INTO notifications (id, type, title, message, link, urgency, ttl, sender, idempotency_key,
                                    request_hash, recipient_count, unknown, created_at)
         VALUES (:id, :type, :title, :message, :link, :urgency, :ttl, :sender, :idempotency_key,
                 :request_hash, :recipients, :unknown, :now)",
        named_params! {
            ":id": sent.id.as_bytes(),
            ":type": new.kind.as_str(),
            ":title": new.title,
            ":message": new.message,
            ":link": new.link.as_ref().map(crate::model::notifications::Link::as_str),
            ":urgency": new.urgency.as_str(),
            ":ttl": new.ttl,
            ":sender": sender,
            ":idempotency_key": new.idempotency_key,
            ":request_hash": request_hash,
            ":recipients": sent.recipients,
            ":unknown": serde_json::to_string(&sent.unknown).unwrap_or_default(),
            ":now": tx.now.0,
        },
    )?;
    Ok(NotificationKey(tx.last_insert_rowid()))
}

/// Writes the rows of these recipients, all at one seq, and returns the notification as they see it.
pub fn deliver(
    tx: &WriteTx,
    key: NotificationKey,
    recipients: &[UserKey],
) -> Result<Option<Notification>> {
    let seq = tx.next_seq();
    // Those who have gone meanwhile get nothing. One statement for all: each notes a savepoint of its own, and what that costs
    // grows with what the write has changed so far.
    let keys = users::as_json(recipients);
    run(
        tx,
        "INSERT INTO notification_recipients (user_key, seq, notification_key)
         SELECT u.key, ?2, ?3 FROM json_each(?1) wanted CROSS JOIN users u WHERE u.key = wanted.value",
        params![keys, seq, key.0],
    )?;
    users::add_unread_notification(tx, &keys)?;
    let sql = format!(
        "SELECT ?2, n.id, n.type, n.title, n.message, n.link, NULL, n.created_at, s.id, s.name, s.role
         FROM notifications n {SENDER} WHERE n.key = ?1"
    );
    first(tx, &sql, [key.0, seq], notification)
}

/// It is pushed through quiet hours.
pub fn set_emergency(tx: &WriteTx, key: NotificationKey) -> Result<()> {
    let sql = "UPDATE notifications SET emergency = 1 WHERE key = ?1";
    run(tx, sql, [key.0]).map(drop)
}

/// Notes who is still to get a large announcement.
pub fn insert_delivery(
    connection: &Connection,
    key: NotificationKey,
    recipients: &[UserKey],
) -> Result<()> {
    let bytes: Vec<u8> = recipients.iter().flat_map(|k| k.0.to_le_bytes()).collect();
    run(
        connection,
        "INSERT INTO notification_deliveries (notification_key, user_keys, done) VALUES (?1, ?2, 0)",
        params![key.0, bytes],
    )
    .map(drop)
}

/// The announcements that are not finished.
pub fn unfinished_deliveries(connection: &Connection) -> Result<Vec<NotificationKey>> {
    let sql = "SELECT notification_key FROM notification_deliveries";
    all(connection, sql, [], |row| row.get(0).map(NotificationKey))
}

/// The next slice of a delivery; moves its mark, or ends it. Empty when there is nothing left.
pub fn take_slice(tx: &WriteTx, key: NotificationKey, size: usize) -> Result<Vec<UserKey>> {
    let sql = "SELECT substr(user_keys, done * 8 + 1, ?2 * 8) FROM notification_deliveries
               WHERE notification_key = ?1";
    let bytes: Vec<u8> =
        first(tx, sql, params![key.0, size as i64], |row| row.get(0))?.unwrap_or_default();
    let slice: Vec<UserKey> = bytes
        .chunks_exact(8)
        .filter_map(|chunk| chunk.try_into().ok().map(i64::from_le_bytes).map(UserKey))
        .collect();
    if slice.len() < size {
        let sql = "DELETE FROM notification_deliveries WHERE notification_key = ?1";
        run(tx, sql, [key.0])?;
    } else {
        let sql = "UPDATE notification_deliveries SET done = done + ?2 WHERE notification_key = ?1";
        run(tx, sql, params![key.0, size as i64])?;
    }
    Ok(slice)
}

/// Which notifications to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub unread: Option<bool>,
    pub kind: Option<Type>,
}

/// The user's notifications, newest first.
pub fn list(
    connection: &Connection,
    me: UserKey,
    filter: &Filter,
    range: Range,
) -> Result<Vec<Notification>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM notification_recipients r JOIN notifications n ON n.key = r.notification_key {SENDER}
         WHERE r.user_key = :me AND r.seq < :before AND r.removed_at IS NULL
           AND (:unread IS NULL OR (r.read_at IS NULL) = :unread)
           AND (:type IS NULL OR n.type = :type)
         ORDER BY r.seq DESC LIMIT :limit OFFSET :skip"
    );
    all(
        connection,
        &sql,
        named_params! {
            ":me": me.0,
            ":before": range.before.unwrap_or(Seq::MAX),
            ":unread": filter.unread,
            ":type": filter.kind.as_ref().map(super::super::model::notifications::Type::as_str),
            ":limit": range.rows(),
            ":skip": range.skip(),
        },
        notification,
    )
}

/// All that the user ever got and that is still there, also what they took from their list; oldest first.
pub(super) fn all_of(connection: &Connection, me: UserKey) -> Result<Vec<Notification>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM notification_recipients r JOIN notifications n ON n.key = r.notification_key {SENDER}
         WHERE r.user_key = ?1 AND (n.type NOT LIKE 'safeguarding.%' OR n.type LIKE 'safeguarding.you_%') ORDER BY r.seq"
    );
    all(connection, &sql, [me.0], notification)
}

/// What a user sent, by their label; announcements that wait for their time as well.
pub(super) fn sent_by(connection: &Connection, sender: &str) -> Result<Vec<Outgoing>> {
    let sql = "SELECT type, title, message, link, created_at FROM notifications WHERE sender = ?1
               UNION ALL SELECT 'announcement', title, message, link, created_at FROM announcements
               WHERE sender = ?1 AND notification_key IS NULL ORDER BY 5";
    all(connection, sql, [sender], |row| {
        Ok(Outgoing {
            kind: row.get(0)?,
            title: row.get(1)?,
            message: row.get(2)?,
            link: row.get(3)?,
            created_at: Time(row.get(4)?),
        })
    })
}

/// What a user sent goes by their new id.
pub(super) fn rename_sender(tx: &WriteTx, from: &UserId, to: &UserId) -> Result<()> {
    let labels = [format!("user:{from}"), format!("user:{to}")];
    for table in ["notifications", "announcements"] {
        let sql = format!("UPDATE {table} SET sender = ?2 WHERE sender = ?1");
        run(tx, &sql, [&labels[0], &labels[1]])?;
    }
    Ok(())
}

/// The user's notifications after a seq, oldest first.
pub(super) fn after(
    connection: &Connection,
    me: UserKey,
    seq: Seq,
    limit: i64,
) -> Result<Vec<Notification>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM notification_recipients r JOIN notifications n ON n.key = r.notification_key {SENDER}
         WHERE r.user_key = ?1 AND r.seq > ?2 AND r.removed_at IS NULL ORDER BY r.seq LIMIT ?3"
    );
    all(connection, &sql, [me.0, seq, limit], notification)
}

/// The user's own row of a notification.
pub fn of_user(connection: &Connection, me: UserKey, id: Id) -> Result<Option<Notification>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM notifications n JOIN notification_recipients r ON r.notification_key = n.key {SENDER}
         WHERE n.id = ?2 AND r.user_key = ?1 AND r.removed_at IS NULL"
    );
    first(connection, &sql, params![me.0, id.as_bytes()], notification)
}

/// Sets one unread row read.
pub fn set_read(tx: &WriteTx, me: UserKey, seq: Seq) -> Result<()> {
    run(
        tx,
        "UPDATE notification_recipients SET read_at = ?3 WHERE user_key = ?1 AND seq = ?2",
        [me.0, seq, tx.now.0],
    )?;
    users::add_unread(tx, me, 0, -1)
}

/// Sets everything read and returns how many rows that were.
pub fn set_all_read(tx: &WriteTx, me: UserKey) -> Result<i64> {
    let updated = run(
        tx,
        "UPDATE notification_recipients SET read_at = ?2 WHERE user_key = ?1 AND read_at IS NULL",
        [me.0, tx.now.0],
    )? as i64;
    users::add_unread(tx, me, 0, -updated)?;
    Ok(updated)
}

/// Keeps the event of a read, for those who are away. `ids` empty stands for all.
pub fn insert_read_event(tx: &WriteTx, me: UserKey, seq: Seq, ids: &[Id]) -> Result<()> {
    let ids = (!ids.is_empty()).then(|| serde_json::to_string(ids).unwrap_or_default());
    let sql = "INSERT INTO notification_reads (user_key, seq, ids) VALUES (?1, ?2, ?3)";
    run(tx, sql, params![me.0, seq, ids]).map(drop)
}

/// Takes a notification from the user's list.
pub fn delete(tx: &WriteTx, me: UserKey, notification: &Notification) -> Result<()> {
    // The row stays, for the report of whom it reached: who removes it has seen it.
    run(
        tx,
        "UPDATE notification_recipients SET removed_at = ?3, read_at = coalesce(read_at, ?3)
         WHERE user_key = ?1 AND seq = ?2",
        [me.0, notification.seq, tx.now.0],
    )?;
    let unread = i64::from(!notification.read);
    users::add_unread(tx, me, 0, -unread)
}
