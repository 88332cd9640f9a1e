//! `schoolbell key …`.

use clap::Subcommand;

use super::{Failure, with_app};
use crate::config::Config;
use crate::model::audit::AuditActor;
use crate::model::keys::Scope;
use crate::service::keys;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a key and print it, once.
    Create {
        /// A name for people to read.
        name: String,
        /// What it may do; give it again for more than one.
        #[arg(long, value_enum, default_values_t = [Scope::Notify])]
        scope: Vec<Scope>,
    },
}

pub fn run(config: Config, command: Command) -> Result<(), Failure> {
    let Command::Create { name, scope } = command;
    let database = config.database.path.display().to_string();
    let made = with_app(config, async |app| {
        Ok(keys::create(&app, AuditActor::command_line(), &name, &scope).await?)
    })?;
    complain!("a key for {name} in {database}:");
    say!("{}", made.secret.expose());
    Ok(())
}
