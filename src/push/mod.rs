//! Web Push (RFC 8030, 8291, 8292): what is in the outbox goes to push services.
//!
//! Rows come into the outbox inside the write of the message or notification (`service::pushes`). Here they are read
//! when they are due, sent with no transaction open, and settled in a short write: a crash in between repeats a push,
//! which its tag folds, and loses none. One process has the database, so what is in flight is known in memory alone.

pub mod answers;
pub mod client;
pub mod contact;
mod drain;
pub mod guard;
pub mod message;
pub mod payload;
pub mod sender;
pub mod signer;

pub use drain::work;
