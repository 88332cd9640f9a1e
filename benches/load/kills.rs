//! SIGKILL at random moments, under a load of messages, announcements and pushes. Afterwards: no acknowledged write is
//! missing, no announcement is half, the database is sound, and each client's stream had every event once, in order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use schoolbell::model::users::Role;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Http, find, frame, handshake};
use crate::server::{Server, token};
use crate::{push, row, seed};

/// People who read on sockets, people who write, and everybody: more than a slice of an announcement.
const READERS: usize = 16;
const WRITERS: usize = 8;
const PEOPLE: usize = 1_500;
/// People who are away, and get pushes.
const AWAY: usize = 20;

struct Shared {
    address: String,
    over: AtomicBool,
    /// Ids of messages that were acknowledged, and of notifications with their number of recipients.
    messages: Mutex<Vec<String>>,
    announcements: Mutex<BTreeMap<String, i64>>,
}

pub async fn survive(kills: usize) {
    let service = push::Service::start();
    let origin = service.origin.clone();
    let mut server = Server::start(|app| {
        seed::people(app, PEOPLE);
        seed::away(app, AWAY, &origin);
        seed::person(app, "announcer", Role::Admin);
    });
    let shared = Arc::new(Shared {
        address: server.address.clone(),
        over: AtomicBool::new(false),
        messages: Mutex::default(),
        announcements: Mutex::default(),
    });
    let readers: Vec<_> = (0..READERS)
        .map(|i| tokio::spawn(read(shared.clone(), i)))
        .collect();
    let mut writers: Vec<_> = (0..WRITERS)
        .map(|i| tokio::spawn(write(shared.clone(), i)))
        .collect();
    writers.push(tokio::spawn(announce(shared.clone())));
    let began = Instant::now();
    let mut slowest = Duration::ZERO;
    for kill in 1..=kills {
        tokio::time::sleep(Duration::from_millis(random(900))).await;
        let down = Instant::now();
        let restart = move || {
            server.kill_and_restart();
            server
        };
        server = tokio::task::spawn_blocking(restart).await.unwrap();
        slowest = slowest.max(down.elapsed());
        if kill % 50 == 0 {
            let acknowledged = shared.messages.lock().unwrap().len();
            println!("  {kill} kills, {acknowledged} messages acknowledged");
        }
    }
    shared.over.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    let database = server.database();
    until("announcements and pushes are finished", || {
        let open = Connection::open(&database).unwrap();
        count(&open, "SELECT count(*) FROM notification_deliveries") == 0
            && count(
                &open,
                "SELECT count(*) FROM push_outbox WHERE due_at IS NOT NULL",
            ) == 0
    })
    .await;
    // What is left to come has a moment to.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut streams = Vec::new();
    for reader in readers {
        streams.push(reader.await.unwrap());
    }
    verify(&Connection::open(&database).unwrap(), &shared, &streams);
    let announced = shared.announcements.lock().unwrap().len();
    let acknowledged = shared.messages.lock().unwrap().len();
    let events: usize = streams.iter().map(Vec::len).sum();
    row(
        "SIGKILLs under load",
        kills.to_string(),
        format!("{:.0} s", began.elapsed().as_secs_f64()),
    );
    row(
        "  messages acknowledged, none missing",
        acknowledged.to_string(),
        String::new(),
    );
    row(
        "  announcements acknowledged, none half",
        announced.to_string(),
        format!("to {} each", PEOPLE + AWAY + 2),
    );
    row(
        "  events on sockets, none missing or twice",
        events.to_string(),
        format!("{READERS} readers"),
    );
    row("  pushes sent", service.taken().to_string(), String::new());
    row(
        "  longest from kill to listening, ms",
        slowest.as_millis().to_string(),
        String::new(),
    );
}

fn random(below: u64) -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes) % below
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(120);
    while !done() {
        assert!(Instant::now() < patience, "it is not so that {what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Sends messages, each again until it is acknowledged.
async fn write(shared: Arc<Shared>, writer: usize) {
    let token = token(&seed::id(READERS + writer));
    let mut sent = 0;
    while !shared.over.load(Ordering::Relaxed) {
        sent += 1;
        let to = seed::id(sent % READERS);
        let body =
            format!(r#"{{"receiverId":"{to}","content":"{sent}","clientId":"{writer}-{sent}"}}"#);
        let answer = insist(&shared, "/api/messages", &token, &body).await;
        shared.messages.lock().unwrap().push(text(&answer, "id"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn announce(shared: Arc<Shared>) {
    let token = token("announcer");
    let mut sent = 0;
    while !shared.over.load(Ordering::Relaxed) {
        sent += 1;
        let body = format!(
            r#"{{"audience":{{"all":true}},"type":"snow","title":"{sent}","message":"m","idempotencyKey":"a-{sent}"}}"#
        );
        let answer = insist(&shared, "/api/notifications", &token, &body).await;
        let recipients = answer["data"]["recipients"].as_i64().unwrap();
        let id = text(&answer, "id");
        shared.announcements.lock().unwrap().insert(id, recipients);
        tokio::time::sleep(Duration::from_millis(random(1_500))).await;
    }
}

fn text(answer: &serde_json::Value, field: &str) -> String {
    answer["data"][field].as_str().unwrap().replace('-', "")
}

/// Sends a request until it is answered.
async fn insist(shared: &Shared, path: &str, token: &str, body: &str) -> serde_json::Value {
    loop {
        if let Some(answer) = Http::ask(&shared.address, path, token, body).await {
            assert_eq!(answer["success"], true, "{answer}");
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A client that comes back with its cursor whenever it is cut off; returns the seq of each durable event, in the order in
/// which they came.
async fn read(shared: Arc<Shared>, person: usize) -> Vec<i64> {
    let mut seen: Vec<i64> = Vec::new();
    let mut quiet = Instant::now();
    loop {
        let since = seen.last().copied().unwrap_or(0);
        if let Ok(stream) = join(&shared.address, person, since).await {
            follow(stream, &mut seen, &mut quiet, &shared).await;
        }
        let over = shared.over.load(Ordering::Relaxed);
        if over && quiet.elapsed() > Duration::from_secs(20) {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn join(address: &str, person: usize, since: i64) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    let path = format!("/ws?since={since}");
    let head = handshake(&path, Some(&token(&seed::id(person))));
    stream.write_all(head.as_bytes()).await?;
    Ok(stream)
}

async fn follow(mut stream: TcpStream, seen: &mut Vec<i64>, quiet: &mut Instant, shared: &Shared) {
    let mut buffer = Vec::new();
    let mut upgraded = false;
    loop {
        let read = tokio::time::timeout(Duration::from_secs(1), stream.read_buf(&mut buffer)).await;
        match read {
            Ok(Ok(1..)) => {}
            Ok(_) => return,
            Err(_)
                if shared.over.load(Ordering::Relaxed)
                    && quiet.elapsed() > Duration::from_secs(20) =>
            {
                return;
            }
            Err(_) => continue,
        }
        if !upgraded {
            let Some(end) = find(&buffer, b"\r\n\r\n") else {
                continue;
            };
            assert!(
                buffer.starts_with(b"HTTP/1.1 101"),
                "{}",
                String::from_utf8_lossy(&buffer)
            );
            buffer.drain(..end + 4);
            upgraded = true;
        }
        let mut pongs = Vec::new();
        let mut rest = &buffer[..];
        while let Some((payload, after)) = frame(rest) {
            if rest[0] == 0x89 {
                pongs.extend_from_slice(&[0x8A, 0x80 | payload.len() as u8, 0, 0, 0, 0]);
                pongs.extend_from_slice(payload);
            }
            if rest[0] == 0x81 {
                take(payload, seen, quiet);
            }
            rest = after;
        }
        let done = buffer.len() - rest.len();
        buffer.drain(..done);
        if stream.write_all(&pongs).await.is_err() {
            return;
        }
    }
}

fn take(payload: &[u8], seen: &mut Vec<i64>, quiet: &mut Instant) {
    let event: serde_json::Value = serde_json::from_slice(payload).unwrap();
    match event["event"].as_str().unwrap() {
        "new_message" | "notification" => {
            let seq = event["data"]["seq"].as_i64().unwrap();
            let last = seen.last().copied().unwrap_or(0);
            assert!(seq > last, "{seq} came after {last}");
            seen.push(seq);
            *quiet = Instant::now();
        }
        "resync" => panic!("a client was told to fetch again: {event}"),
        _ => {}
    }
}

fn count(database: &Connection, sql: &str) -> i64 {
    database.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn verify(database: &Connection, shared: &Shared, streams: &[Vec<i64>]) {
    let sound: String = database
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sound, "ok");
    for id in shared.messages.lock().unwrap().iter() {
        let sql = format!("SELECT count(*) FROM messages WHERE id = x'{id}'");
        assert_eq!(count(database, &sql), 1, "message {id} is missing");
    }
    for (id, recipients) in shared.announcements.lock().unwrap().iter() {
        let sql = format!(
            "SELECT count(*) FROM notification_recipients r JOIN notifications n ON n.key = r.notification_key
             WHERE n.id = x'{id}'"
        );
        assert_eq!(
            count(database, &sql),
            *recipients,
            "announcement {id} is half"
        );
    }
    let half = "SELECT count(*) FROM notifications n WHERE recipient_count <>
                (SELECT count(*) FROM notification_recipients r WHERE r.notification_key = n.key)";
    assert_eq!(count(database, half), 0, "an announcement is half");
    let twice = "SELECT count(*) - count(DISTINCT client_id) FROM messages";
    assert_eq!(count(database, twice), 0, "a message is there twice");
    let counters = "SELECT count(*) FROM conversation_members m WHERE unread_count <>
                      (SELECT count(*) FROM messages x WHERE x.conversation_key = m.conversation_key
                       AND x.sender_key <> m.user_key AND x.seq > m.last_read_seq)";
    assert_eq!(count(database, counters), 0, "a counter is wrong");
    for (person, seen) in streams.iter().enumerate() {
        let sql = "SELECT seq FROM notification_recipients r JOIN users u ON u.key = r.user_key WHERE u.id = ?1
                   UNION SELECT m.seq FROM messages m JOIN conversation_members c
                   ON c.conversation_key = m.conversation_key JOIN users u ON u.key = c.user_key WHERE u.id = ?1
                   ORDER BY 1";
        let mut statement = database.prepare(sql).unwrap();
        let rows = statement
            .query_map([seed::id(person)], |row| row.get(0))
            .unwrap();
        let stored: Vec<i64> = rows.map(Result::unwrap).collect();
        assert!(
            *seen == stored,
            "reader {person} saw {} events of {}",
            seen.len(),
            stored.len()
        );
    }
    let unpushed =
        "SELECT count(*) FROM notification_recipients r JOIN users u ON u.key = r.user_key
                    WHERE u.role = 'guardian' AND r.pushed_at IS NULL";
    assert_eq!(
        count(database, unpushed),
        0,
        "somebody who is away got no push"
    );
}
