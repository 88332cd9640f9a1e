//! Sockets: one connection type, on which each protocol puts its framing.
//!
//! - [`session`]: who is on the line, what they may say, what they missed; knows no framing.
//! - [`frame`]: RFC 6455 frames.
//! - [`ws`]: `/ws`: the session over WebSocket frames.

mod bucket;
pub mod frame;
pub mod session;
pub mod typing;
pub mod ws;
