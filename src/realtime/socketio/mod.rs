//! Socket.IO's main namespace over a [`Session`], on whichever transport of Engine.IO.
//!
//! A stock client resumes by itself: it keeps the last argument of an event where that is a string, and sends it back
//! with the `pid` of the CONNECT reply. So durable events end with their [`Cursor`], and a client that is given its own `pid`
//! again knows that it missed nothing.

mod packet;

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection_end::{ConnectionEnd, NORMAL, Received};
use super::engineio::{self, MESSAGE, PING};
use super::session::{CommandError, Reply, Session, Shows, close_code};
use super::websocket::{self, Frames, OverWebSocket, Wire};
use super::{Farewell, Out, Protocol};
use crate::app::App;
use crate::auth::bearer_token;
use crate::error::{Error, Unauthorized};
use crate::hub;
use crate::limits::connection_limit::Slot;
use crate::model::events::{CloseCode, Cursor};
use crate::model::ids::{Seq, UserId};
use crate::model::object::Object;
use crate::service::auth::{self, Identity};
use packet::{Body, Packet};

/// The same words as in the Node back end: front ends compare them.
const AUTHENTICATION_ERROR: &str = "Authentication error";
/// The longest name of a namespace that a refusal repeats, in bytes.
const MAX_NAMESPACE_BYTES: usize = 256;

/// Starts to serve a connection that is a WebSocket from the start. `early`: bytes that came with the handshake; `token`: that of
/// its headers.
pub async fn serve<S>(
    app: &App,
    stream: S,
    early: &[u8],
    slot: Option<Arc<Slot>>,
    token: Option<String>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut wire = Wire::new(stream, early);
    match engineio::new_sid() {
        Ok(sid) => wire.out.message(&[&engineio::open(&sid, &[])]),
        Err(error) => {
            tracing::error!(%error, "cannot make a session id");
            let end = ConnectionEnd::Code(CloseCode::Restarting);
            return wire.close(&end, Farewell::Unsaid).await;
        }
    }
    websocket::serve(app, wire, SocketIo::new(app.clone(), slot, token), None);
}

/// One client on the main namespace.
pub struct SocketIo {
    app: App,
    session: Session,
    /// The token of the handshake, for a CONNECT without one.
    token: Option<String>,
    /// Whether events end with their cursor.
    cursor: bool,
    /// What each ping that is not answered yet asked for, the oldest first: they carry nothing themselves.
    asked: VecDeque<Seq>,
}

/// What a client sends with CONNECT. Front ends put keys of their own beside these.
#[derive(Deserialize, Default)]
struct Auth {
    token: Option<String>,
    pid: Option<String>,
    offset: Option<Value>,
    since: Option<Value>,
    cursor: Option<Value>,
}

/// The answer to CONNECT.
#[derive(Serialize)]
struct Connected {
    sid: String,
    pid: String,
}

/// The refusal of a CONNECT; `data` is what the client's error has as its `data`.
#[derive(Serialize)]
struct ConnectError<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<RefusedBecause<'a>>,
}

#[derive(Serialize)]
struct RefusedBecause<'a> {
    code: &'a str,
}

/// What an acknowledgement says of a command.
#[derive(Serialize)]
struct Acknowledged<'a> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

impl SocketIo {
    pub(super) fn new(app: App, slot: Option<Arc<Slot>>, token: Option<String>) -> Self {
        let mut session = Session::new(app.clone(), slot);
        session.shown_by(Shows::Heartbeat);
        SocketIo {
            session,
            token,
            cursor: app.config.socketio.cursor,
            asked: VecDeque::new(),
            app,
        }
    }

    /// Writes the question whether the peer is there, and has got what was written.
    pub fn ask(&mut self, out: &mut impl Out) {
        self.asked.push_back(self.session.ask());
        out.message(&[PING]);
    }

    fn answered(&mut self) {
        if let Some(seq) = self.asked.pop_front() {
            self.session.confirmed(seq);
        }
    }

    async fn take(&mut self, text: &str, out: &mut impl Out) -> Reply {
        let packet = Packet::parse(text).ok_or(CloseCode::BadFrame)?;
        match packet.body {
            _ if packet.namespace.len() > MAX_NAMESPACE_BYTES => Err(CloseCode::BadFrame),
            Body::Connect(_) if packet.namespace != "/" => {
                let error = ConnectError {
                    message: "Invalid namespace",
                    data: None,
                };
                out.message(&[MESSAGE, "4", packet.namespace, ",", &to_json(&error)]);
                Ok(Vec::new())
            }
            _ if packet.namespace != "/" => Err(CloseCode::BadFrame),
            Body::Connect(data) if !self.session.joined() => self.connect(data, out).await,
            _ if !self.session.joined() => Err(CloseCode::BadFrame),
            Body::Connect(_) => Err(CloseCode::BadFrame),
            Body::Disconnect => {
                self.session = self.session.restart();
                self.session.shown_by(Shows::Heartbeat);
                // The pongs that are still to come are of pings before.
                self.asked.iter_mut().for_each(|seq| *seq = 0);
                Ok(Vec::new())
            }
            Body::Event { name, data, ack } => self.command(&name, data, ack, out).await,
            Body::Ack => Ok(Vec::new()),
        }
    }

    async fn connect(&mut self, data: Option<&str>, out: &mut impl Out) -> Reply {
        let parsed = serde_json::from_str(data.unwrap_or("{}"));
        let verified = match &parsed {
            Ok(Object(Auth { token, .. })) => self.identify(token.as_deref()).await,
            Err(_) => Err(Error::Unauthorized(Unauthorized::BadToken)),
        };
        let auth = parsed.map_or_else(|_| Auth::default(), |Object(auth)| auth);
        let identity = match verified {
            Ok(identity) => identity,
            Err(error @ (Error::Unauthorized(_) | Error::Invalid(_))) => {
                return Ok(refuse(out, AUTHENTICATION_ERROR, error.code()));
            }
            Err(error) => return Err(close_code(error)),
        };
        let user = identity.user.id().clone();
        let (cursor, pid) = self.cursor(&auth, &user);
        cursor.into_iter().for_each(|c| self.session.resume_from(c));
        let wanted = auth.cursor != Some(Value::Bool(false));
        self.cursor = self.app.config.socketio.cursor && wanted;
        let events = match self.session.authenticate(identity).await {
            Err(CloseCode::TokenExpired) => {
                let error = Error::Unauthorized(Unauthorized::Expired);
                return Ok(refuse(out, AUTHENTICATION_ERROR, error.code()));
            }
            step => step?,
        };
        let sid = self.session.inbox().id().to_string();
        let pid = match pid.filter(|_| self.session.resumed()) {
            Some(pid) => pid.to_owned(),
            None => self.new_pid(&user)?,
        };
        out.message(&[MESSAGE, "0", &to_json(&Connected { sid, pid })]);
        Ok(events)
    }

    /// The user of the connection, by the token of CONNECT, with or without its scheme, or by that of the handshake.
    async fn identify(&self, token: Option<&str>) -> Result<Identity, Error> {
        let token = token.map(|token| bearer_token(token).unwrap_or(token));
        let token = token.filter(|token| !token.is_empty());
        let token = token.or(self.token.as_deref());
        let token = token.ok_or(Error::Unauthorized(Unauthorized::Missing))?;
        auth::identity(&self.app, token).await
    }

    /// Where the client stopped, and its `pid` where that is this user's of this history.
    fn cursor<'a>(&self, auth: &'a Auth, user: &UserId) -> (Option<Cursor>, Option<&'a str>) {
        if let (Some(pid), Some(offset)) = (auth.pid.as_deref(), &auth.offset) {
            let offset = offset.as_str().and_then(|offset| offset.parse().ok());
            // An offset that is not ours belongs to another history.
            let cursor: Cursor = offset.unwrap_or_else(Cursor::unknown);
            let epoch = cursor.epoch.as_deref().unwrap_or_default();
            return match self.is_pid_of(pid, user, epoch) {
                true => (Some(cursor), Some(pid)),
                // Another user had this page before: their cursor is not this user's.
                false => (None, None),
            };
        }
        let since = auth.since.as_ref().filter(|since| !since.is_null());
        (since.map(Cursor::lenient), None)
    }

    /// A name for this user's stream: `<nonce>.<HMAC over it, the user and the epoch>`. It needs no memory of the server's
    /// and outlives it.
    fn new_pid(&self, user: &UserId) -> Result<String, CloseCode> {
        let nonce = engineio::new_sid().map_err(|error| {
            tracing::error!(%error, "cannot make a recovery id");
            CloseCode::Restarting
        })?;
        let position = self.session.position();
        let epoch = position.epoch.as_deref().unwrap_or_default();
        let mac = self.app.auth.tokens.mac(&pid_text(&nonce, user, epoch));
        Ok(format!("{nonce}.{mac}"))
    }

    fn is_pid_of(&self, pid: &str, user: &UserId, epoch: &str) -> bool {
        pid.split_once('.').is_some_and(|(nonce, mac)| {
            // Guessing gains nothing: the token says who the user is.
            self.app.auth.tokens.mac(&pid_text(nonce, user, epoch)) == mac
        })
    }

    async fn command(
        &mut self,
        name: &str,
        data: Option<&RawValue>,
        ack: Option<u64>,
        out: &mut impl Out,
    ) -> Reply {
        let data = data.map_or("null", RawValue::get);
        let taken = self.session.take(name, data).await.map_err(stay);
        let Some(id) = ack else {
            // Apps have events of their own, and show an `error` to people.
            if let Err(CommandError::Unknown(error, _)) = &taken {
                self.app.metrics.unknown_events.inc();
                let name: String = name.chars().take(64).collect();
                tracing::debug!(event = name, %error, "ignored an unknown event");
                return Ok(Vec::new());
            }
            return taken.or_else(CommandError::into_reply);
        };
        let (acknowledged, events) = match taken {
            Ok(events) => (acknowledge(None), events),
            Err(CommandError::Command(error) | CommandError::Unknown(error, _)) => {
                (acknowledge(Some(&error)), Vec::new())
            }
            Err(CommandError::Close(code)) => return Err(code),
        };
        out.message(&[MESSAGE, "3", &id.to_string(), "[", &acknowledged, "]"]);
        Ok(events)
    }
}

/// No event ends a connection, `auth` included: apps have events of the same name.
fn stay(refusal: CommandError) -> CommandError {
    match refusal {
        CommandError::Close(CloseCode::BadToken) => {
            CommandError::Command(Error::Unauthorized(Unauthorized::BadToken))
        }
        CommandError::Close(CloseCode::TokenExpired) => {
            CommandError::Command(Error::Unauthorized(Unauthorized::Expired))
        }
        CommandError::Close(CloseCode::Revoked) => {
            CommandError::Command(Error::Unauthorized(Unauthorized::Revoked))
        }
        other => other,
    }
}

/// A client that may come back sees a lost link: some clients do not reconnect after a close frame or Engine.IO's CLOSE. A client
/// that broke the protocol may: with its next event it will not break it again.
pub(super) fn farewell(code: CloseCode) -> Farewell {
    match code.come_back() || code == CloseCode::BadFrame {
        true => Farewell::Unsaid,
        false => Farewell::Said,
    }
}

fn pid_text(nonce: &str, user: &UserId, epoch: &str) -> String {
    format!("socket.io pid {nonce} {epoch} {user}")
}

/// CONNECT_ERROR: the client may try again with other credentials.
fn refuse<T>(out: &mut impl Out, message: &str, code: &str) -> Vec<T> {
    let data = Some(RefusedBecause { code });
    out.message(&[MESSAGE, "4", &to_json(&ConnectError { message, data })]);
    Vec::new()
}

fn acknowledge(error: Option<&Error>) -> String {
    let message = error.map(Error::public_message);
    to_json(&Acknowledged {
        success: error.is_none(),
        code: error.map(Error::code),
        message: message.as_deref(),
    })
}

fn to_json(data: &impl Serialize) -> String {
    // Structs of strings: nothing that fails to serialise.
    serde_json::to_string(data).unwrap_or_default()
}

impl Protocol for SocketIo {
    fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    async fn receive(&mut self, text: &str, out: &mut (impl Out + Send)) -> Received {
        match engineio::Packet::parse(text) {
            Some(engineio::Packet::Message(text)) => Ok(self.take(text, out).await?),
            Some(engineio::Packet::Pong) => {
                self.answered();
                Ok(Vec::new())
            }
            Some(engineio::Packet::Idle) => Ok(Vec::new()),
            Some(engineio::Packet::Close) => Err(ConnectionEnd::Peer(NORMAL)),
            None => Err(CloseCode::BadFrame.into()),
        }
    }

    fn put(&mut self, packet: &hub::Packet, out: &mut impl Out) {
        self.session.delivered(packet);
        let (name, data) = packet.parts();
        if packet.resumable && self.cursor {
            let offset = self.session.position().to_string();
            out.message(&[MESSAGE, "2[\"", name, "\",", data, ",\"", &offset, "\"]"]);
        } else {
            out.message(&[MESSAGE, "2[\"", name, "\",", data, "]"]);
        }
    }

    /// DISCONNECT, after which a client does not come back by itself, where it is not to.
    fn farewell(&mut self, code: CloseCode, out: &mut impl Out) -> Farewell {
        let farewell = farewell(code);
        if self.session.joined() && farewell == Farewell::Said {
            out.message(&[MESSAGE, "1"]);
        }
        farewell
    }
}

impl OverWebSocket for SocketIo {
    const TRANSPORT: &'static str = "socketio_websocket";

    fn may_ask(&self) -> bool {
        self.asked.is_empty()
    }

    fn put_ping(&mut self, out: &mut Frames) {
        self.ask(out);
    }

    fn pong(&mut self) {}
}
