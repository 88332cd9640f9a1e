//! Engine.IO, revision 4: what carries Socket.IO. Text only.
//!
//! <https://socket.io/docs/v4/engine-io-protocol/>

use serde::Serialize;

use super::frame::MAX_MESSAGE_BYTES;
use super::heartbeat::{PING_EVERY, PONG_WITHIN};
use crate::error::Result;
use crate::model::random;

/// The largest message, and the largest body of a POST, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = MAX_MESSAGE_BYTES;
/// Between the packets of a payload (long-polling only). JSON never holds it bare.
pub const SEPARATOR: char = '\u{1e}';

pub const CLOSE: &str = "1";
pub const PING: &str = "2";
pub const PROBE: &str = "2probe";
pub const PROBED: &str = "3probe";
/// Before a Socket.IO packet.
pub const MESSAGE: &str = "4";
pub const UPGRADE: &str = "5";
pub const NOOP: &str = "6";

/// A packet that a client sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    Close,
    Pong,
    Message(&'a str),
    /// Has a type, and says nothing here: `open`, `upgrade` and `noop` are not a client's to send on an open connection,
    /// and the reference implementation lets them pass.
    Idle,
}

impl<'a> Packet<'a> {
    /// `None` for what is no packet, for binary, and for a ping: in this revision only servers ping.
    pub fn parse(text: &'a str) -> Option<Self> {
        let kind = text.chars().next()?;
        match kind {
            '1' => Some(Packet::Close),
            '3' => Some(Packet::Pong),
            '4' => Some(Packet::Message(&text[1..])),
            '0' | '5' | '6' => Some(Packet::Idle),
            _ => None,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Handshake<'a> {
    sid: &'a str,
    upgrades: &'a [&'a str],
    ping_interval: u128,
    ping_timeout: u128,
    max_payload: usize,
}

/// The first packet of a connection.
pub fn open(sid: &str, upgrades: &[&str]) -> String {
    let handshake = Handshake {
        sid,
        upgrades,
        ping_interval: PING_EVERY.as_millis(),
        ping_timeout: PONG_WITHIN.as_millis(),
        max_payload: MAX_PAYLOAD_BYTES,
    };
    // Strings and numbers: nothing that fails to serialise.
    format!("0{}", serde_json::to_string(&handshake).unwrap_or_default())
}

/// A new session's id. A client that knows it speaks for the session, so it must not be guessable: 144 random bits.
///
/// # Errors
/// [`Error::Internal`](crate::error::Error::Internal) where the system has no random numbers.
pub fn new_sid() -> Result<String> {
    random::base64url::<18>()
}

/// Why a request is refused: the codes are the reference implementation's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RequestError {
    UnknownTransport = 0,
    UnknownSid = 1,
    BadHandshakeMethod = 2,
    BadRequest = 3,
    Forbidden = 4,
    UnsupportedProtocolVersion = 5,
}

impl RequestError {
    pub fn message(self) -> &'static str {
        match self {
            RequestError::UnknownTransport => "Transport unknown",
            RequestError::UnknownSid => "Session ID unknown",
            RequestError::BadHandshakeMethod => "Bad handshake method",
            RequestError::BadRequest => "Bad request",
            RequestError::Forbidden => "Forbidden",
            RequestError::UnsupportedProtocolVersion => "Unsupported protocol version",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_have_the_protocols_types() {
        assert_eq!(Packet::parse("1"), Some(Packet::Close));
        assert_eq!(Packet::parse("3"), Some(Packet::Pong));
        assert_eq!(
            Packet::parse("42[\"a\"]"),
            Some(Packet::Message("2[\"a\"]"))
        );
        assert_eq!(Packet::parse("6"), Some(Packet::Idle));
        for bad in ["", "2", "7", "b4AAAA", "é", "abc"] {
            assert_eq!(Packet::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_handshake_is_spelled_as_clients_read_it() {
        let expected = r#"0{"sid":"x","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":65536}"#;
        assert_eq!(open("x", &["websocket"]), expected);
    }

    #[test]
    fn session_ids_are_no_two_alike() {
        assert_ne!(new_sid().unwrap(), new_sid().unwrap());
    }
}
