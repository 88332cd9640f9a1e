//! Failed attempts by key: a few are free, then each doubles the wait before the next.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many keys are remembered; beyond that, only those that must wait.
const MAX_KEYS: usize = 50_000;

pub struct Attempts<K> {
    free: u32,
    /// After this long one failure is forgotten.
    forgets: Duration,
    longest: Duration,
    entries: Mutex<HashMap<K, Entry>>,
}

#[derive(Clone, Copy)]
struct Entry {
    failures: f64,
    at: Instant,
    until: Instant,
}

impl<K: Clone + Eq + Hash> Attempts<K> {
    pub fn new(free: u32, forgets: Duration, longest: Duration) -> Self {
        Attempts {
            free,
            forgets,
            longest,
            entries: Mutex::default(),
        }
    }

    /// Counts a failure.
    ///
    /// # Errors
    /// How long to wait; then it is not counted.
    pub fn begin(&self, key: &K) -> Result<(), Duration> {
        let now = Instant::now();
        let mut entries = self.lock();
        if entries.len() >= MAX_KEYS && !entries.contains_key(key) {
            self.make_room(&mut entries, now);
        }
        let entry = entries.entry(key.clone()).or_insert(Entry {
            failures: 0.0,
            at: now,
            until: now,
        });
        if entry.until > now {
            return Err(entry.until - now);
        }
        let failures = self.failures(entry, now) + 1.0;
        // A failure counts until all of it is forgotten.
        let over = failures.ceil() - f64::from(self.free);
        let wait = if over < 0.0 {
            Duration::ZERO
        } else {
            let seconds = over.clamp(0.0, 30.0).exp2();
            Duration::from_secs_f64(seconds).min(self.longest)
        };
        *entry = Entry {
            failures,
            at: now,
            until: now + wait,
        };
        Ok(())
    }

    /// How many keys are remembered.
    pub fn count(&self, key: &K) -> f64 {
        let now = Instant::now();
        let entries = self.lock();
        entries
            .get(key)
            .map_or(0.0, |entry| self.failures(entry, now))
    }

    /// Takes one failure back.
    pub fn take_back(&self, key: &K) {
        if let Some(entry) = self.lock().get_mut(key) {
            entry.failures = (entry.failures - 1.0).max(0.0);
            entry.until = entry.at;
        }
    }

    /// Forgets the failures of a key.
    pub fn forget(&self, key: &K) {
        self.lock().remove(key);
    }

    /// Drops keys whose failures are all forgotten.
    pub fn tidy(&self) {
        let now = Instant::now();
        self.lock()
            .retain(|_, entry| entry.until > now || self.failures(entry, now) > 0.0);
    }

    fn make_room(&self, entries: &mut HashMap<K, Entry>, now: Instant) {
        entries.retain(|_, entry| self.failures(entry, now) > 1.0);
        if entries.len() >= MAX_KEYS {
            entries.retain(|_, entry| entry.until > now);
        }
        if entries.len() >= MAX_KEYS {
            entries.clear();
        }
    }

    fn failures(&self, entry: &Entry, now: Instant) -> f64 {
        let forgotten = (now - entry.at).as_secs_f64() / self.forgets.as_secs_f64();
        (entry.failures - forgotten).max(0.0)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Attempts<&'static str> {
        Attempts::new(3, Duration::from_secs(60), Duration::from_secs(10))
    }

    #[tokio::test(start_paused = true)]
    async fn some_are_free_then_each_waits_longer_up_to_a_limit() {
        let attempts = three();
        let mut waits = Vec::new();
        for _ in 0..9 {
            while let Err(wait) = attempts.begin(&"ada") {
                waits.push(wait.as_secs_f64().round() as u64);
                tokio::time::advance(wait).await;
            }
        }
        assert_eq!(waits[..3], [1, 2, 4]);
        assert!(waits[3] >= 7 && waits.iter().all(|w| *w <= 10), "{waits:?}");
        assert!(attempts.begin(&"bob").is_ok(), "another is not touched");
    }

    #[tokio::test(start_paused = true)]
    async fn time_forgets_and_success_forgives() {
        let attempts = three();
        for _ in 0..3 {
            attempts.begin(&"ada").unwrap();
        }
        assert!(attempts.begin(&"ada").is_err());
        attempts.forget(&"ada");
        for _ in 0..3 {
            attempts.begin(&"ada").unwrap();
        }
        assert!(attempts.begin(&"ada").is_err());
        tokio::time::advance(Duration::from_secs(300)).await;
        attempts.tidy();
        assert!(attempts.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn one_taken_back_is_not_counted() {
        let attempts = three();
        for _ in 0..100 {
            attempts.begin(&"school").unwrap();
            attempts.take_back(&"school");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_names_takes_bounded_memory_and_frees_no_one_who_waits() {
        let attempts: Attempts<u64> =
            Attempts::new(2, Duration::from_secs(60), Duration::from_secs(60));
        attempts.begin(&0).unwrap();
        attempts.begin(&0).unwrap();
        for name in 1..(MAX_KEYS as u64 + 10_000) {
            attempts.begin(&name).unwrap();
        }
        assert!(attempts.lock().len() <= MAX_KEYS);
        assert!(attempts.begin(&0).is_err());
    }
}
