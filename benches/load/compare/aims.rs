//! What we mean to show, and whether this run shows it.

use super::Figures;

const OURS: &str = "schoolbell";
const SQLITE: &str = "better-sqlite3";
const PRISMA: &str = "Prisma";

/// One figure against another, or against a number.
struct Aim {
    what: &'static str,
    value: f64,
    bound: Bound,
}

enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Aim {
    fn met(&self) -> bool {
        match self.bound {
            Bound::AtLeast(bound) => self.value >= bound,
            Bound::AtMost(bound) => self.value <= bound,
        }
    }
}

fn aims(figures: &Figures) -> Vec<Aim> {
    use Bound::{AtLeast, AtMost};
    let figure = |peer, key| figures.median(peer, key).unwrap_or(f64::NAN);
    let ours = |key| figure(OURS, key);
    let ratio = |key, peer| ours(key) / figure(peer, key);
    let aim = |what, value, bound| Aim { what, value, bound };
    vec![
        aim(
            "messages/s, 64 senders, of better-sqlite3's",
            ratio("rate_64", SQLITE),
            AtLeast(7.0),
        ),
        aim(
            "messages/s, 64 senders, of Prisma's",
            ratio("rate_64", PRISMA),
            AtLeast(28.0),
        ),
        aim(
            "messages/s, 64 senders, of the bare group commit",
            ours("rate_64") / figure("floor", "commit_full"),
            AtLeast(0.45),
        ),
        aim("p99 at 200/s, ms", ours("p99_200"), AtMost(3.0)),
        aim(
            "p99 at 200/s, of better-sqlite3's",
            ratio("p99_200", SQLITE),
            AtMost(1.0),
        ),
        aim(
            "p99 at 200/s, of Prisma's",
            ratio("p99_200", PRISMA),
            AtMost(1.0),
        ),
        aim("p99 at 1,000/s, ms", ours("p99_1000"), AtMost(3.0)),
        aim(
            "p99 at 1,000/s, of better-sqlite3's",
            ratio("p99_1000", SQLITE),
            AtMost(1.0),
        ),
        aim(
            "p99 at 1,000/s, of Prisma's",
            ratio("p99_1000", PRISMA),
            AtMost(1.0),
        ),
        aim(
            "memory per connection, of better-sqlite3's",
            ratio("idle", SQLITE),
            AtMost(0.65),
        ),
        aim(
            "announcement to 5,000, time, of better-sqlite3's",
            ratio("announce", SQLITE),
            AtMost(0.75),
        ),
        aim(
            "announcement to 5,000, CPU, of better-sqlite3's",
            ratio("announce_cpu", SQLITE),
            AtMost(0.85),
        ),
        aim(
            "100 events to each of 1,000, CPU, of better-sqlite3's",
            ratio("burst_cpu", SQLITE),
            AtMost(0.25),
        ),
        aim(
            "logins/s, of better-sqlite3's",
            ratio("logins", SQLITE),
            AtLeast(1.0),
        ),
        aim(
            "logins/s, of Prisma's",
            ratio("logins", PRISMA),
            AtLeast(1.0),
        ),
        aim(
            "p99 of messages during logins, ms",
            ours("p99_storm"),
            AtMost(10.0),
        ),
        aim(
            "conversation list, 5 million of 10 thousand",
            ours("list_5000000") / ours("list_10000"),
            AtMost(1.3),
        ),
        aim(
            "history page, 5 million of 10 thousand",
            ours("page_5000000") / ours("page_10000"),
            AtMost(1.3),
        ),
    ]
}

/// In Markdown.
pub fn table(figures: &Figures) -> String {
    let mut table = String::from("| schoolbell | measured | aim | |\n|---|---:|---:|---|\n");
    for aim in aims(figures) {
        let bound = match aim.bound {
            Bound::AtLeast(bound) => format!("≥ {bound}"),
            Bound::AtMost(bound) => format!("≤ {bound}"),
        };
        let met = if aim.met() { "met" } else { "missed" };
        table += &format!("| {} | {:.2} | {bound} | {met} |\n", aim.what, aim.value);
    }
    table
}
