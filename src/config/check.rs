//! What the types of the configuration do not check.

use super::{Config, ConfigError};
use crate::model::messages::Content;
use crate::model::notifications::Link;
use crate::model::text::is_host_name;

/// The longest notice of a safeguarding lead, in characters.
const MAX_NOTICE: usize = 1_000;

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
        let folder = &self.server.static_dir;
        if !folder.as_os_str().is_empty() && !folder.is_dir() {
            return fail(
                "server.static_dir",
                format!("{} is not a folder", folder.display()),
            );
        }
        if self.database.readers.get() > 64 {
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
        if !self.auth.jwt_secret.is_empty() && self.auth.jwt_secret.expose().len() < 16 {
            return fail("auth.jwt_secret", "must be at least 16 bytes long".into());
        }
        if self.auth.user_claims.is_empty() {
            return fail("auth.user_claims", "must have at least one claim".into());
        }
        // A body of 64 KiB must be able to hold the longest message, in four-byte characters.
        if self.messages.max_length.get() > 10_000 {
            return fail("messages.max_length", "must be at most 10000".into());
        }
        if self.push.vapid_public_key.is_empty() != self.push.vapid_private_key.is_empty() {
            return fail(
                "push.vapid_public_key",
                "goes with push.vapid_private_key: set both or neither".into(),
            );
        }
        if self.auth.oidc.issuer.is_some() {
            if self.auth.oidc.client_id.is_empty() {
                return fail(
                    "auth.oidc.client_id",
                    "must be set where auth.oidc.issuer is".into(),
                );
            }
            if self.server.public_url.is_none() {
                return fail(
                    "auth.oidc.issuer",
                    "needs server.public_url, for the way back from the provider".into(),
                );
            }
        }
        if let Some((key, why)) = self.mail.problem() {
            return fail(key, why.into());
        }
        if self.mail.url.is_some() && self.server.public_url.is_none() {
            return fail(
                "mail.url",
                "needs server.public_url, for the links in mails".into(),
            );
        }
        if self.policy.preset.is_some() && !self.policy.file.as_os_str().is_empty() {
            return fail(
                "policy.file",
                "goes without policy.preset: set one of them".into(),
            );
        }
        let notice = &self.safeguarding.notice;
        if let Err(rule) = notice.hours().check() {
            return fail(
                "safeguarding.notice.from",
                format!("with until and days {}", rule.sentence),
            );
        }
        if !notice.text.is_empty()
            && let Err(error) = Content::parse(&notice.text, MAX_NOTICE)
        {
            return fail("safeguarding.notice.text", error.to_string());
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
        if self.server.has_acme() && !self.server.tls_cert.as_os_str().is_empty() {
            return fail(
                "server.acme.domains",
                "goes without server.tls_cert: use one of them".into(),
            );
        }
        Ok(self)
    }
}

/// A name of at least two labels.
fn is_host(name: &str) -> bool {
    is_host_name(name) && name.contains('.') && name.parse::<std::net::Ipv4Addr>().is_err()
}
