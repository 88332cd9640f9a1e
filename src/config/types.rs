//! Values of the configuration that are more than text: parsed once, when it is read.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::str::FromStr;

use ipnet::IpNet;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serializer, de};

use super::section::as_text;
use crate::model::days::zone;

/// An address, or a network in CIDR notation (RFC 4632 section 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    net: IpNet,
    /// As it was written.
    text: String,
}

impl Network {
    pub fn contains(&self, address: IpAddr) -> bool {
        self.net.contains(&address)
    }

    /// Whether every address of its family is in it.
    pub fn is_everyone(&self) -> bool {
        self.net.prefix_len() == 0
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
        let net = text.parse().ok().or_else(address).ok_or_else(|| {
            format!(
                "{text:?} is not an address such as \"10.1.2.3\" or a network such as \"10.0.0.0/8\""
            )
        })?;
        Ok(Network {
            net,
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Signature algorithms that tokens may have (RFC 7518 section 3.1, RFC 8037 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Hs256,
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    pub const ALL: [Algorithm; 4] = [
        Algorithm::Hs256,
        Algorithm::Rs256,
        Algorithm::Es256,
        Algorithm::EdDsa,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Hs256 => "HS256",
            Algorithm::Rs256 => "RS256",
            Algorithm::Es256 => "ES256",
            Algorithm::EdDsa => "EdDSA",
        }
    }
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|one| one.as_str() == text);
        let names = || Self::ALL.map(Self::as_str).join(", ");
        found.ok_or_else(|| format!("{text:?} is none of {}", names()))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

as_text!(Network, Algorithm, Zone);

/// A time zone, by its name in the IANA database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(pub TimeZone);

impl FromStr for Zone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        zone(text).map(Zone).ok_or_else(|| {
            format!("{text:?} is not a name of the IANA time zone database, for example \"Europe/Berlin\"")
        })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

/// A number of which zero makes no sense.
pub const fn at_least_one(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

/// A configured number as a count of things in memory.
pub const fn count(number: NonZeroU32) -> usize {
    number.get() as usize
}

/// A value that the file may leave empty: `""` is `None`.
pub mod optional {
    use super::{Deserialize, Deserializer, FromStr, Serializer, de, fmt};

    /// # Errors
    /// The serializer's.
    // Serde calls it with a reference to the field.
    #[allow(clippy::ref_option)]
    pub fn serialize<T: fmt::Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_str(""),
        }
    }

    /// # Errors
    /// What is wrong with the text.
    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: fmt::Display>,
        D: Deserializer<'de>,
    {
        match String::deserialize(deserializer)?.as_str() {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(de::Error::custom),
        }
    }
}
