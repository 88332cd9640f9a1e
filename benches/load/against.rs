//! This tree's binary beside another one's. Both run at once and take turns, a few seconds each, so that what the machine does
//! meanwhile happens to both; what counts is the ratio within each round. Each round has processes of its own: two runs of one and
//! the same binary differ by several percent for as long as they last.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client::{Http, Live};
use crate::server::{Dialect, FAST, Program, Server, own};
use crate::{SENDERS, percentile, traffic};

/// Quantile of the normal distribution for 95 % on both sides.
const Z: f64 = 1.96;

pub struct Scale {
    pub rounds: usize,
    /// Sockets of a fan-out.
    crowd: usize,
    load: Duration,
    steady: Duration,
}

impl Scale {
    pub fn new(smoke: bool) -> Self {
        Scale {
            rounds: if smoke { 2 } else { 20 },
            crowd: if smoke { 50 } else { 1_000 },
            load: Duration::from_millis(if smoke { 200 } else { 2_000 }),
            steady: Duration::from_millis(if smoke { 200 } else { 2_000 }),
        }
    }
}

/// A server, and the sockets of those who are written to.
pub struct Side {
    server: Server,
    live: Live,
    start: Instant,
}

/// What messages gave in one turn.
pub struct Messages {
    pub rate: f64,
    /// Seconds of the server for 100,000.
    pub cpu: f64,
    /// Milliseconds until all but one in a hundred have arrived, at 1,000 a second.
    pub p99: f64,
}

/// What one turn gave.
struct Turn {
    messages: Messages,
    /// Milliseconds until the last of the crowd has an announcement.
    fan_out: f64,
    /// Bytes of a connection that has had something.
    connection: f64,
}

/// Announcements to a crowd, of which the median counts.
const ANNOUNCEMENTS: usize = 5;

pub async fn compare(other: &Path, acks: bool, smoke: bool) {
    let scale = Scale::new(smoke);
    let mut rounds = Vec::new();
    for round in 0..scale.rounds {
        let mut ours = Side::start(empty(announcing(None)), &scale).await;
        let mut other = announcing(Some(other));
        other.acks = acks;
        let mut theirs = Side::start(empty(other), &scale).await;
        // Who begins takes turns, too.
        let (us, them) = if round % 2 == 0 {
            let us = ours.turn(&scale).await;
            (us, theirs.turn(&scale).await)
        } else {
            let them = theirs.turn(&scale).await;
            (ours.turn(&scale).await, them)
        };
        println!(
            "round {round:>2}: {:>6.0} and {:>6.0} messages/s, CPU {:.2} and {:.2} s per 100,000, p99 at 1,000/s {:.2} and {:.2} ms, \
             to {} sockets {:.1} and {:.1} ms, {:.0} and {:.0} bytes each",
            us.messages.rate,
            them.messages.rate,
            us.messages.cpu,
            them.messages.cpu,
            us.messages.p99,
            them.messages.p99,
            scale.crowd,
            us.fan_out,
            them.fan_out,
            us.connection,
            them.connection,
        );
        rounds.push((us, them));
    }
    println!(
        "\nthis tree / {}, with the interval that holds it at 95 %:",
        other.display()
    );
    let show = |what: &str, value: fn(&Turn) -> f64| {
        let ratios: Vec<f64> = rounds
            .iter()
            .map(|(us, them)| value(us) / value(them))
            .collect();
        let (low, middle, high) = interval(&ratios);
        println!("  {what:<34} {middle:.3} ({low:.3} to {high:.3})");
    };
    show("messages/s, 64 senders", |turn| turn.messages.rate);
    show("server CPU per message", |turn| turn.messages.cpu);
    show("p99 at 1,000/s", |turn| turn.messages.p99);
    show("time of a fan-out", |turn| turn.fan_out);
    show("memory of a connection", |turn| turn.connection);
}

/// With a database of its own making: another version may not know this one's schema.
pub fn program(binary: Option<&Path>) -> Program {
    let mut program = Program::schoolbell(Dialect::Ws, &[]);
    // What an older binary does not know it refuses: here nobody needs it.
    let makes_users = ("SCHOOLBELL_AUTH__AUTO_PROVISION", "true");
    let raised = &FAST[..4];
    program.environment = own(&[raised, &[makes_users]].concat());
    if let Some(binary) = binary {
        program.binary = binary.canonicalize().unwrap();
        // An older one may know nothing of it.
        program.acks = false;
    }
    program
}

/// A crowd is more people than one may reach in a minute.
fn announcing(binary: Option<&Path>) -> Program {
    let mut program = program(binary);
    program.environment.extend(own(&FAST[7..]));
    program
}

/// A server on a database that it makes itself.
fn empty(program: Program) -> Server {
    Server::on(program, Arc::new(tempfile::tempdir().unwrap()))
}

impl Side {
    pub async fn start(server: Server, scale: &Scale) -> Self {
        let start = Instant::now();
        let mut side = Side {
            live: Live::connect_all(&server, SENDERS..SENDERS * 2, start).await,
            server,
            start,
        };
        // The senders come into being with their first message, and what runs for the first time is slower.
        let sent =
            traffic::steadily(&side.server, SENDERS, start, 100.0, Duration::from_secs(1)).await;
        side.live.settle(sent).await;
        let (sent, _) = traffic::flat_out(&side.server, SENDERS, start, scale.load / 4).await;
        side.live.settle(sent).await;
        side
    }

    async fn turn(&mut self, scale: &Scale) -> Turn {
        let messages = self.messages(scale).await;
        let (fan_out, connection) = self.crowd(scale.crowd).await;
        Turn {
            messages,
            fan_out,
            connection,
        }
    }

    pub async fn messages(&mut self, scale: &Scale) -> Messages {
        let Side {
            server,
            live,
            start,
        } = self;
        server.rest().await;
        let before = server.cpu_seconds();
        let (sent, seconds) = traffic::flat_out(server, SENDERS, *start, scale.load).await;
        live.settle(sent).await;
        server.rest().await;
        let cpu = (server.cpu_seconds() - before) / sent as f64 * 100_000.0;
        live.latencies.clear();
        let steady = traffic::steadily(server, SENDERS, *start, 1_000.0, scale.steady).await;
        live.settle(steady).await;
        live.latencies.sort_unstable();
        let p99 = percentile(&live.latencies, 0.99);
        live.latencies.clear();
        Messages {
            rate: sent as f64 / seconds,
            cpu,
            p99,
        }
    }

    /// How long an announcement takes to many sockets, and what each of these costs.
    async fn crowd(&self, size: usize) -> (f64, f64) {
        let (server, start) = (&self.server, self.start);
        let first = SENDERS * 2;
        // What the first connections need is not what each needs.
        let mut warm = Live::connect_all(server, first..first + 50, start).await;
        warm.close();
        server.rest().await;
        let before = server.memory_bytes();
        let mut crowd = Live::connect_all(server, first..first + size, start).await;
        let mut times = Vec::new();
        for _ in 0..ANNOUNCEMENTS {
            let mut http = Http::connect(&server.address).await;
            let began = Instant::now();
            http.announce(&server.sender).await;
            crowd.settle(size).await;
            times.push(crowd.last_arrival.duration_since(began).as_secs_f64() * 1e3);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        server.rest().await;
        let memory = (server.memory_bytes() - before) as f64 / size as f64;
        crowd.close();
        times.sort_by(f64::total_cmp);
        (times[ANNOUNCEMENTS / 2], memory)
    }
}

/// The geometric mean, and the interval that holds it: Student's t, by the expansion of Cornish and Fisher.
pub fn interval(ratios: &[f64]) -> (f64, f64, f64) {
    let n = ratios.len() as f64;
    let logs: Vec<f64> = ratios.iter().map(|ratio| ratio.ln()).collect();
    let mean = logs.iter().sum::<f64>() / n;
    let free = (n - 1.0).max(1.0);
    let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / free;
    let t = Z
        + (Z.powi(3) + Z) / (4.0 * free)
        + (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / (96.0 * free.powi(2));
    let half = t * (variance / n).sqrt();
    ((mean - half).exp(), mean.exp(), (mean + half).exp())
}
