//! How far a notification got with each of its recipients.

use rusqlite::{Connection, Row, params};

use super::{WriteTx, all, first, run, users};
use crate::error::Result;
use crate::model::announcements::{DeliveryFacts, Recipient, Stage};
use crate::model::ids::{Seq, UserKey};
use crate::model::notifications::NotificationKey;
use crate::model::pushes::{PushKey, ServiceKey};
use crate::model::time::Time;
use crate::model::users::Role;

/// What a user got up to this seq was confirmed by one of their sockets; `by_page`: by more than its link.
pub fn set_delivered(tx: &WriteTx, user: UserKey, seq: Seq, by_page: bool) -> Result<()> {
    let sql = "UPDATE notification_recipients SET delivered_at = ?3, delivered_to_page = ?4
               WHERE user_key = ?1 AND seq > (SELECT delivered_seq FROM unread WHERE user_key = ?1) AND seq <= ?2";
    run(tx, sql, params![user.0, seq, tx.now.0, by_page])?;
    let sql = "UPDATE unread SET delivered_seq = ?2 WHERE user_key = ?1 AND delivered_seq < ?2";
    run(tx, sql, [user.0, seq]).map(drop)
}

/// A push service has taken it, for one of their devices.
pub(super) fn set_pushed(tx: &WriteTx, push: &PushKey) -> Result<()> {
    let sql = "UPDATE notification_recipients SET pushed_at = coalesce(pushed_at, ?3) WHERE user_key = ?1 AND seq = ?2";
    run(tx, sql, [push.user.0, push.seq, tx.now.0]).map(drop)
}

/// A push to one of their devices came to nothing: `gone`, `refused`, `expired`, or `off` for a user who does not want it.
pub(super) fn set_failed(
    tx: &WriteTx,
    push: &PushKey,
    service: ServiceKey,
    failure: &str,
) -> Result<()> {
    let sql = "UPDATE notification_recipients SET failure = ?3,
                      failed_at = (SELECT origin FROM push_services WHERE key = ?4)
               WHERE user_key = ?1 AND seq = ?2";
    run(tx, sql, params![push.user.0, push.seq, failure, service.0]).map(drop)
}

/// There was neither a page nor a device of theirs.
pub fn set_unreachable(tx: &WriteTx, user: UserKey, seq: Seq) -> Result<()> {
    let sql =
        "UPDATE notification_recipients SET failure = 'none' WHERE user_key = ?1 AND seq = ?2";
    run(tx, sql, [user.0, seq]).map(drop)
}

const FACTS: &str = "r.user_key, r.read_at, r.delivered_at, r.pushed_at, r.failure, r.failed_at,
    EXISTS (SELECT 1 FROM push_subscriptions s WHERE s.user_key = r.user_key),
    EXISTS (SELECT 1 FROM push_outbox o WHERE o.user_key = r.user_key AND o.seq = r.seq AND o.due_at IS NOT NULL),
    (SELECT p.origin FROM push_outbox o JOIN push_services p ON p.key = o.service_key
     WHERE o.user_key = r.user_key AND o.seq = r.seq AND o.due_at IS NOT NULL AND p.paused_for = 'refused'
       AND p.paused_until > ?2 LIMIT 1),
    r.delivered_to_page";

/// Reads [`FACTS`].
fn facts(row: &Row) -> rusqlite::Result<DeliveryFacts> {
    let time = |column| {
        let stored = row.get::<_, Option<i64>>(column);
        stored.map(|ms| ms.map(Time))
    };
    Ok(DeliveryFacts {
        user: UserKey(row.get(0)?),
        read_at: time(1)?,
        delivered_at: time(2)?,
        pushed_at: time(3)?,
        failure: row.get(4)?,
        failed_at: row.get(5)?,
        has_device: row.get(6)?,
        waiting: row.get(7)?,
        refused_by: row.get(8)?,
        delivered_to_page: row.get(9)?,
    })
}

/// What is known of each recipient.
pub fn facts_of(
    connection: &Connection,
    key: NotificationKey,
    now: Time,
) -> Result<Vec<DeliveryFacts>> {
    let sql =
        format!("SELECT {FACTS} FROM notification_recipients r WHERE r.notification_key = ?1");
    all(connection, &sql, [key.0, now.0], facts)
}

/// Recipients by name, after one of them, in one pass: `of` makes a stage of what is known of each, and `take` says whether it
/// wants another.
pub fn recipients(
    connection: &Connection,
    key: NotificationKey,
    now: Time,
    after: Option<UserKey>,
    of: impl Fn(&DeliveryFacts) -> Stage,
    mut take: impl FnMut(Recipient) -> bool,
) -> Result<()> {
    // Sorted first, and once: what is known of each costs three more look-ups, and only of those that are taken.
    let sql = format!(
        "SELECT {FACTS}, r.id, r.name, r.role, r.username
         FROM (SELECT n.*, u.id, u.name, u.role, u.username, u.folded
               FROM notification_recipients n JOIN users u ON u.key = n.user_key
               WHERE n.notification_key = ?1
                 AND (?3 IS NULL OR (u.folded, u.key) > (SELECT a.folded, a.key FROM users a WHERE a.key = ?3))
               ORDER BY u.folded, u.key) r"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![key.0, now.0, after.map(|key| key.0)])?;
    while let Some(row) = rows.next()? {
        if !take(recipient(row, &of)?) {
            break;
        }
    }
    Ok(())
}

fn recipient(row: &Row, of: impl Fn(&DeliveryFacts) -> Stage) -> rusqlite::Result<Recipient> {
    let facts = facts(row)?;
    Ok(Recipient {
        stage: of(&facts),
        key: facts.user,
        user_id: users::user_id(row, 10)?,
        name: row.get(11)?,
        role: Role::parse(row.get_ref(12)?.as_str()?).unwrap_or(Role::Student),
        username: row.get(13)?,
        read_at: facts.read_at,
        delivered_at: facts.delivered_at,
        pushed_at: facts.pushed_at,
    })
}

/// The ids of those who have not read it.
pub fn unread(connection: &Connection, key: NotificationKey) -> Result<Vec<String>> {
    let sql = "SELECT u.id FROM notification_recipients r JOIN users u ON u.key = r.user_key
               WHERE r.notification_key = ?1 AND r.read_at IS NULL AND u.disabled_at IS NULL";
    all(connection, sql, [key.0], |row| row.get(0))
}

/// Recipients who have no row yet, of a large one that is being sent.
pub fn undelivered(connection: &Connection, key: NotificationKey) -> Result<i64> {
    let sql = "SELECT length(user_keys) / 8 - done FROM notification_deliveries WHERE notification_key = ?1";
    Ok(first(connection, sql, [key.0], |row| row.get(0))?.unwrap_or(0))
}
