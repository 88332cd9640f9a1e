//! The packages of the Node server, installed by the run itself.

use std::path::Path;
use std::process::Command;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/node");

/// Installs what `package-lock.json` names, unless it is there, and makes Prisma's client.
pub fn install() {
    if Path::new(FOLDER).join("node_modules/.installed").exists() {
        return;
    }
    run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]));
    let mut generate = Command::new("npx");
    generate.args(["prisma", "generate", "--config", "prisma.config.mjs"]);
    // It would be fetched, though a client with a driver adapter is made without it: any program that is there will do.
    generate.env(
        "PRISMA_SCHEMA_ENGINE_BINARY",
        std::env::current_exe().unwrap(),
    );
    run(&mut generate);
    std::fs::write(Path::new(FOLDER).join("node_modules/.installed"), "").unwrap();
}

fn run(command: &mut Command) {
    let status = command.current_dir(FOLDER).status();
    let status = status.expect("the comparison takes Node 20 or newer, and npm");
    assert!(status.success(), "{command:?}: {status}");
}
