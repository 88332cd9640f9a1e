//! `schoolbell serve`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, runtime};
use crate::app::App;
use crate::auth::certificate;
use crate::config::{Config, ConfigError};
use crate::push::contact;
use crate::server;
use crate::store::{open, users};

pub fn run(config: Config) -> Result<(), Failure> {
    raise_file_limit();
    let runtime = runtime()?;
    let served = runtime.block_on(serve(config));
    // A backup that is being made is given up: the stop has a deadline.
    runtime.shutdown_timeout(Duration::from_secs(2));
    served
}

/// Every socket is a file: takes as many as the system grants without asking (the soft limit is often 1,024).
fn raise_file_limit() {
    #[cfg(unix)]
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

async fn serve(config: Config) -> Result<(), Failure> {
    // Before the database is made: a port that is taken leaves nothing behind.
    let listener = TcpListener::bind(&config.server.listen)
        .await
        .map_err(|e| format!("cannot listen on {}: {e}", config.server.listen))?;
    let address = listener.local_addr()?;
    // Held to the end: a second server on this database is refused.
    let mut lock = open::lock(&config.database.path)?;
    lock.set_len(0)?;
    write!(lock, "{address}")?;
    if config.server.tls() {
        certificate::load(&config.server).map_err(ConfigError::new)?;
    }
    if let Some(problem) = contact::problem(&config) {
        tracing::warn!("{problem}");
    }
    let app = App::open(config)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    announce(&app, address).await?;
    ready();
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tell_systemd(&[NotifyState::Stopping]);
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            eprintln!("schoolbell: stopped at once");
            std::process::exit(1);
        });
    };
    Ok(server::run(listener, app, stop).await?)
}

/// Tells systemd that the server takes connections (`Type=notify`), and from then on that it is alive, as often as its
/// watchdog wants: as long as tasks run.
fn ready() {
    tell_systemd(&[NotifyState::Ready]);
    let mut microseconds = 0;
    if sd_notify::watchdog_enabled(false, &mut microseconds) {
        tokio::spawn(async move {
            let mut beat = tokio::time::interval(Duration::from_micros(microseconds / 2));
            loop {
                beat.tick().await;
                tell_systemd(&[NotifyState::Watchdog]);
            }
        });
    }
}

/// Does nothing where no systemd listens.
fn tell_systemd(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(false, states) {
        tracing::warn!(%error, "systemd was not told");
    }
}

/// Says where the server is and, while there is no admin, how to make one.
async fn announce(app: &App, address: SocketAddr) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    let scheme = if app.config.server.tls() {
        "https"
    } else {
        "http"
    };
    if !app.store.read(users::admin_exists).await? {
        let code = app.auth.setup.issue(app.now())?;
        let base = match app.config.server.public_url.trim_end_matches('/') {
            // "Every interface" is no address that a browser can open.
            "" if address.ip().is_unspecified() => {
                format!("{scheme}://localhost:{}", address.port())
            }
            "" => format!("{scheme}://{address}"),
            public => public.to_owned(),
        };
        writeln!(out, "make the first administrator within 30 minutes:")?;
        writeln!(out, "  {base}/admin/#setup={code}")?;
        writeln!(out, "or with: schoolbell user add NAME --role admin")?;
    }
    writeln!(out, "listening on {scheme}://{address}")?;
    Ok(out.flush()?)
}
