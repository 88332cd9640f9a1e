//! The load benchmark: starts the release binary, drives it from this process, and prints a table. Beside each figure
//! stands a floor that was measured in the same run: the least that the thing could cost here.
//!
//! `cargo bench --bench load` runs everything; `cargo bench --bench load -- messages idle` only these parts.
//! Parts: `messages`, `idle`, `reads`, `push`, `socketio` (this one takes node, and `npm ci` in `tests/web`).
//!
//! Only when they are named: `kills [COUNT]`, `stalled`, `floods`, `backup`, `soak [MINUTES]`, `lookups`. They do not only measure: what
//! must hold ends the program when it does not.

mod backup;
mod client;
mod floods;
mod floors;
mod kills;
mod lookups;
mod push;
mod seed;
mod server;
mod soak;
mod socketio;
mod stalled;

use std::time::{Duration, Instant};

use client::{Http, Live};
use server::Server;

/// Senders at full load.
const SENDERS: usize = 64;
/// Connections that do nothing, and people who get an announcement.
const IDLE: usize = 5_000;
const FULL_LOAD: Duration = Duration::from_secs(8);
const STEADY: Duration = Duration::from_secs(10);
const STEADY_RATE: u32 = 200;
/// People who are away, with a device each: as many pushes for each announcement.
const AWAY: usize = 10_000;
/// Announcements whose pushes outlast the messages that are timed meanwhile.
const STORM: usize = 14;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    if arguments.first().is_some_and(|a| a == "floor-warp") {
        floors::serve_warp();
        return;
    }
    if let [part, folder] = &arguments[..]
        && part == "serve-socketio"
    {
        socketio::serve(folder);
        return;
    }
    if let [part, address, kind] = &arguments[..]
        && part == "flood"
    {
        floods::flood(address, kind);
        return;
    }
    let number = |default: usize| {
        let given = arguments.get(1).and_then(|text| text.parse().ok());
        given.unwrap_or(default)
    };
    let wanted = |part: &str| arguments.is_empty() || arguments.iter().any(|a| a == part);
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    // One thread: the generator leaves the other core to the server.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    println!(
        "schoolbell {}, synchronous=FULL, {} cores shared with this generator\n",
        env!("CARGO_PKG_VERSION"),
        cores()
    );
    println!("{:<58} {:>14} {:>22}", "what", "schoolbell", "floor");
    match arguments.first().map(String::as_str) {
        Some("kills") => return runtime.block_on(kills::survive(number(500))),
        Some("stalled") => return runtime.block_on(stalled::bound()),
        Some("floods") => return runtime.block_on(floods::withstand()),
        Some("backup") => return runtime.block_on(backup::beside_writes()),
        Some("soak") => return runtime.block_on(soak::last(number(60))),
        Some("lookups") => return runtime.block_on(lookups::tell_nothing()),
        _ => {}
    }
    if wanted("messages") {
        runtime.block_on(messages());
    }
    if wanted("idle") {
        runtime.block_on(idle());
    }
    if wanted("reads") {
        runtime.block_on(reads());
    }
    if wanted("push") {
        runtime.block_on(pushes());
    }
    if wanted("socketio") {
        runtime.block_on(socketio::compare());
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

fn row(what: &str, figure: String, floor: String) {
    println!("{what:<58} {figure:>14} {floor:>22}");
}

/// The value below which this share of the sorted times lies.
fn percentile(sorted: &[u64], share: f64) -> f64 {
    let at = ((sorted.len() as f64 - 1.0) * share) as usize;
    sorted.get(at).map_or(f64::NAN, |ns| *ns as f64 / 1e6)
}

/// From POST to delivery, at full load and at a steady rate.
async fn messages() {
    let server = Server::start(|app| seed::people(app, SENDERS * 2));
    let warp = floors::warp_rate(SENDERS).await;
    let commit = floors::commit_rate(SENDERS).await;
    let start = Instant::now();

    let mut full = Live::connect_all(&server, SENDERS..SENDERS * 2, start).await;
    let cpu = server.cpu_seconds();
    let (sent, seconds) = send_at_full_load(&server, start).await;
    let delivered = full.settle(sent).await;
    let cpu = (server.cpu_seconds() - cpu) / sent as f64 * 100_000.0;
    full.latencies.sort_unstable();
    row(
        "messages/s stored and delivered, 64 senders",
        format!("{:.0}", delivered as f64 / seconds),
        format!("{warp:.0} bare warp POST/s"),
    );
    row("", String::new(), format!("{commit:.0} bare commits/s"));
    row(
        "  send to delivery p50 / p99, ms",
        both(&full.latencies),
        String::new(),
    );
    row(
        "  server CPU seconds per 100,000 messages",
        format!("{cpu:.2}"),
        String::new(),
    );
    full.close();

    let mut steady = Live::connect_all(&server, SENDERS..SENDERS * 2, start).await;
    let sent = send_steadily(&server, start, STEADY).await;
    steady.settle(sent).await;
    steady.latencies.sort_unstable();
    let mut socket = floors::socket_write().await;
    socket.sort_unstable();
    row(
        "send to delivery at 200/s, p50 / p99, ms",
        both(&steady.latencies),
        format!("{} socket write", both(&socket)),
    );
}

fn both(sorted: &[u64]) -> String {
    format!(
        "{:.2} / {:.2}",
        percentile(sorted, 0.5),
        percentile(sorted, 0.99)
    )
}

async fn send_at_full_load(server: &Server, start: Instant) -> (usize, f64) {
    let began = Instant::now();
    let senders: Vec<_> = (0..SENDERS)
        .map(|i| {
            let (address, token) = (server.address.clone(), server.token(i));
            tokio::task::spawn(async move {
                let mut http = Http::connect(&address).await;
                let mut sent = 0;
                while began.elapsed() < FULL_LOAD {
                    let now = start.elapsed().as_nanos();
                    http.send_message(&token, &seed::id(SENDERS + i), now).await;
                    sent += 1;
                }
                sent
            })
        })
        .collect();
    let mut sent = 0;
    for sender in senders {
        sent += sender.await.unwrap();
    }
    (sent, began.elapsed().as_secs_f64())
}

/// Messages at a steady rate, in pairs.
async fn send_steadily(server: &Server, start: Instant, time: Duration) -> usize {
    let mut connections = Vec::new();
    for _ in 0..8 {
        connections.push(Some(Http::connect(&server.address).await));
    }
    let mut tick = tokio::time::interval(Duration::from_secs(1) / STEADY_RATE);
    let count = (time.as_secs_f64() * f64::from(STEADY_RATE)) as usize;
    let (back, mut returned) = tokio::sync::mpsc::unbounded_channel();
    for i in 0..count {
        tick.tick().await;
        let mut http = match connections.pop() {
            Some(http) => http.unwrap(),
            None => returned.recv().await.unwrap(),
        };
        let (token, to) = (server.token(i % SENDERS), seed::id(SENDERS + i % SENDERS));
        let back = back.clone();
        tokio::spawn(async move {
            http.send_message(&token, &to, start.elapsed().as_nanos())
                .await;
            let _ = back.send(http);
        });
    }
    count
}

/// Memory of open sockets, and one announcement to all of them.
async fn idle() {
    let server = Server::start(|app| seed::people(app, IDLE));
    let start = Instant::now();
    let mut warm = Live::connect_all(&server, 0..50, start).await;
    warm.close();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = server.memory_bytes();
    let mut live = Live::connect_all(&server, 0..IDLE, start).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let each = (server.memory_bytes() - before) as f64 / IDLE as f64 / 1024.0;
    row(
        "memory per idle /ws connection, KiB",
        format!("{each:.1}"),
        String::new(),
    );

    let mut worst = Vec::new();
    let mut answered = Vec::new();
    for _ in 0..5 {
        let mut http = Http::connect(&server.address).await;
        let began = Instant::now();
        http.announce(&server.sender).await;
        answered.push(began.elapsed().as_nanos() as u64);
        live.settle(IDLE).await;
        worst.push(live.last_arrival.duration_since(began).as_nanos() as u64);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    worst.sort_unstable();
    answered.sort_unstable();
    let mut floor = floors::fan_out(IDLE).await;
    floor.sort_unstable();
    row(
        "announcement: last of 5,000 has it, ms (median of 5)",
        format!("{:.0}", percentile(&worst, 0.5)),
        format!("{:.0} bare writes", percentile(&floor, 0.5)),
    );
    row(
        "  its POST is answered after, ms",
        format!("{:.0}", percentile(&answered, 0.5)),
        String::new(),
    );
    live.close();
}

/// Pushes to people who are away, and what they cost those who are not.
async fn pushes() {
    row(
        "pushes encrypted and signed a second, one thread",
        format!("{:.0}", push::encryption_rate()),
        String::new(),
    );
    let service = push::Service::start();
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
        let sent = send_steadily(&server, start, STEADY).await;
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
        let sent = send_steadily(&server, start, STEADY).await;
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

/// The two read routes as the history grows.
async fn reads() {
    for (size, name) in [
        (10_000, "10 thousand"),
        (1_000_000, "1 million"),
        (5_000_000, "5 million"),
    ] {
        let server = Server::start(|app| seed::history(app, size));
        let mut http = Http::connect(&server.address).await;
        let token = server.token(0);
        let list = http
            .time_get("/api/messages/conversations", &token, 600)
            .await;
        let path = format!("/api/messages/conversation/{}", seed::id(1));
        let page = http.time_get(&path, &token, 600).await;
        let health = http
            .time_get("/api/messages/unread-count", &token, 600)
            .await;
        row(
            &format!("conversation list, {name} messages, p50 / p99, ms"),
            both(&list),
            format!("{} one-row read", both(&health)),
        );
        row("history page of 50", both(&page), String::new());
    }
}
