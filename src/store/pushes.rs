//! The outbox: one row for each push to one subscription that is still to be sent.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::{Connection, Row, named_params, params};

use super::{WriteTx, all, first, preferences, run, users};
use crate::error::Result;
use crate::model::ids::{ConversationId, Id, Seq, UserKey};
use crate::model::notifications::{NotificationKey, Urgency};
use crate::model::pushes::{DuePush, PushKey, Pushable, ServiceKey, Subject};
use crate::model::subscriptions::{PushKeys, SubscriptionKey};
use crate::model::time::Time;
use crate::model::users::Role;

/// Seconds for which a push service may keep a chat message: over a weekend and a day.
const MESSAGE_TTL_SECONDS: u32 = 3 * 24 * 3_600;
/// Things that may wait to be pushed to one person; one more, and the oldest goes. A device that was off for long is not
/// served by more, and the backlog of one user does not stand in the way of the others.
pub const MAX_WAITING: i64 = 200;
/// How many rows a search for some with a free subscription reads: more than the busy subscriptions can have.
const SCAN_ROWS: usize = 32_768;

const INSERT: &str =
    "INSERT INTO push_outbox (subscription_key, service_key, user_key, kind, object_key, seq,
                                               urgency, ttl, created_at, due_at)";

/// When a push is due that is queued at `now`: at once, unless the device's service wants none yet. No pause is longer than an hour:
/// one that seems so was made by a clock that has been set since.
fn due_at(now: &str) -> String {
    format!("max({now}, iif(s.paused_until <= {now} + 3600000, s.paused_until, 0))")
}

/// What waits and is counted in a device's hour: all but what is urgent or was asked for.
pub(super) const COUNTED: &str = "due_at IS NOT NULL AND urgency <> 'high' AND kind <> 'test'";

/// Which of a user's devices are pushed.
#[derive(Debug, Clone, Copy)]
pub enum Devices<'a> {
    All,
    /// All but those with these endpoints: a page there shows what arrives.
    Elsewhere(&'a [Arc<str>]),
}

impl Devices<'_> {
    /// The endpoints that are left out, as a JSON array.
    fn left_out(self) -> String {
        let endpoints: Vec<&str> = match self {
            Devices::All => return "[]".into(),
            Devices::Elsewhere(endpoints) => endpoints.iter().map(|e| &**e).collect(),
        };
        // Only texts: serialising them cannot fail.
        serde_json::to_string(&endpoints).unwrap_or_default()
    }
}

/// Puts one push for each of the user's `devices` into the outbox, due now, and returns how many those are.
pub fn queue(
    tx: &WriteTx,
    user: UserKey,
    what: Pushable,
    seq: Seq,
    devices: Devices,
) -> Result<usize> {
    let queued = match what {
        Pushable::Message => queue_message(tx, user, seq, devices)?,
        Pushable::Notification(key) => queue_notification(tx, user, key, seq, devices)?,
        Pushable::Test => queue_test(tx, user, seq)?,
    };
    if queued > 0 {
        trim(tx, user)?;
    }
    Ok(queued)
}

/// Removes the oldest beyond [`MAX_WAITING`].
fn trim(tx: &WriteTx, user: UserKey) -> Result<()> {
    let sql = "DELETE FROM push_outbox WHERE user_key = ?1 AND due_at IS NOT NULL AND seq <= (
                   SELECT seq FROM push_outbox WHERE user_key = ?1 AND due_at IS NOT NULL
                   GROUP BY seq ORDER BY seq DESC LIMIT 1 OFFSET ?2)";
    run(tx, sql, [user.0, MAX_WAITING]).map(drop)
}

fn queue_message(tx: &WriteTx, user: UserKey, seq: Seq, devices: Devices) -> Result<usize> {
    let sql = format!(
        "{INSERT} SELECT s.key, s.service_key, s.user_key, 'message', m.conversation_key, m.seq, 'normal', ?3,
                         m.created_at, {DUE}
         FROM push_subscriptions s JOIN messages m ON m.seq = ?2
         WHERE s.user_key = ?1 AND s.stopped_at IS NULL AND s.endpoint NOT IN (SELECT value FROM json_each(?5))
           AND NOT EXISTS (SELECT 1 FROM mutes WHERE mutes.user_key = ?1 AND mutes.partner_key = m.sender_key)",
        DUE = due_at("?4")
    );
    let left_out = devices.left_out();
    let params = params![user.0, seq, MESSAGE_TTL_SECONDS, tx.now.0, left_out];
    run(tx, &sql, params)
}

fn queue_notification(
    tx: &WriteTx,
    user: UserKey,
    key: NotificationKey,
    seq: Seq,
    devices: Devices,
) -> Result<usize> {
    let sql = format!(
        "{INSERT} SELECT s.key, s.service_key, s.user_key, 'notification', n.key, ?2, n.urgency, n.ttl, n.created_at, {DUE}
         FROM push_subscriptions s JOIN notifications n ON n.key = ?3
         WHERE s.user_key = ?1 AND s.stopped_at IS NULL AND s.endpoint NOT IN (SELECT value FROM json_each(?5))",
        DUE = due_at("?4")
    );
    let left_out = devices.left_out();
    run(tx, &sql, params![user.0, seq, key.0, tx.now.0, left_out])
}

fn queue_test(tx: &WriteTx, user: UserKey, seq: Seq) -> Result<usize> {
    // One is enough, however often it is asked for.
    let sql = "DELETE FROM push_outbox WHERE user_key = ?1 AND kind = 'test'";
    run(tx, sql, [user.0])?;
    let sql = format!(
        "{INSERT} SELECT s.key, s.service_key, s.user_key, 'test', 0, ?2, 'high', 60, ?3, ?3
         FROM push_subscriptions s WHERE s.user_key = ?1"
    );
    run(tx, &sql, [user.0, seq, tx.now.0])
}

/// Puts what the user got after `after`, up to `up_to`, and has not read into the outbox for these devices, unless it is or was
/// there.
pub fn queue_unread(
    tx: &WriteTx,
    user: UserKey,
    after: Seq,
    up_to: Seq,
    devices: Devices,
) -> Result<usize> {
    let messages = format!(
        "{INSERT} SELECT s.key, s.service_key, s.user_key, 'message', m.conversation_key, m.seq, 'normal', ?4,
                         m.created_at, {DUE}
         FROM push_subscriptions s
         CROSS JOIN conversation_members c ON c.user_key = s.user_key AND c.unread_count > 0
         CROSS JOIN messages m ON m.conversation_key = c.conversation_key AND m.sender_key <> s.user_key AND NOT m.hidden AND m.removed_at IS NULL
              AND NOT EXISTS (SELECT 1 FROM mutes WHERE mutes.user_key = s.user_key AND mutes.partner_key = m.sender_key)
              AND m.seq > max(?2, s.covered_seq, c.last_read_seq) AND m.seq <= ?3 AND m.created_at + ?4 * 1000 > ?5
         WHERE s.user_key = ?1 AND s.stopped_at IS NULL AND c.last_seq > max(?2, s.covered_seq)
               AND s.endpoint NOT IN (SELECT value FROM json_each(?7))
         ORDER BY m.seq DESC LIMIT ?6
         ON CONFLICT DO NOTHING",
        DUE = due_at("?5")
    );
    // As many as each of all their subscriptions may have.
    let limit = MAX_WAITING * super::subscriptions::MAX_PER_PERSON;
    let left_out = devices.left_out();
    let params = params![
        user.0,
        after,
        up_to,
        MESSAGE_TTL_SECONDS,
        tx.now.0,
        limit,
        left_out
    ];
    let queued = run(tx, &messages, params)?;
    let notifications = format!(
        "{INSERT} SELECT s.key, s.service_key, s.user_key, 'notification', n.key, r.seq, n.urgency, n.ttl, n.created_at,
                         {DUE}
         FROM push_subscriptions s
         CROSS JOIN notification_recipients r ON r.user_key = s.user_key AND r.read_at IS NULL
              AND r.seq > max(?2, s.covered_seq) AND r.seq <= ?3
         CROSS JOIN notifications n ON n.key = r.notification_key AND n.created_at + n.ttl * 1000 > ?4
         WHERE s.user_key = ?1 AND s.stopped_at IS NULL
               AND s.endpoint NOT IN (SELECT value FROM json_each(?6))
         ORDER BY r.seq DESC LIMIT ?5
         ON CONFLICT DO NOTHING",
        DUE = due_at("?4")
    );
    let params = params![user.0, after, up_to, tx.now.0, limit, left_out];
    let queued = queued + run(tx, &notifications, params)?;
    trim(tx, user)?;
    Ok(queued)
}

/// Everything that the user received up to this seq is acknowledged or queued.
pub fn cover(connection: &Connection, user: UserKey, seq: Seq) -> Result<()> {
    let sql =
        "UPDATE push_subscriptions SET covered_seq = ?2 WHERE user_key = ?1 AND covered_seq < ?2";
    run(connection, sql, [user.0, seq])?;
    let sql = "DELETE FROM push_outbox WHERE user_key = ?1 AND seq <= ?2 AND due_at IS NULL";
    run(connection, sql, [user.0, seq]).map(drop)
}

/// A page on this device has shown what the user got after `from`, up to `seq`. Without what came before, nothing is certain.
pub fn cover_device(
    connection: &Connection,
    user: UserKey,
    endpoint: &str,
    from: Seq,
    seq: Seq,
) -> Result<()> {
    let sql = "UPDATE push_subscriptions SET covered_seq = ?4
               WHERE endpoint = ?2 AND user_key = ?1 AND covered_seq >= ?3 AND covered_seq < ?4";
    run(connection, sql, params![user.0, endpoint, from, seq]).map(drop)
}

/// Everybody with a subscription.
pub fn subscribers(connection: &Connection) -> Result<Vec<UserKey>> {
    let sql = "SELECT DISTINCT user_key FROM push_subscriptions";
    all(connection, sql, [], |row| row.get(0).map(UserKey))
}

/// The user has read their partner's messages up to this seq.
pub fn forget_messages(
    connection: &Connection,
    user: UserKey,
    conversation: ConversationId,
    up_to: Seq,
) -> Result<()> {
    let sql = "DELETE FROM push_outbox
               WHERE user_key = ?1 AND seq <= ?3 AND kind = 'message' AND object_key = ?2";
    run(connection, sql, [user.0, conversation.0, up_to]).map(drop)
}

/// The user wants no push of what the partner writes.
pub fn forget_partner(connection: &Connection, user: UserKey, partner: UserKey) -> Result<()> {
    let sql = "DELETE FROM push_outbox WHERE user_key = ?1 AND kind = 'message' AND object_key = (
                   SELECT key FROM conversations WHERE low_key = min(?1, ?2) AND high_key = max(?1, ?2))";
    run(connection, sql, [user.0, partner.0]).map(drop)
}

/// The user has read, or deleted, what they got at this seq.
pub fn forget(connection: &Connection, user: UserKey, seq: Seq) -> Result<()> {
    let sql = "DELETE FROM push_outbox WHERE user_key = ?1 AND seq = ?2";
    run(connection, sql, [user.0, seq]).map(drop)
}

/// The user has read every notification.
pub fn forget_notifications(connection: &Connection, user: UserKey) -> Result<()> {
    let sql = "DELETE FROM push_outbox WHERE user_key = ?1 AND kind = 'notification'";
    run(connection, sql, [user.0]).map(drop)
}

/// What waits for the user is looked at again now: their preferences have changed. Each change gives it another time, by which what
/// was decided before the change is told from what is decided after it.
pub fn reconsider(connection: &Connection, user: UserKey, now: Time) -> Result<()> {
    let sql = "UPDATE push_outbox SET due_at = iif(due_at > ?2, ?2, due_at - 1)
               WHERE user_key = ?1 AND tries = 0 AND due_at IS NOT NULL";
    run(connection, sql, [user.0, now.0]).map(drop)
}

/// When a service has something to do: it is not paused then, and a push is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agenda {
    pub service: ServiceKey,
    pub at: Time,
}

/// The push services for which something waits, and since or until when. A pause that ends after `latest` does not count: it was
/// made by a clock that has been set since.
pub fn agenda(connection: &Connection, latest: Time) -> Result<Vec<Agenda>> {
    let sql = "SELECT p.key, max((SELECT min(o.due_at) FROM push_outbox o
                                  WHERE o.service_key = p.key AND o.due_at IS NOT NULL),
                                 iif(p.paused_until <= ?1, p.paused_until, 0)) AS at
               FROM push_services p WHERE at IS NOT NULL";
    all(connection, sql, [latest.0], |row| {
        Ok(Agenda {
            service: ServiceKey(row.get(0)?),
            at: Time(row.get(1)?),
        })
    })
}

/// Up to `want` due pushes of a service, one for each subscription that is not in `busy`.
pub fn due(
    connection: &Connection,
    service: ServiceKey,
    now: Time,
    mut busy: HashSet<SubscriptionKey>,
    want: usize,
) -> Result<Vec<DuePush>> {
    let sql = "SELECT user_key, seq, subscription_key FROM push_outbox
               WHERE service_key = ?1 AND due_at <= ?2 ORDER BY due_at, user_key, seq";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([service.0, now.0])?;
    let mut free = Vec::new();
    let mut seen = 0;
    while free.len() < want
        && seen < SCAN_ROWS
        && let Some(row) = rows.next()?
    {
        seen += 1;
        let key = push_key(row)?;
        if busy.insert(key.subscription) {
            free.push(key);
        }
    }
    load(connection, free, now)
}

/// What is to be known for sending these.
fn load(connection: &Connection, keys: Vec<PushKey>, now: Time) -> Result<Vec<DuePush>> {
    let pushes = keys.into_iter().map(|key| one(connection, key, now));
    pushes.filter_map(Result::transpose).collect()
}

fn push_key(row: &Row) -> rusqlite::Result<PushKey> {
    Ok(PushKey {
        user: UserKey(row.get(0)?),
        seq: row.get(1)?,
        subscription: SubscriptionKey(row.get(2)?),
    })
}

fn one(connection: &Connection, key: PushKey, now: Time) -> Result<Option<DuePush>> {
    let sql = format!(
        "SELECT o.user_key, o.seq, o.subscription_key, o.service_key, s.endpoint, s.p256dh, s.auth,
                      o.urgency, o.ttl, o.created_at, o.tries, v.value, o.kind,
                      m.id, u.id, u.name, m.content, n.id, n.type, n.title, n.message, n.link, o.due_at, s.created_at,
                      s.summary_at, iif(s.summary_at IS NULL, 0, (SELECT count(*) FROM push_outbox w
                          WHERE w.user_key = o.user_key AND w.subscription_key = o.subscription_key
                            AND w.due_at <= ?4 AND w.created_at <= s.summary_at AND {COUNTED})),
                      m.sender_key, (SELECT role FROM users WHERE key = o.user_key), coalesce(n.emergency, 0)
               FROM push_outbox o
               JOIN push_subscriptions s ON s.key = o.subscription_key
               LEFT JOIN push_preferences v ON v.user_key = o.user_key
               LEFT JOIN messages m ON o.kind = 'message' AND m.seq = o.seq
               LEFT JOIN users u ON u.key = m.sender_key
               LEFT JOIN notifications n ON o.kind = 'notification' AND n.key = o.object_key
               WHERE o.user_key = ?1 AND o.seq = ?2 AND o.subscription_key = ?3"
    );
    first(
        connection,
        &sql,
        [key.user.0, key.seq, key.subscription.0, now.0],
        due_push,
    )
}

fn due_push(row: &Row) -> rusqlite::Result<DuePush> {
    let preferences = row.get_ref(11)?.as_str_or_null()?;
    Ok(DuePush {
        key: push_key(row)?,
        service: ServiceKey(row.get(3)?),
        endpoint: row.get(4)?,
        keys: PushKeys {
            p256dh: row.get(5)?,
            auth: row.get(6)?,
        },
        urgency: Urgency::parse(row.get_ref(7)?.as_str()?).unwrap_or_default(),
        ttl: row.get(8)?,
        created_at: Time(row.get(9)?),
        due_at: Time(row.get(22)?),
        subscribed_at: Time(row.get(23)?),
        tries: row.get(10)?,
        preferences: preferences.and_then(preferences::parse),
        summary_at: row.get::<_, Option<i64>>(24)?.map(Time),
        waiting: row.get(25)?,
        sender: row.get::<_, Option<i64>>(26)?.map(UserKey),
        role: Role::parse(row.get_ref(27)?.as_str()?).unwrap_or(Role::Student),
        quiet_until: None,
        emergency: row.get(28)?,
        subject: subject(row)?,
    })
}

fn subject(row: &Row) -> rusqlite::Result<Option<Subject>> {
    let there = |column: usize| row.get::<_, Option<[u8; 16]>>(column);
    Ok(match row.get_ref(12)?.as_str()? {
        "message" => match there(13)? {
            Some(id) => Some(Subject::Message {
                id: Id::from_bytes(id),
                sender: users::user_id(row, 14)?,
                sender_name: row.get(15)?,
                content: row.get(16)?,
            }),
            None => None,
        },
        "notification" => match there(17)? {
            Some(id) => Some(Subject::Notification {
                id: Id::from_bytes(id),
                kind: row.get(18)?,
                title: row.get(19)?,
                message: row.get(20)?,
                link: row.get(21)?,
            }),
            None => None,
        },
        _ => Some(Subject::Test),
    })
}

/// The keys of up to `limit` rows that are too old for any push service to take.
pub fn overdue(connection: &Connection, now: Time, limit: i64) -> Result<Vec<DuePush>> {
    let sql = "SELECT user_key, seq, subscription_key FROM push_outbox
               WHERE due_at IS NOT NULL AND created_at + max(ttl, :grace) * 1000 <= :now LIMIT :limit";
    let keys = all(
        connection,
        sql,
        named_params! { ":now": now.0, ":grace": DuePush::GRACE_SECONDS, ":limit": limit },
        push_key,
    )?;
    load(connection, keys, now)
}

/// Forgets what is done and too old to be done again; makes due what a clock that was set since has put off for longer than
/// anybody asks for.
pub fn tidy(connection: &Connection, now: Time) -> Result<()> {
    let sql =
        "DELETE FROM push_outbox WHERE due_at IS NULL AND created_at + max(ttl, ?2) * 1000 <= ?1";
    run(connection, sql, [now.0, DuePush::GRACE_SECONDS.into()])?;
    let sql = "UPDATE push_outbox SET due_at = ?1 WHERE due_at > ?2";
    let latest = now.plus_seconds(8 * 24 * 3_600);
    run(connection, sql, [now.0, latest.0]).map(drop)
}
