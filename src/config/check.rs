//! What no type can say of a configuration.

use super::{Config, ConfigError};
use crate::model::notifications::Link;
use crate::model::text::is_host_name;

impl Config {
    /// # Errors
    /// [`ConfigError`] that names the key.
    pub(super) fn checked(self) -> Result<Self, ConfigError> {
        let fail = |key: &str, why: String| Err(ConfigError(format!("{key}: {why}")));
        let listen = &self.server.listen;
        let address = listen.rsplit_once(':');
        if !address.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()) {
            return fail("server.listen", format!("{listen:?} is not ADDRESS:PORT"));
        }
        let http =
            |url: &str| url::Url::parse(url).is_ok_and(|u| matches!(u.scheme(), "http" | "https"));
        for (key, url) in [
            ("server.public_url", &self.server.public_url),
            ("auth.jwks_url", &self.auth.jwks_url),
        ] {
            if !url.is_empty() && !http(url) {
                return fail(key, format!("{url:?} is not an http: or https: URL"));
            }
        }
        let plain = |segment: &str| {
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
            segment.bytes().all(is_plain) && !matches!(segment, "" | "." | "..")
        };
        let base = self.server.base();
        if !base.split('/').skip(1).all(plain) {
            let why = format!("{base:?} is not a path of letters, digits and any of - _ . ~");
            return fail("server.public_url", why);
        }
        let folder = &self.server.static_dir;
        if !folder.as_os_str().is_empty() && !folder.is_dir() {
            return fail(
                "server.static_dir",
                format!("{} is not a folder", folder.display()),
            );
        }
        if self.database.readers > 64 {
            return fail("database.readers", "must be at most 64".into());
        }
        // A filter takes any word for the name of a module: one that names no level would silence the log.
        let levels = ["trace", "debug", "info", "warn", "error", "off"];
        for directive in self.log.level.split(',') {
            let level = directive.rsplit('=').next().unwrap_or_default().trim();
            if !levels.contains(&level.to_lowercase().as_str()) {
                return fail(
                    "log.level",
                    format!("{level:?} is none of {}", levels.join(", ")),
                );
            }
        }
        let origins = self.server.cors_origins.iter();
        let origins = origins.map(|origin| ("server.cors_origins", origin));
        let frames = self.server.frame_ancestors.iter();
        for (key, origin) in origins.chain(frames.map(|origin| ("server.frame_ancestors", origin)))
        {
            let exact = url::Url::parse(origin).is_ok_and(|u| {
                matches!(u.scheme(), "http" | "https")
                    && u.origin().ascii_serialization() == *origin
            });
            if !exact {
                return fail(
                    key,
                    format!("{origin:?} is not an origin such as \"https://app.school.example\""),
                );
            }
        }
        if !self.auth.jwt_secret.is_empty() && self.auth.jwt_secret.expose().len() < 16 {
            return fail("auth.jwt_secret", "must be at least 16 bytes long".into());
        }
        let limits = &self.limits;
        let positive = [
            ("database.readers", self.database.readers as usize),
            ("messages.max_length", self.messages.max_length),
            ("auth.token_ttl", self.auth.token_ttl as usize),
            ("auth.session_ttl", self.auth.session_ttl as usize),
            ("auth.user_claims", self.auth.user_claims.len()),
            ("backup.keep", self.backup.keep),
            ("limits.connections", limits.connections),
            ("limits.anonymous_connections", limits.anonymous_connections),
            ("limits.anonymous_per_address", limits.anonymous_per_address),
            ("limits.connections_per_user", limits.connections_per_user),
            ("limits.queue_mebibytes", limits.queue_mebibytes),
            ("limits.requests_per_user", limits.requests_per_user),
            (
                "limits.frames_per_second",
                limits.frames_per_second as usize,
            ),
            (
                "limits.writes_per_minute",
                limits.writes_per_minute as usize,
            ),
            ("limits.reads_per_minute", limits.reads_per_minute as usize),
            (
                "limits.searches_per_minute",
                limits.searches_per_minute as usize,
            ),
            (
                "limits.sockets_per_minute",
                limits.sockets_per_minute as usize,
            ),
            (
                "limits.key_requests_per_minute",
                limits.key_requests_per_minute as usize,
            ),
            (
                "limits.anonymous_requests_per_minute",
                limits.anonymous_requests_per_minute as usize,
            ),
            (
                "limits.failed_logins_per_account",
                limits.failed_logins_per_account as usize,
            ),
            (
                "limits.failed_logins_per_address",
                limits.failed_logins_per_address as usize,
            ),
            (
                "limits.text_bytes_per_day",
                limits.text_bytes_per_day as usize,
            ),
            (
                "limits.new_partners_per_day",
                limits.new_partners_per_day as usize,
            ),
            (
                "limits.recipients_per_minute",
                limits.recipients_per_minute as usize,
            ),
            (
                "limits.test_pushes_per_minute",
                limits.test_pushes_per_minute as usize,
            ),
            ("limits.header_seconds", limits.header_seconds as usize),
            ("limits.body_seconds", limits.body_seconds as usize),
        ];
        for (key, value) in positive {
            if value == 0 {
                return fail(key, "must be at least 1".into());
            }
        }
        // A body of 64 KiB must be able to hold the longest message, in four-byte characters.
        if self.messages.max_length > 10_000 {
            return fail("messages.max_length", "must be at most 10000".into());
        }
        if self.push.vapid_public_key.is_empty() != self.push.vapid_private_key.is_empty() {
            return fail(
                "push.vapid_public_key",
                "goes with push.vapid_private_key: set both or neither".into(),
            );
        }
        let link = &self.push.message_link;
        let short = link.len() <= 512 && Link::parse(&link.replace("{userId}", "x")).is_ok();
        if !short {
            return fail(
                "push.message_link",
                format!("{link:?} is not a path or an https: URL of at most 512 bytes"),
            );
        }
        for host in &self.push.endpoint_hosts {
            let name = host.strip_prefix("*.").unwrap_or(host);
            if !is_host(name) {
                return fail(
                    "push.endpoint_hosts",
                    format!(
                        "{host:?} is not a host such as \"push.example.org\" or \"*.example.org\""
                    ),
                );
            }
        }
        if self.server.tls_cert.as_os_str().is_empty() != self.server.tls_key.as_os_str().is_empty()
        {
            return fail(
                "server.tls_cert",
                "goes with server.tls_key: set both or neither".into(),
            );
        }
        if !self.push.proxy.is_empty() && !http(&self.push.proxy) {
            return fail("push.proxy", "is not an http: or https: URL".into());
        }
        Ok(self)
    }
}

/// A name of at least two labels.
fn is_host(name: &str) -> bool {
    is_host_name(name) && name.contains('.') && name.parse::<std::net::Ipv4Addr>().is_err()
}
