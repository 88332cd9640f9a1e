//! Whether the time of an answer tells that something of another person's exists.

use std::time::Instant;

use crate::client::Http;
use crate::server::Server;
use crate::{row, seed};

const ROUNDS: usize = 2_000;

pub async fn tell_nothing() {
    let server = Server::start(|app| seed::people(app, 10));
    let mut http = Http::connect(&server.address).await;
    // Somebody else's notification.
    let body = r#"{"userId":"person-1","type":"x","title":"t","message":"m"}"#;
    let made = Http::ask(&server.address, "/api/notifications", &server.sender, body)
        .await
        .unwrap();
    let theirs = made["data"]["id"].as_str().unwrap().to_owned();
    let nobodys = "0190a0b0-c0d0-7000-8000-00000000000a";
    let token = server.token(0);
    for (method, suffix) in [("PUT", "/read"), ("DELETE", "")] {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (id, times) in [theirs.as_str(), nobodys].into_iter().zip(&mut times) {
                let path = format!("/api/notifications/{id}{suffix}");
                let began = Instant::now();
                assert_eq!(http.request(method, &path, &token, "").await, 404);
                times.push(began.elapsed().as_nanos() as u64);
            }
        }
        let [theirs, nobodys] = times.map(|mut times| {
            times.sort_unstable();
            times[times.len() / 2] as f64 / 1e3
        });
        row(
            &format!("{method} of another's notification, µs (median)"),
            format!("{theirs:.1}"),
            format!("{nobodys:.1} of nobody's"),
        );
        assert!(
            (0.9..1.1).contains(&(theirs / nobodys)),
            "the time tells which exists"
        );
    }
}
