//! What is sent to sockets.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::ids::{ConnectionId, Seq, UserId, UserKey};
use super::messages::{Message, MessageRead, MessageRemoved};
use super::notifications::{Notification, NotificationsRead};
use super::stats::{Count, Now};
use super::time::Time;
use super::users::{Presence, Unread};
use crate::error::{Error, Result};
use crate::rule;

/// What a committed write does outside of the database. A write records its effects on its transaction; the store hands them on
/// once the commit is through, and never before.
#[derive(Debug, Clone)]
pub enum Effect {
    Publish(Publication),
    /// Caches of this user are stale.
    UserChanged(UserId),
    /// Every socket of this user goes, with this code.
    Disconnect(UserKey, CloseCode),
    /// The sockets of this session go: it was logged out.
    SessionEnded(UserKey, Arc<str>),
    /// Other tokens than before act for a user.
    IdentitiesChanged,
    /// Administrators changed settings: all of them.
    SettingsChanged(BTreeMap<String, String>),
    /// There is something to push.
    PushDue,
    /// A mail is in the outbox.
    MailDue,
    /// A line for the journal's file.
    Journal(String),
    /// The journal's file, whole: somebody who was erased is no longer in it.
    JournalRewritten(String),
    /// So many of these happened, for the charts.
    Count(Count, u64),
}

/// An event and who gets it.
#[derive(Debug, Clone)]
pub struct Publication {
    pub to: Vec<UserKey>,
    /// The socket that caused it and knows already: one of this user's own, so that one user cannot silence another.
    pub except: Option<(UserKey, ConnectionId)>,
    pub event: Event,
}

impl From<Publication> for Effect {
    fn from(publication: Publication) -> Self {
        Effect::Publish(publication)
    }
}

/// One event. Its JSON is the same for every recipient.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum Event {
    Connected(Connected),
    NewMessage(Arc<Message>),
    Notification(Arc<Notification>),
    MessageRead(MessageRead),
    MessageRemoved(MessageRemoved),
    NotificationsRead(NotificationsRead),
    Unread(UnreadNow),
    Typing(Typing),
    Presence(Presence),
    Resync(Resync),
    Error(CommandRefused),
    /// To clients that acknowledge: has the page seen this far?
    AckRequest(Request),
    /// To hidden pages: does their user look at another page?
    Looking(Looking),
    /// To administrators who watch.
    Overview(Box<Now>),
    Pong(Empty),
}

impl Event {
    /// The place in the sequence, for the durable ones and for counts, of which a later snapshot knows more.
    pub fn seq(&self) -> Option<Seq> {
        match self {
            Event::NewMessage(message) => Some(message.seq),
            Event::Notification(notification) => Some(notification.seq),
            Event::MessageRead(read) => Some(read.seq),
            Event::MessageRemoved(removed) => Some(removed.seq),
            Event::NotificationsRead(read) => Some(read.seq),
            Event::Unread(unread) => Some(unread.as_of),
            _ => None,
        }
    }

    /// Whether a client that has it may come back with its place in the sequence: `connected`, and what is replayed.
    pub fn is_resumable(&self) -> bool {
        matches!(
            self,
            Event::Connected(_)
                | Event::NewMessage(_)
                | Event::Notification(_)
                | Event::MessageRead(_)
                | Event::MessageRemoved(_)
                | Event::NotificationsRead(_)
        )
    }

    /// Whether it may be left out for a slow reader.
    pub fn droppable(&self) -> bool {
        matches!(
            self,
            Event::Typing(_) | Event::Presence(_) | Event::Overview(_)
        )
    }

    /// `{"event": …, "data": …}`.
    pub fn to_json(&self) -> String {
        // No type here has a map with keys other than strings or a failing Serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Where in the events a client stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Names the history of the sequence; where it is left out the client trusts that there is but one.
    pub epoch: Option<Arc<str>>,
    /// The highest seq that the client has seen.
    pub seq: Seq,
}

impl Cursor {
    /// The `since` of a client.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no integer of 0 or more.
    pub fn since(seq: Option<Seq>) -> Result<Self> {
        let seq = seq.filter(|seq| *seq >= 0);
        seq.map(Cursor::from)
            .ok_or_else(|| Error::invalid("since", rule::not_an_integer()))
    }

    /// A cursor of no history: a client that brings it is told to fetch again.
    pub fn unknown() -> Self {
        Cursor {
            epoch: Some("".into()),
            seq: 0,
        }
    }

    /// The cursor in whatever form a client has kept it: a number, its text, or `<epoch>:<seq>`. One that cannot be read is
    /// [`Cursor::unknown`].
    pub fn lenient(kept: &Value) -> Self {
        let cursor = match kept {
            Value::String(text) => match text.parse() {
                Ok(seq) => Cursor::since(Some(seq)).ok(),
                Err(_) => text.parse().ok(),
            },
            kept => Cursor::since(kept.as_i64()).ok(),
        };
        cursor.unwrap_or_else(Cursor::unknown)
    }
}

impl From<Seq> for Cursor {
    fn from(seq: Seq) -> Self {
        Cursor { epoch: None, seq }
    }
}

/// `<epoch>:<seq>`, as Socket.IO's clients keep it.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch.as_deref().unwrap_or(""), self.seq)
    }
}

impl FromStr for Cursor {
    type Err = ();
    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let (epoch, seq) = text.rsplit_once(':').ok_or(())?;
        Ok(Cursor {
            epoch: Some(epoch.into()),
            seq: seq.parse().ok().filter(|seq| *seq >= 0).ok_or(())?,
        })
    }
}

/// The first event on every connection.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Connected {
    pub user_id: UserId,
    pub connection_id: String,
    /// Every durable event after this one follows on this connection.
    pub seq: Seq,
    /// Events up to this one are counted in `unread`.
    pub up_to: Seq,
    pub unread: Unread,
    pub server_time: Time,
}

/// What a user has not read at a place in the sequence.
#[derive(Debug, Clone, Serialize)]
pub struct UnreadNow {
    #[serde(flatten)]
    pub counts: Unread,
    #[serde(skip)]
    pub as_of: Seq,
}

/// A user is writing to the recipient.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Typing {
    pub user_id: UserId,
    pub typing: bool,
}

/// Too much was missed to replay: the client fetches again and goes on after `seq`.
#[derive(Debug, Clone, Serialize)]
pub struct Resync {
    pub reason: &'static str,
    pub seq: Seq,
}

/// Asks a client for an acknowledgement.
#[derive(Debug, Clone, Serialize)]
pub struct Request {
    pub seq: Seq,
}

/// Whether a user looks at a page of theirs.
#[derive(Debug, Clone, Serialize)]
pub struct Looking {
    pub looking: bool,
    /// Up to where their other pages have shown them everything.
    pub seen: Seq,
}

/// A frame that was refused. The connection stays.
#[derive(Debug, Clone, Serialize)]
pub struct CommandRefused {
    pub code: &'static str,
    pub message: String,
}

/// `{}`.
#[derive(Debug, Clone, Serialize)]
pub struct Empty {}

/// Why the server closes a socket (RFC 6455 section 7.4.2, private range). 4000–4499: come back with `since`;
/// 4500–4999: do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CloseCode {
    Restarting = 4000,
    TokenExpired = 4001,
    TooSlow = 4002,
    Silent = 4003,
    TooManyFrames = 4004,
    BadToken = 4500,
    BadFrame = 4501,
    NoAuth = 4502,
    Revoked = 4503,
    TooManyConnections = 4504,
}

impl CloseCode {
    /// Whether the client should connect again by itself.
    pub fn come_back(self) -> bool {
        (self as u16) < 4500
    }

    pub fn reason(self) -> &'static str {
        match self {
            CloseCode::Restarting => "restarting",
            CloseCode::TokenExpired => "token expired",
            CloseCode::TooSlow => "reads too slowly",
            CloseCode::Silent => "silent for too long",
            CloseCode::TooManyFrames => "too many frames",
            CloseCode::BadToken => "bad token",
            CloseCode::BadFrame => "bad frame",
            CloseCode::NoAuth => "no auth in time",
            CloseCode::Revoked => "disabled or logged out everywhere",
            CloseCode::TooManyConnections => "too many connections",
        }
    }
}
