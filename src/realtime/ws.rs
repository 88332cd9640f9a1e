//! The protocol of `/ws`: `{"event": …, "data": …}` in text frames.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::connection_end::Received;
use super::session::{CommandError, Session};
use super::websocket::{self, Frames, OverWebSocket, Wire};
use super::{Out, Protocol};
use crate::app::App;
use crate::hub::Packet;
use crate::limits::connection_limit::Slot;
use crate::model::events::{CloseCode, Cursor};
use crate::model::object::Object;
use crate::service::auth::Identity;

use tokio::io::{AsyncRead, AsyncWrite};

/// What the handshake said: the cursor, and the token if there was one.
pub struct Handshake {
    pub since: Option<Cursor>,
    /// Whether the page is in the background.
    pub hidden: bool,
    pub identity: Option<Identity>,
    pub slot: Option<Arc<Slot>>,
    /// Bytes that came with the handshake.
    pub early: bytes::Bytes,
}

/// Starts to serve a socket.
pub fn serve<S>(app: &App, stream: S, handshake: Handshake)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut session = Session::new(app.clone(), handshake.slot);
    if let Some(since) = handshake.since {
        session.resume_from(since);
    }
    if handshake.hidden {
        session.begin_hidden();
    }
    let wire = Wire::new(stream, &handshake.early);
    websocket::serve(app, wire, Plain { session }, handshake.identity);
}

struct Plain {
    session: Session,
}

#[derive(Deserialize)]
struct Frame<'a> {
    event: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl Protocol for Plain {
    fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    async fn receive(&mut self, text: &str, _out: &mut (impl Out + Send)) -> Received {
        let parsed = serde_json::from_str(text);
        let Object(frame): Object<Frame> = parsed.map_err(|_| CloseCode::BadFrame)?;
        let data = frame.data.map_or("null", RawValue::get);
        let taken = self.session.take(&frame.event, data).await;
        Ok(taken.or_else(CommandError::into_reply)?)
    }

    fn put(&mut self, packet: &Packet, out: &mut impl Out) {
        out.message(&[&packet.json]);
        self.session.delivered(packet);
    }
}

impl OverWebSocket for Plain {
    const TRANSPORT: &'static str = "ws";

    fn put_ping(&mut self, out: &mut Frames) {
        out.ping(&[]);
    }

    fn pong(&mut self) {
        self.session.pong();
    }
}
