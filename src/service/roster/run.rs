//! Doing the steps of an import, some at a time: other writes wait for no longer than one slice. What is done and the mark of
//! how far it is are one commit, so that a restart goes on where it was.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::apply::{apply, give_back_username};
use crate::app::App;
use crate::error::{Error, Result};
use crate::model::audit::{Action, AuditActor};
use crate::model::roster::{ImportState, Step, StepProblem};
use crate::store::roster_import::{self, StoredImport};
use crate::store::{WriteTx, audit};

/// How long a slice may take before its commit, and the pause after it, in which others write.
const SLICE_TIME: Duration = Duration::from_millis(10);
const PAUSE: Duration = Duration::from_millis(5);
/// How many steps a slice reads at most.
const MAX_STEPS: usize = 200;
/// The pause after a slice that failed, for want of disk for instance.
const RETRY_PAUSE: Duration = Duration::from_secs(5);
/// How many problems are kept.
const MAX_PROBLEMS: usize = 100;

/// Held by the one that writes steps down, and by the one that does them.
#[derive(Default)]
pub struct Turns {
    pub staging: Mutex<()>,
    steps: Mutex<()>,
}

/// Goes on with an import that is under way until it is done, or the server stops. One whose steps were not all written down is
/// forgotten: nobody was told that it runs.
pub async fn resume(app: &App) {
    let turns = app.state::<Turns>();
    let held = turns.staging.lock().await;
    if let Err(error) = app.store.write(roster_import::forget_staged).await {
        tracing::warn!(%error, "cannot remove an import that did not begin");
    }
    drop(held);
    run(app).await;
}

/// Does all steps that there are.
pub async fn run(app: &App) {
    let turns = app.state::<Turns>();
    let _held = turns.steps.lock().await;
    loop {
        let (metrics, app_in) = (app.metrics.clone(), app.clone());
        let slice = app.store.write(move |tx| {
            let began = Instant::now();
            let more = slice(tx, &app_in, began + SLICE_TIME)?;
            metrics.slice_seconds.observe(began.elapsed().as_secs_f64());
            Ok(more)
        });
        let pause = match slice.await {
            Ok(true) => PAUSE,
            Ok(false) => return,
            Err(error) => {
                app.metrics.job_failed("roster_import");
                tracing::warn!(job = "roster_import", %error, "job failed");
                RETRY_PAUSE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = app.stopping.cancelled() => return,
        }
    }
}

/// Does steps until the time is up. Whether there are more.
fn slice(tx: &WriteTx, app: &App, until: Instant) -> Result<bool> {
    let Some(import) = roster_import::current(tx)? else {
        return Ok(false);
    };
    if import.state != ImportState::Running {
        return Ok(false);
    }
    let by = actor(&import);
    let steps = roster_import::next(tx, MAX_STEPS)?;
    let (mut counts, mut problems) = (import.counts, import.problems.clone());
    let mut last = None;
    let mut count = 0;
    for (n, step) in steps {
        if count > 0 && Instant::now() >= until {
            break;
        }
        last = Some(n);
        count += 1;
        // Of another version, after a downgrade.
        let Some(step) = step else {
            counts.left_out += 1;
            tracing::error!(step = n, "import step cannot be read, and is left out");
            continue;
        };
        // Who is missing may be in the file as one whose step was left out.
        if counts.left_out > 0 && matches!(step, Step::Disable { missing: true, .. }) {
            counts.leave_out(&step);
            continue;
        }
        // What is wrong with one step must not undo the others of the slice.
        match tx.nested(|| apply(tx, app, &by, &step)) {
            Ok(()) => {}
            // The disk, or the database as a whole: all of the slice is tried again.
            Err(error @ Error::Unavailable(..)) => return Err(error),
            Err(error) => {
                let problem = StepProblem {
                    name: step.about(),
                    message: sentence(&error),
                };
                tracing::warn!(step = n, problem = problem.message, "import step left out");
                counts.leave_out(&step);
                if problems.len() < MAX_PROBLEMS {
                    problems.push(problem);
                }
                give_back_username(tx, &step)?;
            }
        }
    }
    let Some(last) = last else {
        finish(tx, &by, &import)?;
        return Ok(false);
    };
    roster_import::done(tx, (last, count), counts, &problems)?;
    Ok(true)
}

fn sentence(error: &Error) -> String {
    match error.details().first() {
        Some(detail) => format!("{} {}", detail.field, detail.message),
        None => error.to_string(),
    }
}

fn finish(tx: &WriteTx, by: &AuditActor, import: &StoredImport) -> Result<()> {
    let counts = import.counts;
    let mut detail = format!(
        "{} added, {} changed, {} disabled",
        counts.added, counts.changed, counts.disabled
    );
    if counts.links > 0 {
        detail = format!("{detail}, {} guardian links", counts.links);
    }
    if counts.left_out > 0 {
        detail = format!("{detail}, {} left out", counts.left_out);
    }
    audit::note(tx, by, Action::RosterImported, "", &detail)?;
    roster_import::finish(tx)
}

/// Who confirmed the import; a key's scopes were looked at then.
fn actor(import: &StoredImport) -> AuditActor {
    AuditActor {
        address: import.address.as_deref().and_then(|text| text.parse().ok()),
        ..AuditActor::label(import.actor.clone())
    }
}
