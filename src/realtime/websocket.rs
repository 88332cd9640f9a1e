//! A protocol over a WebSocket: reading, writing many events at once, pings, and the ways to end.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt as _;
use sha1::{Digest, Sha1};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, sleep_until, timeout};

use super::bucket::Bucket;
use super::connection_end::{ABNORMAL, ConnectionEnd, NORMAL};
use super::frame::{self, Decoder, Incoming};
use super::heartbeat::Heartbeat;
use super::{Farewell, Out, Protocol};
use crate::app::App;
use crate::hub::Packet;
use crate::model::events::CloseCode;
use crate::service::auth::Identity;

/// A write that takes longer than this is to a peer that does not read. With what it takes to notice, such a peer is gone
/// within ten seconds.
const WRITE_TIME: Duration = Duration::from_secs(7);
/// How long a peer may take to see a close.
pub(super) const CLOSE_TIME: Duration = Duration::from_secs(2);
/// Events that share one write, in bytes.
const WRITE_BYTES: usize = 16 << 10;

/// `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455 section 4.2.2).
pub fn accept_key(key: &str) -> String {
    use base64::Engine as _;
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64::engine::general_purpose::STANDARD.encode(hash.finalize())
}

/// A [`Protocol`] on a WebSocket.
pub trait OverWebSocket: Protocol {
    /// Its name in metrics.
    const TRANSPORT: &'static str;

    /// Whether the peer may be asked now, out of turn, whether what was written has arrived.
    fn may_ask(&self) -> bool {
        true
    }

    /// Writes the question whether the peer is there.
    fn put_ping(&mut self, out: &mut Frames);

    /// The peer has answered a ping frame.
    fn pong(&mut self);
}

/// Frames to be written.
#[derive(Default)]
pub struct Frames(BytesMut);

impl Out for Frames {
    fn message(&mut self, parts: &[&str]) {
        frame::put_text(&mut self.0, parts);
    }
}

impl Frames {
    pub fn ping(&mut self, payload: &[u8]) {
        frame::put_ping(&mut self.0, payload);
    }
}

/// A stream that carries frames. Idle, it holds no buffer.
pub(super) struct Wire<S> {
    stream: S,
    decoder: Decoder,
    pub out: Frames,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// `early`: bytes that came with the handshake.
    pub fn new(stream: S, early: &[u8]) -> Self {
        let mut decoder = Decoder::default();
        decoder.feed(early);
        Wire {
            stream,
            decoder,
            out: Frames::default(),
        }
    }

    /// What has come in whole.
    pub fn decode(&mut self) -> Result<Option<Incoming>, ConnectionEnd> {
        self.decoder.decode().map_err(|violation| {
            tracing::debug!(%violation, "bad frame");
            ConnectionEnd::Code(CloseCode::BadFrame)
        })
    }

    /// Waits for bytes.
    pub async fn read(&mut self) -> Result<(), ConnectionEnd> {
        match read_into(&mut self.stream, &mut self.decoder).await? {
            0 => Err(ConnectionEnd::Drop(ABNORMAL)),
            _ => Ok(()),
        }
    }

    pub async fn flush(&mut self) -> Result<(), ConnectionEnd> {
        if self.out.0.is_empty() {
            return Ok(());
        }
        // Taken out, so that an idle socket holds no buffer.
        let out = std::mem::take(&mut self.out.0);
        match timeout(WRITE_TIME, self.stream.write_all(&out)).await {
            Ok(written) => Ok(written?),
            Err(_) => Err(CloseCode::TooSlow.into()),
        }
    }

    /// Writes what is left and, unless the link is to look lost, a close frame, where the peer is there to read them.
    pub async fn close(mut self, end: &ConnectionEnd, farewell: Farewell) {
        let out = &mut self.out.0;
        match (end, farewell) {
            (ConnectionEnd::Drop(_), _) => return,
            (ConnectionEnd::Code(_), Farewell::Unsaid) => {}
            (ConnectionEnd::Code(code), Farewell::Said) => {
                frame::put_close(out, *code as u16, code.reason());
            }
            (ConnectionEnd::Peer(code), _) => frame::put_close(out, *code, ""),
        }
        let goodbye = async {
            self.stream.write_all(out).await?;
            self.stream.shutdown().await?;
            // Bytes left unread would make the kernel reset the connection, and the close frame would be lost.
            let mut rest = Decoder::default();
            while read_into(&mut self.stream, &mut rest).await? > 0 {
                rest = Decoder::default();
            }
            io::Result::Ok(())
        };
        let _ = timeout(CLOSE_TIME, goodbye).await;
    }
}

/// Reads what is there into the decoder; 0 at the end. The buffer is on the stack, so a socket that waits has none.
async fn read_into<S: AsyncRead + Unpin>(
    stream: &mut S,
    decoder: &mut Decoder,
) -> io::Result<usize> {
    poll_fn(|cx| {
        let mut scratch = [MaybeUninit::uninit(); 4096];
        let mut buffer = ReadBuf::uninit(&mut scratch);
        ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
        decoder.feed(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    })
    .await
}

/// Starts to serve a new connection.
pub(super) fn serve<S, P>(app: &App, wire: Wire<S>, protocol: P, identity: Option<Identity>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    P: OverWebSocket + Send + 'static,
{
    let bucket = Bucket::new(&app.config.limits);
    resume(app, wire, protocol, Heartbeat::new(), bucket, identity);
}

/// Starts to serve a connection that began elsewhere: on a task of its own, so that what its beginning needed does not stay
/// in memory as long as the socket is open.
pub(super) fn resume<S, P>(
    app: &App,
    wire: Wire<S>,
    protocol: P,
    heartbeat: Heartbeat,
    bucket: Bucket,
    identity: Option<Identity>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    P: OverWebSocket + Send + 'static,
{
    let mut socket = Socket {
        app: app.clone(),
        wire,
        protocol,
        heartbeat,
        bucket,
    };
    app.tasks.spawn(async move {
        let gauge = socket.app.metrics.connection_gauge(P::TRANSPORT);
        gauge.inc();
        let end = match socket.run(identity).await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        socket.end(&end).await;
        gauge.dec();
    });
}

struct Socket<S, P> {
    app: App,
    wire: Wire<S>,
    protocol: P,
    heartbeat: Heartbeat,
    bucket: Bucket,
}

impl<S, P> Socket<S, P>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    P: OverWebSocket,
{
    async fn run(
        &mut self,
        identity: Option<Identity>,
    ) -> Result<std::convert::Infallible, ConnectionEnd> {
        self.wire.flush().await?;
        if let Some(identity) = identity {
            let events = self.protocol.session().authenticate(identity).await?;
            self.send(events).await?;
        }
        let mut sleep = pin!(sleep_until(self.deadline()));
        loop {
            self.handle_frames().await?;
            self.deliver().await?;
            let deadline = self.deadline();
            if sleep.deadline() != deadline {
                sleep.as_mut().reset(deadline);
            }
            let session = self.protocol.session();
            let inbox = session.inbox();
            tokio::select! {
                read = self.wire.read() => {
                    read?;
                    self.heartbeat.heard();
                }
                () = inbox.wait() => {}
                () = session.stopping() => return Err(ConnectionEnd::Code(CloseCode::Restarting)),
                () = sleep.as_mut() => self.tick().await?,
            }
        }
    }

    /// Whichever comes first: the session's, the next ping, or the end of patience with the last one.
    fn deadline(&mut self) -> Instant {
        let ask_at = self.ask_at();
        let own = self.heartbeat.deadline(ask_at);
        own.min(self.protocol.session().deadline())
    }

    fn ask_at(&mut self) -> Option<Instant> {
        let may = self.protocol.may_ask();
        self.protocol.session().ask_at().filter(|_| may)
    }

    async fn tick(&mut self) -> Result<(), ConnectionEnd> {
        let now = Instant::now();
        if self.heartbeat.is_over(now) {
            // The answer may be here and unread, if a slow write kept us from it.
            match self.wire.read().now_or_never() {
                Some(Ok(())) => self.heartbeat.heard(),
                _ => return Err(CloseCode::Silent.into()),
            }
        }
        let ask_at = self.ask_at();
        if self.heartbeat.is_due(ask_at, now) {
            self.heartbeat.pinged();
            self.protocol.put_ping(&mut self.wire.out);
            self.wire.flush().await?;
        }
        let events = self.protocol.session().tick().await?;
        self.send(events).await
    }

    async fn handle_frames(&mut self) -> Result<(), ConnectionEnd> {
        while let Some(incoming) = self.wire.decode()? {
            match incoming {
                Incoming::Text(text) => {
                    self.bucket.take(&self.app.config.limits)?;
                    // Boxed: clients say little, and an idle socket's task should not be as large as this.
                    let events = Box::pin(self.protocol.receive(&text, &mut self.wire.out)).await?;
                    self.send(events).await?;
                }
                Incoming::Ping(payload) => {
                    self.bucket.take(&self.app.config.limits)?;
                    frame::put_pong(&mut self.wire.out.0, &payload);
                    self.wire.flush().await?;
                }
                Incoming::Pong(_) => self.protocol.pong(),
                Incoming::Close(code) => return Err(ConnectionEnd::Peer(code.unwrap_or(NORMAL))),
            }
        }
        Ok(())
    }

    /// What the hub has queued, many events to a write.
    async fn deliver(&mut self) -> Result<(), ConnectionEnd> {
        loop {
            let drained = self.protocol.session().drain(WRITE_BYTES);
            if drained.packets.is_empty() && drained.close.is_none() {
                return Ok(());
            }
            for packet in &drained.packets {
                self.protocol.put(packet, &mut self.wire.out);
            }
            self.wire.flush().await?;
            if let Some(code) = drained.close {
                return Err(code.into());
            }
        }
    }

    /// Writes the last frames and closes.
    async fn end(self, end: &ConnectionEnd) {
        let Socket {
            app,
            mut wire,
            mut protocol,
            ..
        } = self;
        let farewell = match *end {
            ConnectionEnd::Code(code) => protocol.farewell(code, &mut wire.out),
            ConnectionEnd::Peer(_) | ConnectionEnd::Drop(_) => Farewell::Said,
        };
        // Out of the hub before the last frames: nothing more is queued for a socket that is closing.
        drop(protocol);
        wire.close(end, farewell).await;
        app.metrics.closed(end.code());
        tracing::debug!(code = end.code(), "socket closed");
    }

    async fn send(&mut self, events: Vec<Packet>) -> Result<(), ConnectionEnd> {
        for packet in &events {
            self.protocol.put(packet, &mut self.wire.out);
            if self.wire.out.0.len() >= WRITE_BYTES {
                self.wire.flush().await?;
            }
        }
        self.wire.flush().await
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_accept_key_is_the_rfcs_example() {
        // RFC 6455 section 1.3
        let accept = super::accept_key("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
