//! Why a connection ends.

use crate::hub::Packet;
use crate::model::events::CloseCode;

/// Events in answer to a message, or the end.
pub type Received = Result<Vec<Packet>, ConnectionEnd>;

/// Why a connection ended.
#[derive(Debug)]
pub enum ConnectionEnd {
    /// The peer closed, with this code.
    Peer(u16),
    /// We close, and say why.
    Code(CloseCode),
    /// The peer does not read, or is gone: it cannot be told.
    Drop(u16),
}

/// RFC 6455 section 7.4.1: a normal end, and one without a close frame.
pub const NORMAL: u16 = 1000;
pub const ABNORMAL: u16 = 1006;

impl ConnectionEnd {
    /// For the figures.
    pub fn code(&self) -> u16 {
        match self {
            ConnectionEnd::Peer(code) | ConnectionEnd::Drop(code) => *code,
            ConnectionEnd::Code(code) => *code as u16,
        }
    }
}

impl From<CloseCode> for ConnectionEnd {
    fn from(code: CloseCode) -> Self {
        match code {
            CloseCode::TooSlow | CloseCode::Silent => ConnectionEnd::Drop(code as u16),
            code => ConnectionEnd::Code(code),
        }
    }
}

impl From<std::io::Error> for ConnectionEnd {
    fn from(_: std::io::Error) -> Self {
        ConnectionEnd::Drop(ABNORMAL)
    }
}
