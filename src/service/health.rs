//! Whether the database takes a write.

use std::time::Duration;

use crate::app::App;
use crate::error::{Error, Result};
use crate::store::meta;

/// Writes once; a database that does not answer in five seconds does not take writes.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn check(app: &App) -> Result<()> {
    let write = app
        .store
        .write(|tx| Ok((meta::touch(tx, tx.now)?, Vec::new())));
    match tokio::time::timeout(Duration::from_secs(5), write).await {
        Ok(Ok(())) if !app.stopping.is_cancelled() => Ok(()),
        Ok(Ok(())) => Err(Error::unavailable("The server is stopping.")),
        _ => Err(Error::unavailable("The database does not take writes.")),
    }
}
