//! Moves the write-ahead log into the database, on a thread and a connection of its own, so that no write pays for it.
//!
//! Under a steady load the log never comes to an end by itself. When it is long, and all but a little of it is moved, the
//! writer is asked to restart it, between two commits: nothing else gets a turn while the writer is busy.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use super::connection;
use super::files;
use crate::threads;

const PERIOD: Duration = Duration::from_millis(200);

/// How long the writer waits for readers of the old log: no longer than those who write can bear.
const READER_TIME: Duration = Duration::from_millis(30);
/// How long to wait after a long reader has kept the log from being restarted.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// A log of more pages than this is restarted. One of moderate length that is written over and over reaches the disk faster
/// than one that grows, too.
const LONG_PAGES: i64 = 4_096;
/// As many pages may be left to move while writers wait.
const REST_PAGES: i64 = 512;
/// How often what was written meanwhile is moved, too, to get there.
const MAX_PASSES: usize = 4;

/// A file of the log past this size is cut off.
const WAL_LIMIT_BYTES: u64 = 128 << 20;

/// What the writer is asked to do between two commits.
#[derive(Default)]
pub struct CheckpointRequest {
    wanted: AtomicBool,
    refused: AtomicBool,
}

impl CheckpointRequest {
    /// Restarts the log if that was requested. Called by the writer, outside a transaction.
    pub fn run(&self, connection: &Connection) {
        if !self.wanted.swap(false, Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.restart_log(connection) {
            tracing::warn!(%error, "cannot restart the write-ahead log");
            self.refused.store(true, Ordering::Relaxed);
        }
    }

    fn restart_log(&self, connection: &Connection) -> rusqlite::Result<()> {
        let wal = connection
            .path()
            .map(|path| files::sibling(Path::new(path), "-wal"));
        let size = wal.and_then(|wal| std::fs::metadata(wal).ok());
        let long = size.is_some_and(|wal| wal.len() > WAL_LIMIT_BYTES);
        let mode = if long { "TRUNCATE" } else { "RESTART" };
        connection.busy_timeout(READER_TIME)?;
        let state = checkpoint(connection, mode);
        connection::wait_for_writers(connection)?;
        self.refused.store(state?.busy, Ordering::Relaxed);
        Ok(())
    }
}

/// Stops and is joined when dropped.
pub struct Checkpointer {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub fn start(path: &Path, turn: Arc<CheckpointRequest>) -> rusqlite::Result<Self> {
        let mut connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection::tune(&mut connection)?;
        let (stop, stopped) = mpsc::channel();
        let work = move || run(&connection, &turn, &stopped);
        let thread =
            threads::essential("checkpoint", work).map_err(|_| rusqlite::Error::InvalidQuery)?;
        Ok(Checkpointer {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, turn: &CheckpointRequest, stopped: &mpsc::Receiver<()>) {
    let mut not_before = Instant::now();
    while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
        if turn.refused.swap(false, Ordering::Relaxed) {
            not_before = Instant::now() + RETRY_PAUSE;
        }
        match move_pages(connection) {
            Ok(state) if state.pages > LONG_PAGES && Instant::now() >= not_before => {
                turn.wanted.store(true, Ordering::Relaxed);
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "checkpoint failed"),
        }
    }
}

/// Moves what it can while others write: of a long log, all but a little.
fn move_pages(connection: &Connection) -> rusqlite::Result<State> {
    let mut state = checkpoint(connection, "PASSIVE")?;
    for _ in 1..MAX_PASSES {
        if state.pages <= LONG_PAGES || state.pages - state.moved <= REST_PAGES {
            break;
        }
        state = checkpoint(connection, "PASSIVE")?;
    }
    Ok(state)
}

/// What `PRAGMA wal_checkpoint` answers.
struct State {
    busy: bool,
    pages: i64,
    moved: i64,
}

fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<State> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        Ok(State {
            busy: row.get(0)?,
            pages: row.get(1)?,
            moved: row.get(2)?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two connections to a database whose log is longer than it should be: the writer's and the checkpointer's.
    fn long_log(folder: &Path) -> (Connection, Connection) {
        let path = folder.join("school.db");
        let writer = Connection::open(&path).unwrap();
        let pragmas =
            "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x BLOB);";
        writer.execute_batch(pragmas).unwrap();
        let blob = format!(
            "INSERT INTO t VALUES (zeroblob({}))",
            (LONG_PAGES + 100) * 4_096
        );
        writer.execute_batch(&blob).unwrap();
        (writer, Connection::open(&path).unwrap())
    }

    fn pages(connection: &Connection) -> i64 {
        checkpoint(connection, "PASSIVE").unwrap().pages
    }

    /// How often the log was restarted (SQLite file format, section 4.1: bytes 12 to 15 of its header).
    fn begun(folder: &Path) -> u32 {
        let wal = std::fs::read(folder.join("school.db-wal")).unwrap();
        u32::from_be_bytes(wal[12..16].try_into().unwrap())
    }

    #[test]
    fn a_long_log_is_restarted_by_the_writer_when_asked() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, other) = long_log(folder.path());
        let (turn, first) = (CheckpointRequest::default(), begun(folder.path()));
        turn.run(&writer);
        writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        assert_eq!(begun(folder.path()), first, "nobody asked for it");

        turn.wanted.store(true, Ordering::Relaxed);
        turn.run(&writer);
        writer.execute_batch("INSERT INTO t VALUES (2)").unwrap();
        assert_eq!(begun(folder.path()), first + 1);
        assert!(pages(&other) < 10);
        assert!(!turn.refused.load(Ordering::Relaxed));
    }

    #[test]
    fn a_long_reader_puts_it_off() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, other) = long_log(folder.path());
        let reader = Connection::open(folder.path().join("school.db")).unwrap();
        reader
            .execute_batch("BEGIN; SELECT count(*) FROM t;")
            .unwrap();
        writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        let turn = CheckpointRequest::default();
        turn.wanted.store(true, Ordering::Relaxed);
        turn.run(&writer);
        assert!(turn.refused.load(Ordering::Relaxed));
        // The writer goes on with the old log, and waits for others as long as before.
        writer.execute_batch("INSERT INTO t VALUES (2)").unwrap();
        assert!(pages(&other) > LONG_PAGES);
        let holder = Connection::open(folder.path().join("school.db")).unwrap();
        holder.execute_batch("BEGIN IMMEDIATE").unwrap();
        let release = std::thread::spawn(move || {
            std::thread::sleep(READER_TIME * 10);
            holder.execute_batch("ROLLBACK").unwrap();
        });
        writer.execute_batch("INSERT INTO t VALUES (3)").unwrap();
        release.join().unwrap();
    }
}
