//! Makes backups by the clock.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::app::App;
use crate::error::Result;
use crate::ops::backup;

const PERIOD: Duration = Duration::from_secs(60);
/// How long after a start the very first backup is made: before that there is nothing yet that is worth one.
const FIRST_AFTER: Duration = Duration::from_secs(600);
/// How long after one that failed the next is tried.
const RETRY_AFTER: Duration = Duration::from_secs(3_600);

pub fn start(app: &App) {
    let started = Instant::now();
    let not_before = Arc::new(Mutex::new(started));
    super::every(app, "backup", PERIOD, move |app| {
        let not_before = not_before.clone();
        async move { make_if_due(&app, started, &mut *not_before.lock().await).await }
    });
}

async fn make_if_due(app: &App, started: Instant, not_before: &mut Instant) -> Result<()> {
    let newest = backup::newest(app).await;
    let is_first = newest.is_none();
    let too_early = is_first && started.elapsed() < FIRST_AFTER;
    if too_early || !backup::is_due(app, newest) || Instant::now() < *not_before {
        return Ok(());
    }
    let made = backup::keep_scheduled(app).await;
    made.map(drop)
        .inspect_err(|_| *not_before = Instant::now() + RETRY_AFTER)
}
