//! `schoolbell vapid …`.

use clap::Subcommand;

use super::Failure;
use crate::auth::vapid::VapidKeys;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print a new pair in the form of `npx web-push generate-vapid-keys`. Nothing is stored.
    Generate,
}

pub fn run(command: &Command) -> Result<(), Failure> {
    let Command::Generate = command;
    let keys = VapidKeys::generate();
    let rule = "=======================================";
    say!(
        "\n{rule}\n\nPublic Key:\n{}\n\nPrivate Key:\n{}\n\n{rule}\n",
        keys.public,
        keys.private.expose()
    );
    Ok(())
}
