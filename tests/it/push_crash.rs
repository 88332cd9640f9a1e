//! SIGKILL while pushes are on their way: each is sent, and one that was taken is repeated at most once.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;

use crate::helpers::{PushService, Reply, Server};

const PEOPLE: usize = 6;
const KILLS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn every_push_survives_sigkill_and_is_repeated_at_most_once() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [
        ("SCHOOLBELL_PUSH__ALLOW_PRIVATE_ENDPOINTS", "true"),
        ("SCHOOLBELL_PUSH__SUBJECT", "mailto:office@school.edu"),
    ];
    let service = PushService::start().await;
    let mut server = Server::start_with(folder.path(), &environment);
    let key = server.get("/api/notifications/vapid-public-key", "").await;
    let key = key["data"]["publicKey"].as_str().unwrap().to_owned();
    let (_, ann) = server.person("ann").await;
    let mut people = Vec::new();
    for n in 0..PEOPLE {
        let (id, token) = server.person(&format!("away{n}")).await;
        let device = service.device(&format!("d{n}"), &key);
        let answer = server.post("/api/notifications/subscribe", &token, device.json());
        assert_eq!(answer.await["success"], true);
        people.push(id);
    }
    // A real service takes its time, so that there is always something on its way.
    service.always(Some(Reply::Slowly(201)));

    let mut acknowledged = Vec::new();
    for round in 0..KILLS {
        let end = tokio::time::Instant::now() + Duration::from_millis(900 + 130 * round as u64);
        let mut n = 0;
        while tokio::time::Instant::now() < end {
            let body = json!({ "receiverId": people[n % PEOPLE], "content": "x" });
            let answer = server.post("/api/messages", &ann, body).await;
            acknowledged.push(answer["data"]["id"].as_str().unwrap().to_owned());
            n += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server.kill();
        server = Server::start_with(folder.path(), &environment);
    }

    service.always(None);
    let mut came: HashMap<String, usize> = HashMap::new();
    let patience = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        for push in service.take() {
            let id = push.payload["id"].as_str().unwrap().to_owned();
            *came.entry(id).or_default() += 1;
        }
        if acknowledged.iter().all(|id| came.contains_key(id)) {
            break;
        }
        assert!(tokio::time::Instant::now() < patience, "some never came");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(acknowledged.len() > 50, "{} is no load", acknowledged.len());
    let most = came.values().max().unwrap();
    assert!(*most <= 2, "one came {most} times");
    let repeated = came.values().filter(|times| **times > 1).count();
    assert!(repeated <= KILLS * PEOPLE, "{repeated} were repeated");
    drop(server);
}
