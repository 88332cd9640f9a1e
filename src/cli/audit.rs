//! `schoolbell audit …`.

use clap::Subcommand;

use super::{Failure, with_database};
use crate::config::Config;
use crate::model::audit::{Anchor, Chain};
use crate::ops::audit;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check that no line of the audit log was changed, removed, put in or moved.
    Verify {
        /// A line and its hash that were written down before, LINE:HASH: whether they are in it.
        #[arg(long)]
        anchor: Option<Anchor>,
    },
}

pub fn run(config: Config, command: Command) -> Result<(), Failure> {
    let Command::Verify { anchor } = command;
    let chain = with_database(config, async move |app| {
        Ok(audit::verify(&app, anchor).await?)
    })?;
    let Chain {
        lines,
        begins_after,
        ends_with,
        broken,
    } = chain;
    if let Some(broken) = broken {
        return Err(format!("audit log: line {} {}", broken.line, broken.why).into());
    }
    if begins_after.line > 0 {
        say!("lines up to {} are past their retention", begins_after.line);
    }
    say!("{lines} lines are as they were written");
    say!("newest: {ends_with}");
    Ok(())
}
