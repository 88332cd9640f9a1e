//! The least that the parts could cost on this machine: a bare warp route, a bare group commit, a bare socket write.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use warp::Filter as _;

use crate::client::Http;

const TIME: Duration = Duration::from_secs(3);
/// About the size of a message's frame.
const FRAME: usize = 420;

/// What the child process does: one POST route that parses JSON and answers.
pub fn serve_warp() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let route = warp::path("floor")
            .and(warp::post())
            .and(warp::body::json())
            .map(|body: serde_json::Value| warp::reply::json(&body));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        warp::serve(route).incoming(listener).run().await;
    });
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Requests a second of a bare warp route in a process of its own.
pub async fn warp_rate(clients: usize) -> f64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("floor-warp")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut address)
        .unwrap();
    let _child = Killed(child);
    let address = address.trim().to_owned();
    let began = Instant::now();
    let clients: Vec<_> = (0..clients)
        .map(|_| {
            let address = address.clone();
            tokio::spawn(async move {
                let mut http = Http::connect(&address).await;
                let mut count = 0;
                while began.elapsed() < TIME {
                    let body = r#"{"receiverId":"person-1","content":"and some words as people write them"}"#;
                    http.request("POST", "/floor", "x", body).await;
                    count += 1;
                }
                count
            })
        })
        .collect();
    let mut total = 0;
    for client in clients {
        total += client.await.unwrap();
    }
    f64::from(total) / began.elapsed().as_secs_f64()
}

/// Rows a second into a five-column table with two indexes, a batch of `batch` rows to a commit.
pub fn commit_rate(batch: usize, synchronous: &str) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let connection = rusqlite::Connection::open(folder.path().join("floor.db")).unwrap();
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous};
             CREATE TABLE m (seq INTEGER PRIMARY KEY, id BLOB, c INTEGER, s INTEGER, content TEXT) STRICT;
             CREATE UNIQUE INDEX m_id ON m (id); CREATE INDEX m_c ON m (c, seq);",
        ))
        .unwrap();
    let (began, mut rows) = (Instant::now(), 0i64);
    while began.elapsed() < TIME {
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        for _ in 0..batch {
            rows += 1;
            let sql = "INSERT INTO m VALUES (?1, randomblob(16), ?2, 7, 'and some words as people write them')";
            connection
                .prepare_cached(sql)
                .unwrap()
                .execute([rows, rows % 64])
                .unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
    }
    rows as f64 / began.elapsed().as_secs_f64()
}

/// How often a second a small write reaches the disk.
pub fn sync_rate() -> f64 {
    use std::io::Write as _;
    let mut file = tempfile::tempfile().unwrap();
    let (began, mut count) = (Instant::now(), 0);
    while began.elapsed() < TIME {
        file.write_all(&[7; 4096]).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    f64::from(count) / began.elapsed().as_secs_f64()
}

/// Nanoseconds of one frame over a loopback socket, from a thread that writes to this one.
pub async fn socket_write() -> Vec<u64> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let start = Instant::now();
    std::thread::spawn(move || {
        use std::io::Write as _;
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        for _ in 0..500 {
            let mut frame = [0u8; FRAME];
            frame[..8].copy_from_slice(&(start.elapsed().as_nanos() as u64).to_le_bytes());
            stream.write_all(&frame).unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut times = Vec::new();
    let mut frame = [0u8; FRAME];
    while stream.read_exact(&mut frame).await.is_ok() {
        let sent = u64::from_le_bytes(frame[..8].try_into().unwrap());
        times.push(start.elapsed().as_nanos() as u64 - sent);
    }
    times
}

/// Nanoseconds until the last of `count` sockets has one frame: written by another thread, read by this one.
pub async fn fan_out(count: usize) -> Vec<u64> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..count {
        ours.push(TcpStream::connect(address).await.unwrap());
        theirs.push(listener.accept().await.unwrap().0);
    }
    let (written, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    for mut stream in ours {
        let written = written.clone();
        tokio::spawn(async move {
            let mut frame = [0u8; FRAME];
            while stream.read_exact(&mut frame).await.is_ok() {
                let _ = written.send(());
            }
        });
    }
    let mut times = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        let writer = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                for stream in &mut theirs {
                    stream.write_all(&[0u8; FRAME]).await.unwrap();
                }
            });
            theirs
        });
        for _ in 0..count {
            arrived.recv().await.unwrap();
        }
        times.push(began.elapsed().as_nanos() as u64);
        theirs = writer.join().unwrap();
    }
    times
}
