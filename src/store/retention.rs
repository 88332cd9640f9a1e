//! Removes what is past its retention, some of it at a time.

use std::time::Instant;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{WriteTx, all, first, import, run, search, users};
use crate::error::Result;
use crate::model::ids::{ConversationId, Seq, UserKey};
use crate::model::time::Time;

/// A message to be removed.
struct Old {
    conversation: ConversationId,
    seq: Seq,
    sender: i64,
    hidden: bool,
}

impl Old {
    /// Reads conversation, seq, sender and whether it is hidden.
    fn read(row: &Row) -> rusqlite::Result<Self> {
        Ok(Old {
            conversation: ConversationId(row.get(0)?),
            seq: row.get(1)?,
            sender: row.get(2)?,
            hidden: row.get(3)?,
        })
    }
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
    let sql = "SELECT conversation_key, seq, sender_key, hidden, created_at FROM messages
               WHERE seq > ?2 ORDER BY seq LIMIT ?1";
    for begin in import::beginnings(tx)? {
        let oldest: Vec<(Old, i64)> = all(tx, sql, [slice.rows as i64, begin.seq], |row| {
            Ok((Old::read(row)?, row.get(4)?))
        })?;
        let old = oldest.into_iter().take_while(|(_, at)| *at < before.0);
        let old: Vec<Old> = old.map(|(message, _)| message).collect();
        if !old.is_empty() {
            return remove(tx, &old, slice);
        }
    }
    Ok(0)
}

/// A user's conversations, in ascending order.
pub fn conversations_of(connection: &Connection, user: UserKey) -> Result<Vec<ConversationId>> {
    let sql = "SELECT conversation_key FROM conversation_members WHERE user_key = ?1 ORDER BY conversation_key";
    all(connection, sql, [user.0], |row| {
        row.get(0).map(ConversationId)
    })
}

/// How far a scan of the messages in [`conversations_of`] has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Walk {
    /// Index of the conversation in the list.
    at: usize,
    /// Messages of it up to this one have been looked at.
    seq: Seq,
}

/// Looks at the next messages of a user's conversations and removes those that they wrote themselves. Returns how many these
/// were and where to go on; nowhere at the end.
pub fn messages_of(
    tx: &WriteTx,
    sender: UserKey,
    conversations: &[ConversationId],
    from: Walk,
    slice: Slice,
) -> Result<(usize, Option<Walk>)> {
    let sql = "SELECT conversation_key, seq, sender_key, hidden FROM messages
               WHERE conversation_key = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
    let (mut removed, mut seen, mut walk) = (0, 0, from);
    while let Some(conversation) = conversations.get(walk.at) {
        let rows = slice.rows.saturating_sub(seen);
        if rows == 0 || (seen > 0 && slice.is_over()) {
            return Ok((removed, Some(walk)));
        }
        let next: Vec<Old> = all(
            tx,
            sql,
            params![conversation.0, walk.seq, rows as i64],
            Old::read,
        )?;
        // A conversation without messages is a look too.
        seen += next.len().max(1);
        let last = next.last().map(|message| message.seq);
        let is_cut = next.len() == rows;
        let own = next
            .into_iter()
            .filter(|message| message.sender == sender.0);
        let own: Vec<Old> = own.collect();
        let gone = remove(tx, &own, slice)?;
        removed += gone;
        walk = match (own.get(gone), last) {
            // The time was over: the next slice begins with this one.
            (Some(left), _) => Walk {
                seq: left.seq - 1,
                ..walk
            },
            (None, Some(seq)) if is_cut => Walk { seq, ..walk },
            _ => Walk {
                at: walk.at + 1,
                seq: 0,
            },
        };
    }
    Ok((removed, None))
}

/// Removes messages until the slice's time is over, but at least one; returns how many.
fn remove(tx: &WriteTx, messages: &[Old], slice: Slice) -> Result<usize> {
    if messages.is_empty() {
        return Ok(0);
    }
    let mut removed = 0;
    for message in messages {
        if removed > 0 && slice.is_over() {
            break;
        }
        removed += 1;
        let of = [message.conversation.0, message.seq];
        run(
            tx,
            "DELETE FROM messages WHERE conversation_key = ?1 AND seq = ?2",
            of,
        )?;
        if !message.hidden {
            uncount(tx, message)?;
        }
    }
    search::note_removed(tx, removed)?;
    let gone = messages[..removed].iter();
    let mut conversations: Vec<ConversationId> = gone.map(|m| m.conversation).collect();
    conversations.sort_unstable();
    conversations.dedup();
    conversations
        .into_iter()
        .try_for_each(|key| update_members(tx, key))?;
    Ok(removed)
}

/// A member who had not read a message that is gone has one unread message less.
fn uncount(tx: &WriteTx, message: &Old) -> Result<()> {
    let sql = "UPDATE conversation_members SET unread_count = unread_count - 1
               WHERE conversation_key = ?1 AND user_key <> ?2 AND last_read_seq < ?3 AND unread_count > 0
               RETURNING user_key";
    let of = [message.conversation.0, message.sender, message.seq];
    let readers: Vec<i64> = all(tx, sql, of, |row| row.get(0))?;
    readers
        .into_iter()
        .try_for_each(|reader| users::add_unread(tx, UserKey(reader), -1, 0))
}

/// Sets what a conversation's members see of it by the messages that are left.
fn update_members(tx: &WriteTx, conversation: ConversationId) -> Result<()> {
    let oldest = "SELECT seq FROM messages WHERE conversation_key = ?1 ORDER BY seq LIMIT 1";
    let oldest = first(tx, oldest, [conversation.0], |row| row.get::<_, Seq>(0))?;
    let oldest = oldest.unwrap_or(Seq::MAX);
    // A member's newest is one that they see.
    let sql = "UPDATE conversation_members AS c SET last_seq = coalesce((
                   SELECT m.seq FROM messages m WHERE m.conversation_key = ?1 AND (NOT m.hidden OR m.sender_key = c.user_key)
                   ORDER BY m.seq DESC LIMIT 1), 0)
               WHERE c.conversation_key = ?1";
    run(tx, sql, [conversation.0])?;
    // Nobody asks any more when a removed message was read.
    let sql = "DELETE FROM message_reads WHERE conversation_key = ?1 AND up_to_seq < ?2";
    run(tx, sql, [conversation.0, oldest]).map(drop)
}

/// Removes recipients of the oldest notification from before `before`, and it itself after the last; returns how much that was,
/// 0 when there is none so old.
pub fn notifications(tx: &WriteTx, before: Time, slice: Slice) -> Result<usize> {
    let Some(key) = oldest_notification(tx, before)? else {
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

/// The oldest notification, if it is from before `before`.
fn oldest_notification(tx: &WriteTx, before: Time) -> Result<Option<i64>> {
    let sql = "SELECT key, created_at FROM notifications WHERE key > ?1 ORDER BY key LIMIT 1";
    for begin in import::beginnings(tx)? {
        let oldest: Option<(i64, i64)> = first(tx, sql, [begin.notification], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        if let Some((key, _)) = oldest.filter(|(_, at)| *at < before.0) {
            return Ok(Some(key));
        }
    }
    Ok(None)
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

/// Withdraws the permission to cut the audit log up to a time in the future: the clock was wrong when it was written.
pub fn mend_audit_limit(tx: &WriteTx) -> Result<()> {
    let sql = "UPDATE meta SET value = '0' WHERE name = 'audit_kept_from' AND CAST(value AS INTEGER) > ?1";
    run(tx, sql, [tx.now.0]).map(drop)
}
