//! `schoolbell user …`.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Failure, with_app};
use crate::config::Config;
use crate::model::audit::AuditActor;
use crate::model::personal_data::Messages;
use crate::model::random;
use crate::model::users::{DisplayName, Role, Username};
use crate::ops::personal_data;
use crate::service::auth::{self, NewAccount};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add a user who logs in here.
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
    /// Write all that is stored of a user into a folder: JSON, and a page to read.
    Export {
        /// Their username or id.
        name: String,
        /// The folder to make; NAME-data unless given.
        #[arg(long)]
        to: Option<PathBuf>,
    },
    /// Erase a user: their account, devices, notifications and name. It cannot be undone.
    Erase {
        /// Their username or id.
        name: String,
        /// What happens to the messages that they wrote.
        #[arg(long, value_enum, default_value_t = Messages::Keep)]
        messages: Messages,
    },
}

pub fn run(config: Config, command: Command) -> Result<(), Failure> {
    match command {
        Command::Add {
            username,
            role,
            name,
            password_stdin,
        } => add(config, &username, role, name.as_deref(), password_stdin),
        Command::Export { name, to } => export(config, &name, to),
        Command::Erase { name, messages } => erase(config, &name, messages),
    }
}

fn add(
    config: Config,
    username: &str,
    role: Role,
    name: Option<&str>,
    password_stdin: bool,
) -> Result<(), Failure> {
    let password = if password_stdin {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        line.trim_end_matches(['\n', '\r']).to_owned()
    } else {
        random_password()?
    };
    let account = NewAccount {
        username: Username::parse(username)?,
        name: DisplayName::parse(name.unwrap_or(username))?,
        role,
        password: password.clone(),
    };
    let database = config.database.path.display().to_string();
    let user = with_app(config, async |app| {
        Ok(auth::add_account(&app, AuditActor::command_line(), account).await?)
    })?;
    say!("added {username} ({role}) to {database}, id {}", user.id());
    if !password_stdin {
        say!("password: {password}");
    }
    Ok(())
}

fn export(config: Config, name: &str, to: Option<PathBuf>) -> Result<(), Failure> {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.@".contains(c) {
            c
        } else {
            '_'
        }
    };
    let named = || format!("{}-data", name.chars().map(safe).collect::<String>());
    let folder = to.unwrap_or_else(|| named().into());
    with_app(config, async |app| {
        let user = personal_data::find(&app, name).await?;
        Ok(personal_data::export(&app, AuditActor::command_line(), user, &folder).await?)
    })?;
    say!("{}: open index.html in a browser", folder.display());
    Ok(())
}

fn erase(config: Config, name: &str, messages: Messages) -> Result<(), Failure> {
    with_app(config, async |app| {
        let user = personal_data::find(&app, name).await?;
        Ok(personal_data::erase(&app, AuditActor::command_line(), user, messages).await?)
    })?;
    say!("{name} is erased here; backups from before still have them");
    Ok(())
}

/// 96 random bits in 16 characters.
pub fn random_password() -> Result<String, Failure> {
    Ok(random::base64url::<12>()?)
}
