//! Opening the database file: what is looked at before anything is changed, and how every connection is set.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::migrate;
use crate::config::{self, Synchronous};

/// Why the database cannot be used, as a sentence for the person who starts the server.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct OpenError {
    path: PathBuf,
    why: String,
}

impl OpenError {
    pub fn new(path: &Path, why: impl Into<String>) -> Self {
        OpenError {
            path: path.to_owned(),
            why: why.into(),
        }
    }

    fn sqlite(path: &Path, error: rusqlite::Error) -> Self {
        let why = match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => "this file is not a SQLite database".into(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "another program holds this database locked; stop it and try again".into()
            }
            Some(ErrorCode::ReadOnly) => "this database cannot be written to".into(),
            Some(ErrorCode::DatabaseCorrupt) => "this database is damaged; restore a backup".into(),
            Some(ErrorCode::CannotOpen) => {
                format!(
                    "cannot open the file: {error}; see that the user who runs this may read and write it"
                )
            }
            _ => error.to_string(),
        };
        Self::new(path, why)
    }
}

/// The path with `suffix` added to its file name, as SQLite names `-wal` and `-shm`.
pub fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Read-only, and never the maker of a file.
pub fn read_only() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// How long a connection waits for another process that holds the database.
pub const BUSY: Duration = Duration::from_secs(5);

/// As `busy_timeout` of [`BUSY`], but for others' writes, which are short: SQLite's own wait grows to 25 ms at once.
pub fn wait_for_writers(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_handler(Some(|tries| {
        let pause = if tries < SHORT_WAITS {
            Duration::from_micros(500)
        } else {
            LONG_WAIT
        };
        std::thread::sleep(pause);
        tries < SHORT_WAITS + (BUSY.as_millis() / LONG_WAIT.as_millis()) as i32
    }))
}

const SHORT_WAITS: i32 = 40;
const LONG_WAIT: Duration = Duration::from_millis(10);

/// What every connection sets; `busy_timeout` first, since the others may wait.
pub fn tune(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(128);
    connection.execute_batch(
        "PRAGMA foreign_keys = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -16000;
         PRAGMA trusted_schema = OFF;",
    )
}

/// Looks at the file, makes it where there is none, migrates it, and returns the connection that may write.
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
/// [`OpenError`], also for a schema of before.
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

/// Makes the folder of a file, where there is none, for its owner alone.
///
/// # Errors
/// The system's.
pub fn make_folder(file: &Path) -> std::io::Result<()> {
    let Some(folder) = file.parent().filter(|p| !p.as_os_str().is_empty()) else {
        return Ok(());
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Makes an empty file that only its owner can read: SQLite gives the log files the same mode.
pub fn restrict(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// The file that [`lock`] locks, beside the database itself, whatever name leads to it. A server writes into it where it listens.
pub fn lock_file(path: &Path) -> PathBuf {
    let real = path.canonicalize();
    sibling(real.as_deref().unwrap_or(path), ".lock")
}

/// Whether there is no database, and yet keys that were made for one.
pub fn is_missing(path: &Path) -> bool {
    let keys = ["session.key", "jwt.secret", "vapid.key"];
    !path.exists() && keys.iter().any(|name| path.with_file_name(name).exists())
}

/// Names a file whatever it is called: its device and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity(u64, u64);

impl FileIdentity {
    /// By `stat`: the file is not opened. Closing another descriptor of the database's file would drop SQLite's own locks (its
    /// documentation, "How To Corrupt", section 2.2).
    pub fn of(path: &Path) -> std::io::Result<Self> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            let found = std::fs::metadata(path)?;
            Ok(FileIdentity(found.dev(), found.ino()))
        }
        #[cfg(not(unix))]
        std::fs::metadata(path).map(|_| FileIdentity(0, 0))
    }
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
/// another one where the database has a second name, or where somebody removed it.
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
            tracing::debug!(%error, "the database is locked by its lock file alone");
            Ok(None)
        }
    }
}
