//! Opens the database file: what is checked before anything is changed, and how every connection is set.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::connection::{read_only, tune, wait_for_writers};
use super::files::{FileIdentity, OpenError, make_folder, restrict, sibling};
use super::migrate;
use crate::config::{self, Synchronous};

/// Checks the file, makes it if there is none, migrates it, and returns the connection that may write.
///
/// # Errors
/// [`OpenError`]; the file is then as it was.
pub fn prepare(config: &config::Database) -> Result<Connection, OpenError> {
    let path = config.path.as_path();
    let fail = |e| OpenError::sqlite(path, e);
    make_folder(path).map_err(|e| OpenError::new(path, format!("cannot make its folder: {e}")))?;
    let existing = match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => return Err(OpenError::new(path, "this is a folder")),
        // Asked of the mode, not by trying: a root user could write to it, and was told not to.
        Ok(found) if found.permissions().readonly() => {
            return Err(OpenError::new(path, "this database cannot be written to"));
        }
        Ok(found) => found.len() > 0,
        Err(_) => false,
    };
    let version = if existing { inspect(path)? } else { 0 };
    if !existing {
        restrict(path).map_err(|e| OpenError::new(path, format!("cannot make the file: {e}")))?;
    }
    let mut connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(fail)?;
    tune(&mut connection).map_err(fail)?;
    try_write(&connection).map_err(fail)?;
    let synchronous = match config.synchronous {
        Synchronous::Full => "FULL",
        Synchronous::Normal => "NORMAL",
    };
    // The checkpointer checkpoints, so that no write pays for it.
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = {synchronous};
             PRAGMA wal_autocheckpoint = 0;
             PRAGMA journal_size_limit = 67108864;"
        ))
        .map_err(fail)?;
    migrate::up(&mut connection, path, version)?;
    wait_for_writers(&connection).map_err(fail)?;
    Ok(connection)
}

/// Takes the write lock and gives it back.
fn try_write(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK;")
}

/// Whether an existing database takes a write, and its schema's version. Changes nothing.
///
/// # Errors
/// [`OpenError`].
pub fn probe(path: &Path) -> Result<i32, OpenError> {
    let version = inspect(path)?;
    let fail = |e| OpenError::sqlite(path, e);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(fail)?;
    tune(&mut connection).map_err(fail)?;
    try_write(&connection).map_err(fail)?;
    Ok(version)
}

/// A connection for a rehearsal that is never committed: nothing is made, and nothing is migrated.
///
/// # Errors
/// [`OpenError`], also for an older schema.
pub fn rehearse(path: &Path) -> Result<Connection, OpenError> {
    let fail = |e| OpenError::sqlite(path, e);
    if !path.exists() {
        let mut connection = Connection::open_in_memory().map_err(fail)?;
        tune(&mut connection).map_err(fail)?;
        migrate::up(&mut connection, path, 0)?;
        return Ok(connection);
    }
    if inspect(path)? < migrate::latest() {
        let why = "its schema is older than this program: start the server once, which brings it up to date";
        return Err(OpenError::new(path, why));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(fail)?;
    tune(&mut connection).map_err(fail)?;
    Ok(connection)
}

/// The schema's version, read without touching the file.
pub(super) fn inspect(path: &Path) -> Result<i32, OpenError> {
    let fail = |e| OpenError::sqlite(path, e);
    let connection = Connection::open_with_flags(path, read_only()).map_err(fail)?;
    connection
        .busy_timeout(Duration::from_secs(2))
        .map_err(fail)?;
    let version = migrate::version(&connection).map_err(fail)?;
    match version {
        None => Err(OpenError::new(
            path,
            "this is a SQLite database of another program",
        )),
        Some(found) if found > migrate::latest() => Err(OpenError::new(
            path,
            format!(
                "this database has schema {found}, made by a newer schoolbell; this one knows up to {}",
                migrate::latest()
            ),
        )),
        Some(found) => Ok(found),
    }
}

/// The file that [`lock`] locks, beside the database itself, whatever name leads to it. A server writes into it where it listens.
pub fn lock_file(path: &Path) -> PathBuf {
    let real = path.canonicalize();
    sibling(real.as_deref().unwrap_or(path), ".lock")
}

/// Held for as long as a server runs on a database.
#[derive(Debug)]
pub struct Lock {
    pub file: std::fs::File,
    #[cfg(target_os = "linux")]
    by_identity: Option<std::os::unix::net::UnixDatagram>,
}

impl Lock {
    /// Locks the file itself, where it is there by now.
    ///
    /// # Errors
    /// [`OpenError`] when another server holds it.
    pub fn hold(&mut self, path: &Path) -> Result<(), OpenError> {
        #[cfg(target_os = "linux")]
        if self.by_identity.is_none() {
            self.by_identity = by_identity(path)?;
        }
        Ok(())
    }
}

/// Held for as long as a server runs on this database: a second one is refused, by whatever name it comes to the file.
///
/// # Errors
/// [`OpenError`] when another server holds it.
pub fn lock(path: &Path) -> Result<Lock, OpenError> {
    make_folder(path).map_err(|e| OpenError::new(path, format!("cannot make its folder: {e}")))?;
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(lock_file(path))
        .map_err(|e| OpenError::new(path, format!("cannot make the lock file: {e}")))?;
    file.try_lock().map_err(|_| running(path))?;
    let mut lock = Lock {
        file,
        #[cfg(target_os = "linux")]
        by_identity: None,
    };
    lock.hold(path)?;
    Ok(lock)
}

fn running(path: &Path) -> OpenError {
    OpenError::new(
        path,
        "another schoolbell is running on this database: stop it first",
    )
}

/// A name in Linux's abstract namespace of sockets (unix(7)), which the kernel gives to one process at a time: the lock file is
/// another one where the database has a second name, or where it was removed.
#[cfg(target_os = "linux")]
fn by_identity(path: &Path) -> Result<Option<std::os::unix::net::UnixDatagram>, OpenError> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let Ok(FileIdentity(device, number)) = FileIdentity::of(path) else {
        return Ok(None);
    };
    let name = format!("schoolbell-{device}-{number}");
    match SocketAddr::from_abstract_name(&name).and_then(|name| UnixDatagram::bind_addr(&name)) {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(running(path)),
        Err(error) => {
            tracing::debug!(%error, "locking the database by its lock file alone");
            Ok(None)
        }
    }
}
