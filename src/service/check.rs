//! What an operator wants to know before calling for help: one finding a line, with what to do.

use std::path::Path;

use crate::config::Config;
use crate::push::vapid::VapidKeys;
use crate::store::{backup, migrate, open};

/// One thing that was looked at.
#[derive(Debug)]
pub struct Finding {
    pub what: &'static str,
    /// What is wrong and what to do about it; `Ok` says what is right.
    pub outcome: Result<String, String>,
}

/// Looks at the configuration, the files and the database. Changes nothing but for one test write.
pub fn run(config: &Config) -> Vec<Finding> {
    let path = config.database.path.as_path();
    let mut findings = vec![
        finding("folder", folder(path)),
        finding("keys", keys(config, path)),
        finding("push contact", subject(&config.push.subject)),
    ];
    if !path.exists() {
        let hint = "no database yet: the first start makes it".to_owned();
        findings.push(finding("database", Ok(hint)));
        return findings;
    }
    let sound = backup::check(path)
        .map(|()| "passes SQLite's quick check".to_owned())
        .map_err(|e| format!("{e}; restore a backup"));
    let damaged = sound.is_err();
    findings.push(finding("database", sound));
    if !damaged {
        findings.push(finding("write", write(config)));
    }
    findings
}

fn finding(what: &'static str, outcome: Result<String, String>) -> Finding {
    Finding { what, outcome }
}

fn folder(database: &Path) -> Result<String, String> {
    let folder = match database.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !folder.exists() {
        return Ok(format!("{} will be made", folder.display()));
    }
    let probe = folder.join(".schoolbell-check");
    std::fs::write(&probe, b"")
        .and_then(|()| std::fs::remove_file(&probe))
        .map(|()| format!("{} can be written to", folder.display()))
        .map_err(|e| {
            format!(
                "{}: {e}; give it to the user that runs schoolbell",
                folder.display()
            )
        })
}

fn keys(config: &Config, database: &Path) -> Result<String, String> {
    if config.push.vapid_private_key.is_empty() {
        return Ok("made at first start and kept beside the database".to_owned());
    }
    VapidKeys::open(&config.push, database)
        .map(|_| "the VAPID pair fits".to_owned())
        .map_err(|e| format!("{e}; make a pair with `schoolbell vapid generate`"))
}

fn subject(subject: &str) -> Result<String, String> {
    let advice =
        "set push.subject to a mailto: or https: address that reaches you: Apple refuses others";
    match subject {
        "" => Err(format!("empty; {advice}")),
        s if s.starts_with("mailto:") && s.contains('@') || s.starts_with("https://") => {
            Ok(s.to_owned())
        }
        other => Err(format!("{other:?} will not do; {advice}")),
    }
}

fn write(config: &Config) -> Result<String, String> {
    let connection = open::prepare(&config.database).map_err(|e| e.to_string())?;
    connection
        .execute_batch("BEGIN IMMEDIATE; ROLLBACK")
        .map(|()| format!("takes writes, schema {}", migrate::latest()))
        .map_err(|e| format!("{e}; is the disk full or the file read-only?"))
}
