//! Writes the log to standard error. A write that fails or hangs costs the line, never a request or a thread.
//!
//! Lines gather for a thread of their own, which writes them a moment later, together: waking it for each would cost a busy server
//! more than the lines do. Where there are too many, or standard error does not take them, they are dropped and counted.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Bytes that may wait.
const MAX_WAITING_BYTES: usize = 1 << 20;
/// The longest line, in bytes: what is longer is cut.
const MAX_LINE_BYTES: usize = 8 << 10;
/// How long the first line waits for others.
const GATHER_TIME: Duration = Duration::from_millis(5);
/// How long the end of the process waits for lines that are not written yet.
const FLUSH_TIME: Duration = Duration::from_millis(1_500);

static DROPPED: AtomicU64 = AtomicU64::new(0);
static LINES: OnceLock<Lines> = OnceLock::new();

/// Starts the thread that writes, and returns what lines are given to. To be called once.
///
/// # Errors
/// Where the system has no thread left.
pub fn writer() -> io::Result<Lines> {
    let lines = Lines::start(io::stderr())?;
    let _ = LINES.set(lines.clone());
    Ok(lines)
}

/// How many lines were dropped since the process began.
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Waits until what was logged is written, as far as standard error takes it within a moment.
pub fn close() {
    if let Some(lines) = LINES.get() {
        lines.wait_until_written();
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
pub struct Lines(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// There is something to write, or all of it is written.
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    lines: u64,
    /// The thread waits for the first line.
    idle: bool,
    writing: bool,
}

impl Lines {
    fn start(to: impl Write + Send + 'static) -> io::Result<Self> {
        let lines = Lines(Arc::default());
        let shared = lines.0.clone();
        std::thread::Builder::new()
            .name("log".into())
            .spawn(move || shared.write_to(to))?;
        Ok(lines)
    }

    fn add(&self, line: &[u8]) {
        let (line, end) = match line.get(..MAX_LINE_BYTES) {
            Some(beginning) if line.len() > MAX_LINE_BYTES => (beginning, "…\n"),
            _ => (line, ""),
        };
        let mut waiting = self.0.lock();
        if waiting.bytes.len() + line.len() > MAX_WAITING_BYTES {
            DROPPED.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.bytes.extend_from_slice(line);
        waiting.bytes.extend_from_slice(end.as_bytes());
        waiting.lines += 1;
        if std::mem::take(&mut waiting.idle) {
            self.0.changed.notify_all();
        }
    }

    fn wait_until_written(&self) {
        let unwritten = |waiting: &mut Waiting| waiting.writing || waiting.lines > 0;
        let waiting = self.0.lock();
        let _ = self
            .0
            .changed
            .wait_timeout_while(waiting, FLUSH_TIME, unwritten);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread.
    fn write_to(&self, mut to: impl Write) {
        let mut batch = Vec::new();
        loop {
            let mut waiting = self.lock();
            waiting.writing = false;
            self.changed.notify_all();
            waiting.idle = waiting.lines == 0;
            let has_none = |waiting: &mut Waiting| waiting.lines == 0;
            drop(self.changed.wait_while(waiting, has_none));
            std::thread::sleep(GATHER_TIME);
            let mut waiting = self.lock();
            std::mem::swap(&mut batch, &mut waiting.bytes);
            let lines = std::mem::take(&mut waiting.lines);
            waiting.writing = true;
            drop(waiting);
            if to.write_all(&batch).is_err() {
                DROPPED.fetch_add(lines, Ordering::Relaxed);
            }
            // The memory that a flood needed is given back.
            batch.clear();
            batch.shrink_to(MAX_LINE_BYTES);
        }
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        self.clone()
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.add(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    struct Sent(mpsc::Sender<Vec<u8>>);

    impl Write for Sent {
        fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
            self.0.send(lines.to_vec()).unwrap();
            Ok(lines.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_long_line_is_cut_and_lines_are_written_together() {
        let (sender, written) = mpsc::channel();
        let mut lines = Lines::start(Sent(sender)).unwrap();
        lines.write_all(&[b'x'; 3 * MAX_LINE_BYTES]).unwrap();
        lines.write_all(b"short\n").unwrap();
        lines.wait_until_written();
        let all: Vec<u8> = written.try_iter().flatten().collect();
        assert_eq!(all.len(), MAX_LINE_BYTES + "…\nshort\n".len());
        assert!(all.ends_with("…\nshort\n".as_bytes()));
        lines.write_all(b"later\n").unwrap();
        assert_eq!(written.recv().unwrap(), b"later\n");
    }
}
