//! `schoolbell serve`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, runtime};
use crate::api;
use crate::app::App;
use crate::auth::certificate::Pair;
use crate::config::{Config, ConfigError};
use crate::log;
use crate::push::contact;
use crate::server;
use crate::store::files;
use crate::store::{open, users};

pub fn run(config: Config) -> Result<(), Failure> {
    raise_file_limit();
    let runtime = runtime()?;
    let served = runtime.block_on(serve(config));
    // A running backup is given up: the stop has a deadline.
    runtime.shutdown_timeout(Duration::from_secs(2));
    served
}

/// Every socket is a file: takes as many as the system grants without asking (the soft limit is often 1,024).
fn raise_file_limit() {
    #[cfg(unix)]
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}

async fn serve(config: Config) -> Result<(), Failure> {
    let base = config.server.base();
    if api::is_taken(base) {
        let why =
            format!("server.public_url: something else is at {base} already: take another path");
        return Err(ConfigError::new(why).into());
    }
    // Before the database is made: a port that is taken leaves nothing behind.
    let listener = TcpListener::bind(&config.server.listen)
        .await
        .map_err(|e| format!("cannot listen on {}: {e}", config.server.listen))?;
    let address = listener.local_addr()?;
    // Held to the end: a second server on this database is refused.
    let mut lock = open::lock(&config.database.path)?;
    lock.file.set_len(0)?;
    lock.file.write_all(address.to_string().as_bytes())?;
    if let Some(pair) = Pair::of(&config)
        && (!config.server.has_acme() || pair.exists())
    {
        pair.load().map_err(ConfigError::new)?;
    }
    if let Some(problem) = contact::problem(&config) {
        tracing::warn!("{problem}");
    }
    if files::is_missing(&config.database.path) {
        tracing::warn!(
            path = %config.database.path.display(),
            "the database is missing, but its keys are there: starting with an empty one. If the database was moved, stop and put it back"
        );
    }
    let starting = Starting::begin();
    let app = App::open(config)?;
    drop(starting);
    lock.hold(&app.config.database.path)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // The terminal was closed.
    let mut hang_up = signal(SignalKind::hangup())?;
    if let Err(error) = say_at_once(&greeting(&app, address).await?) {
        tracing::warn!(%error, %address, "cannot print the address to standard output");
    }
    ready(&app);
    probe_jwks(&app);
    let mut asked = async move || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hang_up.recv() => {}
        }
    };
    let stop = async move {
        asked().await;
        tell_systemd(&[NotifyState::Stopping]);
        tokio::spawn(async move {
            asked().await;
            log::last_word("stopped at once");
        });
    };
    Ok(server::run(listener, app, stop).await?)
}

/// Tells systemd that the server takes connections (`Type=notify`), and from then on that it is alive, as often as its
/// watchdog wants: as long as tasks run, and the threads that every write needs.
fn ready(app: &App) {
    tell_systemd(&[NotifyState::Ready]);
    let mut microseconds = 0;
    if sd_notify::watchdog_enabled(false, &mut microseconds) {
        let app = app.clone();
        tokio::spawn(async move {
            let mut beat = tokio::time::interval(Duration::from_micros(microseconds / 2));
            loop {
                beat.tick().await;
                if app.pulses.beat() {
                    tell_systemd(&[NotifyState::Watchdog]);
                } else {
                    tracing::error!(
                        "the writer or the dispatcher hangs: not notifying the watchdog"
                    );
                }
            }
        });
    }
}

/// Fetches the keys of the school's app before the first token comes, and says so where that fails.
fn probe_jwks(app: &App) {
    let Some(jwks) = app.auth.tokens.jwks().cloned() else {
        return;
    };
    tokio::spawn(async move {
        if let Err(error) = jwks.probe().await {
            tracing::warn!(
                error,
                "cannot fetch auth.jwks_url: tokens of the app are refused until it can be"
            );
        }
    });
}

/// Does nothing where no systemd listens.
fn tell_systemd(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(false, states) {
        tracing::warn!(%error, "cannot notify systemd");
    }
}

/// While the database is opened, which may copy and migrate all of it: tells systemd, and the log, that it takes longer.
struct Starting(#[expect(dead_code, reason = "its end tells the thread")] mpsc::Sender<()>);

impl Starting {
    const EXTEND_PERIOD: Duration = Duration::from_secs(10);
    /// What is added to systemd's time-out each time, in microseconds.
    const EXTEND_MICROSECONDS: u32 = 60_000_000;

    fn begin() -> Self {
        let (sender, ended) = mpsc::channel();
        let tell = move || {
            let began = Instant::now();
            while ended.recv_timeout(Self::EXTEND_PERIOD) == Err(RecvTimeoutError::Timeout) {
                let seconds = began.elapsed().as_secs();
                tell_systemd(&[
                    NotifyState::ExtendTimeoutUsec(Self::EXTEND_MICROSECONDS),
                    NotifyState::Status("opening the database"),
                ]);
                tracing::info!(seconds, "opening the database");
            }
        };
        if let Err(error) = std::thread::Builder::new().spawn(tell) {
            tracing::warn!(%error, "cannot report the progress of the start");
        }
        Starting(sender)
    }
}

fn say_at_once(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Says where the server is and, while there is no admin, how to make one.
async fn greeting(app: &App, address: SocketAddr) -> Result<String, Failure> {
    let mut out = String::new();
    let scheme = if app.config.server.tls() {
        "https"
    } else {
        "http"
    };
    if !app.store.read(users::admin_exists).await? {
        let code = app.auth.setup.issue(app.now())?;
        let base = match &app.config.server.public_url {
            // "Every interface" is no address that a browser can open.
            None if address.ip().is_unspecified() => {
                format!("{scheme}://localhost:{}", address.port())
            }
            None => format!("{scheme}://{address}"),
            Some(public) => public.site().to_owned(),
        };
        writeln!(out, "make the first administrator within 30 minutes:")?;
        writeln!(out, "  {base}/admin/#setup={code}")?;
        writeln!(out, "or with: schoolbell user add NAME --role admin")?;
    }
    writeln!(out, "listening on {scheme}://{address}")?;
    Ok(out)
}
