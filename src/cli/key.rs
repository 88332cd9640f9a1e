//! `schoolbell key …`.

use clap::Subcommand;

use super::{Failure, place, with_database};
use crate::config::Config;
use crate::model::audit::AuditActor;
use crate::model::keys::Scope;
use crate::service::keys;
use crate::store;

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
    /// List the keys: id, scopes, state, last use and name.
    List,
    /// Revoke a key: it is refused from now on.
    Revoke {
        /// As `schoolbell key list` prints it.
        id: String,
    },
}

/// The most keys that are listed.
const MAX_LISTED: i64 = 10_000;

pub fn run(config: Config, command: Command) -> Result<(), Failure> {
    match command {
        Command::Create { name, scope } => create(config, &name, &scope),
        Command::List => list(config),
        Command::Revoke { id } => revoke(config, &id),
    }
}

fn create(config: Config, name: &str, scope: &[Scope]) -> Result<(), Failure> {
    let database = place(&config);
    let made = with_database(config, async |app| {
        Ok(keys::create(&app, AuditActor::command_line(), name, scope).await?)
    })?;
    complain!("a key for {name} in {database}:");
    say!("{}", made.secret.expose());
    Ok(())
}

fn list(config: Config) -> Result<(), Failure> {
    let found = with_database(config, async |app| {
        let read = app.store.read(|c| store::keys::list(c, MAX_LISTED));
        Ok(read.await?)
    })?;
    for key in found {
        let state = if key.revoked_at.is_some() {
            "revoked"
        } else {
            "active"
        };
        let used = key.last_used_at.map_or("never".into(), |at| at.to_string());
        say!(
            "{}\t{}\t{state}\t{used}\t{}",
            key.id,
            key.scopes.join(","),
            key.name
        );
    }
    Ok(())
}

fn revoke(config: Config, id: &str) -> Result<(), Failure> {
    with_database(config, async |app| {
        Ok(keys::revoke(&app, AuditActor::command_line(), id.to_owned()).await?)
    })?;
    say!("{id} is revoked");
    Ok(())
}
