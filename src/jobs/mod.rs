//! What runs beside requests, one file a job. A job that fails is logged with its name, counted, and tried again at its next time.

mod announcements;
mod backup;
mod certificate;
mod external_writes;
mod limits;
mod presence;
mod pushes;
mod retention;
mod safeguarding;
mod sessions;
mod stats;

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::app::App;
use crate::error::Result;
use crate::service::{notifications, roster};

/// Starts all of them, the push thread, and what sends mails. Call it once, inside a tokio runtime; they end when `app.stopping` is cancelled.
pub fn start(app: &App) {
    app.tasks
        .spawn(notifications::finish_deliveries(app.clone()));
    let importing = app.clone();
    app.tasks
        .spawn(async move { roster::resume(&importing).await });
    announcements::start(app);
    backup::start(app);
    certificate::start(app);
    external_writes::start(app);
    limits::start(app);
    presence::start(app);
    pushes::start(app);
    retention::start(app);
    safeguarding::start(app);
    sessions::start(app);
    stats::start(app);
    crate::push::start(app);
    crate::mail::start(app);
}

/// Runs `work` at once and then each `period`, until the server stops.
fn every<W, F>(app: &App, job: &'static str, period: Duration, work: W)
where
    W: FnMut(App) -> F + Send + 'static,
    F: Future<Output = Result<()>> + Send + 'static,
{
    app.tasks.spawn(repeat(app.clone(), job, period, work));
}

/// As [`every`], and once more when the server stops.
fn every_and_at_the_end<W, F>(app: &App, job: &'static str, period: Duration, mut work: W)
where
    W: FnMut(App) -> F + Send + 'static,
    F: Future<Output = Result<()>> + Send + 'static,
{
    let app = app.clone();
    app.tasks.clone().spawn(async move {
        repeat(app.clone(), job, period, &mut work).await;
        run(&app, job, work(app.clone())).await;
    });
}

async fn repeat<W, F>(app: App, job: &'static str, period: Duration, mut work: W)
where
    W: FnMut(App) -> F,
    F: Future<Output = Result<()>>,
{
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => run(&app, job, work(app.clone())).await,
            () = app.stopping.cancelled() => return,
        }
    }
}

/// Runs `work` once.
async fn run(app: &App, job: &'static str, work: impl Future<Output = Result<()>>) {
    if let Err(error) = work.await {
        app.metrics.job_failed(job);
        tracing::warn!(job, %error, "job failed");
    }
}
