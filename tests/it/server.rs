//! The real binary: stopping, and two devices of one person.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::helpers::{Server, Signal};

#[tokio::test]
async fn two_devices_of_one_person_see_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (_, ann) = server.person("ann").await;
    let (bob_id, bob) = server.person("bob").await;
    let (mut phone, _) = server.join(&bob, None).await;
    let (mut desk, _) = server.join(&bob, None).await;
    for content in ["one", "two"] {
        let body = json!({ "receiverId": bob_id, "content": content });
        server.post("/api/messages", &ann, body).await;
        let (a, b) = (
            phone.expect("new_message").await,
            desk.expect("new_message").await,
        );
        assert_eq!(a, b);
        assert_eq!(a["content"], content);
    }
}

#[tokio::test]
async fn sigterm_tells_sockets_and_lets_requests_finish() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (_, ann) = server.person("ann").await;
    let (mut socket, _) = server.join(&ann, None).await;
    // A request whose body is still on its way when the signal comes.
    let mut slow = tokio::net::TcpStream::connect(&server.address)
        .await
        .unwrap();
    let body = json!({ "username": "ann", "password": "wrong wrong wrong" }).to_string();
    let (first, rest) = body.split_at(10);
    let head = format!(
        "POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{first}",
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let started = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(socket.closed().await, 4000);
    slow.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let refused = tokio::net::TcpStream::connect(&server.address).await;
    assert!(refused.is_err(), "nobody new is let in");
    assert_eq!(server.wait(), Some(0));
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

/// A request whose body never comes whole: it holds a stop up.
async fn never_ending_request(server: &Server) -> tokio::net::TcpStream {
    let mut stream = tokio::net::TcpStream::connect(&server.address)
        .await
        .unwrap();
    let head = "POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    stream
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let _stuck = never_ending_request(&server).await;
    let started = Instant::now();
    server.signal(Signal::INT);
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.signal(Signal::INT);
    assert_eq!(server.wait(), Some(1));
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_request_that_never_ends_holds_a_stop_up_for_ten_seconds_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let _stuck = never_ending_request(&server).await;
    let started = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait(), Some(0));
    let took = started.elapsed();
    assert!(
        took > Duration::from_secs(8) && took < Duration::from_secs(13),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_head_that_comes_too_slowly_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let mut slow = tokio::net::TcpStream::connect(&server.address)
        .await
        .unwrap();
    slow.write_all(b"GET /health HTTP/1.1\r\nhost:")
        .await
        .unwrap();
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(15), slow.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "it was still open");
}

/// The README's walk: three missed events come with `since`, exactly those.
#[tokio::test]
async fn a_reconnection_gets_exactly_what_was_missed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (_, ann) = server.person("ann").await;
    let (bob_id, bob) = server.person("bob").await;
    let (socket, connected) = server.join(&bob, None).await;
    drop(socket);
    for content in ["1", "2", "3"] {
        let body = json!({ "receiverId": bob_id, "content": content });
        server.post("/api/messages", &ann, body).await;
    }
    let (mut socket, again) = server.join(&bob, connected["seq"].as_i64()).await;
    assert_eq!(again["seq"], connected["seq"], "what follows begins here");
    for content in ["1", "2", "3"] {
        assert_eq!(socket.expect("new_message").await["content"], content);
    }
    socket.expect_nothing().await;
}

#[tokio::test]
async fn systemd_hears_that_it_is_ready_that_it_lives_and_that_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let notices = tokio::net::UnixDatagram::bind(&path).unwrap();
    let environment = [
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
        ("WATCHDOG_USEC", "200000"),
    ];
    let server = Server::start_supervised(folder.path(), &environment);
    let next = async || {
        let mut buffer = [0; 256];
        let received = tokio::time::timeout(Duration::from_secs(10), notices.recv(&mut buffer));
        let length = received.await.expect("a notice").unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    assert!(next().await.contains("READY=1"));
    for _ in 0..3 {
        assert!(next().await.contains("WATCHDOG=1"));
    }
    server.signal(Signal::TERM);
    while !next().await.contains("STOPPING=1") {}
    assert_eq!(server.wait(), Some(0));
}
