//! What was measured: a value for each round, of each metric and peer.

use std::collections::BTreeMap;

/// A line of the table.
pub struct Metric {
    pub key: &'static str,
    pub title: &'static str,
    pub digits: usize,
}

const fn metric(key: &'static str, title: &'static str, digits: usize) -> Metric {
    Metric { key, title, digits }
}

/// In the order of the table.
pub const METRICS: &[Metric] = &[
    metric("rate_1", "messages/s stored and delivered, 1 sender", 0),
    metric("rate_16", "messages/s, 16 senders", 0),
    metric("rate_64", "messages/s, 64 senders", 0),
    metric("rate_256", "messages/s, 256 senders", 0),
    metric("cpu", "server CPU seconds per 100,000 messages", 2),
    metric("disk", "bytes on disk per message", 0),
    metric("p50_200", "send to delivery at 200/s, p50, ms", 2),
    metric("p99_200", "send to delivery at 200/s, p99, ms", 2),
    metric("p999_200", "send to delivery at 200/s, p99.9, ms", 2),
    metric("p50_1000", "send to delivery at 1,000/s, p50, ms", 2),
    metric("p99_1000", "send to delivery at 1,000/s, p99, ms", 2),
    metric("p999_1000", "send to delivery at 1,000/s, p99.9, ms", 2),
    metric("rate_half", "half of its own maximum, messages/s", 0),
    metric("p50_half", "send to delivery at that rate, p50, ms", 2),
    metric("p99_half", "send to delivery at that rate, p99, ms", 2),
    metric("p999_half", "send to delivery at that rate, p99.9, ms", 2),
    metric("idle", "memory per idle connection of 5,000, KiB", 1),
    metric(
        "announce",
        "announcement to 5,000, until the last has it, ms",
        0,
    ),
    metric("announce_cpu", "announcement to 5,000, server CPU, ms", 0),
    metric("burst", "100 events to each of 1,000 people, ms", 0),
    metric(
        "burst_cpu",
        "100 events to each of 1,000, server CPU, ms",
        0,
    ),
    metric(
        "list_10000",
        "conversation list at 10 thousand messages, ms",
        2,
    ),
    metric("list_1000000", "conversation list at 1 million, ms", 2),
    metric("list_5000000", "conversation list at 5 million, ms", 2),
    metric("page_10000", "history page at 10 thousand messages, ms", 2),
    metric("page_1000000", "history page at 1 million, ms", 2),
    metric("page_5000000", "history page at 5 million, ms", 2),
    metric(
        "unread_10000",
        "unread count at 10 thousand messages, ms",
        2,
    ),
    metric("unread_1000000", "unread count at 1 million, ms", 2),
    metric("unread_5000000", "unread count at 5 million, ms", 2),
    metric("start", "start-up to first answer, ms", 0),
    metric("logins", "logins/s (argon2id, 19 MiB, 2 passes)", 0),
    metric("p50_storm", "send to delivery during logins, p50, ms", 2),
    metric("p99_storm", "send to delivery during logins, p99, ms", 2),
    metric("warp", "bare warp POST/s, 64 clients", 0),
    metric("commit_full", "bare group commit of 64, FULL, rows/s", 0),
    metric(
        "commit_normal",
        "bare group commit of 64, NORMAL, rows/s",
        0,
    ),
    metric("fsync", "write and fdatasync/s", 0),
    metric("socket_p50", "bare socket write, p50, ms", 3),
    metric("socket_p99", "bare socket write, p99, ms", 3),
    metric(
        "fan_out",
        "bare writes to 5,000 sockets, until the last, ms",
        0,
    ),
];

#[derive(Default)]
pub struct Figures {
    /// By peer and key of the metric: a value of each round.
    values: BTreeMap<(&'static str, &'static str), Vec<f64>>,
}

/// Where the figures of one peer go.
pub struct Sink<'a> {
    figures: &'a mut Figures,
    peer: &'static str,
}

impl Sink<'_> {
    pub fn add(&mut self, key: &str, value: f64) {
        let metric = METRICS.iter().find(|metric| metric.key == key);
        let metric = metric.unwrap_or_else(|| panic!("no metric {key}"));
        let shown = format!("{value:.*}", metric.digits);
        println!("  {:<20} {:<52} {shown:>10}", self.peer, metric.title);
        let key = (self.peer, metric.key);
        self.figures.values.entry(key).or_default().push(value);
    }
}

impl Figures {
    pub fn of(&mut self, peer: &'static str) -> Sink<'_> {
        Sink {
            figures: self,
            peer,
        }
    }

    /// Sorted.
    pub fn rounds(&self, peer: &str, key: &str) -> Vec<f64> {
        let found = self
            .values
            .iter()
            .find(|((p, k), _)| *p == peer && *k == key);
        let mut rounds = found.map_or(Vec::new(), |(_, values)| values.clone());
        rounds.sort_by(f64::total_cmp);
        rounds
    }

    pub fn median(&self, peer: &str, key: &str) -> Option<f64> {
        let rounds = self.rounds(peer, key);
        rounds.get(rounds.len() / 2).copied()
    }

    /// As comma-separated values: each round of each metric and peer.
    pub fn lines(&self) -> String {
        let mut lines = String::from("peer,metric,rounds\n");
        for ((peer, key), rounds) in &self.values {
            let rounds: Vec<String> = rounds.iter().map(|value| format!("{value:.4}")).collect();
            lines += &format!("{peer},{key},{}\n", rounds.join(" "));
        }
        lines
    }

    /// Panics unless each peer, or the floor, has a figure for each metric.
    pub fn check(&self, histories: &[usize]) {
        let sizes: Vec<String> = histories.iter().map(|size| format!("_{size}")).collect();
        for metric in METRICS {
            let of_history = ["list", "page", "unread"]
                .iter()
                .any(|name| metric.key.starts_with(name));
            if of_history && !sizes.iter().any(|size| metric.key.ends_with(size)) {
                continue;
            }
            let has = |peer: &str| {
                let median = self.median(peer, metric.key);
                median.is_some_and(|value| value.is_finite() && value >= 0.0)
            };
            let everybody = super::PEERS.iter().all(|peer| has(peer.name));
            assert!(everybody || has("floor"), "no figure: {}", metric.title);
        }
    }
}
