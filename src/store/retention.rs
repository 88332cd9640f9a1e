//! Removes what is past its retention, some of it at a time.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::safeguarding::holds::{CONVERSATION_IS_HELD, LINE_IS_HELD};
use super::{WriteTx, all, audit, conversations, first, import, removals, run, search, users};
use crate::error::Result;
use crate::model::ids::{ConversationId, Seq, UserKey};
use crate::model::time::Time;

/// A message to be removed.
struct Old {
    conversation: ConversationId,
    seq: Seq,
    sender: UserKey,
    hidden: bool,
    /// Somebody took it back: nobody has it unread.
    removed: bool,
}

impl Old {
    /// Reads conversation, seq, sender, whether it is hidden and whether it was taken back.
    fn read(row: &Row) -> rusqlite::Result<Self> {
        Ok(Old {
            conversation: ConversationId(row.get(0)?),
            seq: row.get(1)?,
            sender: UserKey(row.get(2)?),
            hidden: row.get(3)?,
            removed: row.get(4)?,
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

/// How far a purge is: what it left since it is held is not looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub removed: usize,
    /// Up to here all has been looked at: the seq of a message, or a notification's number.
    pub after: i64,
    pub is_done: bool,
}

/// Removes some of the oldest messages behind `after`, as far as they are from before `before` and not held.
pub fn messages(tx: &WriteTx, before: Time, after: Seq, slice: Slice) -> Result<Progress> {
    // By seq, which is the order of time: a database without old messages is not searched for them.
    let sql = format!(
        "SELECT m.conversation_key, m.seq, m.sender_key, m.hidden, m.removed_at IS NOT NULL, m.created_at, {CONVERSATION_IS_HELD}
         FROM messages m WHERE m.seq > ?2 ORDER BY m.seq LIMIT ?1"
    );
    let mut after = after;
    for begin in import::beginnings(tx)? {
        loop {
            let from = after.max(begin.seq);
            let oldest = all(tx, &sql, [slice.rows as i64, from], |row| {
                Ok((
                    Old::read(row)?,
                    row.get::<_, i64>(5)?,
                    row.get::<_, bool>(6)?,
                ))
            })?;
            let old = oldest.into_iter().take_while(|(_, at, _)| *at < before.0);
            let old: Vec<(Old, bool)> = old.map(|(message, _, held)| (message, held)).collect();
            let Some((last, _)) = old.last() else { break };
            let last = last.seq;
            let free: Vec<Old> = old
                .into_iter()
                .filter_map(|(message, held)| (!held).then_some(message))
                .collect();
            let removed = remove(tx, &free, slice)?;
            // Where the time was over, the next slice begins with the first that is left.
            after = free.get(removed).map_or(last, |left| left.seq - 1);
            if removed > 0 || slice.is_over() {
                return Ok(Progress {
                    removed,
                    after,
                    is_done: false,
                });
            }
        }
    }
    Ok(Progress {
        removed: 0,
        after,
        is_done: true,
    })
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
    let sql =
        "SELECT conversation_key, seq, sender_key, hidden, removed_at IS NOT NULL FROM messages
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
        let own = next.into_iter().filter(|message| message.sender == sender);
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
        if message.removed {
            removals::forget(tx, message.conversation, message.seq)?;
        } else if !message.hidden {
            conversations::uncount(tx, message.conversation, message.sender, message.seq)?;
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

/// Removes recipients of the oldest notification behind `after` from before `before`, and it itself after the last. What somebody has
/// got who is held stays, and what they sent.
pub fn notifications(tx: &WriteTx, before: Time, after: i64, slice: Slice) -> Result<Progress> {
    let mut after = after;
    loop {
        let progress = one_notification(tx, before, after, slice)?;
        // What is held costs a look, and not a write of its own.
        if progress.is_done || progress.removed > 0 || slice.is_over() {
            return Ok(progress);
        }
        after = progress.after;
    }
}

fn one_notification(tx: &WriteTx, before: Time, after: i64, slice: Slice) -> Result<Progress> {
    let at = |removed, after, is_done| Progress {
        removed,
        after,
        is_done,
    };
    let Some((key, is_sender_held)) = oldest_notification(tx, before, after)? else {
        return Ok(at(0, after, true));
    };
    let unfinished = "SELECT 1 FROM notification_deliveries WHERE notification_key = ?1";
    if first(tx, unfinished, [key], |_| Ok(()))?.is_some() {
        return Ok(at(0, after, true));
    }
    if is_sender_held {
        return Ok(at(0, key, false));
    }
    let sql = "SELECT r.user_key, r.seq, r.read_at IS NULL FROM notification_recipients r
               WHERE r.notification_key = ?1 AND NOT EXISTS (
                   SELECT 1 FROM holds h WHERE h.ended_at IS NULL AND h.user_key = r.user_key AND h.other_key IS NULL)
               LIMIT ?2";
    let recipients: Vec<(UserKey, Seq, bool)> = all(tx, sql, [key, slice.rows as i64], |row| {
        Ok((UserKey(row.get(0)?), row.get(1)?, row.get(2)?))
    })?;
    for (removed, &(user, seq, unread)) in recipients.iter().enumerate() {
        if removed > 0 && slice.is_over() {
            return Ok(at(removed, after, false));
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
    if recipients.len() == slice.rows {
        return Ok(at(recipients.len(), after, false));
    }
    let is_held = "SELECT 1 FROM notification_recipients WHERE notification_key = ?1";
    if first(tx, is_held, [key], |_| Ok(()))?.is_none() {
        forget_announcement(tx, key)?;
        run(tx, "DELETE FROM notifications WHERE key = ?1", [key])?;
    }
    Ok(at(recipients.len(), key, false))
}

/// The oldest notification behind `after`, if it is from before `before`; and whether its sender is held.
fn oldest_notification(tx: &WriteTx, before: Time, after: i64) -> Result<Option<(i64, bool)>> {
    let sql = "SELECT n.key, n.created_at, EXISTS (
                   SELECT 1 FROM holds h JOIN users u ON u.key = h.user_key
                   WHERE h.ended_at IS NULL AND h.other_key IS NULL AND n.sender = 'user:' || u.id)
               FROM notifications n WHERE n.key > ?1 ORDER BY n.key LIMIT 1";
    for begin in import::beginnings(tx)? {
        let from = after.max(begin.notification);
        let oldest: Option<(i64, i64, bool)> = first(tx, sql, [from], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        if let Some((key, at, is_held)) = oldest
            && at < before.0
        {
            return Ok(Some((key, is_held)));
        }
    }
    Ok(None)
}

/// Removes all messages that a user wrote, in one write: for a database that nobody else uses.
pub fn remove_messages_of(tx: &WriteTx, user: UserKey) -> Result<()> {
    let conversations = conversations_of(tx, user)?;
    let slice = Slice {
        rows: 1_000,
        until: Instant::now() + Duration::from_secs(3_600),
    };
    let mut at = Some(Walk::default());
    while let Some(from) = at {
        (_, at) = messages_of(tx, user, &conversations, from, slice)?;
    }
    Ok(())
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
pub fn audit_lines(tx: &WriteTx, before: Time, slice: Slice) -> Result<usize> {
    let sql = "INSERT INTO meta (name, value) VALUES ('audit_kept_from', ?1)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    run(tx, sql, [before.0.to_string()])?;
    // Only from the beginning: what is left must be one chain.
    let sql =
        format!("SELECT a.key, a.hash, a.at, {LINE_IS_HELD} FROM audit a ORDER BY a.key LIMIT ?1");
    let oldest = all(tx, &sql, [slice.rows as i64], |row| {
        let (at, is_held): (i64, bool) = (row.get(2)?, row.get(3)?);
        Ok((audit::anchor(row, 0)?, at, is_held))
    })?;
    let old = oldest
        .into_iter()
        .take_while(|(_, at, is_held)| *at < before.0 && !is_held);
    match old.last() {
        Some((last, ..)) => audit::cut(tx, last),
        None => Ok(0),
    }
}

/// Withdraws the permission to cut the audit log up to a time in the future: the clock was wrong when it was written.
pub fn mend_audit_limit(tx: &WriteTx) -> Result<()> {
    let sql = "UPDATE meta SET value = '0' WHERE name = 'audit_kept_from' AND CAST(value AS INTEGER) > ?1";
    run(tx, sql, [tx.now.0]).map(drop)
}
