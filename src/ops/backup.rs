//! Copies of the database, made while it is in use.

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use tokio::sync::{Mutex, oneshot};

use crate::app::App;
use crate::config::{self, Config, count};
use crate::error::{Error, Noun, Result};
use crate::model::audit::{Action, AuditActor};
use crate::model::backup::{Backup, Checks, Problem};
use crate::model::time::{Clock as _, SystemClock, Time};
use crate::ops::{certificate, changes};
use crate::push::contact;
use crate::service::policy::preview;
use crate::store::safeguarding::duties;
use crate::store::{audit, backup, journal, open, restore, school};

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

/// Puts the database of a backup in the place of the one at `target`, which is kept aside; returns where. No server may
/// run on it: hold its lock. Blocks on the disk.
///
/// # Errors
/// With a sentence for the person who asked; then everything is as it was.
pub fn restore(file: &Path, target: &Path, now: Time) -> Result<Option<PathBuf>> {
    // What only the database that is replaced has: its last lines may not be in the file yet.
    journal::save(target)
        .map_err(|e| Error::Internal(format!("{}: {e}", journal::file(target).display())))?;
    restore::restore(file, target, &AuditActor::command_line(), now)
}

/// Does again on a restored database what its journal has and it has not; returns how many lines that were. No server may run on it. Blocks on
/// the disk.
///
/// # Errors
/// With a sentence for the person who asked: the next start tries again, and answers nobody before.
pub fn replay(database: &config::Database, now: Time) -> Result<usize> {
    let fail = |e: crate::store::files::OpenError| Error::Internal(e.to_string());
    let mut connection = open::prepare(database).map_err(fail)?;
    journal::replay(&mut connection, &database.path, now).map_err(fail)
}

const HOUR_MS: i64 = 3_600_000;

/// How far a file's time may be ahead of the clock, in milliseconds: with more, it was made while the clock was wrong.
const MAX_AHEAD_MS: i64 = 300_000;

/// Whether a copy's file is dated later than it can be, by the clock that dates files.
pub fn is_of_the_future(backup: &Backup) -> bool {
    backup.created_at.0 > SystemClock.now().0 + MAX_AHEAD_MS
}

/// When the newest copy was made, apart from copies that are dated in the future.
pub async fn newest(app: &App) -> Option<Time> {
    let kept = list(app).await.unwrap_or_default();
    let newest = kept.iter().find(|backup| !is_of_the_future(backup));
    let newest = newest.map(|backup| backup.created_at);
    let seconds = newest.map_or(0, |at| at.0 / 1_000);
    app.metrics.last_backup.set(seconds);
    newest
}

pub fn is_due(app: &App, newest: Option<Time>) -> bool {
    let every = i64::from(app.config.backup.every) * HOUR_MS;
    every > 0 && newest.is_none_or(|at| app.now().0 - at.0 >= every)
}

/// Makes a scheduled copy, and removes the oldest scheduled ones beyond `backup.keep`.
///
/// # Errors
/// As [`keep`].
pub async fn keep_scheduled(app: &App) -> Result<Backup> {
    let made = keep_as(app, AuditActor::schedule(), SCHEDULED).await?;
    let kept = list(app).await?;
    let scheduled = kept.iter().filter(|b| b.name.starts_with(SCHEDULED));
    for old in scheduled.skip(count(app.config.backup.keep)) {
        let path = folder(&app.config).join(&old.name);
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "cannot remove an old backup");
        }
    }
    Ok(made)
}

/// How the names of copies begin: those that a user asked for, and scheduled ones.
const ASKED: &str = "schoolbell-";
const SCHEDULED: &str = "schoolbell-auto-";

/// Makes a copy in the server's own folder.
///
/// # Errors
/// [`Error::Unavailable`] while another one is being made.
pub async fn keep(app: &App, by: AuditActor) -> Result<Backup> {
    keep_as(app, by, ASKED).await
}

async fn keep_as(app: &App, by: AuditActor, prefix: &'static str) -> Result<Backup> {
    // On a task of its own: a caller that hangs up neither stops it nor keeps it out of the audit log.
    let task = app.tasks.spawn(keep_one(app.clone(), by, prefix));
    task.await
        .map_err(|e| Error::Internal(format!("backup: {e}")))?
}

/// Held while a backup is made; holds why the last one failed.
#[derive(Default)]
struct LastBackup(Mutex<Option<String>>);

async fn keep_one(app: App, by: AuditActor, prefix: &str) -> Result<Backup> {
    let last = app.state::<LastBackup>();
    let Ok(mut problem) = last.0.try_lock() else {
        return Err(Error::unavailable("A backup is being made."));
    };
    let made = keep_alone(&app, by, prefix).await;
    *problem = made.as_ref().err().map(ToString::to_string);
    match &made {
        Ok(backup) => drop(app.metrics.last_backup.set(backup.created_at.0 / 1_000)),
        Err(_) => drop(app.metrics.backup_failures.inc()),
    }
    if let Err(error) = &made {
        tracing::error!(%error, "cannot make a backup");
    }
    // Paths are for the log and for the checks of administrators.
    made.map_err(|_| Error::unavailable("No backup could be made: the page Checks says why."))
}

async fn keep_alone(app: &App, by: AuditActor, prefix: &str) -> Result<Backup> {
    let folder = folder(&app.config);
    let source = app.store.path().to_owned();
    let stamp = app.now().to_string().replace([':', '.'], "-");
    let name = format!("{prefix}{stamp}.db");
    let target = folder.join(&name);
    let size = app.store.size();
    let made = on_own_thread(move || {
        std::fs::create_dir_all(&folder)
            .map_err(|e| Error::Internal(format!("{}: {e}", folder.display())))?;
        remove_unfinished(&folder);
        check_space(&folder, size)?;
        make(&source, &target)?;
        describe(&target).ok_or(Error::NotFound(Noun::Backup))
    });
    let made = made.await?;
    note(app, by, Action::BackupMade, name).await?;
    Ok(made)
}

/// Not on a thread of the pool: those serve reads too, and this one has the lowest priority.
async fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (reply, answer) = oneshot::channel();
    std::thread::Builder::new()
        .name("backup".into())
        .spawn(move || drop(reply.send(work())))
        .map_err(|e| Error::Internal(format!("backup: {e}")))?;
    answer
        .await
        .unwrap_or_else(|_| Err(Error::Internal("a backup panicked".into())))
}

/// A file that was written to within this time may be the copy that a command is making.
const ABANDONED_AFTER: Duration = Duration::from_secs(3_600);

/// What a crash in the middle of a copy left behind.
fn remove_unfinished(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str());
        let unfinished = name.and_then(|name| {
            let partial = name.strip_suffix("-journal").unwrap_or(name);
            partial.strip_suffix(".partial")
        });
        let modified = path.metadata().and_then(|metadata| metadata.modified());
        let age = modified.ok().and_then(|at| at.elapsed().ok());
        if unfinished.is_some_and(is_ours) && age.is_none_or(|age| age > ABANDONED_AFTER) {
            backup::remove_partial(&path);
        }
    }
}

/// Free bytes that a copy must leave.
const RESERVE_BYTES: u64 = 256 << 20;

/// A copy must not take the room that the database needs for what people write.
fn check_space(folder: &Path, size: u64) -> Result<()> {
    match disk_free_in(folder) {
        Some(free) if free < size + RESERVE_BYTES => Err(Error::Internal(format!(
            "{}: a copy takes {} MiB and only {} are free",
            folder.display(),
            size >> 20,
            free >> 20
        ))),
        _ => Ok(()),
    }
}

async fn note(app: &App, by: AuditActor, action: Action, name: String) -> Result<()> {
    app.store
        .write(move |tx| {
            audit::note(tx, &by, action, &name, "")?;
            Ok(())
        })
        .await
}

/// The copies that are kept, the newest first.
pub async fn list(app: &App) -> Result<Vec<Backup>> {
    let folder = folder(&app.config);
    tokio::task::spawn_blocking(move || kept_in(&folder))
        .await
        .map_err(|e| Error::Internal(format!("backups: {e}")))
}

/// The copies in a folder, the newest first. Blocks on the disk.
pub fn kept_in(folder: &Path) -> Vec<Backup> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut kept: Vec<Backup> = entries
        .filter_map(|entry| describe(&entry.path()))
        .collect();
    kept.sort_by(|a, b| b.created_at.cmp(&a.created_at).then(b.name.cmp(&a.name)));
    kept
}

/// The file of a copy, for a user who fetches it.
///
/// # Errors
/// [`Noun::Backup`] not found.
pub async fn fetch(app: &App, by: AuditActor, name: String) -> Result<PathBuf> {
    let path = find(app, &name)?;
    note(app, by, Action::BackupFetched, name).await?;
    Ok(path)
}

/// Removes a copy.
///
/// # Errors
/// [`Noun::Backup`] not found.
pub async fn remove(app: &App, by: AuditActor, name: String) -> Result<()> {
    let path = find(app, &name)?;
    std::fs::remove_file(&path).map_err(|e| Error::Internal(format!("{}: {e}", path.display())))?;
    note(app, by, Action::BackupRemoved, name).await
}

/// A name that we give, of a file that is there: nothing else on the disk can be named.
fn find(app: &App, name: &str) -> Result<PathBuf> {
    let path = folder(&app.config).join(name);
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

/// Where the server keeps copies.
pub fn folder(config: &Config) -> PathBuf {
    let dir = &config.backup.dir;
    if !dir.as_os_str().is_empty() {
        return dir.clone();
    }
    let parent = config.database.path.parent().unwrap_or(Path::new("."));
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
    let last = newest(app).await;
    let (mut backup_problem, backup_error) = problem(app, last);
    if list(app).await?.iter().any(is_of_the_future) {
        backup_problem = backup_problem.or(Some(Problem::Future));
    }
    let (open_to_pupils, unused_rules) = preview::standing(app).await?;
    Ok(Checks {
        leads: app.store.read(leads).await?,
        open_to_pupils,
        unused_rules,
        version: env!("BUILD_VERSION").into(),
        changes: changes::of_this_version().into(),
        server_time: app.now(),
        public_url: app
            .config
            .server
            .public_url
            .as_ref()
            .map_or_else(String::new, ToString::to_string),
        push_contact: contact::subject(&app.config),
        push_contact_problem: contact::problem(&app.config),
        last_backup_at: last,
        backup_problem,
        backup_error,
        certificate_expires_at: certificate::expires_at(&app.config),
        certificate_problem: certificate::problem(&app.config),
        database_bytes: app.store.size(),
        disk_free_bytes: disk_free(app.store.path()),
    })
}

/// How many safeguarding leads there are, where there are pupils.
fn leads(connection: &rusqlite::Connection) -> Result<Option<u64>> {
    if school::pupils(connection)? == 0 {
        return Ok(None);
    }
    Ok(Some(duties::leads(connection)?.len() as u64))
}

/// What is wrong with backups, as far as the server makes them; and why the last one failed, if it did.
fn problem(app: &App, last: Option<Time>) -> (Option<Problem>, Option<String>) {
    // While one is being made, nothing is known to be wrong.
    let last_backup = app.state::<LastBackup>();
    let failed = last_backup.0.try_lock().ok();
    if let Some(why) = failed.and_then(|failed| failed.clone()) {
        return (Some(Problem::Failed), Some(why));
    }
    let every = i64::from(app.config.backup.every) * HOUR_MS;
    let old = last.is_some_and(|last| every > 0 && app.now().0 - last.0 > 2 * every);
    (old.then_some(Problem::Old), None)
}

/// Bytes that are free on the disk of `path`.
pub fn disk_free(path: &Path) -> Option<u64> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    disk_free_in(parent.unwrap_or(Path::new(".")))
}

#[cfg(target_os = "linux")]
pub fn disk_free_in(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some(stat.f_bavail * stat.f_frsize)
}

#[cfg(not(target_os = "linux"))]
pub fn disk_free_in(_: &Path) -> Option<u64> {
    None
}
