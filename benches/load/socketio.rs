//! Socket.IO beside the Node server of the same protocol: memory of idle connections and CPU time of delivered events.
//! Both get their events in-process, so that what is compared is the delivery alone. Events come singly, each to somebody
//! else, or in bursts, many to one after the other.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use schoolbell::model::events::Event;
use schoolbell::model::ids::{Id, UserKey};
use schoolbell::model::notifications::Notification;
use schoolbell::{App, Config, server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{find, frame};
use crate::server::{SECRET, cpu_seconds, memory_bytes, token};
use crate::{row, seed};

const IDLE: usize = 2_000;
const LISTENERS: usize = 200;
/// Single events, and how many of them share a millisecond.
const SINGLES: usize = 20_000;
const PER_MILLISECOND: usize = 4;
const ROUNDS: usize = 20;
/// Events in a row to one listener.
const BURST: usize = 50;

/// Either server, as a process of its own that takes commands.
struct Peer {
    child: Child,
    input: ChildStdin,
    address: String,
}

impl Peer {
    fn start(mut command: Command) -> Option<Self> {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().ok()?;
        let input = child.stdin.take()?;
        let mut address = String::new();
        BufReader::new(child.stdout.take()?)
            .read_line(&mut address)
            .ok()?;
        let address = address.trim().to_owned();
        (!address.is_empty()).then_some(Peer {
            child,
            input,
            address,
        })
    }

    fn tell(&mut self, command: &str) {
        writeln!(self.input, "{command}").unwrap();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Figures {
    idle_bytes: f64,
    single_seconds: f64,
    burst_seconds: f64,
}

pub async fn compare() {
    let folder = tempfile::tempdir().unwrap();
    let mut ours = Command::new(std::env::current_exe().unwrap());
    ours.arg("serve-socketio").arg(folder.path());
    let ours = measure(Peer::start(ours).expect("it did not start")).await;
    let mut node = Command::new("node");
    let folder = env!("CARGO_MANIFEST_DIR");
    let script = format!("{folder}/benches/load/socketio_peer.cjs");
    node.args(["--expose-gc", &script, folder]);
    let node = match Peer::start(node) {
        Some(peer) => Some(measure(peer).await),
        None => {
            eprintln!("no peer: it takes node, and `npm ci` in tests/web");
            None
        }
    };
    let line = |what: &str, scale: f64, figure: fn(&Figures) -> f64| {
        let floor = node.as_ref().map_or(String::new(), |node| {
            let ratio = figure(&ours) / figure(node);
            format!("{:.1} Node, ×{ratio:.2}", figure(node) * scale)
        });
        row(what, format!("{:.1}", figure(&ours) * scale), floor);
    };
    line(
        "memory per idle Socket.IO connection, KiB",
        1.0 / 1024.0,
        |f| f.idle_bytes,
    );
    line("  server CPU per single event, µs", 1e6, |f| {
        f.single_seconds
    });
    line("  server CPU per event of a burst, µs", 1e6, |f| {
        f.burst_seconds
    });
}

async fn measure(mut peer: Peer) -> Figures {
    let pid = peer.child.id();
    let counted = Arc::new(AtomicUsize::new(0));
    let warm = connect_all(&peer.address, 0..LISTENERS, &counted).await;
    run(
        &mut peer,
        &counted,
        &format!("single 4000 {PER_MILLISECOND}"),
        4_000,
    )
    .await;
    run(
        &mut peer,
        &counted,
        &format!("burst 2 {BURST}"),
        2 * LISTENERS * BURST,
    )
    .await;
    let single = run(
        &mut peer,
        &counted,
        &format!("single {SINGLES} {PER_MILLISECOND}"),
        SINGLES,
    )
    .await;
    let events = ROUNDS * LISTENERS * BURST;
    let burst = run(
        &mut peer,
        &counted,
        &format!("burst {ROUNDS} {BURST}"),
        events,
    )
    .await;
    drop(warm);
    peer.tell("collect");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = memory_bytes(pid);
    let _idle = connect_all(&peer.address, LISTENERS..LISTENERS + IDLE, &counted).await;
    peer.tell("collect");
    tokio::time::sleep(Duration::from_secs(3)).await;
    Figures {
        idle_bytes: (memory_bytes(pid) - before) as f64 / IDLE as f64,
        single_seconds: single / SINGLES as f64,
        burst_seconds: burst / events as f64,
    }
}

/// The server's CPU seconds until this many events have come.
async fn run(peer: &mut Peer, counted: &AtomicUsize, command: &str, events: usize) -> f64 {
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (before, from) = (
        cpu_seconds(peer.child.id()),
        counted.load(Ordering::Relaxed),
    );
    peer.tell(command);
    let mut waited = 0;
    while counted.load(Ordering::Relaxed) - from < events {
        tokio::time::sleep(Duration::from_millis(20)).await;
        waited += 1;
        assert!(
            waited < 3_000,
            "{} of {events} came",
            counted.load(Ordering::Relaxed) - from
        );
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    cpu_seconds(peer.child.id()) - before
}

/// Listeners that end when this is dropped.
struct Listeners(Vec<tokio::task::JoinHandle<()>>);

impl Drop for Listeners {
    fn drop(&mut self) {
        self.0.iter().for_each(|task| task.abort());
    }
}

async fn connect_all(
    address: &str,
    people: std::ops::Range<usize>,
    counted: &Arc<AtomicUsize>,
) -> Listeners {
    let mut tasks = Vec::new();
    for person in people {
        let stream = connect(address, &token(&seed::id(person))).await;
        tasks.push(tokio::spawn(listen(stream, counted.clone())));
    }
    Listeners(tasks)
}

async fn connect(address: &str, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: bench\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    wait_for(&mut stream, b"\"maxPayload\"").await;
    stream
        .write_all(&masked(&format!("40{{\"token\":\"{token}\"}}")))
        .await
        .unwrap();
    wait_for(&mut stream, b"\"connected\"").await;
    stream
}

/// Reads up to the packet that holds this. Either server writes a packet at once, so it is read to its end.
async fn wait_for(stream: &mut TcpStream, needle: &[u8]) {
    let mut seen = Vec::with_capacity(4 << 10);
    while find(&seen, needle).is_none() {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "refused");
    }
}

/// A text frame, masked with zeros, which changes nothing.
fn masked(text: &str) -> Vec<u8> {
    let mut frame = match text.len() {
        short @ 0..=125 => vec![0x81, 0x80 | short as u8],
        long => [&[0x81, 0x80 | 126][..], &(long as u16).to_be_bytes()].concat(),
    };
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// Counts events and answers pings.
async fn listen(mut stream: TcpStream, counted: Arc<AtomicUsize>) {
    let mut buffer = Vec::with_capacity(1 << 10);
    loop {
        match stream.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let mut rest = &buffer[..];
        let mut pings = 0;
        while let Some((payload, after)) = frame(rest) {
            if payload == b"2" {
                pings += 1;
            } else if payload.starts_with(b"42[\"notification\"") {
                counted.fetch_add(1, Ordering::Relaxed);
            }
            rest = after;
        }
        let done = buffer.len() - rest.len();
        buffer.drain(..done);
        for _ in 0..pings {
            if stream.write_all(&masked("3")).await.is_err() {
                return;
            }
        }
    }
}

/// What the process that is measured does: a schoolbell whose events come from its standard input.
pub fn serve(folder: &str) {
    let mut config = Config::default();
    config.database.path = std::path::Path::new(folder).join("school.db");
    config.auth.jwt_secret = schoolbell::config::Secret::new(SECRET);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let app = App::open(config).unwrap();
        seed::people(&app, LISTENERS + IDLE);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        let (commands, mut given) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || {
            let lines = std::io::stdin().lines().map_while(Result::ok);
            lines.for_each(|line| drop(commands.send(line)));
        });
        tokio::spawn(server::run(listener, app.clone(), std::future::pending()));
        // Among the connections' own threads, as Node's events come from its loop.
        let obeying = tokio::spawn(async move {
            while let Some(line) = given.recv().await {
                obey(&app, &line).await;
            }
        });
        obeying.await.unwrap();
    });
}

async fn obey(app: &App, line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let [command, count, each] = words[..] else {
        return;
    };
    let (count, each): (usize, usize) = (count.parse().unwrap(), each.parse().unwrap());
    let people: Vec<UserKey> = app.hub.online().into_iter().map(|(key, _)| key).collect();
    static SEQ: AtomicUsize = AtomicUsize::new(1);
    let emit = |person: usize| {
        let seq = SEQ.fetch_add(1, Ordering::Relaxed) as i64;
        app.hub
            .tell(vec![people[person % people.len()]], event(app, seq));
    };
    if command == "single" {
        let mut sent = 0;
        while sent < count {
            for _ in 0..each {
                emit(sent);
                sent += 1;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    if command == "burst" {
        for _ in 0..count {
            (0..people.len()).for_each(|person| (0..each).for_each(|_| emit(person)));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn event(app: &App, seq: i64) -> Event {
    Event::Notification(Arc::new(Notification {
        id: Id::generate(),
        seq,
        kind: "grade".into(),
        title: "Your assignment was graded".into(),
        message: "An A for the essay on herons".into(),
        link: Some("/grades/7".into()),
        read: false,
        read_at: None,
        created_at: app.now(),
    }))
}
