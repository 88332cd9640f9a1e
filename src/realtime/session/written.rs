//! What was written to a client, and how much of it the client has confirmed.
//!
//! A browser answers protocol pings for a page that it has frozen or put into its back/forward cache: a pong shows that the link
//! works, and says little about the page. A frame that JavaScript sends confirms everything; a pong only what was written long
//! before.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::ids::Seq;

/// How soon after an event the client is asked whether it came.
const ASK_AFTER: Duration = Duration::from_secs(5);
/// A client that acknowledges, and sends nothing for this long after something was written, has gone.
const SILENCE_TIME: Duration = Duration::from_secs(45);
/// A pong confirms what was written this long before: no browser keeps a page frozen and answers for longer.
const PONG_AGE: Duration = Duration::from_secs(10 * 60);
/// What was written within this time is remembered as one.
const MERGE_TIME: Duration = Duration::from_secs(60);

/// What shows that a client has received something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// The answer to a ping of the protocol, in time.
    Pong,
    /// The answer to a question of Socket.IO's heartbeat, which is JavaScript's.
    Heartbeat,
    /// Every frame that it sends.
    Frames,
}

/// The state of one connection.
#[derive(Debug)]
pub struct Written {
    shows: Shows,
    /// The highest seq that was written; what is before the first stands in `connected`.
    sent: Seq,
    /// Since when something was written whose arrival has not been asked for.
    unasked: Option<Instant>,
    /// Since when something was written after which the client has sent nothing.
    unanswered: Option<Instant>,
    /// For pongs. Boxed: clients that acknowledge need none.
    past: Option<Box<Past>>,
}

/// When something was written, and up to which seq, the oldest first.
#[derive(Debug, Default)]
struct Past(VecDeque<(Instant, Seq)>);

impl Default for Written {
    fn default() -> Self {
        Written {
            shows: Shows::Pong,
            sent: 0,
            unasked: None,
            unanswered: None,
            past: None,
        }
    }
}

impl Written {
    pub fn shown_by(&mut self, shows: Shows) {
        self.shows = shows;
        self.past = None;
    }

    pub fn by_heartbeat(&self) -> bool {
        self.shows == Shows::Heartbeat
    }

    pub fn sent(&self) -> Seq {
        self.sent
    }

    /// A connection begins with everything up to `seq`.
    pub fn begin_at(&mut self, seq: Seq) {
        self.sent = seq;
    }

    /// The event of this seq was written.
    pub fn note(&mut self, seq: Seq, now: Instant) {
        self.sent = self.sent.max(seq);
        self.unasked.get_or_insert(now);
        self.unanswered.get_or_insert(now);
        if self.shows == Shows::Pong {
            let Past(past) = &mut **self.past.get_or_insert_default();
            match past.back_mut() {
                Some((since, up_to)) if now < *since + MERGE_TIME => *up_to = self.sent,
                _ => past.push_back((now, self.sent)),
            }
        }
    }

    /// When to ask by the heartbeat, out of turn.
    pub fn ask_at(&self) -> Option<Instant> {
        let since = self.unasked.filter(|_| self.shows == Shows::Heartbeat);
        since.map(|since| since + ASK_AFTER)
    }

    /// When to ask by an event.
    pub fn request_at(&self) -> Option<Instant> {
        let since = self.unasked.filter(|_| self.shows == Shows::Frames);
        since.map(|since| since + ASK_AFTER)
    }

    /// The question is sent: a client that answers it has everything up to this seq.
    pub fn ask(&mut self) -> Seq {
        self.unasked = None;
        self.sent
    }

    /// When the client has been silent for too long.
    pub fn silent_at(&self) -> Option<Instant> {
        let since = self.unanswered.filter(|_| self.shows == Shows::Frames);
        since.map(|since| since + SILENCE_TIME)
    }

    /// A frame came. Returns up to where it confirms: `acknowledged`, if it says so, else everything that was written.
    pub fn frame(&mut self, acknowledged: Option<Seq>) -> Option<Seq> {
        if self.shows != Shows::Frames {
            return None;
        }
        self.unanswered = None;
        let up_to = acknowledged.unwrap_or(self.sent).min(self.sent);
        if up_to == self.sent {
            self.unasked = None;
        }
        Some(up_to)
    }

    /// A pong came. Returns up to where it confirms, if that is new.
    pub fn pong(&mut self, now: Instant) -> Option<Seq> {
        let Past(past) = &mut **self.past.as_mut()?;
        let mut confirmed = None;
        while let Some(&(since, up_to)) = past.front() {
            if now < since + MERGE_TIME + PONG_AGE {
                break;
            }
            confirmed = Some(up_to);
            past.pop_front();
        }
        confirmed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_pong_confirms_what_was_written_ten_minutes_before() {
        let (mut written, start) = (Written::default(), Instant::now());
        written.note(5, start);
        written.note(6, start + at(59));
        written.note(7, start + at(61));
        assert_eq!(written.pong(start + at(600)), None);
        assert_eq!(written.pong(start + at(660)), Some(6));
        assert_eq!(written.pong(start + at(720)), None);
        assert_eq!(written.pong(start + at(721)), Some(7));
        assert_eq!(written.pong(start + at(9_999)), None);
        assert_eq!(
            written.frame(None),
            None,
            "it never said that it acknowledges"
        );
        assert_eq!((written.ask_at(), written.silent_at()), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_acknowledges_is_asked_and_must_answer() {
        let (mut written, start) = (Written::default(), Instant::now());
        written.shown_by(Shows::Frames);
        assert_eq!(written.frame(None), Some(0));
        written.note(5, start);
        written.note(6, start + at(3));
        assert_eq!(written.request_at(), Some(start + at(5)));
        assert_eq!(written.ask(), 6);
        assert_eq!(written.request_at(), None);
        assert_eq!(written.silent_at(), Some(start + at(45)));
        assert_eq!(written.pong(start + at(9_999)), None, "a pong is no answer");
        assert_eq!(written.frame(Some(5)), Some(5));
        assert_eq!(written.silent_at(), None);
        written.note(7, start + at(50));
        assert_eq!(written.frame(Some(99)), Some(7), "no more than was written");
        assert_eq!(written.request_at(), None, "nothing is left to ask about");
    }

    #[tokio::test(start_paused = true)]
    async fn a_heartbeat_asks_out_of_turn() {
        let (mut written, start) = (Written::default(), Instant::now());
        written.shown_by(Shows::Heartbeat);
        written.note(5, start);
        assert_eq!(written.ask_at(), Some(start + at(5)));
        assert_eq!((written.request_at(), written.silent_at()), (None, None));
        assert_eq!(written.ask(), 5);
        assert_eq!(written.ask_at(), None);
    }
}
