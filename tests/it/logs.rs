//! One line a request, and nothing in it that must not be read.

use serde_json::{Value, json};

use crate::helpers::{PASSWORD, SECRET, Server, Signal};

#[tokio::test]
async fn no_token_password_or_message_at_any_level() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [
        ("SCHOOLBELL_LOG__LEVEL", "trace"),
        ("SCHOOLBELL_LOG__FORMAT", "json"),
    ];
    let server = Server::start_with(folder.path(), &environment);
    let (_, ann) = server.person("ann").await;
    let (bob_id, bob) = server.person("bob").await;
    let (mut socket, _) = server.join(&bob, None).await;
    let body = json!({ "receiverId": bob_id, "content": "the-secret-of-the-message" });
    server.post("/api/messages", &ann, body).await;
    socket.expect("new_message").await;
    server
        .get("/api/messages/search?q=the-secret-of-the-search", &bob)
        .await;
    let wrong = json!({ "username": "ann", "password": "the-wrong-password" });
    server.post("/api/auth/login", "", wrong).await;
    server
        .post("/api/messages", "sb_the-key-of-nobody", json!({}))
        .await;
    server.signal(Signal::TERM);
    drop(socket);
    let greeting = server.greeting.clone();
    assert_eq!(server.wait(), Some(0));
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    for secret in [
        &ann,
        &bob,
        PASSWORD,
        SECRET,
        "the-secret-of-the-message",
        "the-secret-of-the-search",
        "the-wrong-password",
        "the-key-of-nobody",
    ] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    let setup = greeting
        .split("setup=")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap();
    assert!(!log.contains(setup));

    let lines: Vec<Value> = log
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let requests: Vec<_> = lines.iter().filter(|l| l["message"] == "request").collect();
    assert_eq!(requests.len(), 7, "one line for each request");
    let sent = requests
        .iter()
        .find(|l| l["route"] == "/api/messages" && l["status"] == 201)
        .unwrap();
    assert_eq!(sent["method"], "POST");
    assert!(sent["ms"].is_number() && sent["request_id"].is_string());
    assert!(sent["user"].as_str().unwrap().starts_with("user:"));
    let refused = requests.iter().find(|l| l["status"] == 401).unwrap();
    assert_eq!(refused["code"], "credentials_invalid");
}
