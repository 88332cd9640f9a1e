//! Load shedding: the fuller the queues are, the more the server refuses. What is cheapest to lose goes first: typing and
//! presence, then new sockets, then reads, and writes last.

use std::sync::Arc;
use std::time::Duration;

use super::queues::Queues;
use super::rates::RequestClass;
use crate::config;
use crate::error::{Error, Result};
use crate::metrics::Metrics;

/// Writes that may wait for the writer; one more is refused at once.
pub const MAX_WRITES: usize = 4_096;
/// Reads that may wait for a connection.
pub const MAX_READS: usize = 2_048;
/// Events that may wait for one socket, in bytes, while those of all are over their limit.
pub const FAIR_SHARE_BYTES: usize = 8 << 10;

/// How much is shed. Each level sheds what the levels before it do, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Nothing,
    /// A quarter full: no typing, no presence.
    Ephemeral,
    /// Half full: no new sockets.
    Sockets,
    /// Three quarters full: no reads.
    Reads,
    /// Full: no writes.
    Writes,
}

/// Decides by the lengths of the queues.
pub struct LoadShedding {
    queues: Arc<Queues>,
    metrics: Arc<Metrics>,
    queue_bytes: usize,
    enabled: bool,
}

impl LoadShedding {
    pub fn new(config: &config::Limits, queues: Arc<Queues>, metrics: Arc<Metrics>) -> Self {
        LoadShedding {
            queues,
            metrics,
            queue_bytes: (config.queue_mebibytes.get() as usize) << 20,
            enabled: config.enabled,
        }
    }

    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// The fullest queue decides.
    pub fn level(&self) -> Level {
        if !self.enabled {
            return Level::Nothing;
        }
        let writes = self.queues.writes.get() * 4 / MAX_WRITES;
        let reads = self.queues.reads.get() * 4 / MAX_READS;
        match writes.max(reads).max(self.event_quarters()) {
            0 => Level::Nothing,
            1 => Level::Ephemeral,
            2 => Level::Sockets,
            3 => Level::Reads,
            _ => Level::Writes,
        }
    }

    fn event_quarters(&self) -> usize {
        // Slow readers are no reason to turn others away: they are disconnected themselves (see `over_share`).
        (self.queues.event_bytes.get() * 4 / self.queue_bytes.max(1)).min(1)
    }

    /// Whether events that are cheap to lose are left out.
    pub fn sheds_ephemeral(&self) -> bool {
        self.level() >= Level::Ephemeral
    }

    /// Whether a socket with so many bytes waiting must go, so that all sockets together stay within bounds.
    pub fn over_share(&self, bytes: usize) -> bool {
        self.enabled && bytes > FAIR_SHARE_BYTES && self.queues.event_bytes.get() > self.queue_bytes
    }

    /// # Errors
    /// [`Error::Unavailable`] where this kind of request is not taken now.
    pub fn admit(&self, kind: RequestClass) -> Result<()> {
        let level = self.level();
        let (last, reason) = match kind {
            RequestClass::Socket => (Level::Ephemeral, "overload_sockets"),
            RequestClass::Read | RequestClass::Search => (Level::Sockets, "overload_reads"),
            RequestClass::Write => (Level::Reads, "overload_writes"),
        };
        if level <= last {
            return Ok(());
        }
        self.metrics.refused(reason);
        let why = "The server has too much to do. Try again in a moment.";
        Err(Error::Unavailable(why.into(), Duration::from_secs(2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_shedding() -> (LoadShedding, Arc<Queues>) {
        let queues = Arc::<Queues>::default();
        let metrics = Arc::new(Metrics::new());
        let load = LoadShedding::new(&config::Limits::default(), queues.clone(), metrics);
        (load, queues)
    }

    #[test]
    fn what_is_cheapest_to_lose_goes_first() {
        let (load, queues) = load_shedding();
        let taken = || {
            [
                RequestClass::Socket,
                RequestClass::Read,
                RequestClass::Search,
                RequestClass::Write,
            ]
            .map(|kind| load.admit(kind).is_ok())
        };
        for (waiting, sheds, expected) in [
            (0, false, [true; 4]),
            (MAX_WRITES / 4, true, [true; 4]),
            (MAX_WRITES / 2, true, [false, true, true, true]),
            (MAX_WRITES * 3 / 4, true, [false, false, false, true]),
            (MAX_WRITES, true, [false; 4]),
        ] {
            queues.writes.sub(queues.writes.get());
            queues.writes.add(waiting);
            assert_eq!(load.sheds_ephemeral(), sheds, "{waiting}");
            assert_eq!(taken(), expected, "{waiting}");
        }
    }

    #[test]
    fn slow_readers_cost_typing_and_then_themselves() {
        let (load, queues) = load_shedding();
        queues.event_bytes.add(300 << 20);
        assert_eq!(load.level(), Level::Ephemeral);
        assert!(load.over_share(FAIR_SHARE_BYTES + 1) && !load.over_share(FAIR_SHARE_BYTES));
        queues.event_bytes.sub(100 << 20);
        assert!(!load.over_share(256 << 10));
    }
}
