//! From POST to delivery: how many, how soon, and what each costs in time and space.

use std::path::Path;
use std::time::Instant;

use super::{Peer, Scale, School, Sink};
use crate::client::Live;
use crate::{percentile, traffic};

const SENDERS: [usize; 4] = [1, 16, 64, 256];
/// The load that CPU, disk and the maximum are taken at.
const FULL: usize = 64;

pub async fn measure(peer: &Peer, scale: &Scale, sink: &mut Sink<'_>) {
    let mut highest = 0.0;
    for senders in SENDERS {
        let rate = flat_out(peer, scale, senders, sink).await;
        sink.add(&format!("rate_{senders}"), rate);
        if senders == FULL {
            highest = rate;
        }
    }
    let server = peer.start(School::People(FULL * 2));
    let start = Instant::now();
    let mut live = Live::connect_all(&server, FULL..FULL * 2, start).await;
    // What runs for the first time is slower.
    traffic::steadily(&server, FULL, start, 200.0, scale.steady / 5).await;
    live.drain().await;
    for (rate, name) in [(200.0, "200"), (1_000.0, "1000"), (highest / 2.0, "half")] {
        if name == "half" {
            sink.add("rate_half", rate);
        }
        let sent = traffic::steadily(&server, FULL, start, rate, scale.steady).await;
        live.settle(sent).await;
        live.latencies.sort_unstable();
        for (share, percent) in [(0.5, "p50"), (0.99, "p99"), (0.999, "p999")] {
            let key = format!("{percent}_{name}");
            sink.add(&key, percentile(&live.latencies, share));
        }
        live.latencies.clear();
    }
    live.close();
}

async fn flat_out(peer: &Peer, scale: &Scale, senders: usize, sink: &mut Sink<'_>) -> f64 {
    let server = peer.start(School::People(senders * 2));
    let start = Instant::now();
    let mut live = Live::connect_all(&server, senders..senders * 2, start).await;
    let (warm, _) = traffic::flat_out(&server, senders, start, scale.load / 4).await;
    live.settle(warm).await;
    server.rest().await;
    let (cpu, before) = (server.cpu_seconds(), bytes(&server.database()));
    let (sent, seconds) = traffic::flat_out(&server, senders, start, scale.load).await;
    let delivered = live.settle(sent).await;
    if senders == FULL {
        // With what is written behind: the search index, checkpoints.
        server.rest().await;
        let cpu = server.cpu_seconds() - cpu;
        sink.add("cpu", cpu / sent as f64 * 100_000.0);
        let grown = bytes(&server.database()) - before;
        sink.add("disk", grown as f64 / sent as f64);
    }
    live.close();
    delivered as f64 / seconds
}

/// Pages in use, wherever they lie: a reader sees those of the write-ahead log, too.
fn bytes(database: &Path) -> i64 {
    let connection = rusqlite::Connection::open(database).unwrap();
    let pragma = |name| -> i64 {
        connection
            .pragma_query_value(None, name, |row| row.get(0))
            .unwrap()
    };
    (pragma("page_count") - pragma("freelist_count")) * pragma("page_size")
}
