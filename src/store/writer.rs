//! The one writer: a thread that owns the connection and shares each commit among all waiting writes.
//!
//! Group commit is what makes `synchronous = FULL` affordable: while one commit waits for the disk, the next
//! batch gathers. Each job has a savepoint, so one that fails fails alone.

use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, TrySendError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

use super::checkpoint::CheckpointRequest;
use super::files::FileIdentity;
use super::job::{Job, Task, unwritten};
use super::{Committed, Sink, meta};
use crate::error::{Error, Result};
use crate::limits::load_shedding::MAX_WRITES;
use crate::limits::queues::{Queues, WaitingWrite};
use crate::metrics::Metrics;
use crate::model::events::Effect;
use crate::model::ids::Seq;
use crate::model::time::{Clock, Time};
use crate::threads::{self, Pulse};

/// Jobs in one commit, and the time after which a batch takes no more.
const MAX_BATCH_JOBS: usize = 256;
const BATCH_TIME: Duration = Duration::from_millis(4);
/// Up to this many writers share one commit outright.
const SHARED_WRITERS: usize = 8;
/// How long a batch waits for the writers of the batch before last, which come back at about this time.
const GATHER_TIME: Duration = Duration::from_micros(400);
/// How often it checks whether another process wrote.
const WATCH_PERIOD: Duration = Duration::from_millis(250);

/// What a write sees: the connection, its time, and the sequence. It records its effects; nothing here can publish them.
pub struct WriteTx<'c> {
    connection: &'c Connection,
    last_seq: &'c Cell<Seq>,
    effects: &'c RefCell<Vec<Effect>>,
    pub now: Time,
}

impl WriteTx<'_> {
    /// The next value of the one sequence of durable events.
    pub fn next_seq(&self) -> Seq {
        let next = self.last_seq.get() + 1;
        self.last_seq.set(next);
        next
    }

    /// The newest value that was taken, by this write or one before it.
    pub fn seq(&self) -> Seq {
        self.last_seq.get()
    }

    /// Records an effect, which leaves once this write is committed. Effects keep their order.
    pub fn emit(&self, effect: impl Into<Effect>) {
        self.effects.borrow_mut().push(effect.into());
    }

    /// Does something that fails alone: what it wrote and recorded is undone with it.
    ///
    /// # Errors
    /// What `work` returns.
    pub fn nested<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let run = |sql| -> Result<()> {
            self.connection.prepare_cached(sql)?.execute([])?;
            Ok(())
        };
        let effects = self.effects.borrow().len();
        run("SAVEPOINT step")?;
        let done = work();
        if done.is_err() {
            run("ROLLBACK TO step")?;
            self.effects.borrow_mut().truncate(effects);
        }
        run("RELEASE step")?;
        done
    }

    /// The same transaction as if it were another time.
    pub fn at(&self, now: Time) -> WriteTx<'_> {
        WriteTx { now, ..*self }
    }
}

impl Deref for WriteTx<'_> {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        self.connection
    }
}

/// Runs `work` in a transaction of its own on a connection that no writer has yet. What it would tell is told to nobody.
///
/// # Errors
/// What `work` returns: then nothing of it is kept.
pub(super) fn write_alone<T>(
    connection: &mut Connection,
    now: Time,
    work: impl FnOnce(&WriteTx) -> Result<T>,
) -> Result<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let before = meta::seq(&transaction)?;
    let last_seq = Cell::new(before);
    let done = work(&WriteTx {
        connection: &transaction,
        last_seq: &last_seq,
        effects: &RefCell::default(),
        now,
    })?;
    transaction.execute("UPDATE sequence SET value = ?1", [last_seq.get()])?;
    transaction.commit()?;
    Ok(done)
}

/// The handle. Dropping it lets the queue drain and joins the thread.
pub struct Writer {
    queue: Option<mpsc::SyncSender<Box<dyn Job>>>,
    queues: Arc<Queues>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub fn start(
        connection: Connection,
        path: &Path,
        clock: Arc<dyn Clock>,
        (metrics, queues): (Arc<Metrics>, Arc<Queues>),
        sink: Sink,
        checkpoint_request: Arc<CheckpointRequest>,
        pulse: Pulse,
    ) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::sync_channel(MAX_WRITES);
        let worker = Worker {
            connection,
            clock,
            metrics,
            queues: queues.clone(),
            sink,
            checkpoint_request,
            share: SHARED_WRITERS,
            data_version: 0,
            watched: Instant::now(),
            pulse,
            file: Place::of(path),
        };
        let thread = threads::essential("writer", move || worker.run(&jobs))?;
        Ok(Writer {
            queue: Some(queue),
            queues,
            thread: Some(thread),
        })
    }

    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&WriteTx) -> Result<T> + Send + 'static,
    {
        let (task, answer) = Task::new(work, WaitingWrite::begin(&self.queues));
        let Some(queue) = &self.queue else {
            return Err(unwritten());
        };
        if let Err(refused) = queue.try_send(Box::new(task)) {
            return Err(match refused {
                TrySendError::Full(_) => Error::unavailable("Too many writes are waiting."),
                TrySendError::Disconnected(_) => unwritten(),
            });
        }
        answer.await.unwrap_or_else(|_| Err(unwritten()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Worker {
    connection: Connection,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    queues: Arc<Queues>,
    sink: Sink,
    checkpoint_request: Arc<CheckpointRequest>,
    /// How many jobs the next commit waits for.
    share: usize,
    data_version: i64,
    watched: Instant,
    pulse: Pulse,
    file: Place,
}

/// The path of the database's file.
struct Place {
    path: PathBuf,
    identity: Option<FileIdentity>,
    /// Whether another file is there, or none: what is written to the one that is open would be lost.
    moved: bool,
}

impl Place {
    fn of(path: &Path) -> Self {
        Place {
            identity: FileIdentity::of(path).ok(),
            path: path.to_owned(),
            moved: false,
        }
    }

    fn look(&mut self) {
        let moved = FileIdentity::of(&self.path).ok() != self.identity;
        if moved && !self.moved {
            tracing::error!(
                path = %self.path.display(),
                "the database file was moved or replaced: refusing writes until it is back or the server restarts"
            );
        }
        if !moved && self.moved {
            tracing::info!(path = %self.path.display(), "the database file is back: accepting writes");
        }
        self.moved = moved;
    }
}

impl Worker {
    fn run(mut self, jobs: &mpsc::Receiver<Box<dyn Job>>) {
        self.data_version = self.read_data_version();
        loop {
            self.pulse.beat();
            match jobs.recv_timeout(WATCH_PERIOD) {
                Ok(first) => self.batch(first, jobs),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if !self.file.moved {
                self.checkpoint_request.run(&self.connection);
            }
            if self.watched.elapsed() >= WATCH_PERIOD {
                self.watch();
            }
        }
    }

    /// One transaction for `first` and whatever else is queued by then.
    fn batch(&mut self, first: Box<dyn Job>, jobs: &mpsc::Receiver<Box<dyn Job>>) {
        if self.file.moved {
            for job in std::iter::once(first).chain(jobs.try_iter()) {
                job.answer(false);
            }
            return;
        }
        let started = Instant::now();
        let mut settled: Vec<Box<dyn Job>> = Vec::new();
        let effects = RefCell::new(Vec::new());
        let committed = self
            .transaction(|worker, last_seq| {
                let mut next = Some(first);
                while let Some(job) = next {
                    settled.push(worker.one(job, last_seq, &effects)?);
                    next = worker.gather(jobs, settled.len(), started.elapsed());
                }
                Ok(())
            })
            .inspect_err(|error| tracing::error!(%error, "commit failed"))
            .is_ok();
        // Half of those who write now: while one half waits for the disk, the other half is answered and comes back. All
        // of them in one commit would leave the processors idle for as long as the disk takes.
        let writers = self.queues.writes.get();
        self.share = writers.div_ceil(2).clamp(SHARED_WRITERS, MAX_BATCH_JOBS);
        self.metrics.commit_jobs.observe(settled.len() as f64);
        self.metrics
            .commit_seconds
            .observe(started.elapsed().as_secs_f64());
        let effects = effects.into_inner();
        if committed && !effects.is_empty() {
            (self.sink)(Committed::Local(effects));
        }
        if !committed && settled.is_empty() {
            // Another program holds the database: no write in the queue shall wait for as long as the first did.
            settled.extend(jobs.try_iter());
        }
        for job in settled {
            job.answer(committed);
        }
    }

    /// The next job of a batch that has `taken` so far; `None` ends it.
    fn gather(
        &self,
        jobs: &mpsc::Receiver<Box<dyn Job>>,
        taken: usize,
        elapsed: Duration,
    ) -> Option<Box<dyn Job>> {
        if taken >= self.share || elapsed >= BATCH_TIME {
            return None;
        }
        match jobs.try_recv() {
            Ok(job) => Some(job),
            Err(_) if self.share > SHARED_WRITERS => {
                jobs.recv_timeout(GATHER_TIME.checked_sub(elapsed)?).ok()
            }
            Err(_) => None,
        }
    }

    /// Runs `work` between BEGIN IMMEDIATE and COMMIT, with the sequence read and written back.
    fn transaction(&self, work: impl FnOnce(&Self, &Cell<Seq>) -> Result<()>) -> Result<()> {
        let c = &self.connection;
        c.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let attempt = || -> Result<()> {
            let before = c
                .prepare_cached("SELECT value FROM sequence")?
                .query_row([], |row| row.get(0))?;
            let last_seq = Cell::new(before);
            work(self, &last_seq)?;
            if last_seq.get() != before {
                c.prepare_cached("UPDATE sequence SET value = ?1")?
                    .execute([last_seq.get()])?;
            }
            c.prepare_cached("COMMIT")?.execute([])?;
            Ok(())
        };
        attempt().inspect_err(|_| {
            // Some errors have rolled back already; then there is nothing to do here.
            let _ = c.execute_batch("ROLLBACK");
        })
    }

    /// One job in its own savepoint. Returns it for settling; an error here is the whole batch's.
    fn one(
        &self,
        mut job: Box<dyn Job>,
        last_seq: &Cell<Seq>,
        effects: &RefCell<Vec<Effect>>,
    ) -> Result<Box<dyn Job>> {
        let c = &self.connection;
        c.prepare_cached("SAVEPOINT job")?.execute([])?;
        let tx = WriteTx {
            connection: c,
            last_seq,
            effects,
            now: self.clock.now(),
        };
        let before = effects.borrow().len();
        if job.run(&tx).is_err() {
            effects.borrow_mut().truncate(before);
            c.prepare_cached("ROLLBACK TO job")?.execute([])?;
        }
        c.prepare_cached("RELEASE job")?.execute([])?;
        Ok(job)
    }

    /// Notices that the file is not there any more, and commits of other processes: `PRAGMA data_version` changes for them and not for our own.
    fn watch(&mut self) {
        self.watched = Instant::now();
        self.file.look();
        let version = self.read_data_version();
        if version != self.data_version {
            self.data_version = version;
            (self.sink)(Committed::External);
        }
    }

    fn read_data_version(&self) -> i64 {
        meta::data_version(&self.connection).unwrap_or(self.data_version)
    }
}
