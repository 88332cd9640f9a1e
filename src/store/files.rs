//! The database's files.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

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

    pub fn sqlite(path: &Path, error: rusqlite::Error) -> Self {
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

/// Whether there is no database, and yet keys that were made for one.
pub fn is_missing(path: &Path) -> bool {
    let keys = ["session.key", "jwt.secret", "vapid.key"];
    !path.exists() && keys.iter().any(|name| path.with_file_name(name).exists())
}

/// Identifies a file whatever its name: its device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity(pub u64, pub u64);

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

/// Makes the renaming of a file durable.
pub fn sync_folder(file: &Path) -> std::io::Result<()> {
    match file.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Gives a file the owner of the database that it replaces or belongs to, or of its folder: root may restore the database of a
/// server that does not run as root, or run a command beside it.
#[cfg(unix)]
pub fn give_to_owner(fresh: &Path, old: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let folder = old.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let wanted = old.metadata().or_else(|_| folder.metadata())?;
    let ours = fresh.metadata()?;
    if (wanted.uid(), wanted.gid()) == (ours.uid(), ours.gid()) {
        return Ok(());
    }
    std::os::unix::fs::chown(fresh, Some(wanted.uid()), Some(wanted.gid()))
}

#[cfg(not(unix))]
pub fn give_to_owner(_: &Path, _: &Path) -> std::io::Result<()> {
    Ok(())
}
