//! The server's own certificate (RFC 5280) and key, in PEM files that may be replaced while it runs.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::config::Server;
use crate::model::time::Time;

/// Reads both files.
///
/// # Errors
/// A sentence that names the key of the configuration.
pub fn load(server: &Server) -> Result<Arc<ServerConfig>, String> {
    let chain = chain(&server.tls_cert)?;
    let key = PrivateKeyDer::from_pem_file(&server.tls_key).map_err(|e| {
        let path = server.tls_key.display();
        format!("server.tls_key: {path}: {e}; it must be a PEM key without a passphrase")
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("TLS: {e}"))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| format!("server.tls_key: cannot be used with server.tls_cert: {e}"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A session kept for each of ten thousand sockets would cost more than a handshake of those that come back.
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let fail = |why: String| format!("server.tls_cert: {}: {why}", path.display());
    let read = CertificateDer::pem_file_iter(path).map_err(|e| fail(e.to_string()))?;
    let chain: Vec<_> = read
        .collect::<Result<_, _>>()
        .map_err(|e| fail(e.to_string()))?;
    if chain.is_empty() {
        return Err(fail("there is no certificate in it".into()));
    }
    Ok(chain)
}

/// When the first certificate of the chain ends.
///
/// # Errors
/// As [`load`].
pub fn expires_at(server: &Server) -> Result<Time, String> {
    let chain = chain(&server.tls_cert)?;
    let first = chain.first().map(AsRef::as_ref).unwrap_or_default();
    let certificate = Certificate::from_der(first).map_err(|e| format!("server.tls_cert: {e}"))?;
    let end = certificate.tbs_certificate.validity.not_after;
    Ok(Time(end.to_unix_duration().as_millis() as i64))
}

/// When either file was last changed: another value is another certificate.
pub fn changed_at(server: &Server) -> [Option<SystemTime>; 2] {
    [&server.tls_cert, &server.tls_key].map(|path| path.metadata().and_then(|m| m.modified()).ok())
}
