//! What floods.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::client::handshake;
use crate::server::token;
use crate::{SENDERS, seed};

/// The addresses that a flood comes from where it comes from many.
const ADDRESSES: u32 = 1_000;
/// Two who have written to each other a lot, and two who have at length.
pub const TALKERS: [usize; 2] = [SENDERS * 2 + 4, SENDERS * 2 + 5];
pub const LONG_TALKERS: [usize; 2] = [SENDERS * 2 + 6, SENDERS * 2 + 7];
pub const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

/// What the flood's process does, until it is killed.
pub fn flood(address: &str, kind: &str, key: &str) {
    let _ = rustix::process::setpriority_process(None, 19);
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let address: SocketAddr = address.parse().unwrap();
    runtime.block_on(async {
        match kind {
            super::SPINNING => spin(),
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
            "log" => many(16, || misnamed_fields(address)).await,
            "one_address" => many(4, || wrong_passwords(address)).await,
            "polling" => many(8, || polling(address)).await,
            "letters" => many(6, || letters(address)).await,
            "csv" => many(4, || wide_file(address, key)).await,
            "slow_readers" => many(300, || slow_reader(address)).await,
            "openapi" => many(64, || document(address)).await,
            other => panic!("no flood of {other}"),
        }
    });
}

/// Keeps every core busy without touching the server.
fn spin() -> ! {
    let cores = std::thread::available_parallelism().unwrap().get();
    for _ in 1..cores {
        std::thread::spawn(|| spin_alone());
    }
    spin_alone()
}

fn spin_alone() -> ! {
    loop {
        std::hint::spin_loop();
    }
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
pub async fn connect(to: SocketAddr, from: u32) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    let from = Ipv4Addr::from_bits(Ipv4Addr::new(127, 9, 0, 0).to_bits() + from % ADDRESSES);
    socket.bind((from, 0).into()).ok()?;
    socket.connect(to).await.ok()
}

/// Sends a request and reads whatever comes: nothing from a connection that ends.
pub async fn exchange(stream: &mut TcpStream, request: &str) -> String {
    let mut answer = [0; 16_384];
    if stream.write_all(request.as_bytes()).await.is_err() {
        return String::new();
    }
    let read = stream.read(&mut answer).await.unwrap_or(0);
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

pub fn get(path: &str, token: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\r\n")
}

pub fn post(path: &str, token: &str, body: &str) -> String {
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
            while !exchange(&mut stream, &request).await.is_empty() {
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
            exchange(&mut stream, &get("/api/messages/conversations", "")).await;
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
            && !exchange(&mut stream, &request).await.is_empty()
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
            if !exchange(&mut stream, &head).await.is_empty() {
                while stream.write_all(&frame).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A stranger's request, again and again on one connection, from many addresses.
async fn again(address: SocketAddr, request: &str, pause: Duration) {
    loop {
        if let Some(mut stream) = connect(address, random()).await {
            while !exchange(&mut stream, request).await.is_empty() {
                tokio::time::sleep(pause).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The name of a field that is not one, to be found in the log and in the answer.
async fn misnamed_fields(address: SocketAddr) {
    let body = format!(r#"{{"{}":1}}"#, "A".repeat(60_000));
    again(
        address,
        &post("/api/auth/login", "", &body),
        Duration::from_millis(5),
    )
    .await;
}

/// Names that nobody has, from one address.
async fn wrong_passwords(address: SocketAddr) {
    loop {
        let body = format!(
            r#"{{"username":"nobody-{}","password":"wrong wrong wrong"}}"#,
            random()
        );
        if let Some(mut stream) = connect(address, 0).await {
            exchange(&mut stream, &post("/api/auth/login", "", &body)).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Handshakes by polling that nobody joins: 4,000 a second.
async fn polling(address: SocketAddr) {
    again(address, &get(POLLING, ""), Duration::from_millis(2)).await;
}

/// The beginnings of everybody's words.
async fn letters(address: SocketAddr) {
    let path = "/api/messages/search?q=a+b+c+d+e+f+g+h+i+k+l+m+n+o+p+r";
    let request = get(path, &attack(TALKERS[0] - SENDERS * 2));
    loop {
        if let Some(mut stream) = connect(address, 0).await {
            while !exchange(&mut stream, &request).await.is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A file with one line of 80,000 groups; nobody waits for the answer.
async fn wide_file(address: SocketAddr, key: &str) {
    let groups: Vec<String> = (0..80_000).map(|n| format!("g{n}")).collect();
    let file = format!(
        "username,name,role,groups\r\nann,Ann,student,{}\r\n",
        groups.join(";")
    );
    let request = format!(
        "POST /api/admin/roster/preview HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\ncontent-type: text/csv\r\n\
         content-length: {}\r\n\r\n{file}",
        file.len()
    );
    loop {
        if let Some(mut stream) = connect(address, 0).await {
            let answer = exchange(&mut stream, &request);
            let _ = tokio::time::timeout(Duration::from_secs(5), answer).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A page of the longest messages, read 2 KiB each 8 seconds.
async fn slow_reader(address: SocketAddr) {
    let path = format!(
        "/api/messages/conversation/{}?limit=100",
        seed::id(LONG_TALKERS[1])
    );
    let request = get(&path, &attack(LONG_TALKERS[0] - SENDERS * 2));
    loop {
        if let Some(mut stream) = connect(address, 0).await
            && stream.write_all(request.as_bytes()).await.is_ok()
        {
            while matches!(stream.read(&mut [0; 2_048]).await, Ok(1..)) {
                tokio::time::sleep(Duration::from_secs(8)).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The largest answer that needs no token, whole, as often as fills a line of 700 Mbit/s.
async fn document(address: SocketAddr) {
    let request = get("/api/openapi.json", "");
    let mut answer = vec![0; 256 << 10];
    loop {
        if let Some(mut stream) = connect(address, 0).await {
            while stream.write_all(request.as_bytes()).await.is_ok() {
                let whole =
                    tokio::time::timeout(Duration::from_millis(50), stream.read_exact(&mut answer));
                // What the answer has less than room was awaited in vain.
                if matches!(whole.await, Ok(Err(_))) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
