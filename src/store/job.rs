//! A write that waits for the writer, and the answer that waits for its commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::WriteTx;
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::model::events::Effect;
use crate::threads::panic_text;

pub trait Job: Send {
    /// Does the work inside the open transaction.
    fn run(&mut self, tx: &WriteTx) -> std::result::Result<Vec<Effect>, ()>;
    /// Answers whoever waits: with the work's own outcome if the batch was committed.
    fn settle(self: Box<Self>, committed: bool);
}

pub struct Task<F, T> {
    work: Option<F>,
    outcome: Result<T>,
    reply: oneshot::Sender<Result<T>>,
    queued: Queued,
}

impl<F, T> Task<F, T> {
    /// The task, and where its answer comes.
    pub fn new(work: F, queued: Queued) -> (Self, oneshot::Receiver<Result<T>>) {
        let (reply, answer) = oneshot::channel();
        let task = Task {
            work: Some(work),
            outcome: Err(unwritten()),
            reply,
            queued,
        };
        (task, answer)
    }
}

/// Counts a job as waiting until it is settled or dropped.
pub struct Queued(Arc<Metrics>);

impl Queued {
    pub fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.writer_queue.inc();
        Queued(metrics.clone())
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.writer_queue.dec();
    }
}

impl<F, T> Job for Task<F, T>
where
    T: Send,
    F: FnOnce(&WriteTx) -> Result<(T, Vec<Effect>)> + Send,
{
    fn run(&mut self, tx: &WriteTx) -> std::result::Result<Vec<Effect>, ()> {
        let Some(work) = self.work.take() else {
            return Err(());
        };
        let result = catch_unwind(AssertUnwindSafe(|| work(tx))).unwrap_or_else(|panic| {
            Err(Error::Internal(format!(
                "a write panicked: {}",
                panic_text(&*panic)
            )))
        });
        match result {
            Ok((value, effects)) => {
                self.outcome = Ok(value);
                Ok(effects)
            }
            Err(error) => {
                self.outcome = Err(error);
                Err(())
            }
        }
    }

    fn settle(self: Box<Self>, committed: bool) {
        let outcome = match self.outcome {
            Ok(_) if !committed => Err(unwritten()),
            outcome => outcome,
        };
        if matches!(outcome, Err(Error::Unavailable(..))) {
            self.queued.0.write_failures.inc();
        }
        // Whoever waited may have gone; the write stands all the same.
        let _ = self.reply.send(outcome);
    }
}

pub fn unwritten() -> Error {
    Error::unavailable("The database cannot take this now.")
}
