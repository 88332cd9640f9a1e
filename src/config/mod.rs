//! `config.toml` and the environment, checked at start. Every key has a default; an unknown key is an error.
//!
//! The environment wins over the file: `SCHOOLBELL_SECTION__KEY`, and the names that existing deployments set
//! (`PORT`, `JWT_SECRET`, `FRONTEND_URL`, `VAPID_PUBLIC_KEY`, `VAPID_PRIVATE_KEY`), which yield to the former.

mod auth;
mod check;
mod environment;
mod limits;
mod load;
mod mail;
mod places;
mod policy;
mod push;
pub mod reference;
mod safeguarding;
mod section;
mod server;
pub mod settings;
mod types;
mod urls;

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};

use crate::model::policy::Preset;
use crate::model::users::Role;
pub use auth::{Auth, LinkBy, Oidc, OidcMatch};
pub use limits::Limits;
pub use mail::{Mail, MailAuth, MailOauth2, Mailbox, SmtpTls, SmtpUrl};
pub use push::{Push, PushContent};
pub use safeguarding::{Notice, Safeguarding};
use section::section;
pub use server::{Acme, Server};
use settings::Source;
pub use types::{Algorithm, Network, Zone, at_least_one, count};
pub use urls::{Domain, HttpUrl, Origin, ProxyUrl, PublicUrl};

/// The whole configuration. `Default` is what runs without a file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub school: School,
    pub server: Server,
    pub database: Database,
    pub auth: Auth,
    pub socketio: SocketIo,
    pub policy: Policy,
    pub messages: Messages,
    pub safeguarding: Safeguarding,
    pub presence: Presence,
    pub notifications: Notifications,
    pub push: Push,
    pub mail: Mail,
    pub limits: Limits,
    pub backup: Backup,
    pub retention: Retention,
    pub metrics: Metrics,
    pub log: Log,
    /// Where each `section.key` came from that has not its default.
    #[serde(skip)]
    pub sources: BTreeMap<String, Source>,
}

section! {
    /// The school.
    pub struct School {
        /// Its name, for slips and mails.
        pub name: String = String::new(),
        /// Where people log in, as it is printed: `bell.school.example`. Empty: `server.public_url`.
        pub short_address: String = String::new(),
        /// Its time zone, by which days begin: `Europe/Berlin`. Empty: UTC.
        #[serde(with = "types::optional")]
        pub time_zone: Option<Zone> = None,
    }
}

section! {
    /// The SQLite database.
    pub struct Database {
        /// The file; keys and backups are kept beside it.
        pub path: PathBuf = "data/schoolbell.db".into(),
        /// Connections that read, at most 64.
        pub readers: NonZeroU32 = at_least_one(4),
        /// `full`: an answered write survives a power cut; `normal`: it survives a crash of the process.
        pub synchronous: Synchronous = Synchronous::Full,
    }
}

/// SQLite's `PRAGMA synchronous`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    Full,
    Normal,
}

section! {
    /// Sockets of Socket.IO.
    pub struct SocketIo {
        /// Whether durable events end with a second argument, by which clients from 4.6 on resume. `false`: for handlers that
        /// take one argument only, as in Python and Dart; clients are not told their cursor then.
        pub cursor: bool = true,
    }
}

section! {
    /// Who may write to whom.
    pub struct Policy {
        /// `open`, `teacher-led`, `family`, `secondary` or `announcements-only`. Set here, the dashboard cannot change it.
        #[serde(with = "types::optional")]
        pub preset: Option<Preset> = None,
        /// A file with a policy of the school's own, in TOML, in place of a preset. Set here, the dashboard cannot change it.
        pub file: PathBuf = PathBuf::new(),
        /// Days for which the newest message of somebody can be answered by those who may only answer.
        pub reply_days: NonZeroU32 = at_least_one(30),
    }
}

section! {
    /// Who sees who is online.
    pub struct Presence {
        /// Roles that others do not see online, nor when they were last seen, unless the user shows it in their preferences.
        pub hidden_roles: Vec<Role> = Vec::new(),
    }
}

section! {
    /// Messages between people.
    pub struct Messages {
        /// The longest message, in characters, at most 10000.
        pub max_length: NonZeroU32 = at_least_one(4_000),
        /// Roles of which nobody is told that they have read a message.
        pub hidden_receipts: Vec<Role> = Vec::new(),
        /// Seconds for which a sender can take a message back; 0: not at all.
        pub retract_seconds: u32 = 600,
    }
}

section! {
    /// Notifications.
    pub struct Notifications {
        /// The roles that may send notifications to everybody, apart from API keys, under the policy `open`. Any other policy says itself
        /// who may announce to whom.
        pub senders: Vec<Role> = vec![Role::Admin, Role::Staff, Role::Teacher],
    }
}

section! {
    /// Copies that the server makes by itself.
    pub struct Backup {
        /// Hours between two copies; 0: none.
        pub every: u32 = 24,
        /// How many copies are kept.
        pub keep: NonZeroU32 = at_least_one(7),
        /// Where they go. Empty: the folder `backups` beside the database.
        pub dir: PathBuf = PathBuf::new(),
    }
}

section! {
    /// When old data is removed, at night.
    pub struct Retention {
        /// Days after which messages are removed; 0: never.
        pub messages: u32 = 0,
        /// Days after which notifications are removed; 0: never.
        pub notifications: u32 = 0,
        /// Days after which lines of the audit log are removed; 0: never.
        pub audit: u32 = 0,
    }
}

section! {
    /// Metrics for Prometheus.
    pub struct Metrics {
        /// A bearer token that may read `/metrics` from another machine. Empty: this machine only.
        pub token: Secret = Secret::default(),
    }
}

section! {
    /// The log, on standard error. It never has a token, a password or the text of a message.
    pub struct Log {
        /// `text` or `json`.
        pub format: LogFormat = LogFormat::Text,
        /// A filter as `tracing` reads it: `info`, `warn`, `schoolbell=debug`.
        pub level: String = "info".into(),
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
