//! Web Push: encryption alone, and an announcement to ten thousand people who are away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use schoolbell::auth::vapid::VapidKeys;
use schoolbell::config;
use schoolbell::model::ids::{Id, UserId};
use schoolbell::model::notifications::Urgency;
use schoolbell::model::pushes::Subject;
use schoolbell::model::subscriptions::PushKeys;
use schoolbell::model::time::Time;
use schoolbell::push::signer::Signer;
use schoolbell::push::{message, payload};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The keys of RFC 8291 section 5.
pub fn keys() -> PushKeys {
    PushKeys::parse(
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "BTBZMqHH6r4Tts7J_aSIgg",
    )
    .unwrap()
}

/// Messages encrypted and signed a second by one thread.
pub fn encryption_rate() -> f64 {
    let signer = Signer::new(VapidKeys::generate(), "mailto:office@school.edu".into());
    let config = config::Push::default();
    let (keys, now) = (keys(), Time(1_800_000_000_000));
    let subject = Subject::Message {
        id: Id::generate(),
        sender: UserId::parse("somebody").unwrap(),
        sender_name: "Somebody of the school".into(),
        content: "A message of ordinary length, as people write them".into(),
    };
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < Duration::from_secs(3) {
        let payload = payload::encode(&config, &subject, count, payload::MAX);
        let signature = signer.signature("https://push.example.org", now).unwrap();
        let endpoint = "https://push.example.org/a-subscription";
        message::build(endpoint, &keys, &payload, Urgency::Normal, 3_600, signature).unwrap();
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
