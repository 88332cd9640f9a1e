//! Folders, permissions, space and backups.

use std::path::{Path, PathBuf};

use super::Outcome;
use crate::auth::{acme, keyfile};
use crate::config::Config;
use crate::config::settings::Source;
use crate::model::time::Time;
use crate::ops::backup::{self, disk_free};

/// Less than this is too little, whatever the size of the database, in bytes.
const MIN_FREE_BYTES: u64 = 512 << 20;

const HOUR_MS: i64 = 3_600_000;

fn folder_of(database: &Path) -> &Path {
    match database.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// As people find it from any folder.
fn shown(folder: &Path) -> String {
    let absolute = std::path::absolute(folder);
    absolute.as_deref().unwrap_or(folder).display().to_string()
}

/// Whether the database's folder can be written to, or the nearest one in which it would be made.
pub fn folder(database: &Path) -> Outcome {
    let folder = folder_of(database);
    let existing = folder.ancestors().find(|path| path.exists());
    let nearest = existing.unwrap_or(Path::new("."));
    let outcome = if nearest == folder {
        "can be written to"
    } else {
        "will be made"
    };
    probe(nearest)?;
    Ok(format!("{} {outcome}", shown(folder)))
}

fn probe(folder: &Path) -> Result<(), String> {
    let probe = folder.join(".schoolbell-check");
    std::fs::write(&probe, b"")
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(|e| {
            let place = shown(folder);
            format!("{place}: {e}; give it to the user that runs schoolbell")
        })
}

/// Whether this user may read and write the database, where there is one.
#[cfg(unix)]
pub fn user(database: &Path) -> Outcome {
    use std::os::unix::fs::MetadataExt as _;
    let open = std::fs::File::options()
        .read(true)
        .write(true)
        .open(database);
    match open {
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            let owner = database
                .metadata()
                .or_else(|_| folder_of(database).metadata());
            let owner = owner.map_or("another user".to_owned(), |m| {
                format!("the user with id {}", m.uid())
            });
            let path = database.display();
            Err(format!(
                "{path} belongs to {owner}, and you may not read and write it: run this as that user, with `sudo -u`"
            ))
        }
        _ => Ok("may read and write the database".into()),
    }
}

#[cfg(not(unix))]
pub fn user(_: &Path) -> Outcome {
    Ok("this system is not asked".into())
}

/// Whether anybody else on the machine may read what is private, or put something else in its place.
pub fn permissions(config: &Config) -> Outcome {
    let database = config.database.path.as_path();
    let keys =
        ["session.key", "jwt.secret", "vapid.key"].map(|name| keyfile::beside(database, name));
    let mut private: Vec<PathBuf> = keys.into_iter().collect();
    private.push(config.server.tls_key.clone());
    let acme = acme::Files::beside(database);
    private.extend([acme.account, acme.key]);
    // The database, its logs, and copies of it: all begin with its name.
    let name = database.file_name().unwrap_or_default().to_string_lossy();
    let ours = |file: &str| file.starts_with(&*name) && !file.ends_with(".lock");
    private.extend(files_in(folder_of(database), ours));
    private.extend(files_in(&backup::folder(config), |file| {
        file.ends_with(".db")
    }));
    private.extend(files_with_secrets(config));
    let folder = folder_of(database);
    if mode(folder) & 0o022 != 0 {
        let folder = shown(folder);
        return Err(format!(
            "others can change what is in {folder}: chmod 700 {folder}"
        ));
    }
    let advice: Vec<String> = private.iter().filter_map(|path| advice(path)).collect();
    if advice.is_empty() {
        return Ok("nobody else can read the database, its copies and the keys".into());
    }
    Err(format!(
        "others on this machine can read private files: {}",
        advice.join(", ")
    ))
}

/// The configuration files that hold a secret which is set: those show as `***`.
fn files_with_secrets(config: &Config) -> impl Iterator<Item = PathBuf> {
    let settings = config.settings().into_iter();
    let secrets = settings.filter(|setting| setting.value.contains("***"));
    secrets.filter_map(|secret| match secret.source {
        Source::File(file) => Some(file.into()),
        Source::Default | Source::Dashboard | Source::Environment(_) => None,
    })
}

/// What to do about a file that users can read who should not. One of another owner, such as root, is given to the service by its
/// group.
#[cfg(target_os = "linux")]
fn advice(path: &Path) -> Option<String> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let metadata = path.metadata().ok()?;
    let is_own = metadata.uid() == rustix::process::geteuid().as_raw();
    let (others, mode) = if is_own {
        (0o077, "600")
    } else {
        (0o007, "o-rwx")
    };
    let is_open = metadata.permissions().mode() & others != 0;
    is_open.then(|| format!("chmod {mode} {}", path.display()))
}

#[cfg(not(target_os = "linux"))]
fn advice(_: &Path) -> Option<String> {
    None
}

fn files_in(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let wanted = entries.filter(|entry| entry.file_name().to_str().is_some_and(&wanted));
    wanted
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect()
}

/// The permissions of a file that is there.
#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata()
        .map_or(0, |metadata| metadata.permissions().mode())
}

#[cfg(not(unix))]
fn mode(_: &Path) -> u32 {
    0
}

pub fn space(database: &Path) -> Outcome {
    let size = database.metadata().map_or(0, |m| m.len());
    let existing = folder_of(database).ancestors().find(|path| path.exists());
    let Some(free) = disk_free(existing.unwrap_or(Path::new("."))) else {
        return Ok("this system does not tell".into());
    };
    // A backup takes the size of the database once more, and so does a restore.
    let needed = MIN_FREE_BYTES.max(2 * size);
    let text = format!("{} MiB free, the database has {}", free >> 20, size >> 20);
    if free < needed {
        return Err(format!(
            "{text}: at least {} MiB should be free",
            needed >> 20
        ));
    }
    Ok(text)
}

pub fn newest_backup(config: &Config, now: Time) -> Outcome {
    let every = i64::from(config.backup.every);
    let folder = backup::folder(config);
    let place = folder.display();
    let (future, kept): (Vec<_>, Vec<_>) = backup::kept_in(&folder)
        .into_iter()
        .partition(backup::is_of_the_future);
    if let Some(copy) = future.first() {
        return Err(format!(
            "{place}/{} is dated {}, which is still to come: see that the clock is right, and remove it or `touch` it",
            copy.name, copy.created_at
        ));
    }
    let newest = kept.into_iter().next();
    if every > 0 {
        let existing = folder.ancestors().find(|path| path.exists());
        probe(existing.unwrap_or(Path::new(".")))?;
    }
    match newest {
        _ if every == 0 => Ok("the server makes none by itself: backup.every is 0".into()),
        None => Ok(format!(
            "none in {place} yet: the server makes one every {every} hours"
        )),
        Some(newest) => {
            let age = (now.0 - newest.created_at.0) / HOUR_MS;
            let text = format!("{place}/{} is {age} hours old", newest.name);
            if age > 2 * every {
                return Err(format!(
                    "{text}: is the server running, and has {place} room?"
                ));
            }
            Ok(text)
        }
    }
}
