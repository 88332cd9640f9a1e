//! What an operator wants to know before calling for help: one finding a line, with what to do.

use std::path::Path;

use crate::auth::keyfile;
use crate::auth::tokens::Tokens;
use crate::auth::vapid::VapidKeys;
use crate::config::Config;
use crate::push::contact;
use crate::store::{backup, migrate, open};

/// One thing that was looked at.
#[derive(Debug)]
pub struct Finding {
    pub what: &'static str,
    /// What is wrong and what to do about it; `Ok` says what is right.
    pub outcome: Result<String, String>,
}

/// Looks at the configuration, the files and the database. Changes nothing.
pub fn run(config: &Config) -> Vec<Finding> {
    let path = config.database.path.as_path();
    let mut findings = vec![
        finding("folder", folder(path)),
        finding("keys", keys(config, path)),
        finding("push contact", subject(config)),
    ];
    if !path.exists() {
        let hint = "no database yet: the first start makes it".to_owned();
        findings.push(finding("database", Ok(hint)));
        return findings;
    }
    let sound = backup::check(path)
        .map(|()| "passes SQLite's quick check".to_owned())
        .map_err(|e| format!("{e}; restore a backup"));
    findings.push(finding("database", sound));
    findings.push(finding("write", write(path)));
    findings
}

fn finding(what: &'static str, outcome: Result<String, String>) -> Finding {
    Finding { what, outcome }
}

/// Whether the database's folder can be written to, or the nearest one in which it would be made.
fn folder(database: &Path) -> Result<String, String> {
    let folder = match database.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
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

/// Looks at the keys that are there; what is missing is made at the next start.
fn keys(config: &Config, database: &Path) -> Result<String, String> {
    let made = |name: &str| keyfile::beside(database, name).exists();
    if !config.push.vapid_private_key.is_empty() || made("vapid.key") {
        VapidKeys::open(&config.push, database)
            .map_err(|e| format!("{e}; make a pair with `schoolbell vapid generate`"))?;
    }
    if !config.auth.jwt_secret.is_empty() || made("jwt.secret") {
        Tokens::open(&config.auth, database)?;
    }
    Ok("those that are there fit; others are made at the next start".to_owned())
}

fn subject(config: &Config) -> Result<String, String> {
    match contact::problem(config) {
        None => Ok(contact::subject(config)),
        // Whoever does not use push need not care.
        Some(problem) if config.push.subject.is_empty() => Ok(problem),
        Some(problem) => Err(problem),
    }
}

fn write(database: &Path) -> Result<String, String> {
    match open::probe(database) {
        Ok(version) if version < migrate::latest() => Ok(format!(
            "takes writes; schema {version}, which the next start brings up to date"
        )),
        Ok(version) => Ok(format!("takes writes, schema {version}")),
        Err(error) => Err(error.to_string()),
    }
}
