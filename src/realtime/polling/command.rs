//! What requests send to a session's task.

use tokio::sync::oneshot;

use super::super::Out;
use super::super::bucket::Bucket;
use super::super::engineio::SEPARATOR;
use super::super::heartbeat::Heartbeat;
use super::super::socketio::SocketIo;

pub enum Command {
    Poll {
        /// Tells the request from any other.
        nonce: String,
        answer: oneshot::Sender<String>,
    },
    /// A body, and where to confirm that it was taken. `None`: the body was invalid.
    Post(Option<String>, oneshot::Sender<()>),
    /// The WebSocket works: polling ends.
    Probed,
    Upgrade(oneshot::Sender<Carried>),
}

/// The session has ended, or this request ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionGone;

/// What a session is made of, on its way to another transport.
pub struct Carried {
    pub protocol: SocketIo,
    pub heartbeat: Heartbeat,
    pub bucket: Bucket,
    pub unsent: Payload,
}

/// Packets that wait for a poll.
#[derive(Default)]
pub struct Payload(pub String);

impl Out for Payload {
    fn message(&mut self, parts: &[&str]) {
        if !self.0.is_empty() {
            self.0.push(SEPARATOR);
        }
        parts.iter().for_each(|part| self.0.push_str(part));
    }
}
