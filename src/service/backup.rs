//! Copies of the database, made while it is in use.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::app::App;
use crate::error::{Error, Noun, Result};
use crate::model::audit::{Action, By};
use crate::model::backup::{Backup, Checks};
use crate::model::time::Time;
use crate::push::contact;
use crate::store::{audit, backup};

/// Copies the database at `source` to `target`, which must not exist, and checks the copy. Blocks on the disk.
///
/// # Errors
/// With a sentence for the person who asked; no partial file is left.
pub fn make(source: &Path, target: &Path) -> Result<()> {
    if !source.exists() {
        return Err(Error::Internal(format!(
            "{}: there is no database",
            source.display()
        )));
    }
    backup::copy(source, target)
}

/// Makes a copy in the server's own folder.
///
/// # Errors
/// [`Error::Unavailable`] while another one is being made.
pub async fn keep(app: &App, by: By) -> Result<Backup> {
    // On a task of its own: who hangs up does not stop it, and it is written down all the same.
    let task = app.tasks.spawn(keep_one(app.clone(), by));
    task.await
        .map_err(|e| Error::Internal(format!("backup: {e}")))?
}

async fn keep_one(app: App, by: By) -> Result<Backup> {
    let Ok(_one) = app.backup.try_lock() else {
        return Err(Error::unavailable("A backup is being made."));
    };
    let folder = folder(&app);
    let source = app.store.path().to_owned();
    let stamp = app.now().to_string().replace([':', '.'], "-");
    let name = format!("schoolbell-{stamp}.db");
    let target = folder.join(&name);
    let made = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&folder)
            .map_err(|e| Error::Internal(format!("{}: {e}", folder.display())))?;
        make(&source, &target)?;
        describe(&target).ok_or(Error::NotFound(Noun::Backup))
    });
    let made = made
        .await
        .map_err(|e| Error::Internal(format!("backup: {e}")))??;
    note(&app, by, Action::BackupMade, name).await?;
    Ok(made)
}

async fn note(app: &App, by: By, action: Action, name: String) -> Result<()> {
    app.store
        .write(move |tx| {
            audit::note(tx, &by, action, &name, "")?;
            Ok(((), Vec::new()))
        })
        .await
}

/// The copies that are kept, the newest first.
pub async fn list(app: &App) -> Result<Vec<Backup>> {
    let folder = folder(app);
    let read = move || {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut kept: Vec<Backup> = entries
            .filter_map(|entry| describe(&entry.path()))
            .collect();
        kept.sort_by(|a, b| b.created_at.cmp(&a.created_at).then(b.name.cmp(&a.name)));
        kept
    };
    tokio::task::spawn_blocking(read)
        .await
        .map_err(|e| Error::Internal(format!("backups: {e}")))
}

/// The file of a copy, for somebody who fetches it.
///
/// # Errors
/// [`Noun::Backup`] not found.
pub async fn fetch(app: &App, by: By, name: String) -> Result<PathBuf> {
    let path = find(app, &name)?;
    note(app, by, Action::BackupFetched, name).await?;
    Ok(path)
}

/// Removes a copy.
///
/// # Errors
/// [`Noun::Backup`] not found.
pub async fn remove(app: &App, by: By, name: String) -> Result<()> {
    let path = find(app, &name)?;
    std::fs::remove_file(&path).map_err(|e| Error::Internal(format!("{}: {e}", path.display())))?;
    note(app, by, Action::BackupRemoved, name).await
}

/// A name that we give, of a file that is there: nothing else on the disk can be named.
fn find(app: &App, name: &str) -> Result<PathBuf> {
    let path = folder(app).join(name);
    let ours = is_ours(name) && path.is_file();
    ours.then_some(path).ok_or(Error::NotFound(Noun::Backup))
}

fn is_ours(name: &str) -> bool {
    let stamp = name
        .strip_prefix("schoolbell-")
        .and_then(|rest| rest.strip_suffix(".db"));
    stamp.is_some_and(|stamp| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !stamp.is_empty() && stamp.bytes().all(plain)
    })
}

fn folder(app: &App) -> PathBuf {
    let parent = app.store.path().parent().unwrap_or(Path::new("."));
    parent.join("backups")
}

fn describe(path: &Path) -> Option<Backup> {
    let name = path.file_name()?.to_str()?;
    let metadata = path.metadata().ok().filter(|_| is_ours(name))?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Backup {
        name: name.to_owned(),
        bytes: metadata.len(),
        created_at: Time(modified.as_millis() as i64),
    })
}

/// What an administrator should look at, as far as the server can tell.
pub async fn checks(app: &App) -> Result<Checks> {
    Ok(Checks {
        version: env!("CARGO_PKG_VERSION").into(),
        server_time: app.now(),
        public_url: app.config.server.public_url.clone(),
        push_contact: contact::subject(&app.config),
        push_contact_problem: contact::problem(&app.config),
        last_backup_at: list(app).await?.first().map(|backup| backup.created_at),
        database_bytes: app.store.size(),
        disk_free_bytes: disk_free(app.store.path()),
    })
}

#[cfg(target_os = "linux")]
fn disk_free(path: &Path) -> Option<u64> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let stat = rustix::fs::statvfs(parent.unwrap_or(Path::new("."))).ok()?;
    Some(stat.f_bavail * stat.f_frsize)
}

#[cfg(not(target_os = "linux"))]
fn disk_free(_: &Path) -> Option<u64> {
    None
}
