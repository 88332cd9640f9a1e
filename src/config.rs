//! `config.toml` and the environment, checked at start. Every key has a default; an unknown key is an error.
//!
//! The environment wins over the file: `SCHOOLBELL_SECTION__KEY`, and the names that existing deployments set
//! (`PORT`, `JWT_SECRET`, `FRONTEND_URL`, `VAPID_PUBLIC_KEY`, `VAPID_PRIVATE_KEY`), which yield to the former.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::model::users::Role;

/// The algorithms that a token may have (RFC 7518 section 3.1, RFC 8037). `none` is never one.
pub const ALGORITHMS: [&str; 4] = ["HS256", "RS256", "ES256", "EdDSA"];

/// The whole configuration. `Default` is what runs without a file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub server: Server,
    pub database: Database,
    pub auth: Auth,
    pub messages: Messages,
    pub notifications: Notifications,
    pub push: Push,
    pub limits: Limits,
    pub metrics: Metrics,
    pub log: Log,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// `ADDRESS:PORT`; port 0 picks a free one.
    pub listen: String,
    /// Where people reach the server, for links. Empty: the listening address.
    pub public_url: String,
    /// Origins of other sites whose pages may call, for example `https://app.school.example`.
    pub cors_origins: Vec<String>,
    /// A folder whose files win over the built-in pages. Empty: none.
    pub static_dir: PathBuf,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            listen: "127.0.0.1:3000".into(),
            public_url: String::new(),
            cors_origins: Vec::new(),
            static_dir: PathBuf::new(),
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
pub struct Auth {
    /// The HS256 secret, shared with the school's own back end where that signs tokens. Empty: made at first start.
    pub jwt_secret: Secret,
    /// A public key in PEM (RSA, P-256 or Ed25519) whose tokens are accepted as well, or the path of its file.
    pub public_key: String,
    /// A JWKS URL whose keys are accepted as well.
    pub jwks_url: String,
    /// What `iss` must be in tokens that others signed. Empty: anything.
    pub issuer: String,
    /// What `aud` must hold in tokens that others signed. Empty: anything.
    pub audience: String,
    /// Algorithms that are accepted: `HS256`, `RS256`, `ES256`, `EdDSA`. Empty: those whose keys are configured.
    pub algorithms: Vec<String>,
    /// Whether a valid token of an unknown subject makes the user.
    pub auto_provision: bool,
    /// Whether a user made so may be an admin when the claim `role` says so.
    pub trust_admin_claim: bool,
    /// Seconds for which a login's token is good.
    pub token_ttl: u32,
}

impl Default for Auth {
    fn default() -> Self {
        Auth {
            jwt_secret: Secret::default(),
            public_key: String::new(),
            jwks_url: String::new(),
            issuer: String::new(),
            audience: String::new(),
            algorithms: Vec::new(),
            auto_provision: false,
            trust_admin_claim: false,
            token_ttl: 7 * 24 * 3_600,
        }
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

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Push {
    /// As `schoolbell vapid generate` prints it. Empty: made at first start.
    pub vapid_public_key: String,
    pub vapid_private_key: Secret,
    /// `mailto:` or `https:` of someone whom a push service can reach.
    pub subject: String,
    /// Lets push go to private addresses and over plain http: for tests.
    pub allow_private_endpoints: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    pub enabled: bool,
    /// Open sockets of one user; one more closes the oldest.
    pub connections_per_user: usize,
    /// Frames a second that one socket may send, after a burst of four times as many.
    pub frames_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            enabled: true,
            connections_per_user: 20,
            frames_per_second: 20,
        }
    }
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
            level: "info,refinery_core=warn".into(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// A value that must not be printed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "\"\"" } else { "***" })
    }
}

/// Why a configuration cannot be used: names the key, and the line where there is one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl Config {
    /// Reads `file`, or `config.toml` of the working folder where there is one, then the environment.
    ///
    /// # Errors
    /// [`ConfigError`] for a file that cannot be read, an unknown key or a value that does not fit.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let default_file = Path::new("config.toml");
        let file = file.or_else(|| default_file.exists().then_some(default_file));
        let mut table = Table::new();
        if let Some(path) = file {
            let name = path.display();
            let text = std::fs::read_to_string(path)
                .map_err(|e| ConfigError(format!("cannot read {name}: {e}")))?;
            // Twice: only text knows its lines, only a table can be overlaid by the environment.
            toml::from_str::<Config>(&text)
                .and_then(|_| toml::from_str::<Table>(&text))
                .map(|parsed| table = parsed)
                .map_err(|e| ConfigError(describe(&name.to_string(), &text, &e)))?;
        }
        overlay(&mut table, environment)?;
        let config: Config = Value::Table(table)
            .try_into()
            .map_err(|e: toml::de::Error| ConfigError(e.message().to_owned()))?;
        config.checked()
    }

    fn checked(self) -> Result<Self, ConfigError> {
        let fail = |key: &str, why: String| Err(ConfigError(format!("{key}: {why}")));
        if self.server.listen.parse::<std::net::SocketAddr>().is_err() {
            return fail(
                "server.listen",
                format!("{:?} is not ADDRESS:PORT", self.server.listen),
            );
        }
        for origin in &self.server.cors_origins {
            let exact = url::Url::parse(origin).is_ok_and(|u| {
                matches!(u.scheme(), "http" | "https")
                    && u.origin().ascii_serialization() == *origin
            });
            if !exact {
                return fail(
                    "server.cors_origins",
                    format!("{origin:?} is not an origin such as \"https://app.school.example\""),
                );
            }
        }
        if !self.auth.jwt_secret.is_empty() && self.auth.jwt_secret.expose().len() < 16 {
            return fail("auth.jwt_secret", "must be at least 16 bytes long".into());
        }
        for name in &self.auth.algorithms {
            if !ALGORITHMS.contains(&name.as_str()) {
                return fail(
                    "auth.algorithms",
                    format!("{name:?} is none of {}", ALGORITHMS.join(", ")),
                );
            }
        }
        let positive = [
            ("database.readers", self.database.readers as usize),
            ("messages.max_length", self.messages.max_length),
            ("auth.token_ttl", self.auth.token_ttl as usize),
            (
                "limits.connections_per_user",
                self.limits.connections_per_user,
            ),
            (
                "limits.frames_per_second",
                self.limits.frames_per_second as usize,
            ),
        ];
        for (key, value) in positive {
            if value == 0 {
                return fail(key, "must be at least 1".into());
            }
        }
        // A body of 64 KiB must be able to hold the longest message, escaped.
        if self.messages.max_length > 10_000 {
            return fail("messages.max_length", "must be at most 10000".into());
        }
        if self.push.vapid_public_key.is_empty() != self.push.vapid_private_key.is_empty() {
            return fail(
                "push.vapid_public_key",
                "goes with push.vapid_private_key: set both or neither".into(),
            );
        }
        Ok(self)
    }
}

/// `file:line: message`, with the key that `toml` found wrong.
fn describe(file: &str, text: &str, error: &toml::de::Error) -> String {
    let message = error.message().trim();
    let Some(span) = error.span() else {
        return format!("{file}: {message}");
    };
    let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
    let source = text.lines().nth(line - 1).unwrap_or_default().trim();
    let key = source.split('=').next().unwrap_or_default().trim();
    // The value stays out of the message: it may be a secret.
    if message.contains(key) {
        format!("{file}:{line}: {message}")
    } else {
        format!("{file}:{line}: {key}: {message}")
    }
}

/// Sets what the environment names. The type of a key's default says how its text is read.
fn overlay(
    table: &mut Table,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    let defaults =
        Table::try_from(Config::default()).map_err(|e| ConfigError(format!("defaults: {e}")))?;
    let mut given: Vec<(String, String, String, String)> = Vec::new();
    let mut legacy = Vec::new();
    for (name, text) in environment {
        if let Some(rest) = name.strip_prefix("SCHOOLBELL_") {
            let Some((section, key)) = rest.split_once("__") else {
                return Err(ConfigError(format!(
                    "{name}: expected SCHOOLBELL_SECTION__KEY"
                )));
            };
            given.push((
                name.clone(),
                section.to_lowercase(),
                key.to_lowercase(),
                text,
            ));
        } else if let Some((section, key, text)) = legacy_name(&name, text) {
            legacy.push((name, section.to_owned(), key.to_owned(), text));
        }
    }
    // The names of existing deployments come first, so that schoolbell's own win.
    for (name, section, key, text) in legacy.into_iter().chain(given) {
        let default = defaults
            .get(&section)
            .and_then(|s| s.get(&key))
            .ok_or_else(|| ConfigError(format!("{name}: there is no key {section}.{key}")))?;
        let value = parse_as(default, &text)
            .ok_or_else(|| ConfigError(format!("{name}: is not a {}", default.type_str())))?;
        table
            .entry(section)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .ok_or_else(|| ConfigError(format!("{name}: its section is not a table")))?
            .insert(key, value);
    }
    Ok(())
}

fn legacy_name(name: &str, text: String) -> Option<(&'static str, &'static str, String)> {
    if text.is_empty() {
        return None;
    }
    match name {
        // Containers set PORT and expect the server on every interface.
        "PORT" => Some(("server", "listen", format!("0.0.0.0:{text}"))),
        "JWT_SECRET" => Some(("auth", "jwt_secret", text)),
        "FRONTEND_URL" => {
            let origins = text.replace(' ', "");
            let trimmed: Vec<_> = origins
                .split(',')
                .map(|o| o.trim_end_matches('/'))
                .collect();
            Some(("server", "cors_origins", trimmed.join(",")))
        }
        "VAPID_PUBLIC_KEY" => Some(("push", "vapid_public_key", text)),
        "VAPID_PRIVATE_KEY" => Some(("push", "vapid_private_key", text)),
        _ => None,
    }
}

fn parse_as(default: &Value, text: &str) -> Option<Value> {
    match default {
        Value::String(_) => Some(Value::String(text.to_owned())),
        Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
        Value::Integer(_) => text.parse().ok().map(Value::Integer),
        Value::Array(_) => Some(Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Value::String(item.to_owned()))
                .collect(),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, text).unwrap();
        let environment = environment
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()));
        Config::load(Some(&path), environment).map_err(|e| e.to_string())
    }

    #[test]
    fn a_wrong_key_is_named_with_its_line() {
        let error = load("[server]\nlisten = \"127.0.0.1:1\"\nlisen = 3\n", &[]).unwrap_err();
        assert!(error.contains(":3:") && error.contains("lisen"), "{error}");
        let error = load("\n[messages]\nmax_length = \"x\"\n", &[]).unwrap_err();
        assert!(
            error.contains(":3:") && error.contains("max_length"),
            "{error}"
        );
        let error = load("[nonsense]\nx = 1\n", &[]).unwrap_err();
        assert!(
            error.contains(":1:") && error.contains("nonsense"),
            "{error}"
        );
    }

    #[test]
    fn a_wrong_secret_is_not_printed() {
        let error = load("[auth]\njwt_secret = 12345678901234567\n", &[]).unwrap_err();
        assert!(error.contains("jwt_secret"), "{error}");
        let config = load("[auth]\njwt_secret = \"0123456789abcdef\"\n", &[]).unwrap();
        assert!(!format!("{config:?}").contains("0123456789abcdef"));
    }

    #[test]
    fn the_environment_wins_and_old_names_yield() {
        let config = load(
            "[server]\nlisten = \"127.0.0.1:1\"\n",
            &[
                ("SCHOOLBELL_SERVER__LISTEN", "127.0.0.1:7"),
                ("PORT", "8"),
                ("JWT_SECRET", "a-secret-of-some-length"),
                ("FRONTEND_URL", "http://localhost:5173/, https://a.example"),
                ("SCHOOLBELL_AUTH__AUTO_PROVISION", "true"),
                ("SCHOOLBELL_MESSAGES__MAX_LENGTH", "10"),
            ],
        )
        .unwrap();
        assert_eq!(config.server.listen, "127.0.0.1:7");
        assert_eq!(config.auth.jwt_secret.expose(), "a-secret-of-some-length");
        assert_eq!(
            config.server.cors_origins,
            ["http://localhost:5173", "https://a.example"]
        );
        assert!(config.auth.auto_provision);
        assert_eq!(config.messages.max_length, 10);
    }

    #[test]
    fn the_environment_is_checked_too() {
        for (name, value, part) in [
            ("SCHOOLBELL_SERVER__LISEN", "x", "server.lisen"),
            ("SCHOOLBELL_LISTEN", "x", "SCHOOLBELL_SECTION__KEY"),
            ("SCHOOLBELL_AUTH__AUTO_PROVISION", "maybe", "AUTO_PROVISION"),
            ("SCHOOLBELL_LOG__FORMAT", "xml", "xml"),
            ("PORT", "http", "server.listen"),
            ("FRONTEND_URL", "localhost", "cors_origins"),
            ("JWT_SECRET", "short", "auth.jwt_secret"),
            ("VAPID_PUBLIC_KEY", "x", "vapid_private_key"),
        ] {
            let error = load("", &[(name, value)]).unwrap_err();
            assert!(error.contains(part), "{name}: {error}");
        }
    }
}
