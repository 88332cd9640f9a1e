//! What a machine does to a server: the disk fills, becomes read-only, files run out, the clock jumps, a reader holds the
//! log. Clear errors, `/health` tells, and the service comes back by itself.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};

use crate::helpers::{Server, TestApp, http};

/// Whether file systems can be mounted in a namespace of one's own. CI says that they must be.
pub fn mounts() -> bool {
    let probe = Command::new("unshare")
        .args(["-rm", "sh", "-c", "mount -t tmpfs -o size=1m none /mnt"])
        .output();
    let can = probe.is_ok_and(|output| output.status.success());
    assert!(
        can || std::env::var_os("SCHOOLBELL_TEST_MOUNTS").is_none(),
        "no file system can be mounted here"
    );
    if !can {
        eprintln!("left out: this needs `unshare -rm` with mount");
    }
    can
}

/// Runs `script` where a server sees the disk.
fn within(server: &Server, script: &str) {
    let status = server.within(&["sh", "-c", script]).status().unwrap();
    assert!(status.success(), "{script}");
}

/// The status and body of an answer.
async fn send(server: &Server, token: &str, to: &str, content: &str) -> (u16, Value) {
    let body = json!({ "receiverId": to, "content": content });
    let request = http().post(server.url("/api/messages")).json(&body);
    let answer = request.bearer_auth(token).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn health(server: &Server) -> u16 {
    let answer = http().get(server.url("/health")).send().await.unwrap();
    answer.status().as_u16()
}

/// Within a while, and not before the last failure is some seconds ago.
async fn healthy_again(server: &Server) {
    let patience = Instant::now() + Duration::from_secs(20);
    while health(server).await != 200 {
        assert!(Instant::now() < patience, "it does not come back by itself");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[track_caller]
fn unavailable(answer: &(u16, Value)) {
    assert_eq!(
        (answer.0, &answer.1["code"]),
        (503, &json!("unavailable")),
        "{answer:?}"
    );
}

/// Everything that was acknowledged is there, and nothing else.
async fn has_exactly(server: &Server, token: &str, partner: &str, sent: &[String]) {
    let mut found = Vec::new();
    let mut before = String::new();
    loop {
        let path = format!("/api/messages/conversation/{partner}?limit=100{before}");
        let page = server.get(&path, token).await;
        let messages = page["data"].as_array().unwrap().iter().rev();
        found.extend(messages.map(|m| m["content"].as_str().unwrap().to_owned()));
        match page["paging"]["before"]
            .as_str()
            .filter(|_| page["paging"]["hasMore"] == true)
        {
            Some(cursor) => before = format!("&before={cursor}"),
            None => break,
        }
    }
    found.reverse();
    assert_eq!(found, sent);
}

#[tokio::test]
async fn a_full_disk_refuses_writes_until_there_is_room() {
    if !mounts() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("data");
    std::fs::create_dir(&disk).unwrap();
    let server = Server::start_in_namespace(folder.path(), &mount(&disk, "6m"));
    let (ann_id, ann) = server.person_within("ann").await;
    let (bob_id, bob) = server.person_within("bob").await;
    let mut sent = Vec::new();
    let filler = disk.join("filler");
    within(
        &server,
        &format!("head -c 64m /dev/zero > {} || true", filler.display()),
    );
    let mut refused = 0;
    let text = "x".repeat(3_900);
    for n in 0..400 {
        let content = format!("{n} {text}");
        match send(&server, &ann, &bob_id, &content).await {
            (201, _) => sent.push(content),
            answer => {
                unavailable(&answer);
                refused += 1;
                if refused == 5 {
                    break;
                }
            }
        }
    }
    assert_eq!(refused, 5, "the disk did not fill");
    assert_eq!(health(&server).await, 503);
    has_exactly(&server, &bob, &ann_id, &sent).await;
    within(&server, &format!("rm {}", filler.display()));
    healthy_again(&server).await;
    let (status, answer) = send(&server, &ann, &bob_id, "there is room").await;
    assert_eq!(status, 201, "{answer}");
    sent.push("there is room".into());
    has_exactly(&server, &bob, &ann_id, &sent).await;
}

fn mount(disk: &Path, size: &str) -> String {
    format!("mount -t tmpfs -o size={size} none {}", disk.display())
}

/// Makes files unchangeable also for who has them open, or changeable again. Not every file system can.
fn freeze(folder: &Path, sign: &str) -> bool {
    let files = ["schoolbell.db", "schoolbell.db-wal"].map(|name| folder.join("data").join(name));
    let status = Command::new("chattr")
        .arg(format!("{sign}i"))
        .args(files)
        .status();
    status.is_ok_and(|status| status.success())
}

#[tokio::test]
async fn a_database_that_becomes_read_only_refuses_writes_and_answers_reads() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (ann_id, ann) = server.person("ann").await;
    let (bob_id, bob) = server.person("bob").await;
    assert_eq!(send(&server, &ann, &bob_id, "before").await.0, 201);
    if !freeze(folder.path(), "+") {
        assert!(std::env::var_os("SCHOOLBELL_TEST_MOUNTS").is_none());
        return eprintln!("left out: this needs a file system with `chattr +i`");
    }
    let answers = [
        send(&server, &ann, &bob_id, "meanwhile").await,
        send(&server, &ann, &bob_id, "again").await,
    ];
    let (ill, page) = (
        health(&server).await,
        server.get("/api/messages/conversations", &bob).await,
    );
    assert!(
        freeze(folder.path(), "-"),
        "the folder could not be removed"
    );
    answers.iter().for_each(unavailable);
    assert_eq!(ill, 503);
    assert_eq!(page["data"][0]["lastMessage"]["content"], "before");
    healthy_again(&server).await;
    assert_eq!(send(&server, &ann, &bob_id, "after").await.0, 201);
    let sent = ["before", "after"].map(str::to_owned);
    has_exactly(&server, &bob, &ann_id, &sent).await;
}

#[tokio::test]
async fn when_files_run_out_those_who_are_here_are_served_and_the_next_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (_, ann) = server.person("ann").await;
    let (bob_id, bob) = server.person("bob").await;
    let (mut socket, _) = server.join(&bob, None).await;
    // As many as it has open and a few more.
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.pid()))
        .unwrap()
        .count();
    let most = Some(open as u64 + 6);
    let limit = Rlimit {
        current: most,
        maximum: most,
    };
    let pid = Pid::from_raw(server.pid() as i32);
    prlimit(pid, Resource::Nofile, limit).unwrap();
    let mut crowd = Vec::new();
    for _ in 0..20 {
        crowd.push(
            tokio::net::TcpStream::connect(&server.address)
                .await
                .unwrap(),
        );
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    // Who is here is served: a typing frame comes through.
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("cannot accept a connection"), "{log}");
    let lines = log
        .lines()
        .filter(|line| line.contains("cannot accept"))
        .count();
    assert!(lines < 20, "it does not fill the log: {lines}");
    drop(crowd);
    let patience = Instant::now() + Duration::from_secs(20);
    let client = http();
    loop {
        let body = json!({ "receiverId": bob_id, "content": "hello" });
        let request = client.post(server.url("/api/messages")).json(&body);
        match request.bearer_auth(&ann).send().await {
            Ok(answer) if answer.status() == 201 => break,
            _ => assert!(Instant::now() < patience, "it does not come back by itself"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    socket.expect("new_message").await;
}

#[tokio::test]
async fn the_clock_jumps_an_hour_back_and_a_day_on() {
    const HOUR: i64 = 3_600_000;
    let (t, service) = TestApp::with_push().await;
    let (ann, bob) = t.pair().await;
    t.subscribe(&service, &bob, "phone").await;
    let start = schoolbell::model::time::Clock::now(&*t.clock).0;
    let at = |ms| t.clock.set(schoolbell::model::time::Time(ms));
    ann.write(&bob, "one").await;
    service.next().await;
    let (mut socket, connected) = ann.connect().await;
    at(start - HOUR);
    let two = bob.write(&ann, "two").await;
    assert_eq!(socket.expect("new_message").await["content"], "two");
    // Order is the sequence's, not the clock's.
    let path = format!("/api/messages/conversation/{}", ann.id());
    let page = bob.get(&path).await.expect(200);
    assert_eq!(page["data"][0]["content"], "one");
    assert_eq!(page["data"][1]["content"], "two");
    assert!(page["data"][1]["createdAt"].as_str() < page["data"][0]["createdAt"].as_str());
    // A push of the hour that has not come again is sent all the same.
    ann.write(&bob, "three").await;
    assert_eq!(service.next().await.payload["message"], "three");
    let since = connected["seq"].as_i64();
    let (mut again, _) = ann.connect_since(since).await;
    assert_eq!(again.expect("new_message").await["id"], two["id"]);

    at(start + 24 * HOUR);
    ann.write(&bob, "four").await;
    assert_eq!(service.next().await.payload["message"], "four");
    let page = bob.get(&path).await.expect(200);
    assert_eq!(page["data"].as_array().unwrap().len(), 4);
    schoolbell::ops::health::check(&t.app).await.unwrap();
    t.drained().await;
}

#[tokio::test]
async fn a_long_read_lets_the_log_grow_and_then_it_shrinks() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let wal = schoolbell::store::files::sibling(t.app.store.path(), "-wal");
    let size = || std::fs::metadata(&wal).unwrap().len();
    let reader = rusqlite::Connection::open(t.app.store.path()).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM users;")
        .unwrap();
    let read: i64 = reader
        .query_row("SELECT count(*) FROM messages", [], |row| row.get(0))
        .unwrap();
    assert_eq!(read, 0);
    let text = "x".repeat(3_900);
    // Past the size at which it is emptied though writers wait.
    let fill = async |from: usize| {
        let mut n = from;
        while size() < 140 << 20 {
            let batch = (0..64).map(|i| {
                let text = &text;
                let (ann, bob) = (&ann, &bob);
                async move { ann.write(bob, &format!("{}{text}", n + i)).await }
            });
            let started = Instant::now();
            futures_util::future::join_all(batch).await;
            assert!(
                started.elapsed() < Duration::from_secs(5),
                "writes do not wait for a reader"
            );
            n += 64;
            assert!(n < 40_000);
        }
    };
    fill(0).await;
    schoolbell::ops::health::check(&t.app).await.unwrap();
    drop(reader);
    let patience = Instant::now() + Duration::from_secs(30);
    while size() > 70 << 20 {
        assert!(
            Instant::now() < patience,
            "the log stays at {} bytes",
            size()
        );
        ann.write(&bob, "a little").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What is written to a file that nobody can find any more is lost: better to say so.
#[tokio::test]
async fn a_database_that_is_moved_away_takes_no_writes_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (_, ann) = server.person("ann").await;
    let (bob, _) = server.person("bob").await;
    assert_eq!(send(&server, &ann, &bob, "before").await.0, 201);
    let path = folder.path().join("data/schoolbell.db");
    let aside = folder.path().join("data/aside.db");
    std::fs::rename(&path, &aside).unwrap();
    let patience = Instant::now() + Duration::from_secs(5);
    while health(&server).await == 200 {
        assert!(Instant::now() < patience, "nobody notices");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    unavailable(&send(&server, &ann, &bob, "lost").await);
    // Another file of that name is no better.
    std::fs::copy(&aside, &path).unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    unavailable(&send(&server, &ann, &bob, "lost too").await);
    std::fs::rename(&aside, &path).unwrap();
    healthy_again(&server).await;
    assert_eq!(send(&server, &ann, &bob, "after").await.0, 201);
    let sent = ["before", "after"].map(str::to_owned);
    has_exactly(&server, &ann, &bob, &sent).await;
}

/// A second server is refused by whatever name it comes to the file.
#[tokio::test]
async fn the_lock_is_the_files_and_not_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let data = folder.path().join("data");
    let path = data.join("schoolbell.db");
    let (symbolic, hard) = (data.join("symbolic.db"), folder.path().join("hard.db"));
    std::os::unix::fs::symlink(&path, &symbolic).unwrap();
    std::fs::hard_link(&path, &hard).unwrap();
    let refused = |path: &Path| {
        let mut command = crate::helpers::binary(folder.path());
        command.env("SCHOOLBELL_DATABASE__PATH", path);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("another schoolbell is running"), "{said}");
    };
    refused(&symbolic);
    refused(&hard);
    std::fs::remove_file(data.join("schoolbell.db.lock")).unwrap();
    refused(&path);
    drop(server);
}

#[tokio::test]
async fn keys_without_their_database_are_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    drop(Server::start(folder.path()));
    let log = || std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(!log().contains("the database is missing"), "{}", log());
    let data = folder.path().join("data");
    for file in ["schoolbell.db", "schoolbell.db-wal", "schoolbell.db-shm"] {
        let _ = std::fs::remove_file(data.join(file));
    }
    drop(Server::start(folder.path()));
    assert!(
        log().contains("the database is missing, but its keys are there"),
        "{}",
        log()
    );
}
