//! What stands in a response's extensions for those who see it on its way out.

use std::sync::Arc;

use crate::limits::turns::Turn;
use crate::model::ids::UserKey;

/// What becomes of the time that an answer took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latency {
    /// Measured by route.
    Measured,
    /// Measured, and what administrators see as the latency of sending.
    Charted,
    /// Neither measured nor, on success, logged: a poll takes as long as there is nothing to say, and asks again at once.
    Poll,
}

/// Stands in a response's extensions: which route gave it, and to whom.
#[derive(Clone)]
pub struct Served {
    pub pattern: &'static str,
    pub latency: Latency,
    pub user: Option<String>,
}

/// Stands in a response's extensions: what is held until the last of it is sent.
#[derive(Clone)]
pub struct Held(#[expect(dead_code, reason = "held")] Option<Arc<Turn<UserKey>>>);

impl Held {
    pub fn new(turn: Option<Arc<Turn<UserKey>>>) -> Self {
        Held(turn)
    }
}
