//! A backup beside writes: none of them waits long for it.

use std::time::{Duration, Instant};

use crate::client::{Http, Live};
use crate::server::Server;
use crate::traffic::steadily;
use crate::{SENDERS, STEADY_RATE, percentile, row, seed};

/// Messages in the database: hundreds of megabytes.
const MESSAGES: usize = 2_000_000;
const TIME: Duration = Duration::from_secs(12);

pub async fn beside_writes() {
    let server = Server::start(|app| seed::history(app, MESSAGES));
    let megabytes = std::fs::metadata(server.database()).unwrap().len() >> 20;
    // What was just filled goes to the disk first: it would be measured otherwise.
    assert!(
        std::process::Command::new("sync")
            .status()
            .unwrap()
            .success()
    );
    let start = Instant::now();
    let mut live = Live::connect_all(&server, SENDERS..SENDERS * 2, start).await;
    let measure = async |live: &mut Live| {
        let sent = steadily(&server, SENDERS, start, STEADY_RATE, TIME).await;
        live.settle(sent).await;
        live.latencies.sort_unstable();
        let worst = (
            percentile(&live.latencies, 0.99),
            percentile(&live.latencies, 1.0),
        );
        live.latencies.clear();
        worst
    };
    let (p99, worst) = measure(&mut live).await;
    row(
        &format!("writes at 200/s, {megabytes} MiB: p99 / longest, ms"),
        format!("{p99:.1} / {worst:.1}"),
        String::new(),
    );
    let target = server.database().with_file_name("copy.db");
    let mut command = server.command();
    let began = Instant::now();
    let mut child = command
        .arg("backup")
        .arg(&target)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let waiting = std::thread::spawn(move || {
        assert!(child.wait().unwrap().success());
        began.elapsed()
    });
    let (p99, worst) = measure(&mut live).await;
    let took = waiting.join().unwrap();
    row(
        "  while a command makes a backup",
        format!("{p99:.1} / {worst:.1}"),
        format!("it took {:.1} s", took.as_secs_f64()),
    );
    row(
        "  more than without, ms",
        String::new(),
        "50 allowed".into(),
    );
    let _ = Http::connect(&server.address).await;
    live.close();
}
