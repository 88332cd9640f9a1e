//! Whether the database takes a write.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::app::App;
use crate::error::{Error, Result};
use crate::metrics::Observed;
use crate::store::meta;

const SHARED_TIME: Duration = Duration::from_secs(1);
/// How long the database counts as unhealthy after a failed write: on a full disk a test write, which is small, may find room
/// where others do not.
const UNHEALTHY_TIME: Duration = Duration::from_secs(5);

/// What is known of the database's health.
#[derive(Debug, Default)]
struct Health {
    /// When the database last took a test write.
    tested: Option<Instant>,
    /// How many writes had failed by then, and when it was last seen that there were more.
    failures: u64,
    failed: Option<Instant>,
}

/// Writes once; a database that does not answer in five seconds does not take writes.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn check(app: &App) -> Result<()> {
    // One write a second answers everybody who asks.
    let health = app.state::<Mutex<Health>>();
    let mut health = health.lock().await;
    if app.stopping.is_cancelled() {
        return Err(Error::unavailable("The server is stopping."));
    }
    let failures = app.queues.failed_writes.load(Ordering::Relaxed);
    if failures > health.failures {
        health.failures = failures;
        health.failed = Some(Instant::now());
    }
    let ill = || Error::unavailable("The database does not take writes.");
    if health
        .failed
        .is_some_and(|at| at.elapsed() < UNHEALTHY_TIME)
    {
        return Err(ill());
    }
    if health.tested.is_some_and(|at| at.elapsed() < SHARED_TIME) {
        return Ok(());
    }
    let write = app.store.write(|tx| meta::touch(tx, tx.now));
    match tokio::time::timeout(Duration::from_secs(5), write).await {
        Ok(Ok(())) => {
            health.tested = Some(Instant::now());
            Ok(())
        }
        _ => Err(ill()),
    }
}

/// The metrics, as OpenMetrics text.
pub fn metrics(app: &App) -> String {
    let queues = &app.queues;
    app.metrics.render(&Observed {
        database_bytes: app.store.size(),
        event_bytes: queues.event_bytes.get(),
        writes: queues.writes.get(),
        reads: queues.reads.get(),
        failed_writes: queues.failed_writes.load(Ordering::Relaxed),
    })
}
