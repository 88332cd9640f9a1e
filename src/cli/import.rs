//! `schoolbell import`.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use super::Failure;
use crate::config::Config;
use crate::model::time::{Clock as _, SystemClock};
use crate::ops::import::{self, ImportCounts, Wishes};

pub fn run(config: &Config, file: &Path, wishes: Wishes) -> Result<(), Failure> {
    // On a terminal only.
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {percent}% {elapsed}",
    )?);
    let mut progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let report = import::run(config, file, wishes, SystemClock.now(), &mut progress);
    bar.finish_and_clear();
    let report = report.map_err(|e| format!("{}: {e}", file.display()))?;
    for (line, why) in &report.bad {
        complain!("line {line}: {why}");
    }
    let more = report.bad_count - report.bad.len() as u64;
    if more > 0 {
        complain!("and {more} more");
    }
    for (what, ImportCounts { added, known }) in [
        ("users", report.users),
        ("messages", report.messages),
        ("notifications", report.notifications),
    ] {
        say!("{what:<14} {added} new, {known} here already");
    }
    match (report.written, report.bad_count) {
        (true, 0) => Ok(()),
        (true, n) => {
            say!("{} left out", lines(n));
            Ok(())
        }
        (false, 0) => {
            say!("nothing was written: this was a dry run");
            Ok(())
        }
        (false, n) if wishes.dry_run => Err(format!("{} cannot be taken", lines(n)).into()),
        (false, n) => Err(format!(
            "{} cannot be taken, so nothing was written; --skip-bad leaves what is bad out",
            lines(n)
        )
        .into()),
    }
}

fn lines(count: u64) -> String {
    match count {
        1 => "1 line".into(),
        n => format!("{n} lines"),
    }
}
