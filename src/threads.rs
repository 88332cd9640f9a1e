//! Threads that the service cannot do without. One that dies ends the process: a supervisor starts it again, and nothing that
//! was acknowledged is lost.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::log;

/// Starts one.
///
/// # Errors
/// Where the system has no thread left.
pub fn essential(
    name: &'static str,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
                let why = panic_text(&*panic);
                log::last_word(&format!(
                    "the thread {name} died, so the server stops: {why}"
                ));
            }
        })
}

/// What a panic says.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// How long ago a thread last completed its loop.
#[derive(Clone, Debug)]
pub struct Pulse {
    since: Instant,
    /// Milliseconds after `since`.
    beat: Arc<AtomicU64>,
}

impl Default for Pulse {
    fn default() -> Self {
        Pulse {
            since: Instant::now(),
            beat: Arc::default(),
        }
    }
}

impl Pulse {
    pub fn beat(&self) {
        self.beat.store(self.now(), Ordering::Relaxed);
    }

    pub fn age(&self) -> Duration {
        Duration::from_millis(self.now().saturating_sub(self.beat.load(Ordering::Relaxed)))
    }

    fn now(&self) -> u64 {
        self.since.elapsed().as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Run by the test below, in a process of its own.
    #[test]
    #[ignore = "ends the process"]
    fn dies() {
        essential("writer", || panic!("of something new"))
            .unwrap()
            .join()
            .unwrap();
    }

    #[test]
    fn a_thread_that_dies_ends_the_process() {
        let this = std::env::current_exe().unwrap();
        let died = std::process::Command::new(this)
            .args(["--ignored", "--exact", "threads::tests::dies"])
            .output()
            .unwrap();
        assert_eq!(died.status.code(), Some(1), "{died:?}");
        // The harness would say so of a test that failed.
        let out = String::from_utf8_lossy(&died.stdout);
        assert!(!out.contains("test result"), "{out}");
    }

    #[test]
    fn a_pulse_grows_old() {
        let pulse = Pulse::default();
        std::thread::sleep(Duration::from_millis(30));
        assert!(pulse.age() >= Duration::from_millis(20));
        pulse.beat();
        assert!(pulse.age() < Duration::from_millis(20));
    }
}
