//! The certificate authorities that outgoing HTTPS connections trust.

use reqwest::Certificate;

/// The roots that browsers trust, for use beside the system's, which a container may lack.
pub fn public() -> impl Iterator<Item = Certificate> {
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    roots.filter_map(|der| Certificate::from_der(der).ok())
}
