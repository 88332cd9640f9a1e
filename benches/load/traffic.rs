//! Messages as people send them: as fast as the answers come, or at a rate that does not ask how the server is doing.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::client::Http;
use crate::seed;
use crate::server::Server;

/// Connections that messages at a rate go over.
const CONNECTIONS: usize = 64;

/// Each of `senders` sends the next message when the last one is answered, to a person of his own who comes after the
/// senders. Returns how many were sent, and the seconds it took.
pub async fn flat_out(
    server: &Server,
    senders: usize,
    start: Instant,
    time: Duration,
) -> (usize, f64) {
    let began = Instant::now();
    let tasks: Vec<_> = (0..senders)
        .map(|i| {
            let (address, token) = (server.address.clone(), server.token(i));
            tokio::spawn(async move {
                let mut http = Http::connect(&address).await;
                let mut sent = 0;
                while began.elapsed() < time {
                    let now = start.elapsed().as_nanos();
                    http.send_message(&token, &seed::id(senders + i), now).await;
                    sent += 1;
                }
                sent
            })
        })
        .collect();
    let mut sent = 0;
    for task in tasks {
        sent += task.await.unwrap();
    }
    (sent, began.elapsed().as_secs_f64())
}

/// Messages at a rate, each by the next of `senders`. A message's time runs from when it was due: one that waits because
/// those before it are not answered yet has waited, too (no coordinated omission). Returns how many.
pub async fn steadily(
    server: &Server,
    senders: usize,
    start: Instant,
    rate: f64,
    time: Duration,
) -> usize {
    let (back, mut free) = mpsc::unbounded_channel();
    for _ in 0..CONNECTIONS {
        back.send(Http::connect(&server.address).await).unwrap();
    }
    let count = (time.as_secs_f64() * rate) as usize;
    let people: Vec<(String, String)> = (0..senders)
        .map(|i| (server.token(i), seed::id(senders + i)))
        .collect();
    let (due, mut waiting) = mpsc::unbounded_channel::<(usize, u128)>();
    let sending = tokio::spawn(async move {
        let mut tasks = tokio::task::JoinSet::new();
        while let Some((i, now)) = waiting.recv().await {
            let (token, to) = people[i % senders].clone();
            let mut http: Http = free.recv().await.unwrap();
            let back = back.clone();
            tasks.spawn(async move {
                http.send_message(&token, &to, now).await;
                let _ = back.send(http);
            });
            while tasks.try_join_next().is_some_and(|done| done.is_ok()) {}
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    });
    let began = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_secs_f64((1.0 / rate).max(0.001)));
    let mut sent = 0;
    while sent < count {
        tick.tick().await;
        let by_now = (began.elapsed().as_secs_f64() * rate) as usize + 1;
        while sent < by_now.min(count) {
            due.send((sent, start.elapsed().as_nanos())).unwrap();
            sent += 1;
        }
    }
    drop(due);
    sending.await.unwrap();
    count
}
