//! The connection limit: so many in all, and fewer that are not authenticated yet. When there is one too many, the one that has been
//! anonymous longest is closed, so a client that authenticates at once is never affected.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::site;
use crate::config::{self, count};
use crate::metrics::Metrics;

/// Files that are kept free for other things than connections: the database, pages, backups, push services.
const OTHER_FILES: u64 = 256;

/// The connections of a server, or sessions that hold none.
pub struct ConnectionLimit {
    limits: Option<Bounds>,
    /// The limit that metrics name when a connection is closed.
    reason: &'static str,
    state: Mutex<State>,
    metrics: Arc<Metrics>,
}

struct Bounds {
    all: usize,
    anonymous: usize,
    anonymous_per_address: usize,
}

#[derive(Default)]
struct State {
    taken: usize,
    /// Counts up, so that the first is the oldest.
    next: u64,
    anonymous: BTreeMap<u64, Anonymous>,
    by_address: HashMap<IpAddr, BTreeSet<u64>>,
}

struct Anonymous {
    address: Option<IpAddr>,
    lost: CancellationToken,
}

/// The slot of one connection, for as long as this is held.
pub struct Slot {
    slots: Arc<ConnectionLimit>,
    /// `None` for a trusted proxy, which carries many clients.
    address: Option<IpAddr>,
    /// Its place among the anonymous connections, while it is one of them.
    place: Mutex<Option<u64>>,
    lost: CancellationToken,
}

impl ConnectionLimit {
    pub fn new(config: &config::Limits, metrics: Arc<Metrics>) -> Self {
        let limits = config.enabled.then(|| Bounds {
            all: count(config.connections).min(files()),
            anonymous: count(config.anonymous_connections),
            anonymous_per_address: count(config.anonymous_per_address),
        });
        Self::within(limits, "anonymous_connections", metrics)
    }

    /// Long-polling sessions that are not authenticated yet: one request makes one, and holds no connection open. At most an
    /// eighth of them may come from one address.
    pub fn handshakes(config: &config::Limits, metrics: Arc<Metrics>) -> Self {
        let limits = config.enabled.then(|| Bounds {
            all: usize::MAX,
            anonymous: count(config.anonymous_connections),
            anonymous_per_address: count(config.anonymous_connections).div_ceil(8),
        });
        Self::within(limits, "handshakes", metrics)
    }

    fn within(limits: Option<Bounds>, reason: &'static str, metrics: Arc<Metrics>) -> Self {
        ConnectionLimit {
            limits,
            reason,
            state: Mutex::default(),
            metrics,
        }
    }

    /// A slot for a new connection, which is anonymous at first. `None` when all are taken by authenticated clients.
    /// `address`: where it comes from, unless that is a proxy.
    pub fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Arc<Slot>> {
        let mut state = self.lock();
        let full = self.limits.as_ref().is_some_and(|l| state.taken >= l.all);
        if full && !state.give_up_oldest() {
            drop(state);
            self.metrics.refused("connections");
            return None;
        }
        state.taken += 1;
        drop(state);
        let slot = Slot {
            slots: self.clone(),
            address: address.map(site),
            place: Mutex::default(),
            lost: CancellationToken::new(),
        };
        slot.mark_anonymous();
        Some(Arc::new(slot))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, slot: &Slot) -> u64 {
        let place = self.next;
        self.next += 1;
        let (address, lost) = (slot.address, slot.lost.clone());
        self.anonymous.insert(place, Anonymous { address, lost });
        if let Some(address) = address {
            self.by_address.entry(address).or_default().insert(place);
        }
        place
    }

    fn leave(&mut self, place: u64) -> Option<Anonymous> {
        let left = self.anonymous.remove(&place)?;
        if let Some(address) = left.address
            && let Some(places) = self.by_address.get_mut(&address)
        {
            places.remove(&place);
            if places.is_empty() {
                self.by_address.remove(&address);
            }
        }
        Some(left)
    }

    fn give_up(&mut self, place: Option<u64>) -> bool {
        let given_up = place.and_then(|place| self.leave(place));
        if let Some(anonymous) = &given_up {
            anonymous.lost.cancel();
        }
        given_up.is_some()
    }

    fn give_up_oldest(&mut self) -> bool {
        let oldest = self.anonymous.keys().next().copied();
        self.give_up(oldest)
    }

    fn of_address(&self, address: Option<IpAddr>) -> Option<&BTreeSet<u64>> {
        self.by_address.get(&address?)
    }
}

impl Slot {
    /// The client is authenticated: the slot stays with it.
    pub fn mark_authenticated(&self) {
        if let Some(place) = self.place().take() {
            self.slots.lock().leave(place);
        }
    }

    /// The client of the next request is not known: the slot goes to the end of the anonymous ones.
    pub fn mark_anonymous(&self) {
        let mut mine = self.place();
        let mut state = self.slots.lock();
        if let Some(before) = mine.take() {
            state.leave(before);
        }
        *mine = Some(state.enter(self));
        let Some(bounds) = &self.slots.limits else {
            return;
        };
        let crowd = state.of_address(self.address);
        let crowd = crowd.filter(|places| places.len() > bounds.anonymous_per_address);
        let first = crowd.and_then(|places| places.first().copied());
        let gave_up = state.give_up(first)
            || state.anonymous.len() > bounds.anonymous && state.give_up_oldest();
        if gave_up {
            self.slots.metrics.refused(self.slots.reason);
        }
    }

    /// Resolves when the slot was given to another connection.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }

    fn place(&self) -> MutexGuard<'_, Option<u64>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.mark_authenticated();
        self.slots.lock().taken -= 1;
    }
}

/// How many connections the system's limit of open files leaves room for.
fn files() -> usize {
    #[cfg(unix)]
    if let Ok((soft, _)) = rlimit::getrlimit(rlimit::Resource::NOFILE) {
        let left = soft.saturating_sub(OTHER_FILES).max(soft / 2);
        return usize::try_from(left).unwrap_or(usize::MAX);
    }
    usize::MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::at_least_one;

    fn slots(all: u32, anonymous: u32, per_address: u32) -> Arc<ConnectionLimit> {
        let config = config::Limits {
            connections: at_least_one(all),
            anonymous_connections: at_least_one(anonymous),
            anonymous_per_address: at_least_one(per_address),
            ..config::Limits::default()
        };
        Arc::new(ConnectionLimit::new(&config, Arc::new(Metrics::new())))
    }

    fn lost(slot: &Slot) -> bool {
        slot.lost.is_cancelled()
    }

    const A: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)));
    const B: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)));

    #[test]
    fn the_longest_unknown_of_a_crowded_address_goes() {
        let slots = slots(100, 100, 2);
        let other = slots.take(B).unwrap();
        let first = slots.take(A).unwrap();
        let second = slots.take(A).unwrap();
        first.mark_anonymous();
        let third = slots.take(A).unwrap();
        assert!(lost(&second), "the first has asked again since");
        assert!(!lost(&first) && !lost(&third) && !lost(&other));
    }

    #[test]
    fn authenticated_clients_stay_and_others_make_room() {
        let slots = slots(3, 2, 9);
        let known = slots.take(A).unwrap();
        known.mark_authenticated();
        let (b, c) = (slots.take(A).unwrap(), slots.take(B).unwrap());
        // Over the limit in all: the oldest anonymous one is closed, whatever its address.
        let d = slots.take(B).unwrap();
        assert!(lost(&b) && !lost(&known) && !lost(&c) && !lost(&d));
        drop(b);
        [&c, &d].iter().for_each(|slot| slot.mark_authenticated());
        assert!(slots.take(A).is_none(), "everybody is known");
        drop(c);
        assert!(slots.take(A).is_some());
    }

    #[test]
    fn nothing_is_kept_of_who_has_gone() {
        let slots = slots(9, 9, 9);
        for _ in 0..3 {
            let slot = slots.take(A).unwrap();
            slot.mark_authenticated();
            slot.mark_anonymous();
        }
        let state = slots.lock();
        assert!(state.taken == 0 && state.anonymous.is_empty() && state.by_address.is_empty());
    }
}
