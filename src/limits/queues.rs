//! How much waits, and where: what load shedding, batch sizes and `/health` decide by. Metrics only observe it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The lengths of the queues that all callers share.
#[derive(Debug, Default)]
pub struct Queues {
    /// Writes that wait for the writer.
    pub writes: Length,
    /// Reads that wait for a connection.
    pub reads: Length,
    /// Bytes of events that wait for sockets.
    pub event_bytes: Length,
    /// Writes that the disk or another program kept from the database, since the start.
    pub failed_writes: AtomicU64,
}

/// A length that those who add to a queue and take from it keep up to date.
#[derive(Debug, Default)]
pub struct Length(AtomicUsize);

impl Length {
    pub fn get(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// Adds so much, and returns the length before.
    pub fn add(&self, count: usize) -> usize {
        self.0.fetch_add(count, Relaxed)
    }

    /// Takes away what was added.
    pub fn sub(&self, count: usize) {
        self.0.fetch_sub(count, Relaxed);
    }
}

/// One that waits for the writer, until it is dropped.
pub struct WaitingWrite(Arc<Queues>);

impl WaitingWrite {
    pub fn begin(queues: &Arc<Queues>) -> Self {
        queues.writes.add(1);
        WaitingWrite(queues.clone())
    }

    /// The database did not take it.
    pub fn failed(&self) {
        self.0.failed_writes.fetch_add(1, Relaxed);
    }
}

impl Drop for WaitingWrite {
    fn drop(&mut self) {
        self.0.writes.sub(1);
    }
}
