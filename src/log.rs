//! The log's way to standard error. A line is a write that can fail or hang: it costs the line, never a request or a thread.
//!
//! Lines wait in a bounded queue for a thread of their own. Where the queue is full, or standard error does not take a line,
//! the line is dropped and counted.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait.
const QUEUE: usize = 8_192;
/// The longest line, in bytes: what is longer is cut.
const LONGEST: usize = 8 << 10;
/// How long the end of the process waits for lines that are still in the queue.
const FLUSH: Duration = Duration::from_millis(1_500);

static FULL: OnceLock<ErrorCounter> = OnceLock::new();
static UNWRITTEN: AtomicU64 = AtomicU64::new(0);
static GUARD: Mutex<Option<WorkerGuard>> = Mutex::new(None);

/// Starts the thread that writes, and returns what lines are given to. To be called once.
pub fn writer() -> Lines {
    let (queue, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(QUEUE)
        .thread_name("log")
        .finish(StandardError);
    let _ = FULL.set(queue.error_counter());
    *GUARD.lock().unwrap_or_else(PoisonError::into_inner) = Some(guard);
    Lines(queue)
}

/// How many lines were dropped since the process began.
pub fn dropped() -> u64 {
    let full = FULL.get().map_or(0, ErrorCounter::dropped_lines) as u64;
    full + UNWRITTEN.load(Ordering::Relaxed)
}

/// Writes what is in the queue, as far as standard error takes it within a moment. What comes later is lost.
pub fn close() {
    let guard = GUARD.lock().unwrap_or_else(PoisonError::into_inner).take();
    let (done, wait) = mpsc::channel();
    // On a thread of its own: it may hang where standard error does.
    let flush = move || {
        drop(guard);
        let _ = done.send(());
    };
    if std::thread::Builder::new().spawn(flush).is_ok() {
        let _ = wait.recv_timeout(FLUSH);
    }
}

/// Says why, and ends the process with exit code 1: a supervisor starts it again.
pub fn last_word(why: &str) -> ! {
    tracing::error!("{why}");
    close();
    std::process::exit(1)
}

/// Where `tracing` writes its lines.
#[derive(Clone)]
pub struct Lines(NonBlocking);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        self.clone()
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if line.len() > LONGEST {
            self.0
                .write_all(&[&line[..LONGEST], "…\n".as_bytes()].concat())?;
        } else {
            self.0.write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard error, as something that does not fail.
struct StandardError;

impl Write for StandardError {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if io::stderr().write_all(line).is_err() {
            UNWRITTEN.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut() {
        let (sender, lines) = mpsc::channel();
        struct Sent(mpsc::Sender<Vec<u8>>);
        impl Write for Sent {
            fn write(&mut self, line: &[u8]) -> io::Result<usize> {
                self.0.send(line.to_vec()).unwrap();
                Ok(line.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (queue, _guard) = NonBlockingBuilder::default().finish(Sent(sender));
        Lines(queue).write_all(&[b'x'; 3 * LONGEST]).unwrap();
        let line = lines.recv().unwrap();
        assert_eq!(line.len(), LONGEST + "…\n".len());
        assert!(line.ends_with("…\n".as_bytes()));
    }
}
