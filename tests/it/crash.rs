//! SIGKILL under load: what was acknowledged is there.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;

use crate::helpers::{Server, http};

/// Writes until the server is gone and returns the ids of what it acknowledged.
async fn write_until_it_dies(url: String, token: String, to: String) -> Vec<String> {
    let client = http();
    let mut acknowledged = Vec::new();
    loop {
        let body = json!({ "receiverId": to, "content": "under load" });
        let sent = client
            .post(&url)
            .bearer_auth(&token)
            .json(&body)
            .send()
            .await;
        let Ok(answer) = sent else {
            return acknowledged;
        };
        if answer.status() != 201 {
            return acknowledged;
        }
        let Ok(body) = answer.json::<serde_json::Value>().await else {
            return acknowledged;
        };
        acknowledged.push(body["data"]["id"].as_str().unwrap().to_owned());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_message_is_missing_after_sigkill() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let server = Server::start(folder.path());
        let (_, ann) = server.person(&format!("ann{round}")).await;
        let (bob, _) = server.person(&format!("bob{round}")).await;
        let writers: Vec<_> = (0..8)
            .map(|_| {
                tokio::spawn(write_until_it_dies(
                    server.url("/api/messages"),
                    ann.clone(),
                    bob.clone(),
                ))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(700 + 150 * round)).await;
        server.kill();
        for writer in writers {
            acknowledged.extend(writer.await.unwrap());
        }
    }
    assert!(
        acknowledged.len() > 100,
        "{} is no load",
        acknowledged.len()
    );

    let server = Server::start(folder.path());
    assert_eq!(server.get("/health", "").await["status"], "ok");
    drop(server);
    let database = rusqlite::Connection::open(folder.path().join("data/schoolbell.db")).unwrap();
    let mut statement = database
        .prepare("SELECT lower(hex(id)) FROM messages")
        .unwrap();
    let rows = statement
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap();
    let stored: HashSet<String> = rows.map(Result::unwrap).collect();
    let missing = acknowledged
        .iter()
        .filter(|id| !stored.contains(&id.replace('-', "")))
        .count();
    assert_eq!(missing, 0, "of {}", acknowledged.len());
    let check: String = database
        .query_row("PRAGMA integrity_check", [], |r| r.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    let wrong: i64 = database
        .query_row(
            "SELECT count(*) FROM conversation_members c WHERE c.last_seq <>
             (SELECT max(seq) FROM messages m WHERE m.conversation_key = c.conversation_key)",
            [],
            |r| r.get(0),
        )
        .unwrap();
    assert_eq!(wrong, 0, "counters agree with the messages");
}
