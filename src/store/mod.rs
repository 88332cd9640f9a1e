//! SQLite: one writer thread, a pool of readers, one file of SQL per noun.
//!
//! What must stay true:
//! - only the writer's connection writes, so no write ever waits for another process of ours;
//! - effects (events, cache invalidations) leave only after their commit;
//! - functions here take a connection and know no rule: rules are in `service`.

pub mod accounts;
pub mod affiliations;
pub mod announcements;
pub mod audit;
pub mod backup;
pub mod blocks;
pub mod check;
pub mod checkpoint;
pub mod clock;
pub mod connection;
pub mod conversations;
pub mod delivery_status;
pub mod files;
pub mod groups;
pub mod guardians;
pub mod identities;
pub mod import;
mod indexer;
mod job;
pub mod journal;
pub mod keys;
pub mod mails;
pub mod messages;
pub mod meta;
pub mod migrate;
pub mod notifications;
pub mod open;
pub mod password_links;
pub mod personal_data;
pub mod policy;
pub mod preferences;
pub mod push_services;
pub mod pushes;
pub mod reachable;
pub mod relations;
pub mod removals;
pub mod replay;
pub mod restore;
pub mod retention;
pub mod roster;
pub mod roster_import;
pub mod safeguarding;
pub mod school;
pub mod search;
pub mod second_factors;
pub mod sessions;
pub mod settings;
pub mod stats;
pub mod subscriptions;
pub mod users;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, OptionalExtension, Params, Row};
use tokio::sync::Semaphore;

use crate::config::{self, count};
use crate::error::{Error, Result};
use crate::limits::load_shedding::MAX_READS;
use crate::limits::queues::{Length, Queues};
use crate::metrics::Metrics;
use crate::model::days::Calendar;
use crate::model::events::Effect;
use crate::model::time::Clock;
use crate::threads::Pulse;

pub use writer::WriteTx;
use writer::Writer;

/// Receives what was committed, on the writer's thread: it must be quick and must not block.
pub type Sink = Box<dyn Fn(Committed) + Send>;

/// Something that has been committed.
#[derive(Debug)]
pub enum Committed {
    /// By a write of this process, in commit order.
    Local(Vec<Effect>),
    /// By another process, a command for instance: whatever is cached may be stale.
    External,
}

/// The database.
pub struct Store {
    writer: Writer,
    readers: r2d2::Pool<SqliteConnectionManager>,
    /// As many permits as readers: a caller waits as a task, not as a thread.
    permits: Arc<Semaphore>,
    /// Fewer permits for long reads, so that a reader is left for the others.
    long: Arc<Semaphore>,
    long_waiting: Length,
    queues: Arc<Queues>,
    path: PathBuf,
    indexer: indexer::Indexer,
    _checkpointer: checkpoint::Checkpointer,
}

impl Store {
    /// Opens or makes the database, brings its schema up to date, and starts the writer.
    ///
    /// # Errors
    /// A sentence for the person who starts the server: see [`files::OpenError`].
    pub fn open(
        config: &config::Database,
        (clock, calendar): (Arc<dyn Clock>, Arc<Calendar>),
        (metrics, queues): (Arc<Metrics>, Arc<Queues>),
        sink: Sink,
        pulse: Pulse,
    ) -> Result<Self, files::OpenError> {
        let mut connection = open::prepare(config)?;
        connection::add_today(&connection, calendar.clone())
            .map_err(|e| files::OpenError::new(&config.path, e.to_string()))?;
        let lines = journal::replay(&mut connection, &config.path, clock.now())?;
        if lines > 0 {
            tracing::warn!(
                lines,
                "this database is older than its journal: erased, removed and ended again what the journal has"
            );
        }
        let indexer = indexer::Indexer::start(&config.path)?;
        let path = config.path.clone();
        let manager = SqliteConnectionManager::file(&config.path)
            .with_flags(connection::read_only())
            .with_init(move |connection| {
                connection::tune(connection)?;
                connection::add_today(connection, calendar.clone())?;
                search::attach(connection, &path)
            });
        let readers = r2d2::Pool::builder()
            .max_size(config.readers.get())
            .connection_timeout(Duration::from_secs(5))
            .test_on_check_out(false)
            .build(manager)
            .map_err(|e| files::OpenError::new(&config.path, e.to_string()))?;
        let checkpoint_request = Arc::<checkpoint::CheckpointRequest>::default();
        let checkpointer =
            checkpoint::Checkpointer::start(&config.path, checkpoint_request.clone())
                .map_err(|e| files::OpenError::new(&config.path, e.to_string()))?;
        Ok(Store {
            writer: Writer::start(
                connection,
                &config.path,
                clock,
                (metrics, queues.clone()),
                sink,
                checkpoint_request,
                pulse,
            )
            .map_err(|e| files::OpenError::new(&config.path, e.to_string()))?,
            queues,
            readers,
            permits: Arc::new(Semaphore::new(count(config.readers))),
            long_waiting: Length::default(),
            long: Arc::new(Semaphore::new((count(config.readers) / 2).max(1))),
            path: config.path.clone(),
            indexer,
            _checkpointer: checkpointer,
        })
    }

    /// Runs `work` on a read-only connection, in one snapshot of the database.
    ///
    /// # Errors
    /// What `work` returns, or [`Error::Unavailable`] when no connection can be had or too many wait for one.
    pub async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let waiting = Waiting::begin(&self.queues.reads, MAX_READS)?;
        let permit = self.permits.clone().acquire_owned().await;
        drop(waiting);
        let pool = self.readers.clone();
        let read = move || {
            let _permit = permit;
            let connection = pool.get().map_err(|e| {
                tracing::error!(error = %e, "cannot get a connection to read with");
                Error::unavailable("The database cannot be read now.")
            })?;
            let snapshot = connection.unchecked_transaction()?;
            work(&snapshot)
        };
        tokio::task::spawn_blocking(read)
            .await
            .unwrap_or_else(|e| Err(Error::Internal(format!("a read panicked: {e}"))))
    }

    /// Runs `work` on a read-only connection and blocks meanwhile: for the start, when nobody waits yet.
    ///
    /// # Errors
    /// What `work` returns, or [`Error::Unavailable`] when no connection can be had.
    pub fn read_at_start<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let connection = self.readers.get();
        let connection =
            connection.map_err(|_| Error::unavailable("The database cannot be read now."))?;
        work(&connection)
    }

    /// As [`Store::read`], of what may take long: reports, files, searches. They take half of the readers at most.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn read_long<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let waiting = Waiting::begin(&self.long_waiting, MAX_LONG_READS)?;
        let permit = self.long.clone().acquire_owned().await;
        drop(waiting);
        self.read(move |connection| {
            // Until the work ends, also where no caller waits for it any more.
            let _permit = permit;
            work(connection)
        })
        .await
    }

    /// As [`Store::read_long`], for at most so long on the connection.
    ///
    /// # Errors
    /// As [`Store::read`]; [`Error::Unavailable`] when the time is over.
    pub async fn read_within<T, F>(&self, budget: Duration, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        self.read_long(move |connection| {
            let until = Instant::now() + budget;
            let is_over = move || Instant::now() >= until;
            connection.progress_handler(CLOCK_CHECK_STEPS, Some(is_over))?;
            let outcome = work(connection);
            connection.progress_handler(0, None::<fn() -> bool>)?;
            outcome
        })
        .await
    }

    /// Runs `work` on the writer and answers once its commit is on disk. The effects that it recorded leave before the answer does.
    ///
    /// # Errors
    /// What `work` returns: then nothing of it is kept. [`Error::Unavailable`] when the queue is full or the
    /// commit fails.
    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&WriteTx) -> Result<T> + Send + 'static,
    {
        self.writer.write(work).await
    }

    /// Waits until what was stored a moment ago can be searched for; not for long, where there is much of it.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn catch_up_search(&self) -> Result<()> {
        if self.read(search::is_behind).await? {
            self.indexer.catch_up().await;
        }
        Ok(())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the database, the search index and their write-ahead logs on disk.
    pub fn size(&self) -> u64 {
        let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |m| m.len());
        let files = [self.path.clone(), search::file(&self.path)];
        let size = |file: &PathBuf| bytes(file) + bytes(&files::sibling(file, "-wal"));
        files.iter().map(size).sum()
    }
}

/// Long reads that may wait.
const MAX_LONG_READS: usize = 128;

/// Steps of SQLite's virtual machine between two looks at the clock.
const CLOCK_CHECK_STEPS: i32 = 1_000;

/// Counts a read as waiting.
struct Waiting<'q>(&'q Length);

impl<'q> Waiting<'q> {
    fn begin(length: &'q Length, limit: usize) -> Result<Self> {
        let waiting = Waiting(length);
        if length.add(1) >= limit {
            return Err(Error::unavailable("Too many reads are waiting."));
        }
        Ok(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.sub(1);
    }
}

/// The first row of `sql`, if there is one.
fn first<T, P: Params>(
    connection: &Connection,
    sql: &str,
    params: P,
    map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>> {
    Ok(connection
        .prepare_cached(sql)?
        .query_row(params, map)
        .optional()?)
}

/// All rows of `sql`.
fn all<T, P: Params>(
    connection: &Connection,
    sql: &str,
    params: P,
    map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params, map)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Runs `sql` and returns how many rows it changed.
fn run<P: Params>(connection: &Connection, sql: &str, params: P) -> Result<usize> {
    Ok(connection.prepare_cached(sql)?.execute(params)?)
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::*;
        match error.sqlite_error_code() {
            Some(
                DatabaseCorrupt | DatabaseBusy | DatabaseLocked | DiskFull | ReadOnly
                | SystemIoFailure | CannotOpen | OutOfMemory,
            ) => {
                tracing::error!(%error, "the database refused a statement");
                Error::unavailable("The database cannot take this now.")
            }
            Some(OperationInterrupted) => Error::unavailable("This takes too long. Ask for less."),
            _ => Error::Internal(format!("database: {error}")),
        }
    }
}
