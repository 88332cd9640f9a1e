//! Notifications: a text stored once, for one person or ten thousand.

use serde::{Deserialize, Serialize};

use super::ids::{Id, Seq, UserId};
use super::text;
use super::time::Time;
use super::users::Role;
use crate::error::{Error, Result};
use crate::rule;

/// How soon a push service should deliver (RFC 8030 section 5.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Urgency {
    VeryLow,
    Low,
    #[default]
    Normal,
    High,
}

impl Urgency {
    pub fn parse(text: &str) -> Option<Self> {
        let all = [
            Urgency::VeryLow,
            Urgency::Low,
            Urgency::Normal,
            Urgency::High,
        ];
        all.into_iter().find(|urgency| urgency.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Urgency::VeryLow => "very-low",
            Urgency::Low => "low",
            Urgency::Normal => "normal",
            Urgency::High => "high",
        }
    }
}

/// A notification's row number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotificationKey(pub i64);

/// What a notification is about: 1–64 of `A-Z a-z 0-9 . _ : -`, for example `assignment.graded`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Type(String);

impl Type {
    pub const MAX: usize = 64;

    pub fn parse(text: &str) -> Result<Self> {
        let valid = (1..=Self::MAX).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b));
        valid
            .then(|| Self(text.to_owned()))
            .ok_or_else(|| Error::invalid("type", rule::type_characters(1, 64)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a click leads: a path on the same site, or an `https:` URL. At most 2,048 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link(String);

impl Link {
    pub const MAX: usize = 2_048;

    /// `//host` and `/\host` are refused: browsers read both as another site.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |rule| Err(Error::invalid("link", rule));
        if text.is_empty() || text.len() > Self::MAX {
            return refuse(rule::byte_range(1, 2_048));
        }
        if text.chars().any(|c| {
            c.is_control() || c.is_whitespace() || text::is_ignorable(c) || matches!(c, '\\' | '"')
        }) {
            return refuse(rule::no_spaces_or_quotes());
        }
        let path = text.starts_with('/') && !text.starts_with("//");
        let https = text
            .get(..8)
            .is_some_and(|start| start.eq_ignore_ascii_case("https://"))
            && url::Url::parse(text).is_ok_and(|url| {
                url.has_host() && url.username().is_empty() && url.password().is_none()
            });
        if path || https {
            Ok(Self(text.to_owned()))
        } else {
            refuse(rule::path_or_https())
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A notification to be sent.
#[derive(Debug, Clone)]
pub struct NewNotification {
    pub kind: Type,
    pub title: String,
    pub message: String,
    pub link: Option<Link>,
    pub urgency: Urgency,
    /// Seconds for which a push service may keep it.
    pub ttl: u32,
    pub idempotency_key: Option<String>,
}

impl NewNotification {
    pub const TITLE_MAX: usize = 200;
    pub const MESSAGE_MAX: usize = 4_000;
    /// Four weeks, the longest that push services keep anything.
    pub const TTL_MAX: u32 = 28 * 24 * 3_600;
    /// A day.
    pub const TTL_DEFAULT: u32 = 24 * 3_600;

    pub fn parse_title(text: &str) -> Result<String> {
        let title = text::line("title", text, Self::TITLE_MAX)?;
        if title.contains(text::is_override) {
            let why = rule::no_overrides();
            return Err(Error::invalid("title", why));
        }
        Ok(title)
    }

    pub fn parse_message(text: &str) -> Result<String> {
        text::bounded("message", text, Self::MESSAGE_MAX)
    }

    pub fn parse_idempotency_key(given: Option<String>) -> Result<Option<String>> {
        given
            .map(|key| text::line("idempotencyKey", &key, 128))
            .transpose()
    }

    pub fn parse_ttl(seconds: u32) -> Result<u32> {
        if seconds <= Self::TTL_MAX {
            return Ok(seconds);
        }
        let max = Self::TTL_MAX;
        Err(Error::invalid("ttl", rule::seconds_range(max)))
    }
}

/// A notification as its recipient sees it. Without the recipient's id: the bytes are the same for all of them.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    pub id: Id,
    #[schema(value_type = i64)]
    pub seq: Seq,
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub message: String,
    pub link: Option<String>,
    /// The person who sent it; `null` for a program of the school's.
    pub sender: Option<Sender>,
    pub read: bool,
    pub read_at: Option<Time>,
    pub created_at: Time,
}

/// Who sent a notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = NotificationSender)]
pub struct Sender {
    pub id: UserId,
    pub name: String,
    pub role: Role,
}

/// What the sender of a notification is told.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Sent {
    pub id: Id,
    /// How many people get it.
    pub recipients: i64,
    /// The named users and groups that do not exist here or are disabled.
    pub unknown: Vec<String>,
}

/// That a user marked notifications read.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct NotificationsRead {
    #[schema(value_type = i64)]
    pub seq: Seq,
    #[serde(flatten)]
    pub which: Which,
}

/// Which notifications were read.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    Ids(Vec<Id>),
    All(bool),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_on_the_site_or_are_https() {
        for good in [
            "/",
            "/assignments/7?x=1#y",
            "https://example.org/a",
            "HTTPS://example.org",
        ] {
            assert!(Link::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "//evil.example",
            "/\\evil.example",
            "javascript:alert(1)",
            "http://example.org",
            "https://",
            "https://u:p@example.org",
            "assignments/7",
            "/a b",
            "/a\"b",
            "/a\nb",
            "data:text/html,x",
        ] {
            assert!(Link::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn reads_serialise_as_the_contract_says() {
        let all = NotificationsRead {
            seq: 3,
            which: Which::All(true),
        };
        assert_eq!(
            serde_json::to_string(&all).unwrap(),
            r#"{"seq":3,"all":true}"#
        );
    }
}
