//! At most one typing event each two seconds to a partner: what comes sooner waits, and only the last of it is sent.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::ids::UserId;

const INTERVAL: Duration = Duration::from_secs(2);

/// What one socket told its partners in the last two seconds, and what waits.
#[derive(Debug, Default)]
pub struct TypingGate(Vec<Recent>);

#[derive(Debug)]
struct Recent {
    to: UserId,
    at: Instant,
    typing: bool,
    waiting: Option<bool>,
}

impl TypingGate {
    /// Whether to relay now. A repeated state is dropped; one that comes too soon waits for [`TypingGate::due`].
    pub fn admit(&mut self, to: &UserId, typing: bool, now: Instant) -> bool {
        self.0
            .retain(|r| r.waiting.is_some() || now < r.at + INTERVAL);
        if let Some(recent) = self.0.iter_mut().find(|r| r.to == *to) {
            recent.waiting = (recent.typing != typing).then_some(typing);
            return false;
        }
        self.0.push(Recent {
            to: to.clone(),
            at: now,
            typing,
            waiting: None,
        });
        true
    }

    /// When [`TypingGate::due`] has something.
    pub fn deadline(&self) -> Option<Instant> {
        let waiting = self.0.iter().filter(|r| r.waiting.is_some());
        waiting.map(|r| r.at + INTERVAL).min()
    }

    /// What has waited long enough.
    pub fn due(&mut self, now: Instant) -> Option<(UserId, bool)> {
        let ripe = |r: &&mut Recent| r.waiting.is_some() && r.at + INTERVAL <= now;
        let recent = self.0.iter_mut().find(ripe)?;
        recent.typing = recent.waiting.take()?;
        recent.at = now;
        Some((recent.to.clone(), recent.typing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_last_word_is_relayed_and_nothing_sooner_than_two_seconds() {
        let [b, c] = ["b", "c"].map(|id| UserId::parse(id).unwrap());
        let mut gate = TypingGate::default();
        assert!(gate.admit(&b, true, Instant::now()));
        assert!(gate.admit(&c, true, Instant::now()), "another partner");
        assert!(!gate.admit(&b, true, Instant::now()));
        assert_eq!(gate.deadline(), None, "a repetition does not wait");
        assert!(!gate.admit(&b, false, Instant::now()));
        assert_eq!(gate.due(Instant::now()), None);
        tokio::time::advance(INTERVAL).await;
        assert_eq!(gate.due(Instant::now()), Some((b.clone(), false)));
        assert_eq!(gate.due(Instant::now()), None);
        tokio::time::advance(INTERVAL).await;
        assert!(gate.admit(&b, true, Instant::now()));
    }
}
