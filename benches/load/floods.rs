//! Floods of one kind after the other, while pairs of people write to each other: these get no error, and their p99 at most
//! doubles. The flood is a process of its own that yields to the one that takes the times: it would come from elsewhere.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::client::{Http, Live, handshake};
use crate::server::{Server, token};
use crate::traffic::steadily;
use crate::{SENDERS, STEADY, STEADY_RATE, percentile, row, seed};

const KINDS: [&str; 7] = [
    "user",
    "key",
    "addresses",
    "logins",
    "handshakes",
    "headers",
    "typing",
];
/// The addresses that a flood comes from where it comes from many.
const ADDRESSES: u32 = 1_000;

pub async fn withstand() {
    // Nobody is a proxy here: the flood's addresses are its own.
    let environment = [("SCHOOLBELL_SERVER__TRUSTED_PROXIES", "")];
    let server = Server::start_with(&environment, |app| seed::people(app, SENDERS * 2 + 10));
    let start = Instant::now();
    let mut live = Live::connect_all(&server, SENDERS..SENDERS * 2, start).await;
    let mut failed = Vec::new();
    for kind in KINDS {
        let before = p99(&server, &mut live, start).await;
        let flood = Flood::start(&server.address, kind);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let during = p99(&server, &mut live, start).await;
        drop(flood);
        let ratio = during / before;
        row(
            &format!("p99 of others in a flood: {kind}, ms"),
            format!("{during:.2}"),
            format!("{before:.2} before, ×{ratio:.2}"),
        );
        if ratio > 2.0 {
            failed.push(kind);
        }
        // What it used up comes back.
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let refused = Http::text(&server.address, "/metrics").await;
    let refused = refused
        .lines()
        .filter(|line| line.starts_with("schoolbell_refused"));
    refused.for_each(|line| println!("  {line}"));
    live.close();
    assert!(failed.is_empty(), "more than twice: {failed:?}");
}

async fn p99(server: &Server, live: &mut Live, start: Instant) -> f64 {
    let sent = steadily(server, SENDERS, start, STEADY_RATE, STEADY).await;
    live.settle(sent).await;
    live.latencies.sort_unstable();
    let p99 = percentile(&live.latencies, 0.99);
    live.latencies.clear();
    p99
}

struct Flood(Child);

impl Flood {
    fn start(address: &str, kind: &str) -> Self {
        let program = std::env::current_exe().unwrap();
        Flood(
            Command::new(program)
                .args(["flood", address, kind])
                .spawn()
                .unwrap(),
        )
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the flood's process does, until it is killed.
pub fn flood(address: &str, kind: &str) {
    let _ = rustix::process::setpriority_process(None, 19);
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let address: SocketAddr = address.parse().unwrap();
    runtime.block_on(async {
        match kind {
            "user" => many(16, || requests(address, 0, attack(0))).await,
            "key" => {
                many(16, || {
                    requests(address, 0, "sb_there-is-no-such-key".into())
                })
                .await
            }
            "addresses" => many(200, || hop(address)).await,
            "logins" => many(32, || logins(address)).await,
            "handshakes" => many(1_000, || handshakes(address)).await,
            "headers" => many(2_000, || headers(address)).await,
            "typing" => many(8, || typing(address)).await,
            other => panic!("no flood of {other}"),
        }
    });
}

async fn many<F: Future<Output = ()>>(count: usize, one: impl Fn() -> F) {
    futures_util::future::join_all((0..count).map(|_| one())).await;
}

/// Somebody who writes to nobody that is timed.
fn attack(person: usize) -> String {
    token(&seed::id(SENDERS * 2 + person))
}

fn random() -> u32 {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).unwrap();
    u32::from_le_bytes(bytes)
}

/// A connection from one of many addresses.
async fn connect(to: SocketAddr, from: u32) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    let from = Ipv4Addr::from_bits(Ipv4Addr::new(127, 9, 0, 0).to_bits() + from % ADDRESSES);
    socket.bind((from, 0).into()).ok()?;
    socket.connect(to).await.ok()
}

/// Sends a request and reads whatever comes.
async fn exchange(stream: &mut TcpStream, request: &str) -> bool {
    let mut answer = [0; 16_384];
    stream.write_all(request.as_bytes()).await.is_ok()
        && matches!(stream.read(&mut answer).await, Ok(1..))
}

fn post(path: &str, token: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn requests(address: SocketAddr, from: u32, token: String) {
    let body = format!(
        r#"{{"receiverId":"{}","content":"flood"}}"#,
        seed::id(SENDERS * 2 + 1)
    );
    let request = post("/api/messages", &token, &body);
    loop {
        if let Some(mut stream) = connect(address, from).await {
            while exchange(&mut stream, &request).await {
                // As fast as a network lets one client be.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn hop(address: SocketAddr) {
    loop {
        if let Some(mut stream) = connect(address, random()).await {
            exchange(
                &mut stream,
                "GET /api/messages/conversations HTTP/1.1\r\nhost: bench\r\n\r\n",
            )
            .await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn logins(address: SocketAddr) {
    loop {
        let body = format!(
            r#"{{"username":"person-{}","password":"wrong wrong wrong"}}"#,
            random()
        );
        if let Some(mut stream) = connect(address, random()).await {
            exchange(&mut stream, &post("/api/auth/login", "", &body)).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Sockets that never say who they are.
async fn handshakes(address: SocketAddr) {
    let request = handshake("/ws", None);
    loop {
        if let Some(mut stream) = connect(address, random()).await
            && exchange(&mut stream, &request).await
        {
            let _ = stream.read(&mut [0; 64]).await;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Heads that come a byte a second and never end.
async fn headers(address: SocketAddr) {
    loop {
        tokio::time::sleep(Duration::from_millis(u64::from(random() % 1_000))).await;
        if let Some(mut stream) = connect(address, random()).await {
            let _ = stream
                .write_all(b"GET /health HTTP/1.1\r\nhost: bench\r\nx-slow: ")
                .await;
            while stream.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Typing frames as fast as they are taken, and again after each time that they are not.
async fn typing(address: SocketAddr) {
    let text = format!(
        r#"{{"event":"typing","data":{{"to":"{}","typing":true}}}}"#,
        seed::id(SENDERS * 2 + 1)
    );
    // Masked with zeros, which changes nothing.
    let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    loop {
        if let Some(mut stream) = connect(address, 0).await {
            let head = handshake("/ws", Some(&attack(2)));
            if exchange(&mut stream, &head).await {
                while stream.write_all(&frame).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
