//! A morning of logins: how many a second, and how messages fare meanwhile.

use std::time::{Duration, Instant};

use schoolbell::auth::passwords::Passwords;
use schoolbell::limits::fair_queue::Turn;

use super::{Peer, Scale, School, Sink};
use crate::client::{Http, Live};
use crate::server::Server;
use crate::{percentile, seed, traffic};

/// People who log in at the same time, each again and again.
const AT_ONCE: usize = 16;
const SENDERS: usize = 64;
const PASSWORD: &str = "heron at the school pond";

pub async fn measure(peer: &Peer, scale: &Scale, sink: &mut Sink<'_>) {
    let hash = Passwords::new()
        .hash(PASSWORD.into(), Turn::proven())
        .await
        .unwrap();
    let server = peer.start(School::Accounts(SENDERS * 2, &hash));
    log_in(&server, scale.load / 4).await;
    sink.add("logins", log_in(&server, scale.load).await);

    let start = Instant::now();
    let mut live = Live::connect_all(&server, SENDERS..SENDERS * 2, start).await;
    let chat = traffic::steadily(&server, SENDERS, start, 200.0, scale.steady);
    let (_, sent) = tokio::join!(log_in(&server, scale.steady), chat);
    live.settle(sent).await;
    live.latencies.sort_unstable();
    sink.add("p50_storm", percentile(&live.latencies, 0.5));
    sink.add("p99_storm", percentile(&live.latencies, 0.99));
    live.close();
}

/// Logins a second.
async fn log_in(server: &Server, time: Duration) -> f64 {
    let began = Instant::now();
    let clients = (0..AT_ONCE).map(|i| async move {
        let mut http = Http::connect(&server.address).await;
        let body = format!(
            r#"{{"username":"{}","password":"{PASSWORD}"}}"#,
            seed::id(i)
        );
        let mut count = 0;
        while began.elapsed() < time {
            let status = http.request("POST", "/api/auth/login", "", &body).await;
            assert_eq!(status, 200);
            count += 1;
        }
        count
    });
    let counts: Vec<usize> = futures_util::future::join_all(clients).await;
    counts.iter().sum::<usize>() as f64 / began.elapsed().as_secs_f64()
}
