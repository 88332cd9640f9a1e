//! `schoolbell config …`.

use clap::Subcommand;

use super::Failure;
use crate::config::{Config, reference};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print every key with its value, as a file with comments. Secrets show as `***`.
    Print {
        /// Print the defaults instead of what the file and the environment set.
        #[arg(long)]
        defaults: bool,
    },
}

pub fn run(config: &Config, command: &Command) -> Result<(), Failure> {
    let Command::Print { defaults } = command;
    let text = if *defaults {
        reference::file(&Config::default())
    } else {
        reference::file(config)
    };
    say!("{}", text.trim_end());
    Ok(())
}
