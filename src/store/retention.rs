//! Removing what is older than it is to be kept, some of it at a time.

use std::time::Instant;

use rusqlite::{OptionalExtension, params};

use super::{WriteTx, all, first, run, search, users};
use crate::error::Result;
use crate::model::ids::{Seq, UserKey};
use crate::model::time::Time;

/// A message to be removed.
struct Old {
    conversation: i64,
    seq: Seq,
}

/// How much one write may remove: others wait for it.
#[derive(Debug, Clone, Copy)]
pub struct Slice {
    pub rows: usize,
    pub until: Instant,
}

impl Slice {
    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }
}

/// Removes some of the oldest messages, as far as they are from before `before`; returns how many.
pub fn messages(tx: &WriteTx, before: Time, slice: Slice) -> Result<usize> {
    // By seq, which is the order of time: a database without old messages is not searched for them.
    let sql = "SELECT conversation_key, seq, created_at FROM messages ORDER BY seq LIMIT ?1";
    let oldest: Vec<(Old, i64)> = all(tx, sql, [slice.rows as i64], |row| {
        let (conversation, seq) = (row.get(0)?, row.get(1)?);
        Ok((Old { conversation, seq }, row.get(2)?))
    })?;
    let old = oldest.into_iter().take_while(|(_, at)| *at < before.0);
    let old: Vec<Old> = old.map(|(message, _)| message).collect();
    remove(tx, &old, slice)
}

/// Where a walk through somebody's messages has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Walk {
    conversation: i64,
    seq: Seq,
}

/// Looks at the next messages of somebody's conversations and removes those that they wrote themselves. Returns how many these
/// were and where to go on; nowhere at the end.
pub fn messages_of(
    tx: &WriteTx,
    sender: UserKey,
    from: Walk,
    slice: Slice,
) -> Result<(usize, Option<Walk>)> {
    let sql = "SELECT m.conversation_key, m.seq, m.sender_key = ?1 FROM conversation_members c
               JOIN messages m ON m.conversation_key = c.conversation_key
               WHERE c.user_key = ?1 AND (m.conversation_key, m.seq) > (?2, ?3)
               ORDER BY m.conversation_key, m.seq LIMIT ?4";
    let params = params![sender.0, from.conversation, from.seq, slice.rows as i64];
    let seen: Vec<(Old, bool)> = all(tx, sql, params, |row| {
        let (conversation, seq) = (row.get(0)?, row.get(1)?);
        Ok((Old { conversation, seq }, row.get(2)?))
    })?;
    let walk = |message: &Old| Walk {
        conversation: message.conversation,
        seq: message.seq,
    };
    let last = seen.last().map(|(last, _)| walk(last));
    let own = seen.into_iter().filter(|(_, own)| *own);
    let own: Vec<Old> = own.map(|(message, _)| message).collect();
    let removed = remove(tx, &own, slice)?;
    // Where the time was over, it goes on after the last that was removed.
    let next = if removed < own.len() {
        own[..removed].last().map(walk)
    } else {
        last
    };
    Ok((removed, next))
}

/// Removes messages until the slice's time is over, but at least one; returns how many.
fn remove(tx: &WriteTx, messages: &[Old], slice: Slice) -> Result<usize> {
    let mut removed = 0;
    for message in messages {
        if removed > 0 && slice.is_over() {
            break;
        }
        removed += 1;
        let of = [message.conversation, message.seq];
        run(
            tx,
            "DELETE FROM messages WHERE conversation_key = ?1 AND seq = ?2",
            of,
        )?;
    }
    search::note_removed(tx, removed)?;
    let gone = messages[..removed].iter();
    let mut conversations: Vec<i64> = gone.map(|m| m.conversation).collect();
    conversations.sort_unstable();
    conversations.dedup();
    conversations
        .into_iter()
        .try_for_each(|key| recount(tx, key))?;
    Ok(removed)
}

/// Sets a conversation's counters by the messages that are left.
fn recount(tx: &WriteTx, conversation: i64) -> Result<()> {
    let sql = "SELECT c.user_key, c.unread_count,
                      (SELECT count(*) FROM messages m WHERE m.conversation_key = c.conversation_key
                       AND m.seq > c.last_read_seq AND m.sender_key <> c.user_key)
               FROM conversation_members c WHERE c.conversation_key = ?1";
    let members: Vec<(UserKey, i64, i64)> = all(tx, sql, [conversation], |row| {
        Ok((UserKey(row.get(0)?), row.get(1)?, row.get(2)?))
    })?;
    let newest =
        "SELECT coalesce(max(seq), 0), coalesce(min(seq), 9223372036854775807) FROM messages
                  WHERE conversation_key = ?1";
    let (last, first_left): (Seq, Seq) = first(tx, newest, [conversation], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?
    .unwrap_or((0, Seq::MAX));
    for (member, counted, unread) in members {
        let sql = "UPDATE conversation_members SET last_seq = ?3, unread_count = ?4
                   WHERE conversation_key = ?1 AND user_key = ?2";
        run(tx, sql, [conversation, member.0, last, unread])?;
        users::add_unread(tx, member, unread - counted, 0)?;
    }
    // When a message was read that is not there any more, nobody asks.
    let sql = "DELETE FROM message_reads WHERE conversation_key = ?1 AND up_to_seq < ?2";
    run(tx, sql, [conversation, first_left]).map(drop)
}

/// Removes recipients of the oldest notification from before `before`, and it itself after the last; returns how much that was,
/// 0 when there is none so old.
pub fn notifications(tx: &WriteTx, before: Time, slice: Slice) -> Result<usize> {
    let sql = "SELECT key, created_at FROM notifications ORDER BY key LIMIT 1";
    let oldest: Option<(i64, i64)> = first(tx, sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Some((key, _)) = oldest.filter(|(_, at)| *at < before.0) else {
        return Ok(0);
    };
    let unfinished = "SELECT 1 FROM notification_deliveries WHERE notification_key = ?1";
    if first(tx, unfinished, [key], |_| Ok(()))?.is_some() {
        return Ok(0);
    }
    let sql = "SELECT user_key, seq, read_at IS NULL FROM notification_recipients
               WHERE notification_key = ?1 LIMIT ?2";
    let recipients: Vec<(UserKey, Seq, bool)> = all(tx, sql, [key, slice.rows as i64], |row| {
        Ok((UserKey(row.get(0)?), row.get(1)?, row.get(2)?))
    })?;
    for (removed, &(user, seq, unread)) in recipients.iter().enumerate() {
        if removed > 0 && slice.is_over() {
            return Ok(removed);
        }
        let of = [user.0, seq];
        run(
            tx,
            "DELETE FROM notification_recipients WHERE user_key = ?1 AND seq = ?2",
            of,
        )?;
        run(
            tx,
            "DELETE FROM notification_reads WHERE user_key = ?1 AND seq <= ?2",
            of,
        )?;
        users::add_unread(tx, user, 0, -i64::from(unread))?;
    }
    if recipients.len() < slice.rows {
        forget_announcement(tx, key)?;
        run(tx, "DELETE FROM notifications WHERE key = ?1", [key])?;
    }
    Ok(recipients.len().max(1))
}

/// Removes what was announced by this notification, if anything was.
fn forget_announcement(tx: &WriteTx, notification: i64) -> Result<()> {
    let sql = "SELECT key FROM announcements WHERE notification_key = ?1";
    let announcement = tx
        .prepare_cached(sql)?
        .query_row([notification], |row| row.get::<_, i64>(0));
    let Some(key) = announcement.optional()? else {
        return Ok(());
    };
    run(
        tx,
        "UPDATE announcements SET reminder_of = NULL WHERE reminder_of = ?1",
        [key],
    )?;
    run(tx, "DELETE FROM announcements WHERE key = ?1", [key]).map(drop)
}

/// Removes the oldest lines of the audit log from before `before`; returns how many.
pub fn audit(tx: &WriteTx, before: Time, slice: Slice) -> Result<usize> {
    let sql = "INSERT INTO meta (name, value) VALUES ('audit_kept_from', ?1)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    run(tx, sql, [before.0.to_string()])?;
    let sql =
        "DELETE FROM audit WHERE key IN (SELECT key FROM audit ORDER BY key LIMIT ?2) AND at < ?1";
    run(tx, sql, params![before.0, slice.rows as i64])
}

/// Takes back a time up to which the audit log may be cut that is still to come: the clock was wrong when it was written.
pub fn mend_audit_limit(tx: &WriteTx) -> Result<()> {
    let sql = "UPDATE meta SET value = '0' WHERE name = 'audit_kept_from' AND CAST(value AS INTEGER) > ?1";
    run(tx, sql, [tx.now.0]).map(drop)
}
