//! What outgoing HTTPS connections have in common: the certificate authorities that they trust, and how they name themselves.

use reqwest::{Certificate, ClientBuilder};

/// A client that trusts the roots of browsers beside the system's, which a container may lack.
pub fn https_client() -> ClientBuilder {
    // Another part of the process may have chosen already; then that choice stands.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    ClientBuilder::new()
        .user_agent(concat!("schoolbell/", env!("CARGO_PKG_VERSION")))
        .tls_certs_merge(roots.filter_map(|der| Certificate::from_der(der).ok()))
}
