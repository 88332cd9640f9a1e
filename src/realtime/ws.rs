//! `/ws`: a session over WebSocket frames.

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

use super::frame::{self, Decoder, Incoming};
use super::session::{Session, Step};
use crate::app::App;
use crate::hub::Packet;
use crate::model::events::CloseCode;
use crate::model::ids::Seq;
use crate::service::auth::Identity;

/// How often a peer is asked whether it is there, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(25);
const PONG_WITHIN: Duration = Duration::from_secs(20);
/// A write that takes longer than this is to a peer that does not read.
const STALL: Duration = Duration::from_secs(10);
/// How long a peer may take to see a close.
const LINGER: Duration = Duration::from_secs(2);
/// Events that share one write, in bytes.
const COALESCE: usize = 16 << 10;
/// RFC 6455 section 7.4.1: a normal end, and one without a close frame.
const NORMAL: u16 = 1000;
const ABNORMAL: u16 = 1006;

/// `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455 section 4.2.2).
pub fn accept_key(key: &str) -> String {
    use base64::Engine as _;
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64::engine::general_purpose::STANDARD.encode(hash.finalize())
}

/// How a socket came: its cursor, and who it is where the handshake said so.
#[derive(Debug)]
pub struct Opening {
    pub since: Option<Seq>,
    pub identity: Option<Identity>,
    /// Bytes that came with the handshake.
    pub early: bytes::Bytes,
}

/// Why the loop ended.
enum End {
    /// The peer closed, with this code.
    Peer(u16),
    /// We close, and say why.
    Code(CloseCode),
    /// The peer does not read, or is gone: there is nobody to say it to.
    Drop(u16),
}

impl From<CloseCode> for End {
    fn from(code: CloseCode) -> Self {
        match code {
            CloseCode::TooSlow | CloseCode::Silent => End::Drop(code as u16),
            code => End::Code(code),
        }
    }
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        End::Drop(ABNORMAL)
    }
}

/// Serves a socket to its end.
pub async fn serve<S>(app: App, stream: S, opening: Opening)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let gauge = app.metrics.connection_gauge("ws");
    gauge.inc();
    let mut socket = Socket {
        stream,
        decoder: Decoder::default(),
        out: BytesMut::new(),
        pinged: Instant::now(),
        heard: Instant::now(),
        session: Session::new(app.clone(), opening.since),
    };
    socket.decoder.feed(&opening.early);
    let end = match socket.run(opening.identity).await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    let code = match &end {
        End::Peer(code) | End::Drop(code) => *code,
        End::Code(code) => *code as u16,
    };
    // Out of the hub before the farewell: nothing more is queued for a socket that is closing.
    let Socket {
        stream, session, ..
    } = socket;
    drop(session);
    farewell(stream, end).await;
    app.metrics.closed(code);
    gauge.dec();
    tracing::debug!(code, "socket closed");
}

/// Tells the peer, where it is there to be told.
async fn farewell<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, end: End) {
    let mut out = BytesMut::new();
    match end {
        End::Peer(code) => frame::put_close(&mut out, code, ""),
        End::Code(code) => frame::put_close(&mut out, code as u16, code.reason()),
        End::Drop(_) => return,
    }
    let goodbye = async {
        stream.write_all(&out).await?;
        stream.shutdown().await?;
        // Bytes left unread would make the kernel reset the connection, and the close frame would be lost.
        let mut rest = Decoder::default();
        while read_into(&mut stream, &mut rest).await? > 0 {
            rest = Decoder::default();
        }
        io::Result::Ok(())
    };
    let _ = timeout(LINGER, goodbye).await;
}

struct Socket<S> {
    stream: S,
    decoder: Decoder,
    out: BytesMut,
    /// When the last ping went out, and when the peer was last heard.
    pinged: Instant,
    heard: Instant,
    session: Session,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    async fn run(&mut self, identity: Option<Identity>) -> Result<std::convert::Infallible, End> {
        if let Some(identity) = identity {
            let step = self.session.authenticate(identity).await;
            self.send(step).await?;
        }
        let inbox = self.session.inbox();
        let mut sleep = pin!(sleep_until(self.deadline()));
        loop {
            self.handle_frames().await?;
            self.deliver().await?;
            let deadline = self.deadline();
            if sleep.deadline() != deadline {
                sleep.as_mut().reset(deadline);
            }
            tokio::select! {
                read = read_into(&mut self.stream, &mut self.decoder) => {
                    if read? == 0 {
                        return Err(End::Drop(ABNORMAL));
                    }
                    self.heard = Instant::now();
                }
                () = inbox.wait() => {}
                () = self.session.stopping() => return Err(End::Code(CloseCode::Restarting)),
                () = sleep.as_mut() => self.tick().await?,
            }
        }
    }

    /// Whichever comes first: the session's, the next ping, or the end of patience with the last one.
    fn deadline(&self) -> Instant {
        let own = if self.awaits_pong() {
            self.pinged + PONG_WITHIN
        } else {
            let asked = self.session.ask_at();
            asked.map_or(self.pinged + PING_EVERY, |at| {
                at.min(self.pinged + PING_EVERY)
            })
        };
        own.min(self.session.deadline())
    }

    fn awaits_pong(&self) -> bool {
        self.heard < self.pinged
    }

    async fn tick(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.awaits_pong() && now >= self.pinged + PONG_WITHIN {
            // The answer may be here and unread, if a slow write kept us from it.
            let unread = read_into(&mut self.stream, &mut self.decoder).now_or_never();
            if !matches!(unread, Some(Ok(1..))) {
                return Err(CloseCode::Silent.into());
            }
            self.heard = now;
        }
        let asks = !self.awaits_pong() && self.session.ask_at().is_some_and(|at| now >= at);
        if asks || now >= self.pinged + PING_EVERY {
            self.pinged = now;
            frame::put_ping(&mut self.out, &self.session.ask().to_be_bytes());
            self.flush().await?;
        }
        let step = self.session.tick().await;
        self.send(step).await
    }

    /// What has come in whole.
    async fn handle_frames(&mut self) -> Result<(), End> {
        loop {
            let incoming = match self.decoder.decode() {
                Ok(Some(incoming)) => incoming,
                Ok(None) => return Ok(()),
                Err(violation) => {
                    tracing::debug!(%violation, "bad frame");
                    return Err(End::Code(CloseCode::BadFrame));
                }
            };
            match incoming {
                Incoming::Text(text) => {
                    self.session.count_frame()?;
                    let step = self.session.receive(&text).await;
                    self.send(step).await?;
                }
                Incoming::Ping(payload) => {
                    self.session.count_frame()?;
                    frame::put_pong(&mut self.out, &payload);
                    self.flush().await?;
                }
                Incoming::Pong(payload) => {
                    if let Ok(seq) = payload.try_into() {
                        self.session.confirmed(Seq::from_be_bytes(seq));
                    }
                }
                Incoming::Close(code) => return Err(End::Peer(code.unwrap_or(NORMAL))),
            }
        }
    }

    /// What the hub has queued, many events to a write.
    async fn deliver(&mut self) -> Result<(), End> {
        loop {
            let drained = self.session.drain(COALESCE);
            if drained.packets.is_empty() && drained.close.is_none() {
                return Ok(());
            }
            for packet in &drained.packets {
                self.put(packet);
            }
            self.flush().await?;
            if let Some(code) = drained.close {
                return Err(code.into());
            }
        }
    }

    async fn send(&mut self, step: Step) -> Result<(), End> {
        for packet in &step? {
            self.put(packet);
            if self.out.len() >= COALESCE {
                self.flush().await?;
            }
        }
        self.flush().await
    }

    fn put(&mut self, packet: &Packet) {
        frame::put_text(&mut self.out, &packet.json);
        self.session.delivered(packet);
    }

    async fn flush(&mut self) -> Result<(), End> {
        if self.out.is_empty() {
            return Ok(());
        }
        // Taken out, so that an idle socket holds no buffer.
        let out = std::mem::take(&mut self.out);
        match timeout(STALL, self.stream.write_all(&out)).await {
            Ok(written) => Ok(written?),
            Err(_) => Err(CloseCode::TooSlow.into()),
        }
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

#[cfg(test)]
mod tests {
    #[test]
    fn the_accept_key_is_the_rfcs_example() {
        // RFC 6455 section 1.3
        let accept = super::accept_key("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
