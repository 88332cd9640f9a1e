//! Writing what another system had, in its order, into a database that no server has open.

use std::collections::HashMap;

use rusqlite::{Connection, Transaction, TransactionBehavior, named_params, params};

use super::conversations;
use super::{all, audit, first, meta, personal_data, run, users};
use crate::error::Result;
use crate::model::audit::{Action, AuditActor};
use crate::model::ids::{ConversationId, Id, Seq, UserKey};
use crate::model::import::{OldMessage, OldNotification};
use crate::model::notifications::NewNotification;
use crate::model::time::Time;
use crate::model::users::NewUser;

/// The sender of imported notifications.
const SENDER: &str = "import";

/// The outcome of a message or a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Added,
    /// It had been imported before.
    Known,
    /// The conversation already has newer messages, or the person newer notifications.
    TooOld,
}

/// Where rows begin that are in the order of time: the first, and after them those of each import, which are older than what was
/// there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Beginning {
    /// After this seq and this notification.
    pub seq: Seq,
    pub notification: i64,
}

/// All of them, the oldest first.
pub fn beginnings(connection: &Connection) -> Result<Vec<Beginning>> {
    let sql = "SELECT CAST(substr(name, 8) AS INTEGER), CAST(value AS INTEGER) FROM meta
               WHERE name >= 'import.' AND name < 'import/' ORDER BY 1";
    let mut beginnings = vec![Beginning::default()];
    beginnings.extend(all(connection, sql, [], |row| {
        Ok(Beginning {
            seq: row.get(0)?,
            notification: row.get(1)?,
        })
    })?);
    Ok(beginnings)
}

/// One import: all of it is written, or nothing.
pub struct Import<'c> {
    tx: Transaction<'c>,
    begin: Beginning,
    /// The last seq that was given out.
    seq: Seq,
    conversations: HashMap<(UserKey, UserKey), Conversation>,
    /// When the newest notification that each person had before was sent.
    notified: HashMap<UserKey, Option<Time>>,
    unread: HashMap<UserKey, Unread>,
    added: u64,
}

/// A conversation that messages are added to.
struct Conversation {
    id: ConversationId,
    /// When its newest message from before the import was sent.
    newest: Option<Time>,
    last_seq: Seq,
    /// What each of the two reads: the one with the lower key first.
    readers: [Reader; 2],
}

#[derive(Default)]
struct Reader {
    /// Up to where it was read, and when, in the order of the messages.
    reads: Vec<(Seq, Time)>,
    /// How many messages came after the last that was read.
    unread: i64,
}

#[derive(Default, Clone, Copy)]
struct Unread {
    messages: i64,
    notifications: i64,
}

impl<'c> Import<'c> {
    pub fn begin(connection: &'c mut Connection) -> Result<Self> {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let sql = "SELECT key FROM notifications ORDER BY key DESC LIMIT 1";
        let begin = Beginning {
            seq: meta::seq(&tx)?,
            notification: first(&tx, sql, [], |row| row.get(0))?.unwrap_or(0),
        };
        Ok(Import {
            seq: begin.seq,
            begin,
            tx,
            conversations: HashMap::new(),
            notified: HashMap::new(),
            unread: HashMap::new(),
            added: 0,
        })
    }

    /// Everybody by id.
    pub fn people(&self) -> Result<HashMap<String, UserKey>> {
        let sql = "SELECT id, key FROM users WHERE erased_at IS NULL";
        let people: Vec<(String, i64)> =
            all(&self.tx, sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let people = people.into_iter();
        Ok(people.map(|(id, key)| (id, UserKey(key))).collect())
    }

    /// Whether anybody's data was ever erased.
    pub fn has_erased(&self) -> Result<bool> {
        let sql = "SELECT 1 FROM erased LIMIT 1";
        Ok(first(&self.tx, sql, [], |_| Ok(()))?.is_some())
    }

    /// Whether the data of the user behind these was erased.
    pub fn is_erased(&self, macs: &[String]) -> Result<bool> {
        for mac in macs {
            if personal_data::erased_at(&self.tx, mac)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// # Errors
    /// [`Error::Conflict`](crate::error::Error::Conflict) when the username is another's.
    pub fn user(&mut self, new: &NewUser, disabled: bool, created_at: Time) -> Result<UserKey> {
        let user = users::insert(&self.tx, new, created_at)?;
        if disabled {
            users::set_disabled(&self.tx, user.key, Some(created_at))?;
        }
        self.added += 1;
        Ok(user.key)
    }

    /// Adds a message. They come in the order of time.
    pub fn message(
        &mut self,
        old: &OldMessage,
        sender: UserKey,
        receiver: UserKey,
    ) -> Result<Outcome> {
        if self.has("SELECT 1 FROM messages WHERE id = ?1", old.id)? {
            return Ok(Outcome::Known);
        }
        let pair = (sender.min(receiver), sender.max(receiver));
        if !self.conversations.contains_key(&pair) {
            let conversation = self.open(pair, old.created_at)?;
            self.conversations.insert(pair, conversation);
        }
        let Some(conversation) = self.conversations.get_mut(&pair) else {
            return Ok(Outcome::TooOld);
        };
        if conversation.newest.is_some_and(|at| at > old.created_at) {
            return Ok(Outcome::TooOld);
        }
        self.seq += 1;
        self.added += 1;
        run(
            &self.tx,
            "INSERT INTO messages (conversation_key, seq, id, sender_key, content, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                conversation.id.0,
                self.seq,
                old.id.as_bytes(),
                sender.0,
                old.content.as_str(),
                old.created_at.0,
            ],
        )?;
        conversation.last_seq = self.seq;
        let reader = &mut conversation.readers[usize::from(receiver == pair.1)];
        match old.read_at {
            None => reader.unread += 1,
            Some(at) => {
                // A message is read where a later one of the same sender is.
                reader.unread = 0;
                match reader.reads.last_mut() {
                    Some((up_to, last)) if *last == at => *up_to = self.seq,
                    _ => reader.reads.push((self.seq, at)),
                }
            }
        }
        Ok(Outcome::Added)
    }

    fn open(&self, (low, high): (UserKey, UserKey), now: Time) -> Result<Conversation> {
        let members = conversations::open_pair(&self.tx, low, high, now)?;
        let sql =
            "SELECT created_at FROM messages WHERE conversation_key = ?1 ORDER BY seq DESC LIMIT 1";
        let newest = first(&self.tx, sql, [members.conversation.0], |row| {
            row.get(0).map(Time)
        })?;
        Ok(Conversation {
            id: members.conversation,
            newest,
            last_seq: 0,
            readers: Default::default(),
        })
    }

    /// Adds a notification. They come in the order of time.
    pub fn notification(&mut self, old: &OldNotification, user: UserKey) -> Result<Outcome> {
        if self.has("SELECT 1 FROM notifications WHERE id = ?1", old.id)? {
            return Ok(Outcome::Known);
        }
        if self
            .newest_notification(user)?
            .is_some_and(|at| at > old.created_at)
        {
            return Ok(Outcome::TooOld);
        }
        self.seq += 1;
        self.added += 1;
        run(
            &self.tx,
            "INSERT INTO notifications (id, type, title, message, link, urgency, ttl, sender, recipient_count, unknown, created_at)
             VALUES (:id, :type, :title, :message, :link, 'normal', :ttl, :sender, 1, '[]', :at)",
            named_params! {
                ":id": old.id.as_bytes(),
                ":type": old.kind.as_str(),
                ":title": old.title,
                ":message": old.message,
                ":link": old.link.as_ref().map(super::super::model::notifications::Link::as_str),
                ":ttl": NewNotification::TTL_DEFAULT,
                ":sender": SENDER,
                ":at": old.created_at.0,
            },
        )?;
        let key = self.tx.last_insert_rowid();
        run(
            &self.tx,
            "INSERT INTO notification_recipients (user_key, seq, notification_key, read_at) VALUES (?1, ?2, ?3, ?4)",
            params![user.0, self.seq, key, old.read_at.map(|at| at.0)],
        )?;
        if old.read_at.is_none() {
            self.unread.entry(user).or_default().notifications += 1;
        }
        Ok(Outcome::Added)
    }

    fn newest_notification(&mut self, user: UserKey) -> Result<Option<Time>> {
        if let Some(known) = self.notified.get(&user) {
            return Ok(*known);
        }
        let sql = "SELECT n.created_at FROM notification_recipients r JOIN notifications n ON n.key = r.notification_key
                   WHERE r.user_key = ?1 AND r.seq <= ?2 ORDER BY r.seq DESC LIMIT 1";
        let newest = first(&self.tx, sql, [user.0, self.begin.seq], |row| {
            row.get(0).map(Time)
        })?;
        self.notified.insert(user, newest);
        Ok(newest)
    }

    fn has(&self, sql: &str, id: Id) -> Result<bool> {
        Ok(first(&self.tx, sql, [id.as_bytes()], |_| Ok(()))?.is_some())
    }

    /// Settles the counters and commits. What clients know from before is then of another history; nothing of the import is pushed.
    pub fn commit(mut self, detail: &str, now: Time) -> Result<()> {
        if self.added == 0 {
            return Ok(());
        }
        for (pair, conversation) in std::mem::take(&mut self.conversations) {
            self.finish(pair, &conversation)?;
        }
        for (user, unread) in &self.unread {
            users::add_unread(&self.tx, *user, unread.messages, unread.notifications)?;
        }
        run(
            &self.tx,
            "UPDATE push_subscriptions SET covered_seq = ?1",
            [self.seq],
        )?;
        run(&self.tx, "UPDATE unread SET delivered_seq = ?1", [self.seq])?;
        run(
            &self.tx,
            "INSERT INTO meta (name, value) VALUES (?1, ?2)",
            [
                format!("import.{}", self.begin.seq),
                self.begin.notification.to_string(),
            ],
        )?;
        meta::begin_epoch(&self.tx, self.seq)?;
        let by = AuditActor::command_line();
        audit::note_at(&self.tx, now, &by, Action::DataImported, "", detail)?;
        Ok(self.tx.commit()?)
    }

    fn finish(&mut self, pair: (UserKey, UserKey), conversation: &Conversation) -> Result<()> {
        let [low, high] = &conversation.readers;
        for (user, partner, reader) in [(pair.0, pair.1, low), (pair.1, pair.0, high)] {
            for (up_to, at) in &reader.reads {
                self.seq += 1;
                run(
                    &self.tx,
                    "INSERT INTO message_reads (seq, conversation_key, reader_key, partner_key, up_to_seq, read_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    params![self.seq, conversation.id.0, user.0, partner.0, up_to, at.0],
                )?;
            }
            let (_, before) = conversations::read_state(&self.tx, conversation.id, user)?;
            let read_up_to = reader.reads.last().map(|(up_to, _)| *up_to);
            let unread = reader.unread + if read_up_to.is_some() { 0 } else { before };
            run(
                &self.tx,
                "UPDATE conversation_members SET last_seq = max(last_seq, ?3), last_read_seq = coalesce(?4, last_read_seq),
                                                 unread_count = ?5
                 WHERE conversation_key = ?1 AND user_key = ?2",
                params![conversation.id.0, user.0, conversation.last_seq, read_up_to, unread],
            )?;
            self.unread.entry(user).or_default().messages += unread - before;
        }
        Ok(())
    }
}
