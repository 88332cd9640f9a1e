//! What stays of a run: `benches/results`.

use std::path::Path;
use std::process::Command;

use super::figures::METRICS;
use super::{Figures, PEERS, aims, plots};

/// In Markdown: the median of each metric and peer, and the lowest and highest round.
pub fn table(figures: &Figures) -> String {
    let peers = PEERS.iter().map(|peer| (peer.name, peer.label()));
    let columns: Vec<_> = peers.chain([("floor", "floor".to_owned())]).collect();
    let mut table = String::from("| |");
    for (_, label) in &columns {
        table += &format!(" {label} |");
    }
    table += &format!("\n|---|{}\n", "---:|".repeat(columns.len()));
    for metric in METRICS {
        let cells: Vec<String> = columns
            .iter()
            .map(|(peer, _)| cell(&figures.rounds(peer, metric.key), metric.digits))
            .collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            table += &format!("| {} | {} |\n", metric.title, cells.join(" | "));
        }
    }
    table
}

fn cell(rounds: &[f64], digits: usize) -> String {
    let (Some(low), Some(high)) = (rounds.first(), rounds.last()) else {
        return String::new();
    };
    let median = rounds[rounds.len() / 2];
    let [median, low, high] = [median, *low, *high].map(|value| number(value, digits));
    if low == high {
        median
    } else {
        format!("**{median}** ({low}–{high})")
    }
}

/// With a comma between thousands.
fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if digits == 0 {
        grouped
    } else {
        format!("{grouped}.{rest}")
    }
}

/// Writes table, pictures and reading.
pub fn write(figures: &Figures, rounds: usize, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let pictures = plots::draw(figures, folder).unwrap();
    let pictures: String = pictures
        .iter()
        .map(|(file, title)| format!("![{title}]({file})\n\n"))
        .collect();
    let text = format!(
        "# Results\n\nWritten by `cargo bench --bench load`; [what is measured, and how](../README.md).\n\n{}\n\
         Medians of {rounds} rounds, with the lowest and the highest.\n\n{}\n\
         ## What we mean to show\n\nFrom the medians of the same run. schoolbell over Socket.IO with `synchronous=FULL`; the \
         Node server with `NORMAL`.\n\n{}\n{}",
        machine(),
        table(figures),
        aims::table(figures),
        pictures.trim_end(),
    );
    std::fs::write(folder.join("README.md"), text.trim_end().to_owned() + "\n").unwrap();
    let lines = figures.lines();
    std::fs::write(folder.join("rounds.csv"), lines).unwrap();
    println!("written: {}", folder.display());
}

/// The machine, the versions and the date, as a list.
fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_once(':'));
        value.map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    let cpu = field(&read("/proc/cpuinfo"), "model name");
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let memory = memory.split(' ').next().and_then(|kib| kib.parse().ok());
    let memory: f64 = memory.unwrap_or(f64::NAN);
    let kernel = read("/proc/sys/kernel/osrelease");
    let rust = said(Command::new("rustc").arg("--version"));
    let node = said(Command::new("node").arg("--version"));
    let packages: serde_json::Value =
        serde_json::from_str(include_str!("../../node/package.json")).unwrap();
    let version = |name: &str| packages["dependencies"][name].as_str().unwrap_or("");
    format!(
        "- {}, {} cores ({cpu}), {:.0} GiB, Linux {}; the load generator runs on the same cores\n\
         - schoolbell {}, SQLite {}, {rust}\n\
         - Node {node}, express {}, socket.io {}, jsonwebtoken {}, better-sqlite3 {}, Prisma {}, argon2 {}\n",
        jiff::Zoned::now().date(),
        crate::cores(),
        memory / f64::from(1 << 20),
        kernel.trim(),
        env!("CARGO_PKG_VERSION"),
        rusqlite::version(),
        version("express"),
        version("socket.io"),
        version("jsonwebtoken"),
        version("better-sqlite3"),
        version("prisma"),
        version("argon2"),
    )
}

fn said(command: &mut Command) -> String {
    let said = command.output().map(|output| output.stdout);
    let said = String::from_utf8(said.unwrap_or_default()).unwrap_or_default();
    said.trim().to_owned()
}
