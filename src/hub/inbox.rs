//! The queue to one socket, bounded in bytes. The producer never waits; a reader that is too slow loses first what
//! is cheap to lose, then the connection, and comes back with its cursor.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::limits::load_shedding::LoadShedding;
use crate::metrics::Metrics;
use crate::model::events::{CloseCode, Event};
use crate::model::ids::{ConnectionId, Seq};

/// Above this, typing and presence are left out.
pub const SOFT_LIMIT: usize = 64 << 10;
/// Above this, the connection goes.
pub const HARD_LIMIT: usize = 256 << 10;

/// An encoded event, shared by everyone who gets it.
#[derive(Debug)]
pub struct Packet {
    pub json: String,
    pub seq: Option<Seq>,
    /// See [`Event::is_resumable`].
    pub resumable: bool,
    droppable: bool,
}

impl Packet {
    pub fn new(event: &Event) -> Self {
        Packet {
            json: event.to_json(),
            seq: event.seq(),
            resumable: event.is_resumable(),
            droppable: event.droppable(),
        }
    }

    /// The event's name and its data, for a protocol that has its own envelope around them.
    pub fn parts(&self) -> (&str, &str) {
        // What serde writes for an adjacently tagged enum; a test holds it.
        let inner = self.json.strip_prefix(r#"{"event":""#);
        let parts = inner.and_then(|inner| inner.split_once(r#"","data":"#));
        parts.map_or(("", ""), |(name, data)| {
            (name, data.strip_suffix('}').unwrap_or(data))
        })
    }
}

/// One socket's queue.
pub struct Inbox {
    id: ConnectionId,
    queue: Mutex<Queue>,
    wake: Notify,
    metrics: Arc<Metrics>,
    load: Arc<LoadShedding>,
}

#[derive(Default)]
struct Queue {
    packets: VecDeque<Arc<Packet>>,
    bytes: usize,
    close: Option<CloseCode>,
    /// The session of the socket's current token.
    session: Option<Arc<str>>,
}

/// What a connection takes out of its inbox.
#[derive(Default)]
pub struct Drained {
    pub packets: Vec<Arc<Packet>>,
    /// Why to close, once the packets are written.
    pub close: Option<CloseCode>,
}

impl Inbox {
    pub fn new(id: ConnectionId, metrics: Arc<Metrics>, load: Arc<LoadShedding>) -> Self {
        Inbox {
            id,
            queue: Mutex::default(),
            wake: Notify::new(),
            metrics,
            load,
        }
    }

    pub fn id(&self) -> ConnectionId {
        self.id
    }

    pub fn session(&self) -> Option<Arc<str>> {
        self.queue().session.clone()
    }

    pub fn set_session(&self, session: Option<Arc<str>>) {
        self.queue().session = session;
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing under this lock can panic half-way through a change.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn push(&self, packet: Arc<Packet>) {
        if self.put(packet) {
            self.wake();
        }
    }

    /// Queues a packet and says whether the connection is to be told with [`Inbox::wake`]: not where something waits
    /// already, since a connection that knows of that comes back until nothing is left.
    #[must_use]
    pub fn put(&self, packet: Arc<Packet>) -> bool {
        let size = packet.json.len();
        let mut queue = self.queue();
        if queue.close.is_some() {
            return false;
        }
        let waiting = queue.bytes + size;
        if waiting > HARD_LIMIT || self.load.over_share(waiting) {
            queue.close = Some(CloseCode::TooSlow);
            self.forget(&mut queue);
            return true;
        }
        if packet.droppable && waiting > SOFT_LIMIT {
            self.metrics.events_dropped.inc();
            return false;
        }
        let first = queue.packets.is_empty();
        queue.packets.push_back(packet);
        queue.bytes = waiting;
        self.load.queues().event_bytes.add(size);
        first
    }

    /// Tells the connection that something waits.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// The first reason to close counts. A client that may not come back gets nothing more of the queue.
    pub fn close(&self, code: CloseCode) {
        let mut queue = self.queue();
        queue.close.get_or_insert(code);
        if !code.come_back() {
            self.forget(&mut queue);
        }
        drop(queue);
        self.wake();
    }

    fn forget(&self, queue: &mut Queue) {
        queue.packets.clear();
        self.load.queues().event_bytes.sub(queue.bytes);
        queue.bytes = 0;
    }

    /// Takes packets of about `limit` bytes, at least one where there is one.
    pub fn drain(&self, limit: usize) -> Drained {
        let mut drained = Drained::default();
        let mut taken = 0;
        let mut queue = self.queue();
        while taken < limit
            && let Some(packet) = queue.packets.pop_front()
        {
            taken += packet.json.len();
            drained.packets.push(packet);
        }
        queue.bytes -= taken;
        if queue.packets.is_empty() {
            drained.close = queue.close;
            // An idle socket holds no queue.
            queue.packets = VecDeque::new();
        }
        drop(queue);
        self.load.queues().event_bytes.sub(taken);
        drained
    }

    /// Whether something waits to be taken.
    pub fn has_packets(&self) -> bool {
        !self.queue().packets.is_empty()
    }

    /// Why to close, if that has been decided, whatever waits.
    pub fn closing(&self) -> Option<CloseCode> {
        self.queue().close
    }

    /// Resolves when something new waits.
    pub async fn wait(&self) {
        self.wake.notified().await;
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let left = self.queue().bytes;
        self.load.queues().event_bytes.sub(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::events::{Empty, Typing};
    use crate::model::ids::UserId;

    fn packet(size: usize, droppable: bool) -> Arc<Packet> {
        Arc::new(Packet {
            json: "x".repeat(size),
            seq: None,
            resumable: false,
            droppable,
        })
    }

    fn inbox() -> (Inbox, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::new());
        let load = LoadShedding::new(&Default::default(), Arc::default(), metrics.clone());
        let inbox = Inbox::new(ConnectionId(1), metrics.clone(), load.into());
        (inbox, metrics)
    }

    #[test]
    fn an_event_comes_apart_into_name_and_data() {
        let event = Event::Typing(Typing {
            user_id: UserId::parse("a").unwrap(),
            typing: true,
        });
        let packet = Packet::new(&event);
        let parts = ("typing", r#"{"userId":"a","typing":true}"#);
        assert_eq!(packet.parts(), parts);
        assert_eq!(Packet::new(&Event::Pong(Empty {})).parts(), ("pong", "{}"));
    }

    #[test]
    fn a_slow_reader_loses_the_cheap_first() {
        let (inbox, metrics) = inbox();
        inbox.push(packet(SOFT_LIMIT, false));
        inbox.push(packet(1, true));
        inbox.push(packet(1, false));
        assert_eq!(inbox.drain(usize::MAX).packets.len(), 2);
        assert_eq!(metrics.events_dropped.get(), 1);
    }

    #[test]
    fn at_the_hard_limit_the_socket_goes_and_the_memory_with_it() {
        let (inbox, _) = inbox();
        inbox.push(packet(HARD_LIMIT, false));
        inbox.push(packet(1, false));
        let drained = inbox.drain(usize::MAX);
        assert!(drained.packets.is_empty());
        assert_eq!(drained.close, Some(CloseCode::TooSlow));
        assert_eq!(inbox.load.queues().event_bytes.get(), 0);
    }

    #[test]
    fn only_the_first_of_many_wakes() {
        let (inbox, _) = inbox();
        assert!(inbox.put(packet(10, false)));
        assert!(!inbox.put(packet(10, false)));
        assert_eq!(inbox.drain(usize::MAX).packets.len(), 2);
        assert!(inbox.put(packet(10, false)), "what came after the drain");
        assert!(
            inbox.put(packet(HARD_LIMIT, false)),
            "the connection is to hear that it goes"
        );
    }

    #[test]
    fn a_close_waits_for_what_was_queued_before_it() {
        let (inbox, _) = inbox();
        inbox.push(packet(10, false));
        inbox.push(packet(10, false));
        inbox.close(CloseCode::Restarting);
        assert_eq!(inbox.drain(5).close, None);
        assert_eq!(inbox.drain(5).close, Some(CloseCode::Restarting));
    }

    #[test]
    fn a_client_that_may_not_come_back_gets_nothing_more() {
        let (inbox, _) = inbox();
        inbox.push(packet(10, false));
        inbox.close(CloseCode::Revoked);
        let drained = inbox.drain(usize::MAX);
        assert!(drained.packets.is_empty());
        assert_eq!(drained.close, Some(CloseCode::Revoked));
        assert_eq!(inbox.load.queues().event_bytes.get(), 0);
    }
}
