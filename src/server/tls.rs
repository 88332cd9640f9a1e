//! TLS, with a certificate that may be replaced while the server runs: new connections have the new one, those that are
//! open keep theirs.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::app::App;
use crate::auth::certificate;

/// How often the files are checked for changes.
const CHECK_PERIOD: Duration = Duration::from_secs(2);

/// The certificate that new connections get.
pub struct Tls(RwLock<Arc<ServerConfig>>);

impl Tls {
    /// Reads the files, where the configuration names any, and again whenever they change.
    ///
    /// # Errors
    /// A sentence that names the key of the configuration.
    pub fn open(app: &App) -> Result<Option<Arc<Self>>, String> {
        let server = &app.config.server;
        if !server.tls() {
            return Ok(None);
        }
        let seen = certificate::changed_at(server);
        let tls = Arc::new(Tls(RwLock::new(certificate::load(server)?)));
        app.tasks.spawn(watch(app.clone(), tls.clone(), seen));
        Ok(Some(tls))
    }

    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        TlsAcceptor::from(config).accept(stream).await
    }
}

async fn watch(app: App, tls: Arc<Tls>, mut seen: [Option<std::time::SystemTime>; 2]) {
    let server = &app.config.server;
    let mut looks = tokio::time::interval(CHECK_PERIOD);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = app.stopping.cancelled() => return,
        }
        let now = certificate::changed_at(server);
        if now == seen {
            continue;
        }
        match certificate::load(server) {
            Ok(config) => {
                *tls.0.write().unwrap_or_else(PoisonError::into_inner) = config;
                tracing::info!("reloaded the certificate");
                seen = now;
            }
            // Half of a pair may be written by now: the old one serves until both fit.
            Err(why) => tracing::warn!(why, "cannot reload the certificate"),
        }
    }
}
