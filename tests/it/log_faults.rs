//! The log cannot be written: requests and threads do not notice.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::helpers::{Server, Signal, add_user, binary, http};

async fn works(server: &Server) {
    for _ in 0..20 {
        let answer = http().get(server.url("/health")).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
}

async fn dropped(server: &Server) -> u64 {
    let answer = http().get(server.url("/metrics")).send().await.unwrap();
    let text = answer.text().await.unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("schoolbell_log_lines_dropped_total "));
    line.unwrap().parse().unwrap()
}

async fn ends_well(server: Server) {
    server.signal(Signal::TERM);
    let patience = Instant::now() + Duration::from_secs(15);
    let mut server = server;
    while server.ended().is_none() {
        assert!(Instant::now() < patience, "it does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(server.ended().unwrap(), Some(0));
}

/// `/dev/full` is a disk without room (null(4)).
#[tokio::test]
async fn a_full_disk_costs_lines_and_says_how_many() {
    let folder = tempfile::tempdir().unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let server = Server::start_with_log(folder.path(), full);
    works(&server).await;
    let patience = Instant::now() + Duration::from_secs(10);
    while dropped(&server).await < 20 {
        assert!(Instant::now() < patience);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ends_well(server).await;
}

#[tokio::test]
async fn a_pipe_whose_reader_has_gone_costs_lines_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let server = Server::start_with_log(folder.path(), writer);
    works(&server).await;
    drop(reader);
    works(&server).await;
    ends_well(server).await;
}

#[tokio::test]
async fn a_reader_that_stops_reading_holds_no_one_up() {
    let folder = tempfile::tempdir().unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let server = Server::start_with_log(folder.path(), writer);
    let client = http();
    // More than the pipe and the queue take.
    for _ in 0..12_000 {
        let answer = client
            .get(server.url("/api/openapi.json"))
            .header("if-none-match", "*");
        answer.send().await.unwrap();
        if dropped(&server).await > 0 {
            break;
        }
    }
    assert!(dropped(&server).await > 0);
    works(&server).await;
    // Who reads again gets what is left.
    let mut some = [0; 4_096];
    assert!(reader.read(&mut some).unwrap() > 0);
    server.signal(Signal::STOP);
    server.signal(Signal::CONT);
    ends_well(server).await;
}

#[tokio::test]
async fn a_closed_standard_error_is_no_matter() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_without_log(folder.path());
    works(&server).await;
    ends_well(server).await;
}

/// What does not take where the server listens does not keep it from serving.
#[tokio::test]
async fn standard_output_that_is_full_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    add_user(folder.path(), "ann");
    let log = folder.path().join("log");
    let mut child = binary(folder.path())
        .stdout(File::options().write(true).open("/dev/full").unwrap())
        .stderr(File::create(&log).unwrap())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let patience = Instant::now() + Duration::from_secs(15);
    let said = loop {
        let text = std::fs::read_to_string(&log).unwrap();
        if text.contains("standard output") {
            break text;
        }
        assert!(Instant::now() < patience, "{text}");
        assert!(child.try_wait().unwrap().is_none(), "{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let lock = folder.path().join("data/schoolbell.db.lock");
    let address = std::fs::read_to_string(lock).unwrap();
    let answer = http()
        .get(format!("http://{address}/health"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200, "{said}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn a_closed_terminal_is_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (_, token) = server.person("ann").await;
    let (mut socket, _) = server.join(&token, None).await;
    server.signal(Signal::HUP);
    assert_eq!(socket.closed().await, 4000);
    assert_eq!(server.wait(), Some(0));
}
