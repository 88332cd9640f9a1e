//! Web Push: encryption alone, and an announcement to ten thousand people who are away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use schoolbell::auth::vapid::VapidKeys;
use schoolbell::config::Config;
use schoolbell::model::ids::{Id, UserId};
use schoolbell::model::language::Language;
use schoolbell::model::notifications::Urgency;
use schoolbell::model::pushes::Subject;
use schoolbell::model::time::Time;
use schoolbell::push::message::{self, Parts};
use schoolbell::push::payload;
use schoolbell::push::signer::Signer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::client::{Http, Live};
use crate::server::Server;
use crate::traffic::steadily;
use crate::{SENDERS, STEADY, STEADY_RATE, both, row, seed};

/// People who are away, with a device each: as many pushes for each announcement.
const AWAY: usize = 10_000;
/// Announcements whose pushes outlast the messages that are timed meanwhile.
const STORM: usize = 14;

/// Pushes to people who are away, and what they cost those who are not.
pub async fn measure() {
    row(
        "pushes encrypted and signed a second, one thread",
        format!("{:.0}", encryption_rate()),
        String::new(),
    );
    let service = Service::start();
    let origin = service.origin.clone();
    let server = Server::start(|app| {
        seed::people(app, SENDERS * 2);
        seed::away(app, AWAY, &origin);
    });
    let start = Instant::now();
    let mut live = Live::connect_all(&server, SENDERS..SENDERS * 2, start).await;
    let mut http = Http::connect(&server.address).await;

    let mut rates = Vec::new();
    for round in 1..=3 {
        let (began, cpu) = (Instant::now(), server.cpu_seconds());
        http.announce_to(&server.sender, "guardian").await;
        service.settle(AWAY * round).await;
        let seconds = began.elapsed().as_secs_f64();
        rates.push((
            AWAY as f64 / seconds,
            (server.cpu_seconds() - cpu) / AWAY as f64 * 1e6,
        ));
    }
    rates.sort_by(|a, b| a.0.total_cmp(&b.0));
    row(
        "pushes/s to 10,000 subscriptions, from the POST (median of 3)",
        format!("{:.0}", rates[1].0),
        format!("{:.0} µs CPU each", rates[1].1),
    );

    // Alternating: the machine is not the same from one minute to the next.
    let (mut without, mut with) = (Vec::new(), Vec::new());
    let mut under_load = Vec::new();
    for _ in 0..3 {
        let sent = steadily(&server, SENDERS, start, STEADY_RATE, STEADY).await;
        live.settle(sent).await;
        without.append(&mut live.latencies);
        // The outbox is full before the messages begin.
        let before = service.taken();
        service.open(false);
        for _ in 0..STORM {
            let mut http = Http::connect(&server.address).await;
            http.announce_to(&server.sender, "guardian").await;
        }
        service.open(true);
        let sent = steadily(&server, SENDERS, start, STEADY_RATE, STEADY).await;
        assert!(
            service.taken() < before + AWAY * STORM,
            "the pushes ended too soon"
        );
        under_load.push((service.taken() - before) as f64 / STEADY.as_secs_f64());
        live.settle(sent).await;
        with.append(&mut live.latencies);
        service.settle(before + AWAY * STORM).await;
    }
    without.sort_unstable();
    with.sort_unstable();
    row(
        "send to delivery at 200/s during pushes, p50 / p99, ms",
        both(&with),
        format!("{} without", both(&without)),
    );
    row(
        "  pushes/s meanwhile",
        format!(
            "{:.0}",
            under_load.iter().sum::<f64>() / under_load.len() as f64
        ),
        String::new(),
    );
    live.close();
}

/// Messages encrypted and signed a second by one thread.
pub fn encryption_rate() -> f64 {
    let signer = Signer::new(VapidKeys::generate(), "mailto:office@school.edu".into());
    let config = Config::default();
    let (keys, now) = (seed::push_keys(), Time(1_800_000_000_000));
    let subject = Subject::Message {
        id: Id::generate(),
        sender: UserId::parse("somebody").unwrap(),
        sender_name: "Somebody of the school".into(),
        content: "A message of ordinary length, as people write them".into(),
    };
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < Duration::from_secs(3) {
        let payload = payload::encode(
            &config,
            &subject,
            count,
            Language::default(),
            payload::MAX_BYTES,
        );
        let signature = signer.signature("https://push.example.org", now).unwrap();
        let parts = Parts {
            endpoint: "https://push.example.org/a-subscription",
            keys: &keys,
            payload: &payload,
            urgency: Urgency::Normal,
            ttl: 3_600,
            signature: &signature,
        };
        message::build(parts).unwrap();
        count += 1;
    }
    count as f64 / began.elapsed().as_secs_f64()
}

/// A push service that takes everything and costs next to nothing. On a thread of its own that yields to the one that takes
/// the times: a real one is on another machine.
pub struct Service {
    pub origin: String,
    taken: Arc<AtomicUsize>,
    gate: watch::Sender<bool>,
}

impl Service {
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let taken = Arc::new(AtomicUsize::new(0));
        let counter = taken.clone();
        let (gate, open) = watch::channel(true);
        std::thread::spawn(move || {
            let _ = rustix::process::setpriority_process(None, 19);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, counter.clone(), open.clone()));
                }
            });
        });
        Service {
            origin,
            taken,
            gate,
        }
    }

    /// Lets pushes be answered, or wait.
    pub fn open(&self, open: bool) {
        self.gate.send_replace(open);
    }

    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Waits until so many were taken in all.
    pub async fn settle(&self, count: usize) {
        let patience = Instant::now() + Duration::from_secs(60);
        while self.taken() < count {
            assert!(
                Instant::now() < patience,
                "{} of {count} pushes came",
                self.taken()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Takes request after request. Each is one write of its client, so its end is where the announced length ends.
async fn serve(mut stream: TcpStream, taken: Arc<AtomicUsize>, mut open: watch::Receiver<bool>) {
    let mut buffer = Vec::with_capacity(8 << 10);
    while let Ok(1..) = stream.read_buf(&mut buffer).await {
        while let Some(length) = request(&buffer) {
            buffer.drain(..length);
            let _ = open.wait_for(|open| *open).await;
            taken.fetch_add(1, Ordering::Relaxed);
            let answer = b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n";
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    }
}

/// The length of the request that the buffer begins with, if all of it is there.
fn request(buffer: &[u8]) -> Option<usize> {
    let head = memchr::memmem::find(buffer, b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&buffer[..head]).unwrap();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    (buffer.len() >= head + length).then_some(head + length)
}
