//! How much one person may do at once: the next one waits for its turn, and more than may wait are refused.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config;
use crate::error::{Error, Result};
use crate::metrics::Metrics;

/// When a refused caller may come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Cheap to clone.
pub struct Turns<K: Eq + Hash>(Arc<Shared<K>>);

struct Shared<K> {
    reason: &'static str,
    at_once: usize,
    waiting: usize,
    enabled: bool,
    metrics: Arc<Metrics>,
    /// The users who have a turn or wait for one.
    entries: Mutex<HashMap<K, Entry>>,
}

struct Entry {
    /// Turns, and those who wait.
    held: usize,
    turns: Arc<Semaphore>,
}

/// A user's turn, or their place among those who wait, for as long as this is held.
pub struct Turn<K: Clone + Eq + Hash> {
    of: Option<(Arc<Shared<K>>, K)>,
    permit: Option<OwnedSemaphorePermit>,
}

impl<K: Clone + Eq + Hash> Turns<K> {
    pub fn new(
        reason: &'static str,
        at_once: usize,
        waiting: usize,
        config: &config::Limits,
        metrics: Arc<Metrics>,
    ) -> Self {
        Turns(Arc::new(Shared {
            reason,
            at_once,
            waiting,
            enabled: config.enabled,
            metrics,
            entries: Mutex::default(),
        }))
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`Error::TooMany`] where enough of the same wait already.
    pub async fn turn(&self, key: K) -> Result<Turn<K>> {
        let shared = &self.0;
        if !shared.enabled {
            return Ok(Turn {
                of: None,
                permit: None,
            });
        }
        let turns = {
            let mut entries = shared.lock();
            let entry = entries.entry(key.clone()).or_insert_with(|| Entry {
                held: 0,
                turns: Arc::new(Semaphore::new(shared.at_once)),
            });
            if entry.held >= shared.at_once + shared.waiting {
                drop(entries);
                shared.metrics.refused(shared.reason);
                return Err(Error::TooMany(RETRY_AFTER));
            }
            entry.held += 1;
            entry.turns.clone()
        };
        // From here on `Drop` gives the place back, also where no caller waits any more.
        let mut turn = Turn {
            of: Some((shared.clone(), key)),
            permit: None,
        };
        turn.permit = turns.acquire_owned().await.ok();
        Ok(turn)
    }
}

impl<K> Shared<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash> Drop for Turn<K> {
    fn drop(&mut self) {
        self.permit.take();
        let Some((shared, key)) = self.of.take() else {
            return;
        };
        let mut entries = shared.lock();
        if let Some(entry) = entries.get_mut(&key) {
            entry.held -= 1;
            if entry.held == 0 {
                entries.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_at_a_time_some_wait_and_the_rest_is_refused() {
        let config = config::Limits::default();
        let turns = Turns::new("test", 1, 1, &config, Arc::new(Metrics::new()));
        let first = turns.turn("ann").await.unwrap();
        let mut second = Box::pin(turns.turn("ann"));
        assert!(second.as_mut().now_or_never().is_none(), "it waits");
        assert!(matches!(turns.turn("ann").await, Err(Error::TooMany(_))));
        let _bob = turns.turn("bob").await.unwrap();
        drop(first);
        let second = second.await.unwrap();
        // A caller that stops waiting leaves no trace.
        assert!(turns.turn("ann").now_or_never().is_none());
        drop(second);
        drop(turns.turn("ann").await.unwrap());
        assert!(!turns.0.lock().contains_key("ann"));
    }
}
