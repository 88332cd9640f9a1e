//! Keys that are made at first start and kept beside the database, readable by their owner alone.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The file `name` in the database's folder.
pub fn beside(database: &Path, name: &str) -> PathBuf {
    database.with_file_name(name)
}

/// The file's content; where there is none, it is made with what `make` gives, mode 0600.
///
/// # Errors
/// A sentence that names the file.
pub fn read_or_make(
    path: &Path,
    make: impl FnOnce() -> Result<String, String>,
) -> Result<String, String> {
    let fail = |e: std::io::Error| format!("{}: {e}", path.display());
    let read = || std::fs::read_to_string(path).map(|text| text.trim().to_owned());
    match read() {
        Ok(text) => return Ok(text),
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(fail(e)),
    }
    let text = make()?;
    if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(fail)?;
    }
    // Written under another name and linked: a reader that finds the file finds all of it, and the first one stays.
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    let linked = write_private(&draft, &text).and_then(|()| std::fs::hard_link(&draft, path));
    let _ = std::fs::remove_file(&draft);
    match linked {
        Ok(()) => Ok(text),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => read().map_err(fail),
        Err(e) => Err(fail(e)),
    }
}

/// Puts a new content in the place of a file's, readable by its owner alone: there is always the old one or the new one.
///
/// # Errors
/// A sentence that names the file.
pub fn replace(path: &Path, text: &str) -> Result<(), String> {
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    let written =
        write_private(&draft, text.trim_end()).and_then(|()| std::fs::rename(&draft, path));
    written.map_err(|e| {
        let _ = std::fs::remove_file(&draft);
        format!("{}: {e}", path.display())
    })
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(format!("{text}\n").as_bytes())?;
    file.sync_all()
}
