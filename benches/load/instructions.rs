//! How many instructions a message costs the whole server: callgrind counts them, so the machine's noise is not in it. What
//! starts and ends the process is taken off by running it twice, with few messages and with many.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::against;
use crate::client::{Http, Live};
use crate::seed;
use crate::server::Server;

const FEW: usize = 300;
const MANY: usize = 2_300;

pub async fn count(other: Option<&Path>) {
    let ours = for_a_message(None).await;
    println!("instructions for a message: {ours:.0}");
    if let Some(other) = other {
        let theirs = for_a_message(Some(other)).await;
        println!("of {}: {theirs:.0}", other.display());
        println!("ratio: {:.3}", ours / theirs);
    }
}

async fn for_a_message(binary: Option<&Path>) -> f64 {
    let few = in_all(binary, FEW).await;
    let many = in_all(binary, MANY).await;
    (many - few) as f64 / (MANY - FEW) as f64
}

/// Instructions of a server that takes and delivers so many messages, one after the other.
async fn in_all(binary: Option<&Path>, messages: usize) -> u64 {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let out = folder.path().join("callgrind.out");
    let mut program = against::program(binary);
    program.wrapper = [
        "valgrind",
        "--tool=callgrind",
        "--log-file=/dev/null",
        &format!("--callgrind-out-file={}", out.display()),
    ]
    .map(str::to_owned)
    .to_vec();
    let server = Server::on(program, folder.clone());
    let start = Instant::now();
    let mut live = Live::connect_all(&server, 1..2, start).await;
    let (mut http, token) = (Http::connect(&server.address).await, server.token(0));
    for _ in 0..messages {
        http.send_message(&token, &seed::id(1), start.elapsed().as_nanos())
            .await;
        live.settle(1).await;
    }
    live.close();
    drop(http);
    server.stop();
    total(&out)
}

/// `summary:` or `totals:` of a profile (Callgrind Format Specification).
fn total(out: &Path) -> u64 {
    let text = std::fs::read_to_string(out).unwrap();
    let line = text.lines().rev().find_map(|line| {
        line.strip_prefix("totals: ")
            .or(line.strip_prefix("summary: "))
    });
    line.unwrap().trim().parse().unwrap()
}
