//! What is counted for the charts of administrators until it is written down: by hour, in the database.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::model::stats::Count;

/// Upper ends of the classes of latency, in milliseconds; what took longer is in the last.
pub const LATENCY: [u32; 14] = [1, 2, 3, 5, 7, 10, 15, 25, 50, 100, 250, 500, 1_000, 10_000];

/// Counts since they were last taken.
#[derive(Default)]
pub struct HourlyStats {
    counts: [AtomicU64; Count::ALL.len()],
    latency: [AtomicU64; LATENCY.len()],
    /// By push service and whether it took the push.
    answers: Mutex<BTreeMap<(String, bool), u64>>,
}

impl HourlyStats {
    pub fn add(&self, what: Count, count: u64) {
        self.counts[what as usize].fetch_add(count, Relaxed);
    }

    /// A message or a notification was accepted, after this time.
    pub fn sent_within(&self, time: Duration) {
        let ms = time.as_secs_f64() * 1_000.0;
        let class = LATENCY.iter().position(|end| ms <= f64::from(*end));
        self.latency[class.unwrap_or(LATENCY.len() - 1)].fetch_add(1, Relaxed);
    }

    /// A push service has answered.
    pub fn push_answered(&self, service: &str, taken: bool) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry((service.to_owned(), taken)).or_default() += 1;
    }

    /// Adds back what [`HourlyStats::take`] returned.
    pub fn put_back(&self, taken: Vec<(String, u64)>) {
        for (name, count) in taken {
            if let Some(at) = Count::ALL.iter().position(|known| known.as_str() == name) {
                self.counts[at].fetch_add(count, Relaxed);
            } else if let Some(ms) = name.strip_prefix("latency.") {
                let at = LATENCY.iter().position(|end| end.to_string() == ms);
                at.map(|at| self.latency[at].fetch_add(count, Relaxed));
            } else if let Some((outcome, service)) = name
                .strip_prefix("push.")
                .and_then(|rest| rest.split_once('.'))
            {
                let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
                let key = (service.to_owned(), outcome == "sent");
                *answers.entry(key).or_default() += count;
            }
        }
    }

    /// What was counted, by name, without what is 0; counting starts over. Names are `message`, `latency.<ms>`,
    /// `push.sent.<service>`, `push.failed.<service>`.
    pub fn take(&self) -> Vec<(String, u64)> {
        let counts = Count::ALL.iter().zip(&self.counts);
        let mut taken: Vec<(String, u64)> = counts
            .map(|(of, count)| (of.as_str().to_owned(), count.swap(0, Relaxed)))
            .collect();
        let classes = LATENCY.iter().zip(&self.latency);
        taken.extend(classes.map(|(ms, count)| (format!("latency.{ms}"), count.swap(0, Relaxed))));
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = std::mem::take(&mut *answers).into_iter();
        taken.extend(answered.map(|((service, sent), count)| {
            let outcome = if sent { "sent" } else { "failed" };
            (format!("push.{outcome}.{service}"), count)
        }));
        taken.retain(|(_, count)| *count > 0);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_not_taken_again() {
        let stats = HourlyStats::default();
        stats.add(Count::Message, 2);
        stats.sent_within(Duration::from_micros(1_500));
        stats.sent_within(Duration::from_secs(100));
        stats.push_answered("Apple", false);
        let taken = [
            ("message".to_owned(), 2),
            ("latency.2".to_owned(), 1),
            ("latency.10000".to_owned(), 1),
            ("push.failed.Apple".to_owned(), 1),
        ];
        assert_eq!(stats.take(), taken);
        assert_eq!(stats.take(), []);
        stats.put_back(taken.to_vec());
        stats.add(Count::Message, 1);
        assert_eq!(stats.take()[0], ("message".to_owned(), 3));
    }
}
