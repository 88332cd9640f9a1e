//! What stays of a run: `benches/results`.

use super::figures::METRICS;
use super::{Figures, PEERS};

/// In Markdown: the median of each metric and peer, and the lowest and highest round.
pub fn table(figures: &Figures) -> String {
    let names = PEERS.iter().map(|peer| (peer.name, peer.synchronous));
    let columns: Vec<_> = names.chain([("floor", "")]).collect();
    let mut table = String::from("| |");
    for (name, synchronous) in &columns {
        let plain = name.trim_end_matches(" FULL");
        table += &format!(
            " {} |",
            [plain, synchronous].join(", ").trim_end_matches(", ")
        );
    }
    table += &format!("\n|---|{}\n", "---:|".repeat(columns.len()));
    for metric in METRICS {
        let cells: Vec<String> = columns
            .iter()
            .map(|(name, _)| cell(&figures.rounds(name, metric.key), metric.digits))
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

pub fn write(_figures: &Figures, _rounds: usize) {}
