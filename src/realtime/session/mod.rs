//! One connection's conversation with the server, whatever carries it: authentication, joining the stream, what a client may
//! say.
//!
//! What must stay true: a client sees every durable event after its cursor once, in order. So a session registers with the
//! hub first, reads what was missed in one snapshot of the database second, and lets through third what the hub queued
//! meanwhile with a seq after the snapshot's.

mod commands;
mod join;
mod written;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::typing::TypingGate;
use crate::app::App;
use crate::hub::{AckSource, Drained, Inbox, Packet};
use crate::limits::connection_limit::Slot;
use crate::model::events::{CloseCode, Cursor, Event, Request};
use crate::model::ids::Seq;
use crate::service::auth::Identity;

/// How long a socket may stay unauthenticated.
const AUTH_TIME: Duration = Duration::from_secs(10);

/// Events in answer to a command or a tick, or why to close.
pub type Reply = Result<Vec<Packet>, CloseCode>;

pub use commands::CommandError;
pub(super) use join::close_code;
pub use written::Shows;
use written::Written;

/// A socket's state.
pub struct Session {
    app: App,
    inbox: Arc<Inbox>,
    /// The connection's place, where it has one of its own.
    slot: Option<Arc<Slot>>,
    /// Where the client comes from. Boxed: it is of use for a moment only.
    since: Option<Box<Cursor>>,
    /// Whether the page says that it is in the background as it joins.
    hidden: bool,
    phase: Phase,
    typing: TypingGate,
    written: Written,
}

enum Phase {
    /// Not authenticated yet.
    Waiting { until: Instant },
    Joined {
        identity: Identity,
        expires: Instant,
        /// Events up to here were in the snapshot.
        seen: Seq,
        /// Names the history that the seqs are of.
        epoch: Arc<str>,
        /// Whether everything after the client's cursor was sent.
        resumed: bool,
    },
}

impl Session {
    /// An unauthenticated socket.
    pub fn new(app: App, slot: Option<Arc<Slot>>) -> Self {
        Session {
            inbox: app.hub.inbox(),
            slot,
            since: None,
            hidden: false,
            phase: Phase::Waiting {
                until: Instant::now() + AUTH_TIME,
            },
            typing: TypingGate::default(),
            written: Written::default(),
            app,
        }
    }

    /// Goes on, on a connection of its own.
    pub fn attach(&mut self, slot: Option<Arc<Slot>>) {
        if self.joined() {
            slot.iter().for_each(|slot| slot.mark_authenticated());
        }
        self.slot = slot;
    }

    /// The next session on the same connection.
    pub fn restart(&self) -> Self {
        self.slot.iter().for_each(|slot| slot.mark_anonymous());
        Session::new(self.app.clone(), self.slot.clone())
    }

    /// What came after this cursor is sent at joining.
    pub fn resume_from(&mut self, cursor: Cursor) {
        self.since = Some(Box::new(cursor));
    }

    /// The page that joins is in the background.
    pub fn begin_hidden(&mut self) {
        self.hidden = true;
    }

    pub fn inbox(&self) -> Arc<Inbox> {
        self.inbox.clone()
    }

    pub fn joined(&self) -> bool {
        matches!(self.phase, Phase::Joined { .. })
    }

    /// Whether the client has missed nothing after the cursor it came with.
    pub fn resumed(&self) -> bool {
        matches!(self.phase, Phase::Joined { resumed: true, .. })
    }

    /// Up to where the client has been sent everything.
    pub fn position(&self) -> Cursor {
        let epoch = match &self.phase {
            Phase::Joined { epoch, .. } => Some(epoch.clone()),
            Phase::Waiting { .. } => None,
        };
        Cursor {
            epoch,
            seq: self.written.sent(),
        }
    }

    /// What shows that the client has got what was written to it.
    pub fn shown_by(&mut self, shows: Shows) {
        self.written.shown_by(shows);
    }

    /// Resolves when the server stops, or gives the slot to another connection, while this socket is unauthenticated; the hub
    /// tells the others.
    pub async fn stopping(&self) {
        match (&self.phase, &self.slot) {
            (Phase::Waiting { .. }, Some(slot)) => tokio::select! {
                () = self.app.stopping.cancelled() => {}
                () = slot.lost() => {}
            },
            (Phase::Waiting { .. }, None) => self.app.stopping.cancelled().await,
            (Phase::Joined { .. }, _) => std::future::pending().await,
        }
    }

    /// When [`Session::tick`] has something to do.
    pub fn deadline(&self) -> Instant {
        let own = match &self.phase {
            Phase::Waiting { until } => *until,
            Phase::Joined { expires, .. } => *expires,
        };
        let due = [
            self.typing.deadline(),
            self.written.request_at(),
            self.written.silent_at(),
        ];
        due.into_iter().flatten().fold(own, Instant::min)
    }

    /// Does what is due.
    pub async fn tick(&mut self) -> Reply {
        let now = Instant::now();
        match &self.phase {
            Phase::Waiting { until } if *until <= now => return Err(CloseCode::NoAuth),
            Phase::Joined { expires, .. } if *expires <= now => {
                return Err(CloseCode::TokenExpired);
            }
            _ => {}
        }
        if self.written.silent_at().is_some_and(|at| at <= now) {
            return Err(CloseCode::Silent);
        }
        let mut packets = self.relay_due_typing(now).await;
        if self.written.request_at().is_some_and(|at| at <= now) {
            let seq = self.written.ask();
            packets.push(Packet::new(&Event::AckRequest(Request { seq })));
        }
        Ok(packets)
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
            self.written.note(seq, Instant::now());
        }
    }

    /// When the peer is to be asked by the heartbeat, out of turn, whether what was written has come.
    pub fn ask_at(&self) -> Option<Instant> {
        self.written.ask_at()
    }

    /// Asks for an acknowledgement: a client that answers with it has seen everything that was written so far.
    pub fn ask(&mut self) -> Seq {
        self.written.ask()
    }

    /// The peer has answered a ping of the protocol.
    pub fn pong(&mut self) {
        if let Some(seq) = self.written.pong(Instant::now()) {
            self.confirm(seq, AckSource::Link);
        }
    }

    /// The page, or the app, has got everything up to `seq`, as far as that was written.
    pub fn confirmed(&self, seq: Seq) {
        self.confirm(seq, AckSource::Page);
    }

    fn confirm(&self, seq: Seq, by: AckSource) {
        if let Phase::Joined { identity, .. } = &self.phase {
            let seq = seq.min(self.written.sent());
            let hub = &self.app.hub;
            hub.ack(identity.user.key, self.inbox.id(), seq, by);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Phase::Joined { identity, .. } = &self.phase {
            self.app.hub.unregister(identity.user.key, self.inbox.id());
        }
    }
}
