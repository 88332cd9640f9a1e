//! Many open sockets: what each costs, and how long until all of them have something.

use std::time::{Duration, Instant};

use super::{Peer, Scale, School, Sink};
use crate::client::{Http, Live};
use crate::server::Server;

const ANNOUNCEMENTS: usize = 8;
/// Events in a row to each of the people of a burst.
const BURST: usize = 100;

pub async fn measure(peer: &Peer, scale: &Scale, sink: &mut Sink<'_>) {
    let server = peer.start(School::People(scale.connections));
    let start = Instant::now();
    // What the first connections need is not what each needs.
    let mut warm = Live::connect_all(&server, 0..50, start).await;
    warm.close();
    server.rest().await;
    let before = server.memory_bytes();
    let mut live = Live::connect_all(&server, 0..scale.connections, start).await;
    server.rest().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let each = (server.memory_bytes() - before) as f64 / scale.connections as f64;
    sink.add("idle", each / 1024.0);

    announce(&server, &mut live, scale.connections).await;
    let cpu = server.cpu_seconds();
    let mut times = Vec::new();
    for _ in 0..ANNOUNCEMENTS {
        times.push(announce(&server, &mut live, scale.connections).await);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    server.rest().await;
    times.sort_by(f64::total_cmp);
    sink.add("announce", times[times.len() / 2]);
    let cpu = server.cpu_seconds() - cpu;
    sink.add("announce_cpu", cpu / ANNOUNCEMENTS as f64 * 1e3);
    live.close();
    drop(server);

    let server = peer.start(School::People(scale.burst_people));
    let start = Instant::now();
    let mut live = Live::connect_all(&server, 0..scale.burst_people, start).await;
    announce(&server, &mut live, scale.burst_people).await;
    server.rest().await;
    let cpu = server.cpu_seconds();
    let began = Instant::now();
    // All at once: each on a connection of its own.
    let posts = (0..BURST).map(|_| async {
        let mut http = Http::connect(&server.address).await;
        http.announce(&server.sender).await;
    });
    futures_util::future::join_all(posts).await;
    live.settle(scale.burst_people * BURST).await;
    let time = live.last_arrival.duration_since(began);
    server.rest().await;
    sink.add("burst", time.as_secs_f64() * 1e3);
    sink.add("burst_cpu", (server.cpu_seconds() - cpu) * 1e3);
    live.close();
}

/// Milliseconds from the POST until the last has it.
async fn announce(server: &Server, live: &mut Live, people: usize) -> f64 {
    let mut http = Http::connect(&server.address).await;
    let began = Instant::now();
    http.announce(&server.sender).await;
    live.settle(people).await;
    live.last_arrival.duration_since(began).as_secs_f64() * 1e3
}
