//! Whether the peer is still there: it is pinged, and gone when it does not answer.

use std::time::Duration;

use tokio::time::Instant;

/// How often a peer is pinged.
pub const PING_EVERY: Duration = Duration::from_secs(25);
/// How long it may take to answer.
pub const PONG_WITHIN: Duration = Duration::from_secs(20);

/// The heartbeat of one connection, whatever transport carries it.
pub struct Heartbeat {
    /// When the last ping went out, and when the peer was last heard.
    pinged: Instant,
    heard: Instant,
}

impl Heartbeat {
    /// The first ping is due after [`PING_EVERY`].
    pub fn new() -> Self {
        let now = Instant::now();
        Heartbeat {
            pinged: now,
            heard: now,
        }
    }

    /// Something came: that is an answer too.
    pub fn heard(&mut self) {
        self.heard = Instant::now();
    }

    pub fn pinged(&mut self) {
        self.pinged = Instant::now();
    }

    /// When to ping, or to give up. `ask_at`: when to ping out of turn.
    pub fn deadline(&self, ask_at: Option<Instant>) -> Instant {
        if self.awaits_pong() {
            return self.pinged + PONG_WITHIN;
        }
        let regular = self.pinged + PING_EVERY;
        ask_at.map_or(regular, |at| at.min(regular))
    }

    pub fn is_due(&self, ask_at: Option<Instant>, now: Instant) -> bool {
        !self.awaits_pong() && now >= self.deadline(ask_at)
    }

    pub fn is_over(&self, now: Instant) -> bool {
        self.awaits_pong() && now >= self.deadline(None)
    }

    fn awaits_pong(&self) -> bool {
        self.heard < self.pinged
    }
}
