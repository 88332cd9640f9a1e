//! The search index is in a file of its own, and whatever becomes of it, a search finds one's own messages and nothing else.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use schoolbell::store::files::sibling;
use schoolbell::store::search;
use serde_json::{Value, json};

use crate::helpers::{Server, Signal, TestApp, binary};

fn index(folder: &Path) -> PathBuf {
    search::file(&folder.join(schoolbell::Config::default().database.path))
}

async fn send(server: &Server, token: &str, to: &str, content: &str) {
    let body = json!({ "receiverId": to, "content": content });
    let answer = server.post("/api/messages", token, body).await;
    assert_eq!(answer["success"], true, "{answer}");
}

/// The texts that are found.
async fn found(server: &Server, token: &str, words: &str) -> Vec<String> {
    let path = format!("/api/messages/search?q={words}");
    texts(&server.get(&path, token).await)
}

fn texts(answer: &Value) -> Vec<String> {
    let messages = answer["data"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer}"));
    let content = |message: &Value| message["content"].as_str().unwrap().to_owned();
    messages.iter().map(content).collect()
}

/// Removes the index with its log, from which SQLite would recover it.
fn remove(index: &Path) {
    for suffix in ["-wal", "-shm", ""] {
        let _ = std::fs::remove_file(sibling(index, suffix));
    }
}

/// A server, Ann's token, and the id of Bob.
async fn start(folder: &Path) -> (Server, String, String) {
    let server = Server::start(folder);
    let (bob, _) = server.person("bob").await;
    let (_, ann) = server.person("ann").await;
    (server, ann, bob)
}

fn stop(server: Server) {
    server.signal(Signal::TERM);
    assert_eq!(server.wait(), Some(0));
}

#[tokio::test]
async fn an_index_that_is_lost_or_damaged_is_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let (server, ann, bob) = start(folder.path()).await;
    send(&server, &ann, &bob, "the first excursion").await;
    assert_eq!(found(&server, &ann, "excursion").await.len(), 1);
    stop(server);

    // Its log stays.
    std::fs::remove_file(index(folder.path())).unwrap();
    let server = Server::start(folder.path());
    assert_eq!(found(&server, &ann, "excursion").await.len(), 1);
    stop(server);

    remove(&index(folder.path()));
    std::fs::write(
        index(folder.path()),
        "no database, although it is long enough for one".repeat(200),
    )
    .unwrap();
    let server = Server::start(folder.path());
    assert_eq!(found(&server, &ann, "excursion").await.len(), 1);
    stop(server);
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("rebuilding the damaged search index"), "{log}");
}

#[tokio::test]
async fn a_restored_backup_has_an_index_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (server, ann, bob) = start(folder.path()).await;
    send(&server, &ann, &bob, "kept excursion").await;
    let made = binary(folder.path()).args(["backup", "copy.db"]).output();
    assert!(made.unwrap().status.success());
    send(&server, &ann, &bob, "lost excursion").await;
    assert_eq!(found(&server, &ann, "excursion").await.len(), 2);
    stop(server);
    let restored = binary(folder.path()).args(["restore", "copy.db"]).output();
    assert!(restored.unwrap().status.success());
    let server = Server::start(folder.path());
    send(&server, &ann, &bob, "new excursion").await;
    assert_eq!(
        found(&server, &ann, "excursion").await,
        ["new excursion", "kept excursion"]
    );
}

#[tokio::test]
async fn an_index_that_is_ahead_after_a_power_cut_is_set_back() {
    let folder = tempfile::tempdir().unwrap();
    let (server, ann, bob) = start(folder.path()).await;
    send(&server, &ann, &bob, "the first excursion").await;
    assert_eq!(found(&server, &ann, "excursion").await.len(), 1);
    stop(server);
    // Messages that were indexed and never reached the disk.
    let ahead = Connection::open(index(folder.path())).unwrap();
    ahead
        .execute_batch(
            "INSERT INTO message_search (rowid, people, content)
             SELECT seq + 1, 'u1 u2', 'gone' FROM progress UNION ALL SELECT seq + 2, 'u1 u2', 'gone' FROM progress;
             UPDATE progress SET seq = seq + 2;",
        )
        .unwrap();
    drop(ahead);
    let server = Server::start(folder.path());
    send(&server, &ann, &bob, "the second excursion").await;
    assert_eq!(found(&server, &ann, "excursion").await.len(), 2);
    assert_eq!(found(&server, &ann, "gone").await, [""; 0]);
}

#[tokio::test]
async fn what_the_index_says_of_others_messages_is_shown_to_no_one() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let carl = t.student("carl").await;
    ann.write(&bob, "between us").await;
    let search = async || {
        let answer = carl.get("/api/messages/search?q=between").await;
        texts(&answer.expect(200))
    };
    assert_eq!(search().await, [""; 0]);
    let index = Connection::open(search::file(t.app.store.path())).unwrap();
    let (seq, carls) = (t.newest_seq().await, carl.user.key.0);
    index
        .execute("DELETE FROM message_search WHERE rowid = ?1", [seq])
        .unwrap();
    index
        .execute(
            "INSERT INTO message_search (rowid, people, content) VALUES (?1, ?2, 'between us')",
            (seq, format!("u{carls}")),
        )
        .unwrap();
    assert_eq!(search().await, [""; 0]);
}
