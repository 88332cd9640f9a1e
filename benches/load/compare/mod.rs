//! schoolbell beside the Node server that it replaces, and beside the least that the parts could cost on this machine. All
//! in one run: every peer does the same in turn, round by round, so that a machine that grows slower does so for all.

mod aims;
mod fan_out;
mod figures;
mod floors;
mod logins;
mod messages;
mod plots;
mod reads;
mod report;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::seed;
use crate::server::{Dialect, FAST, Program, Server};
pub use figures::{Figures, Sink};

/// What is compared.
pub struct Peer {
    pub name: &'static str,
    /// When an answered write survives a loss of power: `FULL` at once, `NORMAL` after the next checkpoint.
    pub synchronous: &'static str,
    program: fn() -> Program,
}

pub const PEERS: [Peer; 5] = [
    Peer {
        name: "schoolbell",
        synchronous: "FULL",
        program: || Program::schoolbell(Dialect::SocketIo, &FAST),
    },
    Peer {
        name: "schoolbell /ws",
        synchronous: "FULL",
        program: || Program::schoolbell(Dialect::Ws, &FAST),
    },
    Peer {
        name: "better-sqlite3",
        synchronous: "NORMAL",
        program: || Program::node("better-sqlite3", "NORMAL"),
    },
    Peer {
        name: "better-sqlite3 FULL",
        synchronous: "FULL",
        program: || Program::node("better-sqlite3", "FULL"),
    },
    Peer {
        name: "Prisma",
        synchronous: "NORMAL",
        program: || Program::node("prisma", "NORMAL"),
    },
];

/// What a database is filled with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum School<'a> {
    People(usize),
    /// People who log in, and the hash of their password.
    Accounts(usize, &'a str),
    /// Messages, and the people who wrote them.
    History(usize),
}

impl Peer {
    /// What it is called beside the others.
    pub fn label(&self) -> String {
        format!(
            "{}, {}",
            self.name.trim_end_matches(" FULL"),
            self.synchronous
        )
    }

    pub fn is_ours(&self) -> bool {
        (self.program)().node.is_none()
    }

    /// Starts it on a database of its own.
    pub fn start(&self, school: School) -> Server {
        self.start_on(self.fill(school))
    }

    pub fn start_on(&self, folder: Arc<TempDir>) -> Server {
        Server::on((self.program)(), folder)
    }

    pub fn fill(&self, school: School) -> Arc<TempDir> {
        let folder = tempfile::tempdir().unwrap();
        if self.is_ours() {
            seed::schoolbell(folder.path(), |app| match school {
                School::People(count) => seed::people(app, count),
                School::Accounts(count, hash) => seed::accounts(app, count, hash),
                School::History(messages) => seed::history(app, messages),
            });
        } else {
            seed::node::school(folder.path(), |connection| match school {
                School::People(count) => seed::node::people(connection, count),
                School::Accounts(count, hash) => seed::node::accounts(connection, count, hash),
                School::History(messages) => seed::node::history(connection, messages),
            });
        }
        Arc::new(folder)
    }
}

/// How much is measured.
pub struct Scale {
    pub rounds: usize,
    pub load: Duration,
    pub steady: Duration,
    pub connections: usize,
    pub burst_people: usize,
    pub histories: &'static [usize],
}

impl Scale {
    pub fn whole(rounds: usize) -> Self {
        Scale {
            rounds,
            load: Duration::from_secs(4),
            steady: Duration::from_secs(10),
            connections: 5_000,
            burst_people: 1_000,
            histories: &[10_000, 1_000_000, 5_000_000],
        }
    }

    /// Whether everything still runs: no figure of it means anything.
    pub fn smallest() -> Self {
        Scale {
            rounds: 1,
            load: Duration::from_millis(500),
            steady: Duration::from_secs(1),
            connections: 100,
            burst_people: 20,
            histories: &[10_000],
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    Floors,
    Messages,
    FanOut,
    Reads,
    Logins,
}

/// Which parts and peers; all of them where none is named.
#[derive(clap::Args)]
pub struct Options {
    #[arg(long, value_enum, value_delimiter = ',')]
    parts: Vec<Part>,
    /// The start of a peer's name: `schoolbell`, `better-sqlite3`, `Prisma`.
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only tries whether everything runs: what it writes lies in `target/tmp` and means nothing.
    #[arg(long)]
    smoke: bool,
}

impl Options {
    pub fn is_smoke(&self) -> bool {
        self.smoke
    }
}

pub async fn run(options: &Options) {
    let scale = if options.smoke {
        Scale::smallest()
    } else {
        Scale::whole(options.rounds)
    };
    let wanted = |part| options.parts.is_empty() || options.parts.contains(&part);
    let named = |peer: &Peer| {
        let names = &options.peers;
        names.is_empty()
            || names
                .iter()
                .any(|name| peer.name.starts_with(name.as_str()))
    };
    let peers: Vec<&Peer> = PEERS.iter().filter(|peer| named(peer)).collect();
    if peers.iter().any(|peer| !peer.is_ours()) {
        crate::node::install();
    }
    let mut figures = Figures::default();
    let mut histories = reads::Histories::default();
    for round in 1..=scale.rounds {
        println!("round {round} of {}", scale.rounds);
        if wanted(Part::Floors) {
            floors::measure(&mut figures.of("floor")).await;
        }
        for peer in &peers {
            let sink = &mut figures.of(peer.name);
            if wanted(Part::Messages) {
                messages::measure(peer, &scale, sink).await;
            }
            if wanted(Part::FanOut) {
                fan_out::measure(peer, &scale, sink).await;
            }
            if wanted(Part::Logins) {
                logins::measure(peer, &scale, sink).await;
            }
            if wanted(Part::Reads) {
                reads::measure(peer, &scale, &mut histories, sink).await;
            }
        }
    }
    println!("\n{}", report::table(&figures));
    if !options.parts.is_empty() || !options.peers.is_empty() {
        return;
    }
    println!("{}", aims::table(&figures));
    let folder = if options.smoke {
        figures.check(scale.histories);
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("results")
    } else {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results")
    };
    report::write(&figures, scale.rounds, &folder);
}
