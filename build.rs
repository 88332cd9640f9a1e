//! The version that `schoolbell --version` prints: with the commit and its date, where these are known.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=BUILD_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let version = match std::env::var("BUILD_COMMIT").ok().or_else(commit) {
        Some(commit) => format!("{version} ({commit})"),
        None => version,
    };
    // Not SCHOOLBELL_…: cargo hands it to what it runs, and there it would be taken for a key of the configuration.
    println!("cargo::rustc-env=BUILD_VERSION={version}");
}

/// The abbreviated commit and its date. Only of a release build: others would be compiled again after each commit.
fn commit() -> Option<String> {
    if std::env::var("PROFILE").is_ok_and(|profile| profile != "release") {
        return None;
    }
    // One that is not there would have the crate compiled each time.
    for path in [".git/HEAD", ".git/refs/heads"] {
        if std::path::Path::new(path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let arguments = ["log", "-1", "--abbrev=12", "--format=%h %cs"];
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}
