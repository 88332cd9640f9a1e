//! Floods of one kind after the other, while pairs of people write to each other: these get no error, and their p99 at most
//! doubles; and whoever needs what is flooded gets it. The flood is a process of its own that yields to the one that takes the
//! times: it would come from elsewhere.

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
    let mut live = Live::connect_all(&server, SENDERS..SENDERS * 2, start).await;
    let mut failed = Vec::new();
    let wanted = |kind: &&str| only.is_empty() || only.iter().any(|one| one == kind);
    for kind in KINDS.into_iter().filter(wanted) {
        let before = p99(&server, &mut live, start).await;
        let flood = Flood::start(&server.address, kind, &key);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (during, through) =
            tokio::join!(p99(&server, &mut live, start), probe(&server.address, kind));
        drop(flood);
        let ratio = during / before;
        row(
            &format!("p99 of others in a flood: {kind}, ms"),
            format!("{during:.2}"),
            format!("{before:.2} before, ×{ratio:.2}"),
        );
        if let Some((through, tried)) = through {
            row(
                "  who meant well got through",
                format!("{through} of {tried}"),
                String::new(),
            );
        }
        if ratio > 2.0 || through.is_some_and(|(through, tried)| through < tried) {
            failed.push(kind);
        }
        // What it used up comes back.
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
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

async fn p99(server: &Server, live: &mut Live, start: Instant) -> f64 {
    let sent = steadily(server, SENDERS, start, STEADY_RATE, STEADY).await;
    live.settle(sent).await;
    live.latencies.sort_unstable();
    let p99 = percentile(&live.latencies, 0.99);
    live.latencies.clear();
    p99
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
