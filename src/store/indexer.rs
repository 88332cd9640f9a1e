//! The thread that keeps the search index. It yields to all others: what it does can wait.

use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::InterruptHandle;
use tokio::sync::oneshot;

use super::files::OpenError;
use super::search::{self, Index};
use crate::error::Result;
use crate::limits::priority::{Priority, yield_to_others};
use crate::threads;

/// How often new messages are looked for, and how soon more. Many at once cost less, and a search asks for those of the last
/// moment.
const PERIOD: Duration = Duration::from_secs(5);
const NEXT_PAUSE: Duration = Duration::from_millis(2);
/// While others write it waits until there has been no write for so long, but not for ever.
const QUIET_TIME: Duration = Duration::from_millis(20);
const MAX_WAIT_FOR_QUIET: Duration = Duration::from_secs(10);
/// Between two walks through the whole index for what was removed.
const WALK_PERIOD: Duration = Duration::from_secs(60);
/// After an error.
const RETRY_PAUSE: Duration = Duration::from_secs(5);
/// How long a search waits for what was sent a moment ago.
const SEARCH_WAIT: Duration = Duration::from_millis(500);

/// Searches that wait until everything stored so far is in the index.
type Waiting = oneshot::Sender<()>;

/// Stops and is joined when dropped.
pub struct Indexer {
    ask: Option<mpsc::Sender<Waiting>>,
    /// A merge of segments may take long.
    interrupt: InterruptHandle,
    thread: Option<JoinHandle<()>>,
}

impl Indexer {
    /// Opens the index of the database at `path`, and starts the thread.
    ///
    /// # Errors
    /// [`OpenError`] where the file cannot be written.
    pub fn start(path: &Path) -> Result<Self, OpenError> {
        let file = search::file(path);
        let index = Index::open(path).map_err(|e| {
            let remedy = "this is the search index, which is rebuilt when the file is removed";
            OpenError::new(&file, format!("{e}; {remedy}"))
        })?;
        let interrupt = index.interrupt();
        let worker = Worker {
            index,
            seen: 0,
            not_before: Instant::now(),
            failing: false,
        };
        let (ask, asked) = mpsc::channel();
        let thread = threads::essential("search", move || worker.run(&asked))
            .map_err(|e| OpenError::new(&file, e.to_string()))?;
        Ok(Indexer {
            ask: Some(ask),
            interrupt,
            thread: Some(thread),
        })
    }

    /// Waits until more of what is stored is in the index, for a moment at most.
    pub async fn catch_up(&self) {
        let (waiting, done) = oneshot::channel();
        let asked = self.ask.as_ref().map(|ask| ask.send(waiting));
        if matches!(asked, Some(Ok(()))) {
            let _ = tokio::time::timeout(SEARCH_WAIT, done).await;
        }
    }
}

impl Drop for Indexer {
    fn drop(&mut self) {
        self.ask.take();
        self.interrupt.interrupt();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Worker {
    index: Index,
    /// The database's version at the last look.
    seen: i64,
    /// When the next walk may begin.
    not_before: Instant,
    failing: bool,
}

impl Worker {
    fn run(mut self, asked: &mpsc::Receiver<Waiting>) {
        yield_to_others(Priority::Low);
        let mut since = Instant::now();
        let mut pause = Duration::ZERO;
        loop {
            let mut waiting: Vec<Waiting> = match asked.recv_timeout(pause) {
                Ok(one) => vec![one],
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            waiting.extend(asked.try_iter());
            if waiting.is_empty() && self.is_written() && since.elapsed() < MAX_WAIT_FOR_QUIET {
                pause = QUIET_TIME;
                continue;
            }
            since = Instant::now();
            let done = if waiting.is_empty() {
                self.step()
            } else {
                self.index.catch_up()
            };
            if done.is_err() && matches!(asked.try_recv(), Err(TryRecvError::Disconnected)) {
                return;
            }
            for one in waiting {
                let _ = one.send(());
            }
            pause = match &done {
                Ok(true) => NEXT_PAUSE,
                Ok(false) => PERIOD,
                Err(_) => RETRY_PAUSE,
            };
            self.note(&done);
        }
    }

    /// Whether anything was written since the last look.
    fn is_written(&mut self) -> bool {
        let seen = std::mem::replace(&mut self.seen, self.index.database_version());
        self.seen != seen
    }

    /// Does a part of the work; returns whether there is more.
    fn step(&mut self) -> Result<bool> {
        if self.index.catch_up()? {
            return Ok(true);
        }
        if Instant::now() < self.not_before || !self.index.is_stale()? {
            return Ok(false);
        }
        let more = self.index.clean()?;
        if !more {
            self.not_before = Instant::now() + WALK_PERIOD;
        }
        Ok(more)
    }

    fn note(&mut self, done: &Result<bool>) {
        match done {
            Err(error) if !self.failing => {
                tracing::error!(%error, "cannot update the search index: new messages are not found");
            }
            Ok(_) if self.failing => tracing::info!("updating the search index again"),
            _ => {}
        }
        self.failing = done.is_err();
    }
}
