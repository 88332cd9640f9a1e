//! An hour or so of coming and going: memory, open files and the log must be as flat at the end as in the middle.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Http, find, handshake};
use crate::server::{Server, token};
use crate::{push, row, seed};

/// People who come and go, and people who are away and get pushes.
const PEOPLE: usize = 1_000;
const AWAY: usize = 200;
/// Sockets at a time.
const SOCKETS: usize = 300;

struct Sample {
    memory: i64,
    files: usize,
    wal: u64,
}

pub async fn last(minutes: usize) {
    let service = push::Service::start();
    let origin = service.origin.clone();
    let server = Server::start(|app| {
        seed::people(app, PEOPLE);
        seed::away(app, AWAY, &origin);
    });
    let over = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for i in 0..SOCKETS {
        tasks.push(tokio::spawn(come_and_go(
            server.address.clone(),
            i,
            over.clone(),
            done.clone(),
        )));
    }
    for i in 0..8 {
        tasks.push(tokio::spawn(write_and_read(
            server.address.clone(),
            i,
            over.clone(),
            done.clone(),
        )));
    }
    let announcer = server.sender.clone();
    let (address, ending) = (server.address.clone(), over.clone());
    tasks.push(tokio::spawn(async move {
        while !ending.load(Ordering::Relaxed) {
            Http::connect(&address)
                .await
                .announce_to(&announcer, "guardian")
                .await;
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }));
    let began = Instant::now();
    let mut samples = Vec::new();
    while began.elapsed() < Duration::from_secs(minutes as u64 * 60) {
        tokio::time::sleep(Duration::from_secs(15)).await;
        let wal = schoolbell::store::files::sibling(&server.database(), "-wal");
        samples.push(Sample {
            memory: server.memory_bytes(),
            files: server.open_files(),
            wal: std::fs::metadata(wal).map_or(0, |m| m.len()),
        });
        if samples.len() % 20 == 0 {
            let now = samples.last().unwrap();
            println!(
                "  {:>3} min: {} MiB, {} files, {} MiB of log, {} things done, {} pushes",
                began.elapsed().as_secs() / 60,
                now.memory >> 20,
                now.files,
                now.wal >> 20,
                done.load(Ordering::Relaxed),
                service.taken()
            );
        }
    }
    over.store(true, Ordering::Relaxed);
    // The second quarter is warm already; the last must be no higher.
    let quarter = samples.len() / 4;
    let middle = |figure: fn(&Sample) -> f64, from: usize| {
        let mut figures: Vec<f64> = samples[from..from + quarter].iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    let compare = |what: &str, figure: fn(&Sample) -> f64| {
        let (early, late) = (middle(figure, quarter), middle(figure, quarter * 3));
        row(
            what,
            format!("{late:.1} at the end"),
            format!("{early:.1} in the second quarter"),
        );
        (early, late)
    };
    row(
        "soak, minutes",
        minutes.to_string(),
        format!("{} things done", done.load(Ordering::Relaxed)),
    );
    let memory = compare("  memory, MiB", |s| s.memory as f64 / 1048576.0);
    let files = compare("  open files", |s| s.files as f64);
    let wal = compare("  write-ahead log, MiB", |s| s.wal as f64 / 1048576.0);
    assert!(memory.1 < memory.0 * 1.1 + 4.0, "memory grows");
    assert!(files.1 < files.0 * 1.1 + 20.0, "files are left open");
    assert!(wal.1 < wal.0 * 1.5 + 8.0, "the log grows");
}

fn random(below: u64) -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes) % below
}

/// Opens a socket, listens for a while, and leaves: politely, by hanging up, or by saying nothing any more.
async fn come_and_go(address: String, i: usize, over: Arc<AtomicBool>, done: Arc<AtomicUsize>) {
    while !over.load(Ordering::Relaxed) {
        let person = seed::id((i + random(4) as usize * SOCKETS) % PEOPLE);
        let Ok(mut stream) = TcpStream::connect(&address).await else {
            panic!("nobody is let in");
        };
        let head = handshake("/ws", Some(&token(&person)));
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        while find(&seen, b"\"serverTime\"").is_none() {
            assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0);
        }
        let stay = Duration::from_millis(500 + random(20_000));
        let listen = async {
            let mut buffer = [0; 4_096];
            while let Ok(1..) = stream.read(&mut buffer).await {}
        };
        let _ = tokio::time::timeout(stay, listen).await;
        match random(3) {
            // A close frame, masked with zeros.
            0 => drop(stream.write_all(&[0x88, 0x80, 0, 0, 0, 0]).await),
            1 => drop(stream.set_zero_linger()),
            _ => tokio::time::sleep(Duration::from_millis(random(5_000))).await,
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

/// Writes, lists and marks read.
async fn write_and_read(address: String, i: usize, over: Arc<AtomicBool>, done: Arc<AtomicUsize>) {
    while !over.load(Ordering::Relaxed) {
        let mut http = Http::connect(&address).await;
        for _ in 0..50 {
            let (from, to) = (
                random(PEOPLE as u64) as usize,
                (random(PEOPLE as u64 - 1) as usize + i) % PEOPLE,
            );
            if from == to {
                continue;
            }
            let me = token(&seed::id(from));
            http.send_message(&me, &seed::id(to), 0).await;
            let other = token(&seed::id(to));
            assert_eq!(
                http.request("GET", "/api/messages/conversations", &other, "")
                    .await,
                200
            );
            let path = format!("/api/messages/read/{}", seed::id(from));
            assert_eq!(http.request("PUT", &path, &other, "").await, 200);
            done.fetch_add(3, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }
}
