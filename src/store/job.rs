//! A write that waits for the writer, and the answer that waits for its commit.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use super::WriteTx;
use crate::error::{Error, Result};
use crate::limits::queues::WaitingWrite;
use crate::threads::panic_text;

pub trait Job: Send {
    /// Does the work inside the open transaction. After an error nothing of it is kept.
    fn run(&mut self, tx: &WriteTx) -> std::result::Result<(), ()>;
    /// Answers the caller: with the work's own outcome if the batch was committed.
    fn answer(self: Box<Self>, committed: bool);
}

pub struct Task<F, T> {
    work: Option<F>,
    outcome: Result<T>,
    reply: oneshot::Sender<Result<T>>,
    /// Counted until the job is answered or dropped.
    waiting: WaitingWrite,
}

impl<F, T> Task<F, T> {
    /// The task, and where its answer comes.
    pub fn new(work: F, waiting: WaitingWrite) -> (Self, oneshot::Receiver<Result<T>>) {
        let (reply, answer) = oneshot::channel();
        let task = Task {
            work: Some(work),
            outcome: Err(unwritten()),
            reply,
            waiting,
        };
        (task, answer)
    }
}

impl<F, T> Job for Task<F, T>
where
    T: Send,
    F: FnOnce(&WriteTx) -> Result<T> + Send,
{
    fn run(&mut self, tx: &WriteTx) -> std::result::Result<(), ()> {
        let Some(work) = self.work.take() else {
            return Err(());
        };
        let result = catch_unwind(AssertUnwindSafe(|| work(tx))).unwrap_or_else(|panic| {
            Err(Error::Internal(format!(
                "a write panicked: {}",
                panic_text(&*panic)
            )))
        });
        self.outcome = result;
        self.outcome.as_ref().map(drop).map_err(drop)
    }

    fn answer(self: Box<Self>, committed: bool) {
        let outcome = match self.outcome {
            Ok(_) if !committed => Err(unwritten()),
            outcome => outcome,
        };
        if matches!(outcome, Err(Error::Unavailable(..))) {
            self.waiting.failed();
        }
        // The caller may have gone; the write stands all the same.
        let _ = self.reply.send(outcome);
    }
}

pub fn unwritten() -> Error {
    Error::unavailable("The database cannot take this now.")
}
