//! Sockets: one connection type, on which each protocol puts its framing.
//!
//! - [`session`]: who is connected, what they may send, what they missed; knows no framing.
//! - [`websocket`]: a protocol over a WebSocket, with [`frame`], RFC 6455's frames.
//! - [`ws`]: the protocol of `/ws`.
//! - [`socketio`]: Socket.IO's packets in Engine.IO's ([`engineio`]), over a WebSocket or by long-polling ([`polling`]).

mod bucket;
pub mod connection_end;
pub mod engineio;
pub mod frame;
mod heartbeat;
pub mod polling;
pub mod session;
pub mod socketio;
pub mod typing;
pub mod websocket;
pub mod ws;

use crate::hub::Packet;
use crate::model::events::CloseCode;
use connection_end::Received;
use session::Session;

/// Where a protocol writes. Each call is one message of the transport, its parts put together.
pub trait Out {
    fn message(&mut self, parts: &[&str]);
}

/// What a protocol makes of a [`Session`]: the envelopes around events and commands.
///
/// A method that writes leaves it to its caller to send what was written.
pub trait Protocol {
    fn session(&mut self) -> &mut Session;

    /// Takes a message. What it writes itself goes before the events that it returns.
    ///
    /// # Errors
    /// Why the connection ends.
    fn receive(
        &mut self,
        text: &str,
        out: &mut (impl Out + Send),
    ) -> impl Future<Output = Received> + Send;

    /// Writes an event.
    fn put(&mut self, packet: &Packet, out: &mut impl Out);

    /// Writes what the peer must know before the connection ends, and says how it is to end.
    fn farewell(&mut self, _code: CloseCode, _out: &mut impl Out) -> Farewell {
        Farewell::Said
    }
}

/// How a connection that the server ends looks to its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// As closed by the server.
    Said,
    /// As a lost link, after which every client connects again.
    Unsaid,
}
