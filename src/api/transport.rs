//! What carries a connection: TCP, or TLS over it. A peer that stops reading an answer does not hold it for ever.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;

/// A connection whose writes fail once the peer has taken nothing for a while.
pub struct Transport {
    inner: Inner,
    patience: Duration,
    /// While a write waits for the peer.
    stalled: Option<Pin<Box<Sleep>>>,
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
    /// does not show that nobody reads.
    pub fn bound_send_buffer(&self, bytes: usize) {
        let socket = match &self.inner {
            Inner::Plain(stream) => SockRef::from(stream),
            Inner::Tls(stream) => SockRef::from(stream.get_ref().0),
        };
        if let Err(error) = socket.set_send_buffer_size(bytes) {
            tracing::debug!(%error, "SO_SNDBUF");
        }
    }

    fn new(inner: Inner, patience: Duration) -> Self {
        Transport {
            inner,
            patience,
            stalled: None,
        }
    }

    /// A write's outcome; one that has waited too long is an error.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            return outcome;
        }
        let patience = self.patience;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(sleep(patience)));
        stalled
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Calls a method of whichever stream it is.
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
        self.watch(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = either!(self, stream => stream.poll_write_vectored(cx, slices));
        self.watch(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.inner {
            Inner::Plain(stream) => stream.is_write_vectored(),
            Inner::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = either!(self, stream => stream.poll_flush(cx));
        self.watch(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = either!(self, stream => stream.poll_shutdown(cx));
        self.watch(cx, outcome)
    }
}
