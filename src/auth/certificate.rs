//! The server's own certificate (RFC 5280) and key, in PEM files that may be replaced while it runs: those of the
//! configuration, or those that [`super::acme`] gets.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WantsServerCert;
use rustls::{ConfigBuilder, ServerConfig};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::acme;
use crate::config::Config;
use crate::model::time::Time;

/// The files that the server speaks TLS with.
#[derive(Debug, Clone)]
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// The keys of the configuration that name them.
    named: [&'static str; 2],
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validity {
    pub begins_at: Time,
    pub ends_at: Time,
    /// The names that it is for.
    pub names: Vec<String>,
}

/// TLS without client certificates, up to the certificate of the server.
///
/// # Errors
/// A sentence, where the versions of TLS cannot be had.
pub fn server_config() -> Result<ConfigBuilder<ServerConfig, WantsServerCert>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("TLS: {e}"))?;
    Ok(builder.with_no_client_auth())
}

impl Pair {
    /// `None`: the server speaks plain HTTP.
    pub fn of(config: &Config) -> Option<Self> {
        let server = &config.server;
        if server.has_acme() {
            let files = acme::Files::beside(&config.database.path);
            return Some(Pair {
                certificate: files.certificate,
                key: files.key,
                named: ["server.acme"; 2],
            });
        }
        server.tls().then(|| Pair {
            certificate: server.tls_cert.clone(),
            key: server.tls_key.clone(),
            named: ["server.tls_cert", "server.tls_key"],
        })
    }

    /// Reads both files.
    ///
    /// # Errors
    /// A sentence that names the key of the configuration.
    pub fn load(&self) -> Result<Arc<ServerConfig>, String> {
        let chain = self.chain()?;
        let [certificate, key_named] = self.named;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|e| {
            let path = self.key.display();
            format!("{key_named}: {path}: {e}; it must be a PEM key without a passphrase")
        })?;
        let mut config = server_config()?
            .with_single_cert(chain, key)
            .map_err(|e| format!("{key_named}: cannot be used with {certificate}: {e}"))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A session kept for each of ten thousand sockets would cost more than a handshake of those that come back.
        config.send_tls13_tickets = 1;
        Ok(Arc::new(config))
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let fail =
            |why: String| format!("{}: {}: {why}", self.named[0], self.certificate.display());
        let read = CertificateDer::pem_file_iter(&self.certificate);
        let read = read.map_err(|e| fail(e.to_string()))?;
        let chain: Vec<_> = read
            .collect::<Result<_, _>>()
            .map_err(|e| fail(e.to_string()))?;
        if chain.is_empty() {
            return Err(fail("there is no certificate in it".into()));
        }
        Ok(chain)
    }

    /// What the first certificate of the chain says.
    ///
    /// # Errors
    /// As [`Pair::load`].
    pub fn validity(&self) -> Result<Validity, String> {
        let chain = self.chain()?;
        let first = chain.first().map(AsRef::as_ref).unwrap_or_default();
        let certificate =
            Certificate::from_der(first).map_err(|e| format!("{}: {e}", self.named[0]))?;
        let certificate = certificate.tbs_certificate;
        let time = |at: x509_cert::time::Time| Time(at.to_unix_duration().as_millis() as i64);
        let alternatives = certificate.filter::<SubjectAltName>();
        let alternatives = alternatives
            .filter_map(|found| Some(found.ok()?.1.0))
            .flatten();
        let names = alternatives.filter_map(|name| match name {
            GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
            _ => None,
        });
        Ok(Validity {
            names: names.collect(),
            begins_at: time(certificate.validity.not_before),
            ends_at: time(certificate.validity.not_after),
        })
    }

    pub fn exists(&self) -> bool {
        self.certificate.exists() && self.key.exists()
    }

    /// When either file was last changed: another value is another certificate.
    pub fn changed_at(&self) -> [Option<SystemTime>; 2] {
        let changed = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
        [changed(&self.certificate), changed(&self.key)]
    }
}
