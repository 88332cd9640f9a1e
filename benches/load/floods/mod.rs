//! Floods of one kind after the other, while pairs of people write to each other: these get no error, and their p99 at most
//! doubles; and whoever needs what is flooded gets it. The flood is a process of its own that yields to the one that takes the
//! times: it would come from elsewhere.
//!
//! A flood that misses this is repeated, and fails if it misses it in two of three runs. A control is measured first: a process of the
//! lowest priority that keeps all cores busy without touching the server. Its p99 is allowed too where it is above twice the calm p99.

mod attacks;

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use schoolbell::auth::passwords::Passwords;
use schoolbell::limits::fair_queue::Turn;

pub use attacks::flood;
use attacks::{connect, exchange, get, post};

use crate::client::{Http, Live};
use crate::server::Server;
use crate::traffic::steadily;
use crate::{SENDERS, STEADY, STEADY_RATE, percentile, row, seed};

/// The control: all cores are busy, and nothing is sent to the server.
const SPINNING: &str = "spinning";
const KINDS: [&str; 14] = [
    "user",
    "key",
    "addresses",
    "logins",
    "handshakes",
    "headers",
    "typing",
    "log",
    "one_address",
    "polling",
    "letters",
    "csv",
    "slow_readers",
    "openapi",
];
const PASSWORD: &str = "heron at the school pond";
/// Messages between two people of the flood, whose words are in the index with everybody's.
const TEXTS: usize = 200_000;
/// How often it is tried whether somebody gets through.
const PROBE: Duration = Duration::from_millis(500);

pub async fn withstand(only: &[String]) {
    // Nobody is a proxy here: the flood's addresses are its own.
    let environment = [("SCHOOLBELL_SERVER__TRUSTED_PROXIES", "")];
    let hash = Passwords::new().hash(PASSWORD.into(), Turn::proven()).await;
    let hash = hash.unwrap();
    let mut key = String::new();
    let server = Server::start_with(&environment, |app| {
        seed::accounts(app, SENDERS * 2 + 10, &hash);
        seed::talk(app, attacks::TALKERS, TEXTS);
        seed::long_talk(app, attacks::LONG_TALKERS);
        seed::index(app);
        key = seed::roster_key(app);
    });
    let start = Instant::now();
    let live = Live::connect_all(&server, SENDERS..SENDERS * 2, start).await;
    // What was written while seeding is on its way to the disk, where it delays others' commits.
    rustix::fs::sync();
    let mut bench = Bench {
        server: &server,
        live,
        start,
        key,
    };
    let control = bench.tries(SPINNING, |_| false).await;
    let mut busy: Vec<f64> = control.iter().map(|one| one.during).collect();
    busy.sort_by(f64::total_cmp);
    let busy = busy[busy.len() / 2];
    let mut failed = Vec::new();
    let wanted = |kind: &&str| only.is_empty() || only.iter().any(|one| one == kind);
    for kind in KINDS.into_iter().filter(wanted) {
        let holds = |one: &Try| one.during <= (one.before * 2.0).max(busy) && one.all_through();
        let tries = bench.tries(kind, holds).await;
        if tries.iter().filter(|one| holds(one)).count() * 2 < tries.len() {
            failed.push(kind);
        }
    }
    let Bench { mut live, .. } = bench;
    let refused = Http::text(&server.address, "/metrics").await;
    let refused = refused
        .lines()
        .filter(|line| line.starts_with("schoolbell_refused"));
    refused.for_each(|line| println!("  {line}"));
    live.close();
    assert!(
        failed.is_empty(),
        "more than twice, or nobody got through: {failed:?}"
    );
}

struct Bench<'s> {
    server: &'s Server,
    live: Live,
    start: Instant,
    /// An API key that may read files of people.
    key: String,
}

/// One run of a flood.
struct Try {
    /// The others' p99, in milliseconds.
    before: f64,
    during: f64,
    /// How many legitimate requests got through, and of how many; for kinds that have a probe.
    through: Option<(usize, usize)>,
}

impl Try {
    fn all_through(&self) -> bool {
        self.through.is_none_or(|(through, tried)| through == tried)
    }
}

impl Bench<'_> {
    /// Runs a flood once, and twice more if the first run does not hold.
    async fn tries(&mut self, kind: &str, holds: impl Fn(&Try) -> bool) -> Vec<Try> {
        let mut tries = Vec::new();
        while tries.len() < 3 {
            let one = self.flood(kind).await;
            row(
                &format!("p99 of others in a flood: {kind}, ms"),
                format!("{:.2}", one.during),
                format!("{:.2} before, ×{:.2}", one.before, one.during / one.before),
            );
            if let Some((through, tried)) = one.through {
                row(
                    "  who meant well got through",
                    format!("{through} of {tried}"),
                    String::new(),
                );
            }
            tries.push(one);
            if holds(&tries[0]) {
                break;
            }
        }
        tries
    }

    async fn flood(&mut self, kind: &str) -> Try {
        let before = self.p99().await;
        let flood = Flood::start(&self.server.address, kind, &self.key);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let address = self.server.address.clone();
        let (during, through) = tokio::join!(self.p99(), probe(&address, kind));
        drop(flood);
        // What it used up comes back.
        tokio::time::sleep(Duration::from_secs(2)).await;
        Try {
            before,
            during,
            through,
        }
    }

    async fn p99(&mut self) -> f64 {
        let sent = steadily(self.server, SENDERS, self.start, STEADY_RATE, STEADY).await;
        self.live.settle(sent).await;
        self.live.latencies.sort_unstable();
        let p99 = percentile(&self.live.latencies, 0.99);
        self.live.latencies.clear();
        p99
    }
}

/// How often somebody who needs what is flooded, and comes from where the flood comes from, got it; of how many times.
async fn probe(address: &str, kind: &str) -> Option<(usize, usize)> {
    let (mut through, mut tried) = (0, 0);
    let until = Instant::now() + STEADY;
    while Instant::now() < until {
        let got = match kind {
            "one_address" => logs_in(address, tried).await,
            "polling" => joins(address).await,
            _ => return None,
        };
        tried += 1;
        through += usize::from(got);
        tokio::time::sleep(PROBE).await;
    }
    Some((through, tried))
}

/// A right password, from the address of the flood.
async fn logs_in(address: &str, person: usize) -> bool {
    let body = format!(
        r#"{{"username":"{}","password":"{PASSWORD}"}}"#,
        seed::id(person)
    );
    let Some(mut stream) = connect(address.parse().unwrap(), 0).await else {
        return false;
    };
    let answer = exchange(&mut stream, &post("/api/auth/login", "", &body)).await;
    answer.starts_with("HTTP/1.1 200")
}

/// A handshake by polling, which is joined at once.
async fn joins(address: &str) -> bool {
    let Some(mut stream) = connect(address.parse().unwrap(), 0).await else {
        return false;
    };
    let opened = exchange(&mut stream, &get(attacks::POLLING, "")).await;
    let Some(sid) = opened
        .split("\"sid\":\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
    else {
        return false;
    };
    let path = format!("{}&sid={sid}", attacks::POLLING);
    let connect = format!(r#"40{{"token":"{}"}}"#, crate::server::token(&seed::id(0)));
    let joined = exchange(&mut stream, &post(&path, "", &connect)).await;
    joined.starts_with("HTTP/1.1 200")
}

struct Flood(Child);

impl Flood {
    fn start(address: &str, kind: &str, key: &str) -> Self {
        let program = std::env::current_exe().unwrap();
        Flood(
            Command::new(program)
                .args(["flood", address, kind, key])
                .spawn()
                .unwrap(),
        )
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
