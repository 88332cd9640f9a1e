//! Work that can wait yields to what somebody waits for.

use tokio::sync::oneshot;

use crate::error::{Error, Result};

/// How much a thread yields: 0 not at all, 19 to everything.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Does something on a thread of its own that yields.
///
/// # Errors
/// [`Error::Unavailable`] where there is no thread, [`Error::Internal`] where the work panics.
pub async fn on_yielding_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let (done, outcome) = oneshot::channel();
    let thread = std::thread::Builder::new().name(name.into());
    let spawned = thread.spawn(move || {
        yield_to_others();
        let _ = done.send(work());
    });
    spawned.map_err(|_| Error::unavailable("Too much is being done at once."))?;
    let panicked = |_| Error::Internal("a thread of its own panicked".into());
    outcome.await.map_err(panicked)
}

/// From now on the calling thread, of one's own and not of a pool, yields the processor to all others.
pub fn yield_to_others() {
    // Linux counts the priority by thread, whatever POSIX says.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "a thread keeps the priority of all else");
    }
}
