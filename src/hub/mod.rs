//! Who is online, and a bounded queue to each of their sockets.
//!
//! Publishing is synchronous and never waits: it puts a shared packet into inboxes and wakes their tasks. A shard's
//! lock is held to look a user up, never while encoding or logging.
//!
//! An open socket may be dead. So the hub knows for each user what was sent to their sockets ([`Hub::record_sent`]) and what
//! these acknowledged ([`Hub::ack`]). A user who leaves without acknowledging leaves an [`Unacked`].

mod acknowledgements;
mod dispatcher;
mod inbox;
mod visibility;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::limits::load_shedding::LoadShedding;
use crate::metrics::Metrics;
use crate::model::events::{CloseCode, Event, Publication};
use crate::model::ids::{ConnectionId, Seq, UserId, UserKey};

use dispatcher::ToWake;
use visibility::Hidden;

pub use acknowledgements::{ACK_GRACE, Ack, AckSource, Reach, Unacked};
pub use dispatcher::{Delivery, Dispatcher};
pub use inbox::{Drained, HARD_LIMIT, Inbox, Packet};

/// How long a user still counts as online after their last socket has closed.
pub const GRACE: Duration = Duration::from_secs(20);

const SHARDS: usize = 32;

/// People who come online.
pub type Arrivals = mpsc::UnboundedReceiver<(UserKey, UserId)>;

/// All open sockets of this process.
pub struct Hub {
    shards: Vec<Mutex<Shard>>,
    metrics: Arc<Metrics>,
    load: Arc<LoadShedding>,
    next_connection: AtomicU64,
    /// Whether what was unacknowledged before the start is queued.
    caught_up: AtomicBool,
    arrivals: mpsc::UnboundedSender<(UserKey, UserId)>,
    arrived: Mutex<Option<Arrivals>>,
    /// Sockets of administrators that show how things stand.
    watchers: Mutex<Vec<Weak<Inbox>>>,
}

#[derive(Default)]
struct Shard {
    users: HashMap<UserKey, Entry>,
    /// Of those who are not among `users` any more.
    unacked: HashMap<UserKey, Unacked>,
    /// What pages that have gone showed in the background, until it is saved.
    shown: Vec<Ack>,
}

impl Shard {
    /// Keeps what a page showed, which has gone or shows no more, until it is saved.
    fn keep_shown(&mut self, user: UserKey, shown: Option<(AckSource, Seq)>) {
        let shown = shown.map(|(by, seq)| Ack { user, by, seq });
        self.shown.extend(shown);
    }
}

struct Entry {
    id: UserId,
    devices: Vec<Arc<Inbox>>,
    /// Since when there is no device.
    left: Option<Instant>,
    /// The highest seq that was sent to these sockets, and the highest that one of them acknowledged.
    sent: Seq,
    acked: Seq,
    /// How far a page itself has acknowledged, and not just its link.
    acked_by_page: Seq,
    /// Whether `acked` has risen since it was last asked for.
    risen: bool,
    /// `None` while no page is in the background.
    hidden: Option<Box<Hidden>>,
}

impl Entry {
    fn connected(&self) -> bool {
        !self.devices.is_empty()
    }
}

impl Hub {
    pub fn new(metrics: Arc<Metrics>, load: Arc<LoadShedding>) -> Self {
        let (arrivals, arrived) = mpsc::unbounded_channel();
        Hub {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            metrics,
            load,
            // Starts at random, so that an id from before a restart names no socket.
            next_connection: AtomicU64::new(uuid::Uuid::now_v7().as_u64_pair().1),
            caught_up: AtomicBool::new(false),
            arrivals,
            arrived: Mutex::new(Some(arrived)),
            watchers: Mutex::default(),
        }
    }

    /// The stream of people who come online; the presence job takes it, once.
    pub fn take_arrivals(&self) -> Option<Arrivals> {
        lock(&self.arrived).take()
    }

    fn shard(&self, user: UserKey) -> MutexGuard<'_, Shard> {
        lock(&self.shards[user.0 as usize % SHARDS])
    }

    /// A new, empty inbox; nothing reaches it before [`Hub::register`].
    pub fn inbox(&self) -> Arc<Inbox> {
        let id = ConnectionId(self.next_connection.fetch_add(1, Ordering::Relaxed));
        Arc::new(Inbox::new(id, self.metrics.clone(), self.load.clone()))
    }

    /// From now on what is published to the user is put into `inbox`. With `max` sockets open already the oldest goes.
    /// `hidden`: the page is in the background.
    pub fn register(
        &self,
        user: UserKey,
        id: &UserId,
        inbox: Arc<Inbox>,
        max: usize,
        hidden: bool,
    ) {
        let mut locked = self.shard(user);
        let shard = &mut *locked;
        let unacked = shard.unacked.remove(&user);
        let mut arrived = false;
        let entry = shard.users.entry(user).or_insert_with(|| {
            arrived = true;
            Entry {
                id: id.clone(),
                devices: Vec::with_capacity(1),
                left: None,
                // Coming back is no acknowledgement.
                sent: unacked.map_or(0, |unacked| unacked.up_to),
                acked: unacked.map_or(0, |unacked| unacked.after),
                acked_by_page: 0,
                risen: false,
                hidden: None,
            }
        });
        entry.left = None;
        let oldest = (entry.devices.len() >= max).then(|| entry.devices.remove(0));
        let shown = oldest.as_ref().and_then(|inbox| entry.leave(inbox.id()));
        if hidden {
            let _ = entry.hide(inbox.id(), None);
            let before = unacked.and_then(|unacked| unacked.hidden_since);
            entry.set_hidden_since(before.or(entry.hidden_since()));
        }
        entry.devices.push(inbox);
        entry.visibility_changed();
        shard.keep_shown(user, shown);
        drop(locked);
        if arrived {
            self.metrics.users_online.inc();
            // The receiver lives as long as the presence job; without it the arrival is of no use.
            let _ = self.arrivals.send((user, id.clone()));
        }
        if let Some(oldest) = oldest {
            oldest.close(CloseCode::TooManyConnections);
        }
    }

    /// Takes a socket out. Its user stays online for [`GRACE`].
    pub fn unregister(&self, user: UserKey, connection: ConnectionId) {
        let mut locked = self.shard(user);
        let shard = &mut *locked;
        let Some(entry) = shard.users.get_mut(&user) else {
            return;
        };
        entry.devices.retain(|inbox| inbox.id() != connection);
        let shown = entry.leave(connection);
        if entry.devices.is_empty() && entry.left.is_none() {
            entry.left = Some(Instant::now());
        }
        entry.visibility_changed();
        shard.keep_shown(user, shown);
    }

    /// Removes those whose grace is over, and returns them.
    pub fn sweep(&self, now: Instant) -> Vec<(UserKey, UserId)> {
        let mut gone = Vec::new();
        for shard in &self.shards {
            let shard = &mut *lock(shard);
            shard.users.retain(|user, entry| {
                let over = entry
                    .left
                    .is_some_and(|left| now.saturating_duration_since(left) >= GRACE);
                if over {
                    shard
                        .unacked
                        .extend(entry.unacked(*user).map(|unacked| (*user, unacked)));
                    gone.push((*user, entry.id.clone()));
                }
                !over
            });
        }
        self.metrics.users_online.dec_by(gone.len() as i64);
        gone
    }

    /// Whether a user has a socket open, or had one a moment ago.
    pub fn is_online(&self, user: UserKey) -> bool {
        self.shard(user).users.contains_key(&user)
    }

    /// Whether a user has a socket open.
    pub fn is_connected(&self, user: UserKey) -> bool {
        let shard = self.shard(user);
        shard.users.get(&user).is_some_and(Entry::connected)
    }

    /// Everybody who has a socket open.
    pub fn online(&self) -> Vec<(UserKey, UserId)> {
        let mut online = Vec::new();
        for shard in &self.shards {
            let shard = lock(shard);
            let present = shard.users.iter().filter(|(_, entry)| entry.connected());
            online.extend(present.map(|(user, entry)| (*user, entry.id.clone())));
        }
        online
    }

    /// Puts an event into the inbox of each recipient's sockets. It is encoded once, and only if a socket gets it.
    pub fn publish(&self, publication: &Publication) {
        self.put(publication, &mut ToWake::default());
    }

    /// As [`Hub::publish`], but the sockets are woken with `to_wake`: once, for all that they get together.
    fn put(&self, publication: &Publication, to_wake: &mut ToWake) {
        if publication.event.droppable() && self.load.sheds_ephemeral() {
            self.metrics.refused("overload_ephemeral");
            return;
        }
        let mut inboxes = Vec::new();
        for &user in &publication.to {
            if let Some(entry) = self.shard(user).users.get(&user) {
                let told = |inbox: &&Arc<Inbox>| publication.except != Some((user, inbox.id()));
                inboxes.extend(entry.devices.iter().filter(told).cloned());
            }
        }
        if inboxes.is_empty() {
            return;
        }
        let packet = Arc::new(Packet::new(&publication.event));
        to_wake.bytes += packet.json.len();
        let woken = inboxes
            .into_iter()
            .filter(|inbox| inbox.put(packet.clone()));
        to_wake.inboxes.extend(woken);
    }

    /// As [`Hub::publish`] for an event that no socket caused.
    pub fn tell(&self, to: Vec<UserKey>, event: Event) {
        self.publish(&Publication {
            to,
            except: None,
            event,
        });
    }

    /// From now on [`Hub::tell_watchers`] reaches this socket.
    pub fn watch(&self, inbox: &Arc<Inbox>) {
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |watcher: &Weak<Inbox>| watcher.ptr_eq(&Arc::downgrade(inbox));
        if !watchers.iter().any(known) {
            watchers.push(Arc::downgrade(inbox));
        }
    }

    /// Whether any socket watches.
    pub fn watched(&self) -> bool {
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|watcher| watcher.strong_count() > 0);
        !watchers.is_empty()
    }

    /// Puts an event into the inbox of each socket that watches.
    pub fn tell_watchers(&self, event: &Event) {
        let packet = Arc::new(Packet::new(event));
        let watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        let watchers: Vec<Arc<Inbox>> = watchers.iter().filter_map(Weak::upgrade).collect();
        watchers.iter().for_each(|inbox| inbox.push(packet.clone()));
    }

    /// Closes every socket of a user.
    pub fn disconnect(&self, user: UserKey, code: CloseCode) {
        let devices = match self.shard(user).users.get(&user) {
            Some(entry) => entry.devices.clone(),
            None => return,
        };
        devices.iter().for_each(|inbox| inbox.close(code));
    }

    /// Closes the sockets of one of a user's sessions.
    pub fn end_session(&self, user: UserKey, session: &str) {
        let devices = match self.shard(user).users.get(&user) {
            Some(entry) => entry.devices.clone(),
            None => return,
        };
        let of_session = devices
            .iter()
            .filter(|inbox| inbox.session().as_deref() == Some(session));
        of_session.for_each(|inbox| inbox.close(CloseCode::Revoked));
    }

    /// The sessions of a user's open sockets.
    pub fn sessions(&self, user: UserKey) -> HashSet<Arc<str>> {
        let devices = match self.shard(user).users.get(&user) {
            Some(entry) => entry.devices.clone(),
            None => return HashSet::new(),
        };
        devices.iter().filter_map(|inbox| inbox.session()).collect()
    }

    /// Every open socket, for the stop of the server.
    pub fn all_inboxes(&self) -> Vec<Arc<Inbox>> {
        let mut inboxes = Vec::new();
        for shard in &self.shards {
            let shard = lock(shard);
            inboxes.extend(shard.users.values().flat_map(|entry| entry.devices.clone()));
        }
        inboxes
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under this lock can panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::events::Empty;

    pub fn hub() -> Hub {
        let metrics = Arc::new(Metrics::new());
        let load = LoadShedding::new(&Default::default(), Arc::default(), metrics.clone());
        Hub::new(metrics, Arc::new(load))
    }

    fn user_id() -> UserId {
        UserId::parse("u").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_is_online_until_the_grace_is_over() {
        let hub = hub();
        let user = UserKey(1);
        let inbox = hub.inbox();
        let id = inbox.id();
        hub.register(user, &user_id(), inbox, 9, false);
        hub.unregister(user, id);
        tokio::time::advance(GRACE - Duration::from_millis(1)).await;
        assert!(hub.sweep(Instant::now()).is_empty());
        assert!(hub.is_online(user));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(hub.sweep(Instant::now()), [(user, user_id())]);
        assert!(!hub.is_online(user));
    }

    #[tokio::test(start_paused = true)]
    async fn coming_back_within_the_grace_is_no_arrival() {
        let hub = hub();
        let mut arrived = hub.take_arrivals().unwrap();
        let user = UserKey(1);
        for _ in 0..2 {
            let inbox = hub.inbox();
            let id = inbox.id();
            hub.register(user, &user_id(), inbox, 9, false);
            hub.unregister(user, id);
        }
        assert!(arrived.try_recv().is_ok());
        assert!(arrived.try_recv().is_err());
    }

    #[tokio::test]
    async fn one_socket_too_many_closes_the_oldest() {
        let hub = hub();
        let user = UserKey(1);
        let inboxes: Vec<_> = (0..3).map(|_| hub.inbox()).collect();
        for inbox in &inboxes {
            hub.register(user, &user_id(), inbox.clone(), 2, false);
        }
        let close = Some(CloseCode::TooManyConnections);
        assert_eq!(inboxes[0].drain(usize::MAX).close, close);
        hub.tell(vec![user], Event::Pong(Empty {}));
        assert_eq!(inboxes[1].drain(usize::MAX).packets.len(), 1);
        assert_eq!(inboxes[2].drain(usize::MAX).packets.len(), 1);
    }
}
