//! Limits forget whom they need not remember.

use std::time::Duration;

use crate::app::App;

const EVERY: Duration = Duration::from_secs(60);

pub async fn work(app: App) {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            _ = ticks.tick() => app.limits.tidy(),
            () = app.stopping.cancelled() => return,
        }
    }
}
