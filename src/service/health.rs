//! Whether the database takes a write.

use std::time::{Duration, Instant};

use crate::app::App;
use crate::error::{Error, Result};
use crate::store::meta;

const SHARED_FOR: Duration = Duration::from_secs(1);

/// Writes once; a database that does not answer in five seconds does not take writes.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn check(app: &App) -> Result<()> {
    // One write a second answers everybody who asks.
    let mut last = app.last_health.lock().await;
    if app.stopping.is_cancelled() {
        return Err(Error::unavailable("The server is stopping."));
    }
    if last.is_some_and(|at| at.elapsed() < SHARED_FOR) {
        return Ok(());
    }
    let write = app
        .store
        .write(|tx| Ok((meta::touch(tx, tx.now)?, Vec::new())));
    match tokio::time::timeout(Duration::from_secs(5), write).await {
        Ok(Ok(())) => {
            *last = Some(Instant::now());
            Ok(())
        }
        _ => Err(Error::unavailable("The database does not take writes.")),
    }
}
