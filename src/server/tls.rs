//! TLS, with a certificate that may be replaced while the server runs: new connections have the new one, those that are
//! open keep theirs.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::server::{Acceptor, ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

use crate::app::App;
use crate::auth::acme::{ALPN, Challenges};
use crate::auth::certificate::{Pair, server_config};

/// How often the files are checked for changes.
const CHECK_PERIOD: Duration = Duration::from_secs(2);

/// The certificate that new connections get.
pub struct Tls {
    /// `None` while the first one is still to be had.
    current: RwLock<Option<Arc<ServerConfig>>>,
    /// What answers a certificate authority, where the server gets its certificate by itself.
    acme: Option<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads the files, where the configuration names any, and again whenever they change.
    ///
    /// # Errors
    /// A sentence that names the key of the configuration.
    pub fn open(app: &App) -> Result<Option<Arc<Self>>, String> {
        let Some(pair) = Pair::of(&app.config) else {
            return Ok(None);
        };
        let acme = app.config.server.has_acme();
        let seen = pair.changed_at();
        let current = if acme && !pair.exists() {
            None
        } else {
            Some(pair.load()?)
        };
        let tls = Arc::new(Tls {
            current: RwLock::new(current),
            acme: acme.then(|| answering(app)).transpose()?,
        });
        app.tasks.spawn(watch(app.clone(), pair, tls.clone(), seen));
        Ok(Some(tls))
    }

    /// # Errors
    /// The client's, or there is no certificate yet; also when the client was a certificate authority, which has its answer.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let Some(acme) = &self.acme else {
            return TlsAcceptor::from(self.current()?).accept(stream).await;
        };
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let asks = |hello: &ClientHello| {
            hello
                .alpn()
                .is_some_and(|mut names| names.any(|n| n == ALPN))
        };
        if asks(&start.client_hello()) {
            start.into_stream(acme.clone()).await?;
            return Err(io::Error::other("answered a certificate authority"));
        }
        start.into_stream(self.current()?).await
    }

    fn current(&self) -> io::Result<Arc<ServerConfig>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let none = || io::Error::other("there is no certificate yet");
        current.clone().ok_or_else(none)
    }
}

/// Answers with the proof for the name that a certificate authority asks for (RFC 8737 section 3).
fn answering(app: &App) -> Result<Arc<ServerConfig>, String> {
    let mut config = server_config()?.with_cert_resolver(Arc::new(Proofs(app.state())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct Proofs(Arc<Challenges>);

impl ResolvesServerCert for Proofs {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.find(hello.server_name()?)
    }
}

async fn watch(app: App, pair: Pair, tls: Arc<Tls>, mut seen: [Option<SystemTime>; 2]) {
    let mut looks = tokio::time::interval(CHECK_PERIOD);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = app.stopping.cancelled() => return,
        }
        let now = pair.changed_at();
        if now == seen {
            continue;
        }
        match pair.load() {
            Ok(config) => {
                *tls.current.write().unwrap_or_else(PoisonError::into_inner) = Some(config);
                tracing::info!("reloaded the certificate");
                seen = now;
            }
            // Half of a pair may be written by now: the old one serves until both fit.
            Err(why) => tracing::warn!(why, "cannot reload the certificate"),
        }
    }
}
