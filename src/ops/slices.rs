//! Work that can wait, a slice at a time: no other write waits for longer than one slice.

use std::time::{Duration, Instant};

use crate::app::App;
use crate::error::Result;
use crate::store::WriteTx;
use crate::store::retention::Slice;

/// The most rows of a slice, each of which may dirty several pages that the commit writes, and how long it should take: about as
/// long as a commit.
const MAX_ROWS: usize = 10;
const SLICE_TIME: Duration = Duration::from_millis(1);
/// The shortest pause after one. Ten rows may lie in as many conversations: what their commit writes is moved from the log into the
/// database beside everybody's commits, and more of them a second make these wait.
const MIN_PAUSE: Duration = Duration::from_millis(50);

/// Does one slice in a write of its own, and pauses for twice as long as it took: other writers have the larger part
/// of the time.
pub async fn write<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&WriteTx, Slice) -> Result<T> + Send + 'static,
) -> Result<T> {
    let metrics = app.metrics.clone();
    let write = app.store.write(move |tx| {
        let began = Instant::now();
        let slice = Slice {
            rows: MAX_ROWS,
            until: began + SLICE_TIME,
        };
        let done = work(tx, slice)?;
        let took = began.elapsed();
        metrics.slice_seconds.observe(took.as_secs_f64());
        Ok((done, took))
    });
    let (done, took) = write.await?;
    tokio::time::sleep(MIN_PAUSE.max(took * 2)).await;
    Ok(done)
}
