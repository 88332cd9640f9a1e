//! The commands: thin, each calls a service. They work while a server runs on the same database.

/// `println!` that fails instead of panicking when the reader has gone: `schoolbell check | head -1`.
macro_rules! say {
    ($($text:tt)*) => {
        std::io::Write::write_fmt(&mut std::io::stdout(), format_args!("{}\n", format_args!($($text)*)))?
    };
}

/// `eprintln!` that does not panic where standard error is closed or full.
macro_rules! complain {
    ($($text:tt)*) => {
        drop(std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{}\n", format_args!($($text)*))))
    };
}

mod audit;
mod backup;
mod check;
mod config;
mod demo;
mod import;
mod key;
mod manual;
mod policy;
mod serve;
mod user;
mod vapid;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::app::{App, OpenError};
use crate::config::{Config, ConfigError, LogFormat};
use crate::log;
use crate::ops::import::Wishes;

const AFTER_HELP: &str = "\
Exit codes: 0 done; 1 failed, or a check found something wrong; 2 bad usage or a bad configuration.

Environment: SCHOOLBELL_SECTION__KEY sets a key of the configuration and wins over the file, for example
SCHOOLBELL_SERVER__LISTEN=0.0.0.0:3000; so do PORT, JWT_SECRET, FRONTEND_URL, VAPID_PUBLIC_KEY and
VAPID_PRIVATE_KEY. `schoolbell config print` shows every key.";

/// Real-time notifications and messaging for schools.
#[derive(Debug, Parser)]
#[command(version = env!("BUILD_VERSION"), about, after_help = AFTER_HELP)]
pub struct Arguments {
    /// The configuration; without it `config.toml` of this folder, where there is one.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server (what happens without a command).
    Serve,
    /// Manage people.
    #[command(subcommand)]
    User(user::Command),
    /// Manage the API keys of the school's back end.
    #[command(subcommand)]
    Key(key::Command),
    /// Look at who may write to whom.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Check the audit log.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Manage the Web Push keys.
    #[command(subcommand)]
    Vapid(vapid::Command),
    /// Show the configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Copy the database to a file, while it is in use.
    Backup {
        /// Must not exist.
        file: PathBuf,
    },
    /// Put a backup in the place of the database, which is kept aside. The server must not run.
    Restore { file: PathBuf },
    /// Take over people, messages and notifications of another system from a file of JSON lines. The server must not run.
    Import {
        file: PathBuf,
        /// Write nothing, and say what would be written.
        #[arg(long)]
        dry_run: bool,
        /// Leave out the lines that cannot be taken, and import the others.
        #[arg(long)]
        skip_bad: bool,
    },
    /// Check configuration, files and database, and say what to do.
    Check {
        /// Check a token instead, and say which user it is: a file that holds one, or `-` for standard input.
        #[arg(long, value_name = "FILE")]
        token: Option<String>,
    },
    /// Ask the running server whether it is healthy, for supervisors: exit code 0 or 1.
    Health,
    /// Fill an empty database with a small school to look at.
    Demo,
    /// Print a script that completes commands in a shell.
    Completions { shell: clap_complete::Shell },
    /// Write manual pages, one for each command, into a folder.
    Man {
        /// The folder, which must exist.
        folder: PathBuf,
    },
}

/// Why a command did not do its work: shown on standard error, exit code 1.
pub type Failure = Box<dyn std::error::Error>;

/// Parses the arguments, reads the configuration and runs the command. Exit codes: 0 done, 1 failed, 2 bad usage or a bad
/// configuration.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match Config::load(arguments.config.as_deref(), environment()) {
        Ok(config) => config,
        Err(error) => {
            complain!("schoolbell: {error}");
            return ExitCode::from(2);
        }
    };
    let command = arguments.command.unwrap_or(Command::Serve);
    if let Err(error) = trace(&config, &command) {
        complain!("schoolbell: log.level: {error}");
        return ExitCode::from(2);
    }
    let done = match command {
        Command::Serve => serve::run(config),
        Command::User(command) => user::run(config, command),
        Command::Key(command) => key::run(config, command),
        Command::Policy(command) => policy::run(config, command),
        Command::Audit(command) => audit::run(config, command),
        Command::Vapid(command) => vapid::run(&command),
        Command::Config(command) => config::run(&config, &command),
        Command::Backup { file } => backup::run(&config, &file),
        Command::Restore { file } => backup::restore(&config, &file),
        Command::Import {
            file,
            dry_run,
            skip_bad,
        } => import::run(&config, &file, Wishes { dry_run, skip_bad }),
        Command::Check { token } => check::run(config, token.as_deref()),
        Command::Health => check::health(&config),
        Command::Demo => demo::run(config),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { folder } => manual::pages(&folder),
    };
    log::close();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("schoolbell: {error}");
            ExitCode::from(exit_code(&*error))
        }
    }
}

/// The variables whose names and values are text. Others are not meant for us.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// 2 when the configuration is at fault, else 1.
fn exit_code(error: &(dyn std::error::Error + 'static)) -> u8 {
    let config =
        error.is::<ConfigError>() || matches!(error.downcast_ref(), Some(OpenError::Config(_)));
    if config { 2 } else { 1 }
}

/// Sends the log to standard error: standard output is for what a command answers. A command other than the server
/// logs what goes wrong and nothing else.
fn trace(config: &Config, command: &Command) -> Result<(), Failure> {
    use std::io::IsTerminal as _;
    // The store logs what the migrations do.
    let level = &config.log.level;
    let configured = EnvFilter::try_new(format!("refinery_core=warn,{level}"))?;
    let filter = match command {
        Command::Serve => configured,
        // Commands report bad certificates themselves.
        _ => EnvFilter::new("warn,rustls_platform_verifier=off"),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(log::writer()?)
        .log_internal_errors(false);
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panic")));
    match config.log.format {
        LogFormat::Text => builder
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}

/// Runs a command that needs the database, and then closes it properly.
fn with_app<T, F>(config: Config, work: impl FnOnce(App) -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let runtime = runtime()?;
    runtime.block_on(async {
        let app = App::open(config)?;
        work(app).await
    })
}

/// As [`with_app`], for a command that must not make a database in a wrong folder.
fn with_database<T, F>(config: Config, work: impl FnOnce(App) -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let path = &config.database.path;
    if !path.exists() {
        let why = "no database here: run this in the server's folder, or set database.path";
        return Err(format!("{}: {why}", absolute(path).display()).into());
    }
    with_app(config, work)
}

/// Where the database is, for people; one that is still to be made is called new.
fn place(config: &Config) -> String {
    let path = &config.database.path;
    let new = if path.exists() { "" } else { " (new)" };
    format!("{}{new}", absolute(path).display())
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}
