//! One socket's conversation with the server, whatever carries it: authentication, joining the stream, what a client may
//! say.
//!
//! What must stay true: a client sees every durable event after its cursor once, in order. So a session registers with the
//! hub first, reads what was missed in one snapshot of the database second, and lets through third what the hub queued
//! meanwhile with a seq after the snapshot's.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::bucket::Bucket;
use super::typing::TypingGate;
use crate::app::App;
use crate::error::{Error, Unauthorized};
use crate::hub::{Drained, Inbox, Packet};
use crate::model::events::{CloseCode, Connected, Empty, Event, Refused, Resync};
use crate::model::ids::{Seq, UserId, UserKey};
use crate::model::object::Object;
use crate::service::auth::{self, Identity};
use crate::service::{presence, users};
use crate::store::replay::{self, Missed, Snapshot};

/// How long a socket may be silent about who it is.
const AUTH_TIME: Duration = Duration::from_secs(10);
/// How soon after an event the peer is asked whether it came.
const ASK_AFTER: Duration = Duration::from_secs(5);

/// What to do after a frame or a tick: events to send, or the end.
pub type Step = Result<Vec<Packet>, CloseCode>;

/// A socket's state.
pub struct Session {
    app: App,
    inbox: Arc<Inbox>,
    since: Option<Seq>,
    phase: Phase,
    typing: TypingGate,
    frames: Bucket,
    /// The highest seq that was written to this socket.
    sent: Seq,
    /// Since when something was written of which nobody has asked yet whether it came.
    unasked: Option<Instant>,
}

enum Phase {
    /// Nobody knows who this is yet.
    Waiting { until: Instant },
    Joined {
        identity: Identity,
        expires: Instant,
        /// Events up to here were in the snapshot.
        seen: Seq,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Frame<'a> {
    event: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthData {
    token: Option<String>,
    since: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypingData {
    to: String,
    typing: bool,
}

impl Session {
    /// A socket that has not said yet who it is. `since`: the cursor it came with.
    pub fn new(app: App, since: Option<Seq>) -> Self {
        let now = Instant::now();
        Session {
            inbox: app.hub.inbox(),
            since,
            phase: Phase::Waiting {
                until: now + AUTH_TIME,
            },
            typing: TypingGate::default(),
            frames: Bucket::new(&app.config.limits),
            sent: 0,
            unasked: None,
            app,
        }
    }

    pub fn inbox(&self) -> Arc<Inbox> {
        self.inbox.clone()
    }

    /// Resolves when the server stops while it is not known yet who this is; the hub tells the others.
    pub async fn stopping(&self) {
        match self.phase {
            Phase::Waiting { .. } => self.app.stopping.cancelled().await,
            Phase::Joined { .. } => std::future::pending().await,
        }
    }

    /// When [`Session::tick`] has something to do.
    pub fn deadline(&self) -> Instant {
        let own = match &self.phase {
            Phase::Waiting { until } => *until,
            Phase::Joined { expires, .. } => *expires,
        };
        self.typing.deadline().map_or(own, |typing| own.min(typing))
    }

    /// Does what is due.
    pub async fn tick(&mut self) -> Step {
        let now = Instant::now();
        match &self.phase {
            Phase::Waiting { until } if *until <= now => return Err(CloseCode::NoAuth),
            Phase::Joined { expires, .. } if *expires <= now => {
                return Err(CloseCode::TokenExpired);
            }
            _ => {}
        }
        if let Some((to, typing)) = self.typing.due(now) {
            return Ok(self.relay_typing(&to, typing).await.into_iter().collect());
        }
        Ok(Vec::new())
    }

    /// Counts a frame against the limit.
    pub fn count_frame(&mut self) -> Result<(), CloseCode> {
        self.frames.take(&self.app.config.limits)
    }

    /// Takes `{"event": …, "data": …}`.
    ///
    /// # Errors
    /// [`CloseCode::BadFrame`] for what is not that; others as the event says.
    pub async fn receive(&mut self, text: &str) -> Step {
        let parsed = serde_json::from_str(text);
        let Object(frame): Object<Frame> = parsed.map_err(|_| CloseCode::BadFrame)?;
        let data = frame.data.map_or("null", RawValue::get);
        match (frame.event.as_str(), &self.phase) {
            ("ping", _) => Ok(vec![Packet::new(&Event::Pong(Empty {}))]),
            ("auth", _) => self.receive_auth(data).await,
            (_, Phase::Waiting { .. }) => {
                Ok(vec![refuse(&Error::Unauthorized(Unauthorized::Missing))])
            }
            ("typing", _) => Ok(self.receive_typing(data).await.into_iter().collect()),
            _ => Ok(vec![refuse(&Error::invalid(
                "event",
                "is none of auth, typing and ping",
            ))]),
        }
    }

    async fn receive_auth(&mut self, data: &str) -> Step {
        let parsed = serde_json::from_str(data);
        let Object(data): Object<AuthData> = parsed.map_err(|_| CloseCode::BadFrame)?;
        let Some(token) = data.token else {
            return Err(CloseCode::BadToken);
        };
        if let Some(since) = data.since {
            let Some(since) = since.as_i64().filter(|seq| *seq >= 0) else {
                let error = Error::invalid("since", "must be an integer of 0 or more");
                return Ok(vec![refuse(&error)]);
            };
            self.since = Some(since);
        }
        let identity = auth::identity(&self.app, &token)
            .await
            .map_err(close_code)?;
        self.authenticate(identity).await
    }

    /// Somebody whose token holds is on the line: they join, or, having joined, go on with a newer token.
    pub async fn authenticate(&mut self, identity: Identity) -> Step {
        // A request may be a moment late; a socket would close again at once.
        if identity.expires_at <= self.app.now() {
            return Err(CloseCode::TokenExpired);
        }
        let expires = self.expiry(&identity);
        match &mut self.phase {
            Phase::Joined {
                identity: before,
                expires: until,
                ..
            } => {
                if before.user.key != identity.user.key {
                    return Err(CloseCode::BadToken);
                }
                (*before, *until) = (identity, expires);
                Ok(Vec::new())
            }
            Phase::Waiting { .. } => {
                // Boxed: it runs once, and an idle socket's task should not be as large as this.
                Box::pin(self.join(identity, expires)).await
            }
        }
    }

    /// When a token expires on the clock that does not jump.
    fn expiry(&self, identity: &Identity) -> Instant {
        let left = (identity.expires_at.0 - self.app.now().0).max(0) as u64;
        // A token for ever ends some day: timers do not reach further than two years.
        Instant::now() + Duration::from_millis(left.min(730 * 86_400_000))
    }

    async fn join(&mut self, identity: Identity, expires: Instant) -> Step {
        let user = identity.user.clone();
        let limits = &self.app.config.limits;
        let max = if limits.enabled {
            limits.connections_per_user
        } else {
            usize::MAX
        };
        self.app
            .hub
            .register(user.key, user.id(), self.inbox.clone(), max);
        // From here on `Drop` takes the socket out of the hub again.
        self.phase = Phase::Joined {
            identity,
            expires,
            seen: Seq::MAX,
        };
        // The stop has told those who were registered before.
        if self.app.stopping.is_cancelled() {
            return Err(CloseCode::Restarting);
        }
        // Whoever was shut out between the check of the token and the registration was told nothing.
        match users::find(&self.app, user.id()).await {
            Ok(Some(now)) if now.token_version == user.token_version && !now.disabled => {}
            Ok(_) => return Err(CloseCode::Revoked),
            Err(error) => return Err(close_code(error)),
        }
        let (key, since) = (user.key, self.since);
        let snapshot = self
            .app
            .store
            .read(move |c| replay::snapshot(c, key, since))
            .await
            .map_err(close_code)?;
        if let Phase::Joined { seen, .. } = &mut self.phase {
            *seen = snapshot.seq;
        }
        let packets = self.welcome(snapshot);
        self.note_cursor(user.key, since, &packets);
        Ok(packets)
    }

    /// A client with a cursor has seen what is before it, and is left what is sent again; one that missed nothing, or has no
    /// cursor, or is told to fetch again, has everything that the snapshot has.
    fn note_cursor(&self, user: UserKey, since: Option<Seq>, packets: &[Packet]) {
        let Phase::Joined { seen, .. } = &self.phase else {
            return;
        };
        let replayed = packets.iter().filter_map(|packet| packet.seq).max();
        match (since, replayed) {
            (Some(since), Some(last)) => {
                self.app.hub.confirm(user, since);
                self.app.hub.promise(user, last);
            }
            _ => self.app.hub.confirm(user, *seen),
        }
    }

    /// `connected`, then what was missed. Its `seq` is where the events that follow begin.
    fn welcome(&self, snapshot: Snapshot) -> Vec<Packet> {
        let Phase::Joined { identity, .. } = &self.phase else {
            return Vec::new();
        };
        let resync = |reason| Resync {
            reason,
            seq: snapshot.seq,
        };
        let (seq, missed) = match snapshot.missed {
            Missed::Events(events) => (self.since.unwrap_or(snapshot.seq), events),
            Missed::TooMany => {
                let event = Event::Resync(resync("too_much_missed"));
                (snapshot.seq, vec![event])
            }
            Missed::Ahead => {
                let event = Event::Resync(resync("unknown_cursor"));
                (snapshot.seq, vec![event])
            }
        };
        if self.since.is_some() {
            self.app.metrics.replay_events.observe(missed.len() as f64);
        }
        let connected = Event::Connected(Connected {
            user_id: identity.user.id().clone(),
            connection_id: self.inbox.id().to_string(),
            seq,
            unread: snapshot.unread,
            server_time: self.app.now(),
        });
        let events = std::iter::once(connected).chain(missed);
        events.map(|event| Packet::new(&event)).collect()
    }

    /// Queued events of about `limit` bytes, without those that the snapshot had.
    pub fn drain(&self, limit: usize) -> Drained {
        let Phase::Joined { seen, .. } = &self.phase else {
            return Drained::default();
        };
        loop {
            let mut drained = self.inbox.drain(limit);
            let nothing = drained.packets.is_empty();
            let fresh = |packet: &Arc<Packet>| packet.seq.is_none_or(|seq| seq > *seen);
            drained.packets.retain(fresh);
            if nothing || !drained.packets.is_empty() || drained.close.is_some() {
                return drained;
            }
        }
    }

    /// Takes note of an event that was written.
    pub fn delivered(&mut self, packet: &Packet) {
        self.app.metrics.events_delivered.inc();
        if let Some(seq) = packet.seq {
            self.sent = self.sent.max(seq);
            self.unasked.get_or_insert_with(Instant::now);
        }
    }

    /// When the peer is to be asked whether what was written has come.
    pub fn ask_at(&self) -> Option<Instant> {
        self.unasked.map(|since| since + ASK_AFTER)
    }

    /// The question: whoever answers with it has seen everything that was written so far.
    pub fn ask(&mut self) -> Seq {
        self.unasked = None;
        self.sent
    }

    /// The peer has answered with `seq`.
    pub fn confirmed(&self, seq: Seq) {
        if let Phase::Joined { identity, .. } = &self.phase {
            self.app.hub.confirm(identity.user.key, seq.min(self.sent));
        }
    }

    async fn receive_typing(&mut self, data: &str) -> Option<Packet> {
        let Ok(Object(data)) = serde_json::from_str::<Object<TypingData>>(data) else {
            let error = Error::invalid("data", "must be {\"to\": string, \"typing\": boolean}");
            return Some(refuse(&error));
        };
        let to = match UserId::parse_field("to", &data.to) {
            Ok(to) => to,
            Err(error) => return Some(refuse(&error)),
        };
        if !self.typing.admit(&to, data.typing, Instant::now()) {
            return None;
        }
        self.relay_typing(&to, data.typing).await
    }

    async fn relay_typing(&self, to: &UserId, typing: bool) -> Option<Packet> {
        let Phase::Joined { identity, .. } = &self.phase else {
            return None;
        };
        let told = presence::typing(&self.app, &identity.user, to, typing).await;
        told.err().map(|error| refuse(&error))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Phase::Joined { identity, .. } = &self.phase {
            self.app.hub.unregister(identity.user.key, self.inbox.id());
        }
    }
}

fn refuse(error: &Error) -> Packet {
    Packet::new(&Event::Error(Refused {
        code: error.code(),
        message: error.public_message().into_owned(),
    }))
}

/// What an error in establishing who is there means for the socket.
fn close_code(error: Error) -> CloseCode {
    match error {
        Error::Unauthorized(Unauthorized::Expired) => CloseCode::TokenExpired,
        Error::Unauthorized(Unauthorized::Disabled | Unauthorized::Revoked) => CloseCode::Revoked,
        Error::Unauthorized(_) | Error::Invalid(_) => CloseCode::BadToken,
        other => {
            tracing::error!(error = %other, "a socket could not join");
            CloseCode::Restarting
        }
    }
}
