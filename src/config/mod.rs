//! `config.toml` and the environment, checked at start. Every key has a default; an unknown key is an error.
//!
//! The environment wins over the file: `SCHOOLBELL_SECTION__KEY`, and the names that existing deployments set
//! (`PORT`, `JWT_SECRET`, `FRONTEND_URL`, `VAPID_PUBLIC_KEY`, `VAPID_PRIVATE_KEY`), which yield to the former.

mod auth;
mod check;
mod limits;
mod load;
mod push;
pub mod settings;
mod types;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};

use crate::model::users::Role;
pub use auth::{Auth, LinkBy};
pub use limits::Limits;
pub use push::{Push, PushContent};
use settings::Source;
pub use types::{Algorithm, Network};

impl Server {
    /// Whether a peer is a proxy whose word on the client's address is taken.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        // A socket for both families gives IPv4 peers in IPv6's clothes.
        let peer = peer.to_canonical();
        self.trusted_proxies
            .iter()
            .any(|proxy| proxy.contains(peer))
    }

    /// Whether the server speaks TLS itself.
    pub fn tls(&self) -> bool {
        !self.tls_cert.as_os_str().is_empty()
    }

    /// The path that everything is below, without a slash at its end: `/bell`, or nothing.
    pub fn base(&self) -> &str {
        let url = self.public_url.trim_end_matches('/');
        let after = url.split_once("://").map_or("", |(_, rest)| rest);
        after.find('/').map_or("", |at| &after[at..])
    }

    /// Whether people reach the server by https, here or at a proxy in front.
    pub fn https(&self) -> bool {
        self.tls() || self.public_url.starts_with("https://")
    }
}

/// The whole configuration. `Default` is what runs without a file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub server: Server,
    pub database: Database,
    pub auth: Auth,
    pub socketio: SocketIo,
    pub messages: Messages,
    pub notifications: Notifications,
    pub push: Push,
    pub limits: Limits,
    pub backup: Backup,
    pub retention: Retention,
    pub metrics: Metrics,
    pub log: Log,
    /// Where each `section.key` came from that has not its default.
    #[serde(skip)]
    pub sources: BTreeMap<String, Source>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// `ADDRESS:PORT`; port 0 picks a free one.
    pub listen: String,
    /// Where people reach the server, for links. Empty: the listening address. With a path, `https://school.example/bell`, everything
    /// is served below that as well.
    pub public_url: String,
    /// Origins of other sites whose pages may call, for example `https://app.school.example`.
    pub cors_origins: Vec<String>,
    /// A folder whose files win over the built-in pages. Empty: none.
    pub static_dir: PathBuf,
    /// Origins of other sites that may show the pages in a frame.
    pub frame_ancestors: Vec<String>,
    /// Addresses and networks (`10.0.0.0/8`) whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// A certificate chain in PEM, and its key: with both the server speaks TLS.
    pub tls_cert: PathBuf,
    pub tls_key: PathBuf,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            listen: "127.0.0.1:3000".into(),
            public_url: String::new(),
            cors_origins: Vec::new(),
            static_dir: PathBuf::new(),
            frame_ancestors: Vec::new(),
            trusted_proxies: ["127.0.0.0/8", "::1/128"]
                .iter()
                .filter_map(|network| network.parse().ok())
                .collect(),
            tls_cert: PathBuf::new(),
            tls_key: PathBuf::new(),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    pub path: PathBuf,
    /// Connections that read.
    pub readers: u32,
    /// `full`: an answered write survives a power cut. `normal`: it survives a crash of the process.
    pub synchronous: Synchronous,
}

impl Default for Database {
    fn default() -> Self {
        Database {
            path: "data/schoolbell.db".into(),
            readers: 4,
            synchronous: Synchronous::Full,
        }
    }
}

/// SQLite's `PRAGMA synchronous`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    Full,
    Normal,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SocketIo {
    /// Whether durable events end with a second argument, by which clients from 4.6 on resume. `false`: for handlers that take one
    /// argument only, as in Python and Dart.
    pub cursor: bool,
}

impl Default for SocketIo {
    fn default() -> Self {
        SocketIo { cursor: true }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Messages {
    /// The longest message, in characters.
    pub max_length: usize,
}

impl Default for Messages {
    fn default() -> Self {
        Messages { max_length: 4_000 }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notifications {
    /// The roles that may send notifications, API keys aside.
    pub senders: Vec<Role>,
}

impl Default for Notifications {
    fn default() -> Self {
        Notifications {
            senders: vec![Role::Admin, Role::Staff, Role::Teacher],
        }
    }
}

/// Copies that the server makes by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Backup {
    /// Hours between two; 0: none.
    pub every: u32,
    /// How many of them stay.
    pub keep: usize,
    /// Where they go. Empty: the folder `backups` beside the database.
    pub dir: PathBuf,
}

impl Default for Backup {
    fn default() -> Self {
        Backup {
            every: 24,
            keep: 7,
            dir: PathBuf::new(),
        }
    }
}

/// Days after which things are removed; 0: never.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    pub messages: u32,
    pub notifications: u32,
    pub audit: u32,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// A bearer token that may read `/metrics` from another machine. Empty: this machine only.
    pub token: Secret,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    pub format: LogFormat,
    /// A filter as `tracing` reads it: `info`, `warn`, `schoolbell=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Log {
            format: LogFormat::Text,
            level: "info".into(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// A value that must not be printed: it shows, and serialises, as `***`.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Secret(value.into())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0.is_empty() { "" } else { "***" })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "\"\"" } else { "***" })
    }
}

/// Why a configuration cannot be used: names the key, and the line where there is one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    pub fn new(why: impl Into<String>) -> Self {
        ConfigError(why.into())
    }
}
