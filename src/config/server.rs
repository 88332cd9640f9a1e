//! `[server]`: where the server listens, and where people reach it.

use std::net::IpAddr;
use std::path::PathBuf;

use super::section::section;
use super::types::optional;
use super::{Domain, HttpUrl, Network, Origin, PublicUrl};

section! {
    /// Where the server listens, and where people reach it.
    pub struct Server {
        /// `ADDRESS:PORT`; port 0 picks a free one. `PORT=n` in the environment means `0.0.0.0:n`.
        pub listen: String = "127.0.0.1:3000".into(),
        /// Where people reach the server, for links. Empty: the listening address. With a path, such as
        /// `https://school.example/bell`, everything is served below that as well.
        #[serde(with = "optional")]
        pub public_url: Option<PublicUrl> = None,
        /// Origins of other sites whose pages may call: `https://app.school.example`; also `FRONTEND_URL`.
        pub cors_origins: Vec<Origin> = Vec::new(),
        /// A folder whose files win over the built-in pages. Empty: none.
        pub static_dir: PathBuf = PathBuf::new(),
        /// Origins of other sites that may show the pages in a frame.
        pub frame_ancestors: Vec<Origin> = Vec::new(),
        /// Addresses and networks (`10.0.0.0/8`) of proxies whose `X-Forwarded-For` is believed.
        pub trusted_proxies: Vec<Network> = ["127.0.0.0/8", "::1/128"].iter().filter_map(|network| network.parse().ok()).collect(),
        /// A certificate chain in PEM. With it and its key the server speaks https; both are read again when they change.
        pub tls_cert: PathBuf = PathBuf::new(),
        /// The key of the certificate, in PEM.
        pub tls_key: PathBuf = PathBuf::new(),
        nested {
            pub acme: Acme,
        }
    }
}

section! {
    /// A certificate that the server gets by itself (ACME, RFC 8555), by TLS-ALPN-01 (RFC 8737).
    pub struct Acme {
        /// Names of this server: `["bell.school.example"]`. With any, it gets a certificate for them and speaks https. They must
        /// lead to it at port 443. Empty: none.
        pub domains: Vec<Domain> = Vec::new(),
        /// An address that the certificate authority may write to about the certificate. Empty: none.
        pub email: String = String::new(),
        /// The directory of the certificate authority, to whose terms of service `domains` agrees. Empty: Let's Encrypt.
        #[serde(with = "optional")]
        pub directory: Option<HttpUrl> = None,
        /// A certificate in PEM that the directory's own certificate is issued by, for an authority in the school's network.
        /// Empty: one that browsers trust.
        pub directory_ca: PathBuf = PathBuf::new(),
    }
}

impl Server {
    /// Whether a peer is a proxy whose word on the client's address is taken.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        // A socket for both families gives IPv4 peers as IPv4-mapped IPv6 addresses.
        let peer = peer.to_canonical();
        self.trusted_proxies
            .iter()
            .any(|proxy| proxy.contains(peer))
    }

    /// Whether the server speaks TLS itself.
    pub fn tls(&self) -> bool {
        !self.tls_cert.as_os_str().is_empty() || self.has_acme()
    }

    /// Whether the server gets its certificate by itself.
    pub fn has_acme(&self) -> bool {
        !self.acme.domains.is_empty()
    }

    /// The path that everything is below, without a slash at its end: `/bell`, or nothing.
    pub fn base(&self) -> &str {
        self.public_url.as_ref().map_or("", PublicUrl::base)
    }

    /// Whether `public_url` is an `https:` URL.
    pub fn is_public_https(&self) -> bool {
        self.public_url.as_ref().is_some_and(PublicUrl::is_https)
    }

    /// Whether people reach the server by https, here or at a proxy in front.
    pub fn https(&self) -> bool {
        self.tls() || self.is_public_https()
    }
}
