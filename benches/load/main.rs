//! The load benchmark. `cargo bench --bench load` measures the release binary beside the Node server that it replaces and
//! writes `benches/results`; `benches/README.md` says what else it does.

// A test or a benchmark ends where something is not as it should be.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::pedantic
)]

mod against;
mod backup;
mod client;
mod compare;
mod erase;
mod floods;
mod floors;
mod instructions;
mod kills;
mod lookups;
mod node;
mod policy;
mod push;
mod seed;
mod server;
mod soak;
mod stalled;
mod traffic;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// Senders at full load.
const SENDERS: usize = 64;
const STEADY: Duration = Duration::from_secs(10);
const STEADY_RATE: f64 = 200.0;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    compare: compare::Options,
    /// Compares messages with another schoolbell: this tree's binary and that one in turn, and the ratio with its interval.
    #[arg(long, value_name = "BINARY")]
    against: Option<PathBuf>,
    /// The other one takes acknowledgements, too: then its sockets send them.
    #[arg(long)]
    acks: bool,
    /// Counts the instructions that a message costs the whole server, with callgrind: of `--against` too, where it is given.
    #[arg(long)]
    instructions: bool,
    /// What cargo says to every benchmark.
    #[arg(long, global = true, hide = true)]
    bench: bool,
}

/// Without one of these: the comparison. Those after `push` do not only measure: what must hold ends the program when it
/// does not.
#[derive(Subcommand)]
enum What {
    /// Web Push to ten thousand people who are away, and messages meanwhile.
    Push,
    /// SIGKILL at random moments under load.
    Kills {
        #[arg(default_value_t = 500)]
        count: usize,
    },
    /// Two thousand of ten thousand sockets stop reading.
    Stalled,
    /// What somebody with a script could do to the others.
    Floods {
        /// All of them unless some are named.
        kinds: Vec<String>,
    },
    /// A backup beside writes.
    Backup,
    /// Erasing somebody, and retention, beside writes.
    Erase {
        #[arg(default_value_t = 2_000_000)]
        messages: usize,
    },
    /// Whether the time of an answer tells what exists.
    Lookups,
    /// What a school's policy costs its messages.
    Policy {
        /// A schoolbell that has no policy, to compare with, too.
        before: Option<PathBuf>,
    },
    /// Everything, for an hour.
    Soak {
        #[arg(default_value_t = 60)]
        minutes: usize,
    },
    #[command(hide = true)]
    FloorWarp,
    #[command(hide = true)]
    Flood {
        address: String,
        kind: String,
        key: String,
    },
}

fn main() {
    let arguments = Arguments::parse();
    match &arguments.what {
        Some(What::FloorWarp) => return floors::serve_warp(),
        Some(What::Flood { address, kind, key }) => return floods::flood(address, kind, key),
        _ => {}
    }
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    println!(
        "schoolbell {}, synchronous=FULL, {} cores shared with this generator\n",
        env!("CARGO_PKG_VERSION"),
        cores()
    );
    // One thread: the generator leaves the other core to the server.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        match arguments.what {
            None if arguments.instructions => {
                instructions::count(arguments.against.as_deref()).await;
            }
            None => match &arguments.against {
                Some(other) => {
                    against::compare(other, arguments.acks, arguments.compare.is_smoke()).await;
                }
                None => compare::run(&arguments.compare).await,
            },
            Some(What::Push) => push::measure().await,
            Some(What::Kills { count }) => kills::survive(count).await,
            Some(What::Stalled) => stalled::bound().await,
            Some(What::Floods { kinds }) => floods::withstand(&kinds).await,
            Some(What::Backup) => backup::beside_writes().await,
            Some(What::Erase { messages }) => erase::beside_writes(messages).await,
            Some(What::Lookups) => lookups::tell_nothing().await,
            Some(What::Policy { before }) => {
                policy::cost(before.as_deref(), arguments.compare.is_smoke()).await;
            }
            Some(What::Soak { minutes }) => soak::last(minutes).await,
            Some(What::FloorWarp | What::Flood { .. }) => {}
        }
    });
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

fn row(what: &str, figure: String, floor: String) {
    println!("{what:<58} {figure:>14} {floor:>22}");
}

/// The value below which this share of the sorted times lies, in milliseconds.
fn percentile(sorted: &[u64], share: f64) -> f64 {
    let at = ((sorted.len() as f64 - 1.0) * share) as usize;
    sorted.get(at).map_or(f64::NAN, |ns| *ns as f64 / 1e6)
}

fn both(sorted: &[u64]) -> String {
    format!(
        "{:.2} / {:.2}",
        percentile(sorted, 0.5),
        percentile(sorted, 0.99)
    )
}
