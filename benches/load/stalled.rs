//! Ten thousand sockets, of which two thousand stop reading: memory stays within bounds, the others are served as before,
//! and the stalled ones are gone soon.

use std::time::{Duration, Instant};

use schoolbell::App;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;

use crate::client::{Http, Live, find, handshake};
use crate::server::{Server, token};
use crate::traffic::steadily;
use crate::{SENDERS, STEADY_RATE, percentile, row, seed};

const READING: usize = 8_000;
const STALLED: usize = 2_000;
/// What guardians are sent at once, in events of about 2,000 bytes.
const BURST: usize = 50;
const TIME: Duration = Duration::from_secs(16);
/// What a stalled socket may cost the server's memory, in bytes: its share of what may wait for all of them
/// (`limits.queue_mebibytes`), and as much as one event is over it.
const BOUND: i64 = 256 << 20;

pub async fn bound() {
    let server = Server::start(|app: &App| {
        seed::people(app, READING);
        seed::guardians(app, STALLED);
    });
    let start = Instant::now();
    let mut live = Live::connect_all(&server, 0..READING, start).await;
    let (stop, stopped) = watch::channel(false);
    let mut guardians = Vec::new();
    for i in 0..STALLED {
        let stream = connect(&server.address, i).await;
        guardians.push(tokio::spawn(read_until(stream, stopped.clone())));
    }
    assert_eq!(online(&server).await, READING + STALLED);
    let ((), sent) = tokio::join!(
        announce(&server),
        steadily(&server, SENDERS, start, STEADY_RATE, TIME)
    );
    let before = p99(&mut live, sent).await;
    let memory = server.memory_bytes();

    stop.send_replace(true);
    let began = Instant::now();
    let watching = async {
        let (mut most, mut gone) = (0, None);
        while began.elapsed() < TIME {
            most = most.max(server.memory_bytes() - memory);
            if gone.is_none() && online(&server).await <= READING {
                gone = Some(began.elapsed().as_secs_f64());
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        (most, gone.expect("the stalled sockets are still there"))
    };
    let sending = steadily(&server, SENDERS, start, STEADY_RATE, TIME);
    let ((), (most, gone), sent) = tokio::join!(announce(&server), watching, sending);
    let during = p99(&mut live, sent).await;
    row(
        "10,000 sockets, 2,000 of them stalled: memory, MiB",
        format!("{:.0}", most as f64 / 1048576.0),
        format!("{} allowed", BOUND >> 20),
    );
    row("  gone after, s", format!("{gone:.1}"), "10 allowed".into());
    row(
        "  p99 of the others, ms",
        format!("{during:.2}"),
        format!("{before:.2} while all read"),
    );
    row(
        "  ratio",
        format!("{:.2}", during / before),
        "1.50 allowed".into(),
    );
    // Whoever has gone counts as online for a grace of 20 s.
    tokio::time::sleep(Duration::from_secs(18)).await;
    let path = "/api/presence?userIds=guardian-0,person-0";
    let shown = Http::get(&server.address, path, &token(&seed::id(1))).await;
    assert_eq!(shown["data"][0]["online"], false, "{shown}");
    assert_eq!(shown["data"][1]["online"], true, "{shown}");
    assert!(most < BOUND, "{most} bytes");
    assert!(gone < 10.0, "{gone} s");
    assert!(during / before < 1.5, "the others notice");
    live.close();
    guardians.iter().for_each(|guardian| guardian.abort());
}

/// Events to the guardians: more than the kernels take for a socket within a second, then a few.
async fn announce(server: &Server) {
    let mut http = Http::connect(&server.address).await;
    let text = "x".repeat(1_900);
    let began = Instant::now();
    let mut sent = 0;
    while began.elapsed() < TIME {
        let body = format!(
            r#"{{"audience":{{"roles":["guardian"]}},"type":"snow","title":"{sent}","message":"{text}"}}"#
        );
        let status = http.request("POST", "/api/notifications", &server.sender, &body);
        assert_eq!(status.await, 201);
        sent += 1;
        let pause = if sent < BURST { 20 } else { 1_000 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

async fn p99(live: &mut Live, sent: usize) -> f64 {
    live.settle(sent).await;
    live.latencies.sort_unstable();
    let p99 = percentile(&live.latencies, 0.99);
    live.latencies.clear();
    p99
}

/// Reads what comes until it is told to stop; then the socket stays open and unread.
async fn read_until(mut stream: TcpStream, mut stop: watch::Receiver<bool>) {
    let mut buffer = vec![0; 4_096];
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            read = stream.read(&mut buffer) => match read {
                Ok(1..) => {}
                _ => return,
            },
        }
    }
    std::future::pending::<()>().await;
}

async fn online(server: &Server) -> usize {
    let text = Http::text(&server.address, "/metrics").await;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("schoolbell_connections{transport=\"ws\"} "));
    line.map_or(0, |number| number.parse().unwrap())
}

/// A socket whose kernel takes as little as it may.
async fn connect(address: &str, guardian: usize) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2_048).unwrap();
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let token = token(&format!("guardian-{guardian}"));
    let head = handshake("/ws", Some(&token));
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while find(&seen, b"\"serverTime\"").is_none() {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0);
    }
    stream
}
