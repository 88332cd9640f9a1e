//! `/metrics` and `/health`.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::helpers::{TestApp, http};

async fn scrape(t: &TestApp) -> String {
    let url = format!("http://{}/metrics", t.address);
    let response = http().get(url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.text().await.unwrap()
}

/// Scrapes until all these lines are in it.
async fn scrape_until(t: &TestApp, lines: &[&str]) -> String {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let text = scrape(t).await;
        let missing: Vec<_> = lines.iter().filter(|line| !text.contains(**line)).collect();
        if missing.is_empty() {
            return text;
        }
        assert!(Instant::now() < until, "{missing:?} are not in\n{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_figures_move() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let (mut socket, connected) = bob.connect().await;
    ann.write(&bob, "hi").await;
    socket.expect("new_message").await;
    let (_second, _) = bob.connect_since(connected["seq"].as_i64()).await;
    ann.post("/api/messages", json!({}))
        .await
        .invalid("receiverId");
    // Some of them a moment after the answer.
    let text = scrape_until(
        &t,
        &[
            r#"schoolbell_http_requests_total{method="POST",route="/api/messages",status="201"} 1"#,
            r#"schoolbell_http_requests_total{method="POST",route="/api/messages",status="400"} 1"#,
            r#"schoolbell_http_request_duration_seconds_count{route="/api/messages"} 2"#,
            r#"schoolbell_connections{transport="ws"} 2"#,
            "schoolbell_users_online 1",
            "schoolbell_queue_bytes 0",
            "schoolbell_replay_events_count 1",
            "schoolbell_writer_queue 0",
        ],
    )
    .await;
    let value = |name: &str| -> f64 {
        let line = text
            .lines()
            .find(|l| l.starts_with(&format!("{name} ")))
            .unwrap_or_else(|| panic!("{name}"));
        line.split(' ').nth(1).unwrap().parse().unwrap()
    };
    assert!(value("schoolbell_events_delivered_total") >= 4.0);
    assert!(value("schoolbell_commit_jobs_count") >= 3.0);
    assert!(value("schoolbell_commit_duration_seconds_count") >= 3.0);
    assert!(value("schoolbell_database_bytes") > 100_000.0);
    assert!(value("schoolbell_process_resident_memory_bytes") > 1e6);
    socket.send_text("x").await;
    assert_eq!(socket.closed().await, 4501);
    scrape_until(&t, &[r#"schoolbell_closes_total{code="4501"} 1"#]).await;
}

#[tokio::test]
async fn a_path_of_a_stranger_makes_no_label() {
    let t = TestApp::new();
    t.call("GET", "/api/made-up-path", "", None).await;
    t.call("BREW", "/api/made-up-path", "", None).await;
    let text = scrape(&t).await;
    assert!(
        !text.contains("made-up") && !text.contains("BREW"),
        "{text}"
    );
    assert!(
        text.contains(r#"{method="other",route="none",status="404"} 1"#),
        "{text}"
    );
}

#[tokio::test]
async fn figures_are_for_this_machine_or_the_token() {
    let t = TestApp::with(|c| c.metrics.token = schoolbell::config::Secret::new("figures-token"));
    let url = format!("http://{}/metrics", t.address);
    let client = http();
    let through_proxy = || client.get(&url).header("x-forwarded-for", "192.0.2.1");
    assert_eq!(through_proxy().send().await.unwrap().status(), 403);
    assert_eq!(
        through_proxy()
            .bearer_auth("wrong-one-xxx")
            .send()
            .await
            .unwrap()
            .status(),
        403
    );
    assert_eq!(
        through_proxy()
            .bearer_auth("figures-token")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    let remote = schoolbell::api::Peer("192.0.2.1:9".parse().unwrap());
    let request = warp::test::request().path("/metrics").extension(remote);
    assert_eq!(request.reply(&t.routes).await.status(), 403);
}

#[tokio::test]
async fn health_is_a_write() {
    let t = TestApp::new();
    let body = t.call("GET", "/health", "", None).await.expect(200);
    assert_eq!(
        body,
        json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") })
    );
}

#[tokio::test]
async fn a_job_that_fails_is_counted_and_tried_again() {
    let t = TestApp::new();
    let database = rusqlite::Connection::open(&t.app.config.database.path).unwrap();
    database
        .execute_batch("PRAGMA foreign_keys = off; ALTER TABLE announcements RENAME TO away")
        .unwrap();
    let failures = || schoolbell::ops::health::metrics(&t.app);
    let second = r#"schoolbell_job_failures_total{job="announcements"} 2"#;
    for _ in 0..100 {
        if failures().contains(second) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{}", failures());
}
