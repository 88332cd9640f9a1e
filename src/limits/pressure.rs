//! How full the server is. What is cheapest to lose goes first: typing and presence, then new sockets, then reads, and
//! writes last.

use std::sync::Arc;
use std::time::Duration;

use super::rates::Kind;
use crate::config;
use crate::error::{Error, Result};
use crate::metrics::Metrics;

/// Writes that may wait for the writer; one more is refused at once.
pub const WRITES: usize = 4_096;
/// Reads that may wait for a connection.
pub const READS: usize = 2_048;
/// Events that may wait for one socket, in bytes, while those of all are over their limit.
pub const FAIR_SHARE: usize = 8 << 10;

/// What is done without, from the fuller quarters on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Calm,
    /// A quarter full: no typing, no presence.
    Busy,
    /// Half: no new sockets.
    Strained,
    /// Three quarters: no reads.
    Heavy,
    /// No writes.
    Full,
}

/// Reads the queues' lengths.
pub struct Pressure {
    metrics: Arc<Metrics>,
    queue_bytes: usize,
    enabled: bool,
}

impl Pressure {
    pub fn new(config: &config::Limits, metrics: Arc<Metrics>) -> Self {
        Pressure {
            metrics,
            queue_bytes: config.queue_mebibytes << 20,
            enabled: config.enabled,
        }
    }

    /// The fullest queue decides.
    pub fn level(&self) -> Level {
        if !self.enabled {
            return Level::Calm;
        }
        let quarters = |length: i64, limit: usize| length.max(0) as usize * 4 / limit.max(1);
        let writes = quarters(self.metrics.writer_queue_len(), WRITES);
        let reads = quarters(self.metrics.reads_waiting(), READS);
        match writes.max(reads).max(self.queue_quarters()) {
            0 => Level::Calm,
            1 => Level::Busy,
            2 => Level::Strained,
            3 => Level::Heavy,
            _ => Level::Full,
        }
    }

    fn queue_quarters(&self) -> usize {
        // Slow readers are no reason to turn others away: they go themselves (see `over_share`).
        let waiting = self.metrics.queued_bytes().max(0) as usize;
        (waiting * 4 / self.queue_bytes.max(1)).min(1)
    }

    /// Whether events that are cheap to lose are left out.
    pub fn sheds_ephemeral(&self) -> bool {
        self.level() >= Level::Busy
    }

    /// Whether a socket for which so many bytes wait must go, so that all of them together stay within bounds.
    pub fn over_share(&self, bytes: usize) -> bool {
        self.enabled && bytes > FAIR_SHARE && self.metrics.queued_bytes() > self.queue_bytes as i64
    }

    /// # Errors
    /// [`Error::Unavailable`] where this kind of request is not taken now.
    pub fn admit(&self, kind: Kind) -> Result<()> {
        let level = self.level();
        let (last, reason) = match kind {
            Kind::Socket => (Level::Busy, "overload_sockets"),
            Kind::Read | Kind::Search => (Level::Strained, "overload_reads"),
            Kind::Write => (Level::Heavy, "overload_writes"),
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

    #[test]
    fn what_is_cheapest_to_lose_goes_first() {
        let metrics = Arc::new(Metrics::new());
        let pressure = Pressure::new(&config::Limits::default(), metrics.clone());
        let taken = || {
            [Kind::Socket, Kind::Read, Kind::Search, Kind::Write]
                .map(|kind| pressure.admit(kind).is_ok())
        };
        for (waiting, sheds, expected) in [
            (0, false, [true; 4]),
            (WRITES / 4, true, [true; 4]),
            (WRITES / 2, true, [false, true, true, true]),
            (WRITES * 3 / 4, true, [false, false, false, true]),
            (WRITES, true, [false; 4]),
        ] {
            metrics.writer_queue.set(waiting as i64);
            assert_eq!(pressure.sheds_ephemeral(), sheds, "{waiting}");
            assert_eq!(taken(), expected, "{waiting}");
        }
    }

    #[test]
    fn slow_readers_cost_typing_and_then_themselves() {
        let metrics = Arc::new(Metrics::new());
        let pressure = Pressure::new(&config::Limits::default(), metrics.clone());
        metrics.queue_bytes.set(300 << 20);
        assert_eq!(pressure.level(), Level::Busy);
        assert!(pressure.over_share(FAIR_SHARE + 1) && !pressure.over_share(FAIR_SHARE));
        metrics.queue_bytes.set(200 << 20);
        assert!(!pressure.over_share(256 << 10));
    }
}
