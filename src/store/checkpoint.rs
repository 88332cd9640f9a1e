//! Moves the write-ahead log into the database, on a thread and a connection of its own, so that no write pays for it.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use super::open;

const EVERY: Duration = Duration::from_millis(200);

const PATIENCE: Duration = Duration::from_millis(30);
/// After a TRUNCATE that a long reader kept from its work, only PASSIVE ones for this long.
const BACK_OFF: Duration = Duration::from_secs(5);

/// Past this size the log is emptied even though writers wait for it, so that it cannot grow without bound.
const WAL_LIMIT: u64 = 128 << 20;

/// Stops and is joined when dropped.
pub struct Checkpointer {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub fn start(path: &Path) -> rusqlite::Result<Self> {
        let mut connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        open::tune(&mut connection)?;
        // A TRUNCATE waits for readers while it keeps writers out: no longer than a writer can bear.
        connection.busy_timeout(PATIENCE)?;
        let wal = open::sibling(path, "-wal");
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("checkpoint".into())
            .spawn(move || run(&connection, &wal, &stopped))
            .map_err(|_| rusqlite::Error::InvalidQuery)?;
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

fn run(connection: &Connection, wal: &PathBuf, stopped: &mpsc::Receiver<()>) {
    let mut not_before = Instant::now();
    while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        let size = std::fs::metadata(wal).map_or(0, |m| m.len());
        let truncate = size > WAL_LIMIT && Instant::now() >= not_before;
        let mode = if truncate { "TRUNCATE" } else { "PASSIVE" };
        let busy = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
            row.get::<_, i64>(0)
        });
        match busy {
            Ok(busy) if truncate && busy != 0 => not_before = Instant::now() + BACK_OFF,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, mode, "checkpoint failed"),
        }
    }
}
