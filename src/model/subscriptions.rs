//! Browsers that asked for pushes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde::Serialize;

use super::ids::{Id, UserKey};
use super::time::Time;
use crate::error::{Error, Result};
use crate::rule;

/// A subscription's row number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubscriptionKey(pub i64);

/// Where a push service takes pushes for one browser (RFC 8030 section 3). Whether we may go there is
/// [`crate::push::guard`]'s to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(url::Url);

impl Endpoint {
    pub const MAX: usize = 2_048;

    /// # Errors
    /// [`Error::Invalid`] for what is not an `https:` (or `http:`) URL with a host.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |rule| Err(Error::invalid("endpoint", rule));
        if text.len() > Self::MAX {
            return refuse(rule::max_bytes(Self::MAX));
        }
        // URL parsers disagree on a backslash.
        let odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
        if text.chars().any(odd) {
            return refuse(rule::no_spaces_or_backslashes());
        }
        match url::Url::parse(text) {
            // It may be longer than what was given, and is stored as it is.
            Ok(url) if url.as_str().len() > Self::MAX => refuse(rule::max_bytes(Self::MAX)),
            Ok(url) if url.fragment().is_some() => refuse(rule::no_fragment()),
            Ok(url) if matches!(url.scheme(), "https" | "http") && url.has_host() => {
                Ok(Endpoint(url))
            }
            _ => refuse(rule::not_https()),
        }
    }

    pub fn url(&self) -> &url::Url {
        &self.0
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Scheme, host and port: what a VAPID token is good for (RFC 8292 section 2).
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }
}

/// The keys that a payload is encrypted with (RFC 8291 section 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushKeys {
    /// The browser's public key: an uncompressed point of P-256, 65 bytes.
    pub p256dh: Vec<u8>,
    /// The secret that only browser and server share, 16 bytes.
    pub auth: Vec<u8>,
}

impl PushKeys {
    /// Both in base64url, as a browser gives them; padding and the plain alphabet are taken too.
    ///
    /// # Errors
    /// [`Error::Invalid`] that names the key.
    pub fn parse(p256dh: &str, auth: &str) -> Result<Self> {
        let point = decode(p256dh).filter(|bytes| bytes.len() == 65 && bytes[0] == 4);
        let point = point.filter(|bytes| p256::PublicKey::from_sec1_bytes(bytes).is_ok());
        let Some(p256dh) = point else {
            let why = rule::not_a_point();
            return Err(Error::invalid("keys.p256dh", why));
        };
        let Some(auth) = decode(auth).filter(|bytes| bytes.len() == 16) else {
            return Err(Error::invalid("keys.auth", rule::not_sixteen_bytes()));
        };
        Ok(PushKeys { p256dh, auth })
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let decoded = URL_SAFE_NO_PAD.decode(text);
    decoded.or_else(|_| STANDARD_NO_PAD.decode(text)).ok()
}

/// A browser that asks for pushes.
#[derive(Debug)]
pub struct NewSubscription {
    pub endpoint: Endpoint,
    pub keys: PushKeys,
    pub expires_at: Option<Time>,
    /// For people to tell their devices apart.
    pub browser: String,
}

/// The owner of a subscription, and its secret.
#[derive(Debug)]
pub struct Owner {
    pub user: UserKey,
    pub auth: Vec<u8>,
}

/// A subscription as its owner sees it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    pub id: Id,
    /// For example `Firefox on Android`.
    pub browser: String,
    /// The host of its push service.
    pub service: String,
    pub created_at: Time,
    /// When the push service last took a push for it.
    pub last_success_at: Option<Time>,
    /// When it last refused one, if it has taken none since.
    pub failing_since: Option<Time>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const P256DH: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    #[test]
    fn the_keys_of_the_rfc_are_keys() {
        // RFC 8291 section 5
        let keys = PushKeys::parse(P256DH, AUTH).unwrap();
        assert_eq!((keys.p256dh.len(), keys.auth.len()), (65, 16));
        assert!(PushKeys::parse(&format!("{P256DH}="), &format!("{AUTH}==")).is_ok());
    }

    #[test]
    fn what_is_no_key_is_named() {
        let off_the_curve = format!("{}A", &P256DH[..86]);
        let compressed = URL_SAFE_NO_PAD.encode([2; 33]);
        for bad in ["", "!", &P256DH[..80], &off_the_curve, &compressed] {
            let error = PushKeys::parse(bad, AUTH).unwrap_err();
            assert_eq!(error.details()[0].field, "keys.p256dh", "{bad}");
        }
        for bad in ["", "AAAA", P256DH] {
            let error = PushKeys::parse(P256DH, bad).unwrap_err();
            assert_eq!(error.details()[0].field, "keys.auth", "{bad}");
        }
    }
}
