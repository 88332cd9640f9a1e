//! `schoolbell user …`.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Failure, place, with_app, with_database};
use crate::config::Config;
use crate::model::accounts::{AccountChange, AccountFilter};
use crate::model::audit::AuditActor;
use crate::model::personal_data::Messages;
use crate::model::random;
use crate::model::text::words;
use crate::model::users::{DisplayName, Role, Username};
use crate::ops::personal_data::{self, Erased};
use crate::service::auth::{self, NewAccount};
use crate::service::{accounts, password_links, second_factors};

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
    /// List people by name: id, username, role, status and name.
    List {
        /// Only this role.
        #[arg(long, value_enum)]
        role: Option<Role>,
        /// Only people whose name or username has words that begin with these.
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
    },
    /// Print a one-time link by which a user sets a new password.
    #[command(visible_aliases = ["link", "passwd"])]
    Password {
        /// Their username or id.
        name: String,
    },
    /// Take away the second factor of a user who has lost it: the password alone lets them in then.
    ForgetSecondFactor {
        /// Their username or id.
        name: String,
    },
    /// Disable a user: their sessions end, and they cannot log in.
    Disable {
        /// Their username or id.
        name: String,
    },
    /// Let a disabled user log in again.
    Enable {
        /// Their username or id.
        name: String,
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
        Command::List { role, search } => list(config, role, search.as_deref()),
        Command::Password { name } => password(config, &name),
        Command::ForgetSecondFactor { name } => forget_second_factor(config, &name),
        Command::Disable { name } => set_disabled(config, &name, true),
        Command::Enable { name } => set_disabled(config, &name, false),
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
    let database = place(&config);
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
    let outcome = with_database(config, async |app| {
        let user = personal_data::find(&app, name).await?;
        Ok(personal_data::export(&app, AuditActor::command_line(), user, &folder).await?)
    });
    outcome.map_err(|e| format!("{e}; name a folder of your own with --to"))?;
    say!("{}: open index.html in a browser", folder.display());
    Ok(())
}

fn erase(config: Config, name: &str, messages: Messages) -> Result<(), Failure> {
    let erased = with_database(config, async |app| {
        let user = personal_data::find(&app, name).await?;
        Ok(personal_data::erase(&app, AuditActor::command_line(), user, messages).await?)
    })?;
    match erased {
        Erased::Done => say!("{name} is erased here; backups from before still have them"),
        Erased::Deferred => {
            say!(
                "{name} is shut out; a hold is in the way, and the server erases them within a minute of its end"
            );
        }
    }
    Ok(())
}

fn list(config: Config, role: Option<Role>, search: Option<&str>) -> Result<(), Failure> {
    let mut filter = AccountFilter {
        search: search.map(words).unwrap_or_default(),
        role,
        ..AccountFilter::default()
    };
    with_database(config, async |app| {
        loop {
            let page = accounts::list(&app, filter.clone(), PAGE_ROWS).await?;
            for one in &page {
                let status = if one.disabled { "disabled" } else { "active" };
                let username = one.username.as_deref().unwrap_or("-");
                say!(
                    "{}\t{username}\t{}\t{status}\t{}",
                    one.id,
                    one.role,
                    one.name
                );
            }
            match page.last() {
                Some(last) if page.len() as i64 == PAGE_ROWS => filter.after = Some(last.key),
                _ => return Ok(()),
            }
        }
    })
}

fn password(config: Config, name: &str) -> Result<(), Failure> {
    let site = config
        .server
        .public_url
        .as_ref()
        .map(|url| url.url().clone());
    let link = with_database(config, async |app| {
        let id = personal_data::find(&app, name).await?.id().clone();
        Ok(password_links::make(&app, AuditActor::command_line(), id).await?)
    })?;
    let full = site.and_then(|site| site.join(&link.path).ok());
    let link_text = full.map_or_else(|| link.path.clone(), Into::into);
    say!("{link_text}");
    complain!(
        "for {name}, once, until {}; an earlier link is no longer valid",
        link.expires_at
    );
    Ok(())
}

fn forget_second_factor(config: Config, name: &str) -> Result<(), Failure> {
    with_database(config, async |app| {
        let id = personal_data::find(&app, name).await?.id().clone();
        Ok(second_factors::remove(&app, AuditActor::command_line(), id).await?)
    })?;
    say!("{name} logs in by the password alone");
    Ok(())
}

fn set_disabled(config: Config, name: &str, disabled: bool) -> Result<(), Failure> {
    with_database(config, async |app| {
        let id = personal_data::find(&app, name).await?.id().clone();
        let change = AccountChange {
            disabled: Some(disabled),
            ..AccountChange::default()
        };
        accounts::change(&app, AuditActor::command_line(), id, change).await?;
        Ok(())
    })?;
    let state = if disabled { "disabled" } else { "enabled" };
    say!("{name} is {state}");
    Ok(())
}

/// How many people one read lists.
const PAGE_ROWS: i64 = 500;

/// 96 random bits in 16 characters, with a letter or a digit at both ends: a double click selects all of it.
pub fn random_password() -> Result<String, Failure> {
    loop {
        let password = random::base64url::<12>()?;
        let ends = password.starts_with(['-', '_']) || password.ends_with(['-', '_']);
        if !ends {
            return Ok(password);
        }
    }
}
