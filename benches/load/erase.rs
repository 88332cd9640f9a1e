//! What is removed from a large database, beside writes: by erasing somebody, and by retention. Nobody who writes meanwhile waits
//! for more than a slice of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::params;
use schoolbell::model::users::Role;
use schoolbell::store::WriteTx;

use crate::client::{Http, Live};
use crate::seed::texts::Texts;
use crate::server::{Dialect, FAST, Program, Server, own};
use crate::traffic::steadily;
use crate::{SENDERS, percentile, row, seed};

const RATE: f64 = 100.0;
const TIME: Duration = Duration::from_secs(25);
/// Who is erased, and wrote one of so many messages.
const LEAVER: &str = "leaver";
const SHARE: usize = 10;
const PEOPLE: usize = 2_000;
/// The oldest message is from so many days ago: a tenth is older than a year.
const DAYS: i64 = 405;
const DAY: i64 = 86_400_000;

pub async fn beside_writes(messages: usize) {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let began = Instant::now();
    seed::schoolbell(folder.path(), |app| {
        seed::person(app, LEAVER, Role::Student);
        seed::people(app, PEOPLE);
        seed::write(app, move |tx| fill(tx, messages));
        seed::index(app);
    });
    println!(
        "{messages} messages written and indexed in {:.0} s: {}",
        began.elapsed().as_secs_f64(),
        files(folder.path())
    );
    let server = Server::on(Program::schoolbell(Dialect::Ws, &FAST), folder.clone());
    let calm = measure(&server, "writes at 100/s: p99 / longest, ms").await;
    let mut command = server.command();
    let mut erasing = command
        .args(["user", "erase", LEAVER, "--messages", "remove"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let erased = measure(&server, "  while a command erases somebody").await;
    assert!(erasing.wait().unwrap().success());
    let took = format!("{:.1} s", began.elapsed().as_secs_f64());
    row("  it took", took, format!("{} messages", messages / SHARE));
    server.stop();

    // Where it is night, what is too old goes.
    let mut program = Program::schoolbell(Dialect::Ws, &FAST);
    program.environment.extend(own(&[
        ("SCHOOLBELL_RETENTION__MESSAGES", "365"),
        ("TZ", &night()),
    ]));
    let server = Server::on(program, folder.clone());
    let retained = measure(&server, "  while retention removes what is too old").await;
    let (short, slices) = slices(&server).await;
    row(
        "  slices of 50 ms and less",
        short.to_string(),
        format!("{slices} in all"),
    );
    for (what, p99) in [("erasing", erased), ("retention", retained)] {
        row(
            &format!("p99 of writes beside {what}"),
            format!("×{:.2}", p99 / calm),
            "×3 allowed".into(),
        );
        assert!(p99 < calm * 3.0, "{what} keeps the others waiting");
    }
    assert_eq!(short, slices, "a slice held the writer for longer");
    println!("afterwards: {}", files(folder.path()));
}

async fn measure(server: &Server, what: &str) -> f64 {
    let start = Instant::now();
    let mut live = Live::connect_all(server, SENDERS..SENDERS * 2, start).await;
    let sent = steadily(server, SENDERS, start, RATE, TIME).await;
    live.settle(sent).await;
    live.latencies.sort_unstable();
    let (p99, longest) = (
        percentile(&live.latencies, 0.99),
        percentile(&live.latencies, 1.0),
    );
    row(what, format!("{p99:.1} / {longest:.1}"), String::new());
    live.close();
    p99
}

/// How many slices held the writer for 50 ms at most, and how many there were: from the histogram that administrators see.
async fn slices(server: &Server) -> (usize, usize) {
    let metrics = Http::text(&server.address, "/metrics").await;
    let count = |bound: &str| {
        let bucket = format!("schoolbell_cleanup_slice_duration_seconds_bucket{{le=\"{bound}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&bucket));
        line.unwrap().parse().unwrap()
    };
    (count("0.05"), count("+Inf"))
}

/// A time zone in which it is three o'clock at night.
fn night() -> String {
    let hour = (std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs()
        / 3_600
        % 24) as i64;
    // POSIX counts west of Greenwich as positive.
    let west = hour - 3;
    format!("NIGHT{:+}", if west > 12 { west - 24 } else { west })
}

fn files(folder: &std::path::Path) -> String {
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.metadata().unwrap().len() > 1 << 20)
        .map(|entry| {
            let megabytes = entry.metadata().unwrap().len() >> 20;
            format!("{} {megabytes} MiB", entry.file_name().to_string_lossy())
        })
        .collect();
    files.sort();
    files.join(", ")
}

/// Messages in words as they are spread in a language: few are in most messages, and most in few.
fn fill(tx: &WriteTx, messages: usize) -> schoolbell::error::Result<()> {
    let mut texts = Texts::new();
    // The leaver's conversations with everybody, and those between neighbours.
    tx.execute_batch(
        "INSERT INTO conversations (low_key, high_key, created_at)
         SELECT p.key, o.key, 0 FROM users p JOIN users o ON o.key > p.key WHERE p.id = 'leaver';
         INSERT INTO conversations (low_key, high_key, created_at)
         SELECT a.key, b.key, 0 FROM users a JOIN users b ON b.key BETWEEN a.key + 1 AND a.key + 5
         WHERE a.key > (SELECT key FROM users WHERE id = 'leaver');
         INSERT INTO conversation_members (conversation_key, user_key, last_seq)
         SELECT key, low_key, 0 FROM conversations UNION ALL SELECT key, high_key, 0 FROM conversations;",
    )?;
    let mut all = tx.prepare("SELECT key, low_key, high_key FROM conversations ORDER BY key")?;
    let all: Vec<[i64; 3]> = all
        .query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?
        .collect::<rusqlite::Result<_>>()?;
    let first = all[0][1];
    let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|c| c[1] == first);
    let mut insert = tx.prepare(
        "INSERT INTO messages (conversation_key, seq, id, sender_key, content, created_at)
         VALUES (?1, ?2, randomblob(16), ?3, ?4, ?5)",
    )?;
    let from = tx.now.0 - DAYS * DAY;
    for n in 0..messages {
        let of = if n % SHARE == 0 { &own } else { &others };
        let conversation = of[texts.below(of.len())];
        let sender = conversation[if n % SHARE == 0 { 1 } else { 1 + n % 2 }];
        let at = from + (DAYS * DAY) / messages as i64 * n as i64;
        insert.execute(params![
            conversation[0],
            n as i64 + 1,
            sender,
            texts.next(),
            at
        ])?;
    }
    tx.execute_batch(&format!(
        "UPDATE conversation_members SET last_seq = coalesce(
             (SELECT max(seq) FROM messages m WHERE m.conversation_key = conversation_members.conversation_key), 0);
         UPDATE conversation_members SET last_read_seq = last_seq;
         UPDATE sequence SET value = {messages};"
    ))?;
    Ok(())
}
