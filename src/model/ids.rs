//! Identifiers. What leaves the server is an `id`; a `Key` is a row number and never leaves it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::rule;

/// A user's row number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserKey(pub i64);

/// A conversation. It never leaves the server: clients name a conversation by the partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConversationId(pub i64);

/// A position in the one sequence of durable events: rising, not dense.
pub type Seq = i64;

/// A user's id: ours (UUIDv7) or the school app's own, 1–128 of `A-Z a-z 0-9 . _ : @ -`.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(try_from = "String")]
#[schema(value_type = String, min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._:@-]+$")]
pub struct UserId(Arc<str>);

impl UserId {
    /// Checks length and alphabet.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = (1..=128).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._:@-".contains(&b));
        valid.then(|| Self(text.into()))
    }

    /// As [`UserId::parse`], with an error that names `field`.
    pub fn parse_field(field: &str, text: &str) -> Result<Self> {
        Self::parse(text).ok_or_else(|| Error::invalid(field, rule::id_characters(1, 128)))
    }

    /// A fresh id of our own.
    pub fn generate() -> Self {
        Self(Uuid::now_v7().to_string().into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for UserId {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("no id")
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for UserId {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::parse(text).ok_or(())
    }
}

/// An id that a client sends: text, or a whole number that JavaScript can hold, as its decimal text. Not checked further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdText(pub String);

impl<'de> Deserialize<'de> for IdText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrNumber;
        impl Visitor<'_> for TextOrNumber {
            type Value = IdText;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an id: text, or a whole number below 2^53")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<IdText, E> {
                Ok(IdText(text.to_owned()))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<IdText, E> {
                // From 2^53 on, JavaScript rounds integers: the number may be another user's id.
                if number < 1 << 53 {
                    Ok(IdText(number.to_string()))
                } else {
                    Err(E::invalid_value(de::Unexpected::Unsigned(number), &self))
                }
            }
        }
        deserializer.deserialize_any(TextOrNumber)
    }
}

/// The id of a message or a notification: a UUIDv7 (RFC 9562 section 5.7), stored as its 16 bytes.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(transparent)]
#[schema(value_type = String, format = "uuid")]
pub struct Id(Uuid);

/// The name space of [`Id::named`].
const NAMES: Uuid = Uuid::from_u128(0x6f1c_3f7e_92a4_4b0d_8e57_1d0b_a5c4_e2f3);

impl Id {
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The lowest id that [`Id::generate`] makes at a time, in Unix milliseconds, or later (RFC 9562 section 5.7).
    pub fn first_of(millis: i64) -> Self {
        let millis = u128::from(millis.unsigned_abs());
        Self(Uuid::from_u128(millis << 80 | 0x7 << 76 | 0b10 << 62))
    }

    /// The id of something that another system called `name`: always the same one (UUIDv5, RFC 9562 section 5.5).
    pub fn named(kind: &str, name: &str) -> Self {
        let name = format!("{kind}:{name}");
        Self(Uuid::new_v5(&NAMES, name.as_bytes()))
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Id {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        // Only the hyphenated form: one id has one spelling.
        (text.len() == 36)
            .then(|| Uuid::parse_str(text).ok().map(Self))
            .flatten()
            .ok_or(())
    }
}

/// One open socket, for as long as the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for ConnectionId {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        u64::from_str_radix(text, 16).map(Self).map_err(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_ids_hold_only_the_contracts_alphabet() {
        for good in ["a", "cuid_x.1:2@school-9", &"x".repeat(128)] {
            assert!(UserId::parse(good).is_some(), "{good}");
        }
        for bad in ["", "a b", "é", "a/b", "a\0", "\u{202e}x", &"x".repeat(129)] {
            assert!(UserId::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id = Id::generate();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().replace('-', "").parse::<Id>().is_err());
        assert!(format!("{{{id}}}").parse::<Id>().is_err());
    }
}
