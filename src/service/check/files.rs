//! Folders, permissions, space and backups.

use std::path::Path;

use super::Outcome;
use crate::auth::keyfile;
use crate::config::Config;
use crate::model::time::Time;
use crate::service::backup::{self, disk_free};
use crate::store::open::sibling;

/// Less than this is too little, whatever the size of the database, in bytes.
const LITTLE: u64 = 512 << 20;

const HOUR: i64 = 3_600_000;

fn folder_of(database: &Path) -> &Path {
    match database.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Whether the database's folder can be written to, or the nearest one in which it would be made.
pub fn folder(database: &Path) -> Outcome {
    let folder = folder_of(database);
    let existing = folder.ancestors().find(|path| path.exists());
    let nearest = existing.unwrap_or(Path::new("."));
    let probe = nearest.join(".schoolbell-check");
    let outcome = if nearest == folder {
        "can be written to"
    } else {
        "will be made"
    };
    std::fs::write(&probe, b"")
        .and_then(|()| std::fs::remove_file(&probe))
        .map(|()| format!("{} {outcome}", folder.display()))
        .map_err(|e| {
            let place = nearest.display();
            format!("{place}: {e}; give it to the user that runs schoolbell")
        })
}

/// Whether anybody else on the machine may read what is private.
pub fn permissions(database: &Path) -> Outcome {
    let keys = ["jwt.secret", "vapid.key"].map(|name| keyfile::beside(database, name));
    let logs = ["", "-wal", "-shm"].map(|suffix| sibling(database, suffix));
    let open: Vec<String> = keys
        .iter()
        .chain(&logs)
        .filter(|path| others_may_read(path))
        .map(|path| path.display().to_string())
        .collect();
    if open.is_empty() {
        return Ok("nobody else can read the database and the keys".into());
    }
    let open = open.join(" ");
    Err(format!(
        "others on this machine can read {open}: chmod 600 {open}"
    ))
}

#[cfg(unix)]
fn others_may_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata()
        .is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn others_may_read(_: &Path) -> bool {
    false
}

pub fn space(database: &Path) -> Outcome {
    let size = database.metadata().map_or(0, |m| m.len());
    let existing = folder_of(database).ancestors().find(|path| path.exists());
    let Some(free) = disk_free(existing.unwrap_or(Path::new("."))) else {
        return Ok("this system does not tell".into());
    };
    // A backup takes the size of the database once more, and so does a restore.
    let needed = LITTLE.max(2 * size);
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
    let newest = backup::kept_in(&folder).into_iter().next();
    let place = folder.display();
    match newest {
        _ if every == 0 => Ok("the server makes none by itself: backup.every is 0".into()),
        None => Ok(format!(
            "none in {place} yet: the server makes one every {every} hours"
        )),
        Some(newest) => {
            let age = (now.0 - newest.created_at.0) / HOUR;
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
