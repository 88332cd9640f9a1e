//! Carries a connection: TCP, or TLS over it. A peer that stops reading an answer, or reads it a few bytes at a time, does not
//! hold the connection for ever.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_rustls::server::TlsStream;

/// What a peer must take, in bytes a second, once it has kept a write waiting for longer than [`GRACE`].
const MIN_BYTES_PER_SECOND: f64 = 4_096.0;
const GRACE: Duration = Duration::from_secs(10);

/// A connection whose writes fail once the peer has taken nothing for a while, or too little for a while.
pub struct Transport {
    inner: Inner,
    patience: Duration,
    /// While the peer takes less than there is.
    slow: Option<Box<Slow>>,
}

/// How a peer takes what it keeps waiting.
struct Slow {
    since: Instant,
    /// Bytes since then.
    taken: usize,
    /// When it last took any.
    progress: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl Slow {
    fn deadline(&self, patience: Duration) -> Instant {
        let earned = Duration::from_secs_f64(self.taken as f64 / MIN_BYTES_PER_SECOND);
        (self.progress + patience).min(self.since + GRACE + earned)
    }
}

enum Inner {
    Plain(TcpStream),
    // Boxed: it is a kilobyte, and most connections have none.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    pub fn plain(stream: TcpStream, patience: Duration) -> Self {
        Self::new(Inner::Plain(stream), patience)
    }

    pub fn tls(stream: TlsStream<TcpStream>, patience: Duration) -> Self {
        Self::new(Inner::Tls(stream.into()), patience)
    }

    /// Bounds what the kernel keeps for a peer that does not read. It would take megabytes, and as long as it takes more, it
    /// does not show that the peer does not read.
    pub fn bound_send_buffer(&self, bytes: usize) {
        if let Err(error) = self.socket().set_send_buffer_size(bytes) {
            tracing::debug!(%error, "cannot set SO_SNDBUF");
        }
    }

    fn socket(&self) -> SockRef<'_> {
        match &self.inner {
            Inner::Plain(stream) => SockRef::from(stream),
            Inner::Tls(stream) => SockRef::from(stream.get_ref().0),
        }
    }

    fn new(inner: Inner, patience: Duration) -> Self {
        Transport {
            inner,
            patience,
            slow: None,
        }
    }

    /// The outcome of a write of `wanted` bytes; one that has waited too long is an error.
    fn watch(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<usize>>,
        wanted: usize,
    ) -> Poll<io::Result<usize>> {
        let now = Instant::now();
        match &outcome {
            Poll::Ready(Ok(taken)) if *taken < wanted => {
                let slow = self.slow(now);
                slow.taken += taken;
                slow.progress = now;
                outcome
            }
            Poll::Ready(_) => {
                self.slow = None;
                outcome
            }
            Poll::Pending => {
                let patience = self.patience;
                let slow = self.slow(now);
                let deadline = slow.deadline(patience);
                if slow.alarm.deadline() != deadline {
                    slow.alarm.as_mut().reset(deadline);
                }
                std::task::ready!(slow.alarm.as_mut().poll(cx));
                // Or the kernel keeps what it has not sent for as long as the peer takes a byte now and then.
                if let Err(error) = self.socket().set_linger(Some(Duration::ZERO)) {
                    tracing::debug!(%error, "cannot set SO_LINGER");
                }
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    fn slow(&mut self, now: Instant) -> &mut Slow {
        self.slow.get_or_insert_with(|| {
            Box::new(Slow {
                since: now,
                taken: 0,
                progress: now,
                alarm: Box::pin(sleep_until(now)),
            })
        })
    }

    /// As [`Transport::watch`], of what writes nothing new.
    fn watch_end(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        let as_write = outcome.map_ok(|()| 0);
        self.watch(cx, as_write, 0).map_ok(drop)
    }
}

/// Calls a method of either stream.
macro_rules! either {
    ($this:expr, $stream:ident => $call:expr) => {
        match &mut $this.inner {
            Inner::Plain($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            Inner::Tls($stream) => {
                let $stream = Pin::new(&mut **$stream);
                $call
            }
        }
    };
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = either!(self, stream => stream.poll_write(cx, bytes));
        self.watch(cx, outcome, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = either!(self, stream => stream.poll_write_vectored(cx, slices));
        let wanted = slices.iter().map(|slice| slice.len()).sum();
        self.watch(cx, outcome, wanted)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.inner {
            Inner::Plain(stream) => stream.is_write_vectored(),
            Inner::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = either!(self, stream => stream.poll_flush(cx));
        self.watch_end(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = either!(self, stream => stream.poll_shutdown(cx));
        self.watch_end(cx, outcome)
    }
}
