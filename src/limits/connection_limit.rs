//! Connections: so many in all, and fewer of those of which nobody knows yet who they are. When there is one too many, the
//! one goes that has been unknown longest: whoever says at once who they are is never it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::site;
use crate::config;
use crate::metrics::Metrics;

/// Files that are kept free for other things than connections: the database, pages, backups, push services.
const OTHER_FILES: u64 = 256;

/// The connections of a server, or sessions that hold none.
pub struct Seats {
    limits: Option<Bounds>,
    /// What a place that was given up counts as.
    reason: &'static str,
    state: Mutex<State>,
    metrics: Arc<Metrics>,
}

struct Bounds {
    all: usize,
    unknown: usize,
    unknown_per_address: usize,
}

#[derive(Default)]
struct State {
    taken: usize,
    /// Counts up, so that the first is the oldest.
    next: u64,
    unknown: BTreeMap<u64, Unknown>,
    by_address: HashMap<IpAddr, BTreeSet<u64>>,
}

struct Unknown {
    address: Option<IpAddr>,
    lost: CancellationToken,
}

/// One connection's place, for as long as this is held.
pub struct Seat {
    seats: Arc<Seats>,
    /// Of a proxy, which brings many people, there is none.
    address: Option<IpAddr>,
    /// Its place among the unknown, while it is one of them.
    place: Mutex<Option<u64>>,
    lost: CancellationToken,
}

impl Seats {
    pub fn new(config: &config::Limits, metrics: Arc<Metrics>) -> Self {
        let limits = config.enabled.then(|| Bounds {
            all: config.connections.min(files()),
            unknown: config.anonymous_connections,
            unknown_per_address: config.anonymous_per_address,
        });
        Self::within(limits, "anonymous_connections", metrics)
    }

    /// Sessions of long-polling whose owner is not known yet: one request makes one, and holds no connection open. An eighth
    /// of them may be of one address.
    pub fn handshakes(config: &config::Limits, metrics: Arc<Metrics>) -> Self {
        let limits = config.enabled.then(|| Bounds {
            all: usize::MAX,
            unknown: config.anonymous_connections,
            unknown_per_address: config.anonymous_connections.div_ceil(8),
        });
        Self::within(limits, "handshakes", metrics)
    }

    fn within(limits: Option<Bounds>, reason: &'static str, metrics: Arc<Metrics>) -> Self {
        Seats {
            limits,
            reason,
            state: Mutex::default(),
            metrics,
        }
    }

    /// A place for a new connection, which is unknown at first. `None` where all are taken by people who are known.
    /// `address`: where it comes from, unless that is a proxy.
    pub fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Arc<Seat>> {
        let mut state = self.lock();
        let full = self.limits.as_ref().is_some_and(|l| state.taken >= l.all);
        if full && !state.give_up_oldest() {
            drop(state);
            self.metrics.refused("connections");
            return None;
        }
        state.taken += 1;
        drop(state);
        let seat = Seat {
            seats: self.clone(),
            address: address.map(site),
            place: Mutex::default(),
            lost: CancellationToken::new(),
        };
        seat.unknown();
        Some(Arc::new(seat))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, seat: &Seat) -> u64 {
        let place = self.next;
        self.next += 1;
        let (address, lost) = (seat.address, seat.lost.clone());
        self.unknown.insert(place, Unknown { address, lost });
        if let Some(address) = address {
            self.by_address.entry(address).or_default().insert(place);
        }
        place
    }

    fn leave(&mut self, place: u64) -> Option<Unknown> {
        let left = self.unknown.remove(&place)?;
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
        if let Some(unknown) = &given_up {
            unknown.lost.cancel();
        }
        given_up.is_some()
    }

    fn give_up_oldest(&mut self) -> bool {
        let oldest = self.unknown.keys().next().copied();
        self.give_up(oldest)
    }

    fn of_address(&self, address: Option<IpAddr>) -> Option<&BTreeSet<u64>> {
        self.by_address.get(&address?)
    }
}

impl Seat {
    /// It is known who is here: nobody takes this place any more.
    pub fn known(&self) {
        if let Some(place) = self.place().take() {
            self.seats.lock().leave(place);
        }
    }

    /// The next request may be anybody's: goes to the end of the unknown.
    pub fn unknown(&self) {
        let mut mine = self.place();
        let mut state = self.seats.lock();
        if let Some(before) = mine.take() {
            state.leave(before);
        }
        *mine = Some(state.enter(self));
        let Some(bounds) = &self.seats.limits else {
            return;
        };
        let crowd = state.of_address(self.address);
        let crowd = crowd.filter(|places| places.len() > bounds.unknown_per_address);
        let first = crowd.and_then(|places| places.first().copied());
        let gave_up =
            state.give_up(first) || state.unknown.len() > bounds.unknown && state.give_up_oldest();
        if gave_up {
            self.seats.metrics.refused(self.seats.reason);
        }
    }

    /// Resolves when the place was given to somebody else.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }

    fn place(&self) -> MutexGuard<'_, Option<u64>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.known();
        self.seats.lock().taken -= 1;
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

    fn seats(all: usize, unknown: usize, per_address: usize) -> Arc<Seats> {
        let config = config::Limits {
            connections: all,
            anonymous_connections: unknown,
            anonymous_per_address: per_address,
            ..config::Limits::default()
        };
        Arc::new(Seats::new(&config, Arc::new(Metrics::new())))
    }

    fn lost(seat: &Seat) -> bool {
        seat.lost.is_cancelled()
    }

    const A: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)));
    const B: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)));

    #[test]
    fn the_longest_unknown_of_a_crowded_address_goes() {
        let seats = seats(100, 100, 2);
        let other = seats.take(B).unwrap();
        let first = seats.take(A).unwrap();
        let second = seats.take(A).unwrap();
        first.unknown();
        let third = seats.take(A).unwrap();
        assert!(lost(&second), "the first has asked again since");
        assert!(!lost(&first) && !lost(&third) && !lost(&other));
    }

    #[test]
    fn whoever_is_known_stays_and_the_rest_makes_room() {
        let seats = seats(3, 2, 9);
        let known = seats.take(A).unwrap();
        known.known();
        let (b, c) = (seats.take(A).unwrap(), seats.take(B).unwrap());
        // Over the limit in all: the oldest unknown goes, whatever its address.
        let d = seats.take(B).unwrap();
        assert!(lost(&b) && !lost(&known) && !lost(&c) && !lost(&d));
        drop(b);
        [&c, &d].iter().for_each(|seat| seat.known());
        assert!(seats.take(A).is_none(), "everybody is known");
        drop(c);
        assert!(seats.take(A).is_some());
    }

    #[test]
    fn nothing_is_kept_of_who_has_gone() {
        let seats = seats(9, 9, 9);
        for _ in 0..3 {
            let seat = seats.take(A).unwrap();
            seat.known();
            seat.unknown();
        }
        let state = seats.lock();
        assert!(state.taken == 0 && state.unknown.is_empty() && state.by_address.is_empty());
    }
}
