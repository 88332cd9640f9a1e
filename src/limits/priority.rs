//! Work that can wait yields to work that a user waits for.

use tokio::sync::oneshot;

use crate::error::{Error, Result};

/// A thread's share of CPU time when there is not enough for all.
///
/// There is nothing below [`Priority::Lowest`], such as `SCHED_IDLE`: a thread that gets no CPU time while it holds a lock, the
/// allocator's for instance, blocks every thread that waits for that lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// For work that a user waits for: about a tenth of a normal thread's share.
    Low,
    /// For work that can wait: about a seventieth.
    Lowest,
}

impl Priority {
    /// See `sched(7)`.
    #[cfg(target_os = "linux")]
    fn nice(self) -> i32 {
        match self {
            Priority::Low => 10,
            Priority::Lowest => 19,
        }
    }
}

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
        yield_to_others(Priority::Low);
        let _ = done.send(work());
    });
    spawned.map_err(|_| Error::unavailable("Too much is being done at once."))?;
    let panicked = |_| Error::Internal("a thread of its own panicked".into());
    outcome.await.map_err(panicked)
}

/// Lowers the priority of the calling thread, which must not belong to a pool.
pub fn yield_to_others(priority: Priority) {
    // Linux counts the priority by thread, whatever POSIX says; elsewhere it would be the whole process's.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, priority.nice()) {
        tracing::debug!(%error, ?priority, "cannot lower the priority of a thread");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = priority;
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    /// `proc_pid_stat(5)`, field 19.
    fn nice_of_this_thread() -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let behind_name = stat.rsplit(')').next().unwrap();
        behind_name
            .split_whitespace()
            .nth(16)
            .unwrap()
            .parse()
            .unwrap()
    }

    #[tokio::test]
    async fn a_thread_of_its_own_yields_and_no_other_does() {
        let before = nice_of_this_thread();
        let nice = on_yielding_thread("test", nice_of_this_thread).await;
        assert_eq!(nice.unwrap(), Priority::Low.nice());
        assert_eq!(nice_of_this_thread(), before);
    }
}
