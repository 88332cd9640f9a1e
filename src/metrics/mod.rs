//! Metrics for Prometheus. Each [`Metrics`] has a registry of its own, so several servers live in one process.

pub mod hourly_stats;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::log;

type Count = Gauge<i64, AtomicI64>;

/// Labels of a request: the route's pattern, never its path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    pub method: &'static str,
    pub route: &'static str,
    pub status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RouteLabel {
    pub route: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TransportLabel {
    pub transport: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CodeLabel {
    pub code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    pub reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct JobLabel {
    pub job: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PushLabels {
    pub outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct MailLabels {
    pub outcome: &'static str,
}

/// All metrics.
pub struct Metrics {
    /// Beside them, what goes into the database by hour.
    pub hourly_stats: hourly_stats::HourlyStats,
    registry: Registry,
    pub requests: Family<RequestLabels, Counter>,
    pub request_seconds: Family<RouteLabel, Histogram, fn() -> Histogram>,
    pub connections: Family<TransportLabel, Count>,
    pub users_online: Count,
    pub events_delivered: Counter<u64, AtomicU64>,
    pub events_dropped: Counter<u64, AtomicU64>,
    queue_bytes: Count,
    pub closes: Family<CodeLabel, Counter>,
    pub replay_events: Histogram,
    pub commit_jobs: Histogram,
    pub commit_seconds: Histogram,
    pub slice_seconds: Histogram,
    writer_queue: Count,
    write_failures: Counter<u64, AtomicU64>,
    reads_waiting: Count,
    refusals: Family<ReasonLabel, Counter>,
    job_failures: Family<JobLabel, Counter>,
    pub unknown_parameters: Counter<u64, AtomicU64>,
    pub unknown_events: Counter<u64, AtomicU64>,
    /// When the last backup was made, in Unix seconds, and how often one failed.
    pub last_backup: Count,
    pub backup_failures: Counter<u64, AtomicU64>,
    /// When the server's certificate ends, in Unix seconds; 0 without one.
    pub certificate_expiry: Count,
    pub pushes: Family<PushLabels, Counter>,
    pub push_waiting: Count,
    pub mails: Family<MailLabels, Counter>,
    log_lines_dropped: Counter<u64, AtomicU64>,
    database_bytes: Count,
    memory_bytes: Count,
}

/// Values that are kept elsewhere and only observed here.
#[derive(Debug)]
pub struct Observed {
    /// Bytes of the database and its logs on disk.
    pub database_bytes: u64,
    /// Bytes of events that wait for sockets.
    pub event_bytes: usize,
    /// Writes and reads that wait for the database.
    pub writes: usize,
    pub reads: usize,
    /// Writes that the database did not take, since the start.
    pub failed_writes: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    pub fn new() -> Self {
        let latency: fn() -> Histogram = || Histogram::new(exponential_buckets(0.0002, 2.5, 12));
        let mut metrics = Metrics {
            hourly_stats: hourly_stats::HourlyStats::default(),
            registry: Registry::with_prefix("schoolbell"),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(latency),
            connections: Family::default(),
            users_online: Count::default(),
            events_delivered: Counter::default(),
            events_dropped: Counter::default(),
            queue_bytes: Count::default(),
            closes: Family::default(),
            replay_events: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            commit_jobs: Histogram::new(exponential_buckets(1.0, 2.0, 9)),
            commit_seconds: Histogram::new(exponential_buckets(0.0001, 2.5, 11)),
            slice_seconds: Histogram::new([
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0,
            ]),
            writer_queue: Count::default(),
            write_failures: Counter::default(),
            reads_waiting: Count::default(),
            refusals: Family::default(),
            job_failures: Family::default(),
            unknown_parameters: Counter::default(),
            unknown_events: Counter::default(),
            last_backup: Count::default(),
            certificate_expiry: Count::default(),
            backup_failures: Counter::default(),
            pushes: Family::default(),
            push_waiting: Count::default(),
            mails: Family::default(),
            log_lines_dropped: Counter::default(),
            database_bytes: Count::default(),
            memory_bytes: Count::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("http_requests", "Requests answered", self.requests.clone());
        r.register_with_unit(
            "http_request_duration",
            "Time to an answer",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        r.register("connections", "Open sockets", self.connections.clone());
        r.register(
            "users_online",
            "People with at least one open socket",
            self.users_online.clone(),
        );
        r.register(
            "events_delivered",
            "Events written to sockets",
            self.events_delivered.clone(),
        );
        r.register(
            "events_dropped",
            "Typing and presence events that a slow reader did without",
            self.events_dropped.clone(),
        );
        r.register_with_unit(
            "queue",
            "Events waiting for sockets",
            Unit::Bytes,
            self.queue_bytes.clone(),
        );
        r.register("closes", "Sockets closed, by code", self.closes.clone());
        r.register(
            "replay_events",
            "Events sent again after a reconnection",
            self.replay_events.clone(),
        );
        r.register(
            "commit_jobs",
            "Writes that shared one commit",
            self.commit_jobs.clone(),
        );
        r.register_with_unit(
            "commit_duration",
            "Time of one commit, its writes included",
            Unit::Seconds,
            self.commit_seconds.clone(),
        );
        r.register_with_unit(
            "cleanup_slice_duration",
            "Time for which one slice of a retention or an erasure held the writer",
            Unit::Seconds,
            self.slice_seconds.clone(),
        );
        r.register(
            "writer_queue",
            "Writes waiting for the writer",
            self.writer_queue.clone(),
        );
        r.register(
            "write_failures",
            "Writes that the disk or another program has kept from the database",
            self.write_failures.clone(),
        );
        r.register(
            "reads_waiting",
            "Reads waiting for a connection to the database",
            self.reads_waiting.clone(),
        );
        r.register(
            "refused",
            "Requests, logins and connections over a limit, by which limit",
            self.refusals.clone(),
        );
        r.register(
            "job_failures",
            "Runs of background jobs that failed, by job",
            self.job_failures.clone(),
        );
        r.register(
            "unknown_parameters",
            "Query parameters and body fields that no route knows, and that were ignored",
            self.unknown_parameters.clone(),
        );
        r.register(
            "unknown_events",
            "Events of Socket.IO clients that the server does not know, and that were ignored",
            self.unknown_events.clone(),
        );
        r.register_with_unit(
            "last_backup_timestamp",
            "When the last backup was made, 0 if never",
            Unit::Seconds,
            self.last_backup.clone(),
        );
        r.register_with_unit(
            "certificate_expiry_timestamp",
            "When the server's certificate ends, 0 without one",
            Unit::Seconds,
            self.certificate_expiry.clone(),
        );
        r.register(
            "backup_failures",
            "Backups that could not be made",
            self.backup_failures.clone(),
        );
        r.register(
            "mails",
            "Attempts to send a mail, by what came of them",
            self.mails.clone(),
        );
        r.register(
            "pushes",
            "Attempts to push, by what came of them",
            self.pushes.clone(),
        );
        r.register(
            "push_waiting",
            "Pushes in the outbox, counted each minute",
            self.push_waiting.clone(),
        );
        r.register(
            "log_lines_dropped",
            "Lines of the log that standard error did not take in time",
            self.log_lines_dropped.clone(),
        );
        r.register_with_unit(
            "database",
            "Size of the database and its log",
            Unit::Bytes,
            self.database_bytes.clone(),
        );
        r.register_with_unit(
            "process_resident_memory",
            "Memory of the process",
            Unit::Bytes,
            self.memory_bytes.clone(),
        );
    }

    /// The OpenMetrics text, with what others keep as it is now.
    pub fn render(&self, now: &Observed) -> String {
        self.database_bytes.set(now.database_bytes as i64);
        self.queue_bytes.set(now.event_bytes as i64);
        self.writer_queue.set(now.writes as i64);
        self.reads_waiting.set(now.reads as i64);
        self.write_failures
            .inner()
            .store(now.failed_writes, Ordering::Relaxed);
        self.memory_bytes.set(resident_bytes());
        let dropped = self.log_lines_dropped.inner();
        dropped.store(log::dropped(), Ordering::Relaxed);
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            text.clear();
        }
        text
    }

    /// Counts a close; a peer that closed without a code has code 1000.
    pub fn closed(&self, code: u16) {
        self.closes.get_or_create(&CodeLabel { code }).inc();
    }

    /// What is open on `transport`, held by its connections.
    pub fn connection_gauge(&self, transport: &'static str) -> Count {
        self.connections
            .get_or_create(&TransportLabel { transport })
            .clone()
    }

    /// Counts a run of a background job that failed.
    pub fn job_failed(&self, job: &'static str) {
        self.job_failures.get_or_create(&JobLabel { job }).inc();
    }

    /// Counts something that a limit has refused.
    pub fn refused(&self, reason: &'static str) {
        self.refusals.get_or_create(&ReasonLabel { reason }).inc();
    }
}

/// Resident memory as Linux tells it, 0 elsewhere.
fn resident_bytes() -> i64 {
    let pages: Option<i64> = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').nth(1)?.parse().ok());
    pages.unwrap_or(0) * 4096
}
