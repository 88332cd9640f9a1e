//! `schoolbell user …`.

use clap::Subcommand;

use super::{Failure, with_app};
use crate::config::Config;
use crate::model::random;
use crate::model::users::{DisplayName, Role, Username};
use crate::service::auth::{self, NewAccount};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add somebody who logs in here.
    Add {
        /// What they log in with.
        username: String,
        #[arg(long, value_enum, default_value_t = Role::Student)]
        role: Role,
        /// The name that others see; the username unless given.
        #[arg(long)]
        name: Option<String>,
        /// Read the password from standard input; without this one is made and printed.
        #[arg(long)]
        password_stdin: bool,
    },
}

pub fn run(config: Config, command: Command) -> Result<(), Failure> {
    let Command::Add {
        username,
        role,
        name,
        password_stdin,
    } = command;
    let password = if password_stdin {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        line.trim_end_matches(['\n', '\r']).to_owned()
    } else {
        random_password()?
    };
    let account = NewAccount {
        username: Username::parse(&username)?,
        name: DisplayName::parse(name.as_deref().unwrap_or(&username))?,
        role,
        password: password.clone(),
    };
    let database = config.database.path.display().to_string();
    let user = with_app(config, async |app| {
        Ok(auth::add_account(&app, account).await?)
    })?;
    say!("added {username} ({role}) to {database}, id {}", user.id());
    if !password_stdin {
        say!("password: {password}");
    }
    Ok(())
}

/// 96 random bits in 16 characters.
pub fn random_password() -> Result<String, Failure> {
    Ok(random::base64url::<12>()?)
}
