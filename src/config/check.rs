//! What no type can say of a configuration.

use super::{ALGORITHMS, Config, ConfigError};

impl Config {
    /// # Errors
    /// [`ConfigError`] that names the key.
    pub(super) fn checked(self) -> Result<Self, ConfigError> {
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
