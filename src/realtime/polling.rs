//! Socket.IO by long-polling: the client fetches what there is with GETs, one waiting at a time, and brings its own with
//! POSTs. A task holds each session; requests find it by the session's id. A WebSocket may take the session over.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::bucket::Bucket;
use super::engineio::{self, CLOSE, NOOP, PROBE, PROBED, SEPARATOR, UPGRADE};
use super::frame::Incoming;
use super::heartbeat::Heartbeat;
use super::socketio::SocketIo;
use super::websocket::{self, LINGER, STALL, Wire};
use super::{ABNORMAL, End, Out, Protocol};
use crate::app::App;
use crate::error::Result;
use crate::hub::Packet;
use crate::model::events::CloseCode;
use crate::model::ids::Seq;

/// How long a WebSocket may take to take a session over.
const UPGRADE_TIME: Duration = Duration::from_secs(10);
/// While it does, a poll that waits is answered after this long: the client stops polling first.
const NUDGE: Duration = Duration::from_millis(100);
/// Events that share one answer, in bytes.
const ANSWER: usize = 64 << 10;

/// The sessions that poll.
#[derive(Clone, Default)]
pub struct Sessions(Arc<Mutex<HashMap<String, Arc<Link>>>>);

/// The way to a session's task.
pub struct Link {
    commands: mpsc::Sender<Command>,
    /// Whether a POST is being read or taken.
    posting: AtomicBool,
    /// Whether a WebSocket is about to take over, and has shown that it works.
    upgrading: AtomicBool,
    probed: AtomicBool,
}

enum Command {
    Poll {
        /// What makes the request unlike any other.
        nonce: String,
        answer: oneshot::Sender<String>,
    },
    /// A body, and where to say that it was taken. Without a body it was none that could be taken.
    Post(Option<String>, oneshot::Sender<()>),
    /// The WebSocket works: polls are to come to an end.
    Probed,
    Upgrade(oneshot::Sender<Carried>),
}

/// What a session is made of, on its way to another transport.
struct Carried {
    protocol: SocketIo,
    heartbeat: Heartbeat,
    bucket: Bucket,
    unsent: Payload,
}

/// The session has ended, or ends by this request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// Packets that wait for a poll.
#[derive(Default)]
struct Payload(String);

impl Out for Payload {
    fn message(&mut self, parts: &[&str]) {
        if !self.0.is_empty() {
            self.0.push(SEPARATOR);
        }
        parts.iter().for_each(|part| self.0.push_str(part));
    }
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Link>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session; returns the handshake's answer.
    ///
    /// # Errors
    /// [`crate::error::Error::Internal`] where the system has no random numbers.
    pub fn begin(&self, app: &App) -> Result<String> {
        let sid = engineio::new_sid()?;
        let open = engineio::open(&sid, &["websocket"]);
        let (sender, commands) = mpsc::channel(4);
        let link = Arc::new(Link {
            commands: sender,
            posting: AtomicBool::new(false),
            upgrading: AtomicBool::new(false),
            probed: AtomicBool::new(false),
        });
        self.lock().insert(sid.clone(), link.clone());
        let polling = Polling {
            app: app.clone(),
            protocol: SocketIo::new(app.clone()),
            heartbeat: Heartbeat::new(),
            bucket: Bucket::new(&app.config.limits),
            link,
            payload: Payload::default(),
            poll: None,
            nonce: String::new(),
            answered: 0,
            starving: None,
            nudge: None,
        };
        app.tasks.spawn(polling.serve(self.clone(), sid, commands));
        Ok(open)
    }

    pub fn find(&self, sid: &str) -> Option<Arc<Link>> {
        self.lock().get(sid).cloned()
    }
}

impl Link {
    /// Waits for packets. `nonce` tells requests apart.
    ///
    /// # Errors
    /// [`Gone`]; a second poll beside the first ends the session.
    pub async fn poll(&self, nonce: &str) -> Result<String, Gone> {
        let (answer, answered) = oneshot::channel();
        let nonce = nonce.to_owned();
        self.command(Command::Poll { nonce, answer }).await?;
        answered.await.map_err(|_| Gone)
    }

    /// Takes the right to bring a body, of which there is one at a time.
    pub fn begin_post(self: &Arc<Self>) -> Option<Posting> {
        let free = !self.posting.swap(true, Ordering::AcqRel);
        free.then(|| Posting(self.clone()))
    }

    /// Ends the session: its client does not keep to the protocol.
    pub async fn break_off(&self) {
        let (taken, _) = oneshot::channel();
        let _ = self.command(Command::Post(None, taken)).await;
    }

    /// Takes the right to take the session over.
    pub fn begin_upgrade(self: &Arc<Self>) -> Option<Upgrading> {
        let free = !self.upgrading.swap(true, Ordering::AcqRel);
        free.then(|| Upgrading(self.clone()))
    }

    async fn command(&self, command: Command) -> Result<(), Gone> {
        self.commands.send(command).await.map_err(|_| Gone)
    }
}

/// The right to bring a body.
pub struct Posting(Arc<Link>);

impl Posting {
    /// Returns when all packets of the body have been taken.
    ///
    /// # Errors
    /// [`Gone`], also for a body that does not keep to the protocol.
    pub async fn deliver(self, body: String) -> Result<(), Gone> {
        let (taken, when_taken) = oneshot::channel();
        self.0.command(Command::Post(Some(body), taken)).await?;
        when_taken.await.map_err(|_| Gone)
    }
}

impl Drop for Posting {
    fn drop(&mut self) {
        self.0.posting.store(false, Ordering::Release);
    }
}

/// The right to take a session over.
pub struct Upgrading(Arc<Link>);

impl Upgrading {
    /// Lets a WebSocket prove itself, then serves the session on it to its end. Where it does not prove itself, the
    /// session goes on polling.
    pub async fn serve<S>(self, app: App, stream: S, early: &[u8])
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut wire = Wire::new(stream, early);
        let probe = timeout(UPGRADE_TIME, self.probe(&mut wire));
        let probed = tokio::select! {
            probed = probe => probed.unwrap_or(Err(End::Code(CloseCode::NoAuth))),
            () = app.stopping.cancelled() => Err(End::Code(CloseCode::Restarting)),
        };
        // The right goes back before the rest, which may take days.
        drop(self);
        let carried = match probed {
            Ok(carried) => carried,
            Err(end) => return wire.close(&end).await,
        };
        for packet in carried.unsent.0.split(SEPARATOR).filter(|p| !p.is_empty()) {
            wire.out.message(&[packet]);
        }
        let (protocol, heartbeat, bucket) = (carried.protocol, carried.heartbeat, carried.bucket);
        websocket::resume(&app, wire, protocol, heartbeat, bucket, None).await;
    }

    async fn probe<S>(&self, wire: &mut Wire<S>) -> Result<Carried, End>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let gone = |Gone| End::Code(CloseCode::BadFrame);
        if next_text(wire).await? != PROBE {
            return Err(End::Code(CloseCode::BadFrame));
        }
        wire.out.message(&[PROBED]);
        wire.flush().await?;
        self.0.probed.store(true, Ordering::Release);
        self.0.command(Command::Probed).await.map_err(gone)?;
        if next_text(wire).await? != UPGRADE {
            return Err(End::Code(CloseCode::BadFrame));
        }
        let (give, given) = oneshot::channel();
        self.0.command(Command::Upgrade(give)).await.map_err(gone)?;
        given.await.map_err(|_| gone(Gone))
    }
}

impl Drop for Upgrading {
    fn drop(&mut self) {
        self.0.probed.store(false, Ordering::Release);
        self.0.upgrading.store(false, Ordering::Release);
    }
}

async fn next_text<S>(wire: &mut Wire<S>) -> Result<String, End>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    loop {
        match wire.decode()? {
            Some(Incoming::Text(text)) => return Ok(text),
            Some(Incoming::Close(_)) => return Err(End::Drop(ABNORMAL)),
            Some(_) => {}
            None => wire.read().await?,
        }
    }
}

/// A session's task.
struct Polling {
    app: App,
    protocol: SocketIo,
    heartbeat: Heartbeat,
    bucket: Bucket,
    link: Arc<Link>,
    payload: Payload,
    /// The poll that waits.
    poll: Option<oneshot::Sender<String>>,
    /// The last poll's.
    nonce: String,
    /// The highest seq in the last answer: the next poll shows that it came.
    answered: Seq,
    /// Since when something has waited for a poll.
    starving: Option<Instant>,
    /// When to answer the poll that waits, with nothing if need be.
    nudge: Option<Instant>,
}

/// How a session leaves its task.
enum Leave {
    Ended(End),
    Upgraded(oneshot::Sender<Carried>),
}

impl<E: Into<End>> From<E> for Leave {
    fn from(end: E) -> Self {
        Leave::Ended(end.into())
    }
}

impl Polling {
    async fn serve(
        mut self,
        sessions: Sessions,
        sid: String,
        mut commands: mpsc::Receiver<Command>,
    ) {
        let gauge = self.app.metrics.connection_gauge("socketio_polling");
        gauge.inc();
        let leave = match self.run(&mut commands).await {
            Ok(never) => match never {},
            Err(leave) => leave,
        };
        let app = self.app.clone();
        match leave {
            Leave::Upgraded(give) => {
                sessions.lock().remove(&sid);
                self.hand_over(give);
            }
            Leave::Ended(end) => {
                self.farewell(&end, &mut commands).await;
                sessions.lock().remove(&sid);
                app.metrics.closed(end.code());
                tracing::debug!(code = end.code(), "polling session ended");
            }
        }
        gauge.dec();
    }

    fn hand_over(mut self, give: oneshot::Sender<Carried>) {
        match self.poll.take() {
            Some(poll) => drop(poll.send(NOOP.into())),
            None => self.protocol.session().confirmed(self.answered),
        }
        // A WebSocket that has gone meanwhile drops what it is given, and the session ends.
        let _ = give.send(Carried {
            protocol: self.protocol,
            heartbeat: self.heartbeat,
            bucket: self.bucket,
            unsent: self.payload,
        });
    }

    /// Tells the client, by the poll that waits or one that comes soon.
    async fn farewell(mut self, end: &End, commands: &mut mpsc::Receiver<Command>) {
        match end {
            End::Peer(_) => self.payload.message(&[NOOP]),
            End::Code(code) => {
                self.protocol.farewell(*code, &mut self.payload);
                self.payload.message(&[CLOSE]);
            }
            End::Drop(_) => self.payload.message(&[CLOSE]),
        }
        // Out of the hub first: nothing more is queued for a session that is ending.
        drop(self.protocol);
        let until = Instant::now() + LINGER;
        while self.poll.is_none() && matches!(end, End::Code(_)) {
            match timeout_at(until, commands.recv()).await {
                Ok(Some(Command::Poll { answer, .. })) => self.poll = Some(answer),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        if let Some(poll) = self.poll {
            let _ = poll.send(self.payload.0);
        }
    }

    async fn run(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Result<std::convert::Infallible, Leave> {
        let mut sleep = pin!(sleep_until(self.deadline()));
        loop {
            self.deliver()?;
            let deadline = self.deadline();
            if sleep.deadline() != deadline {
                sleep.as_mut().reset(deadline);
            }
            let session = self.protocol.session();
            let inbox = session.inbox();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.handle(command).await?,
                    None => return Err(End::Drop(ABNORMAL).into()),
                },
                () = hung_up(&mut self.poll) => return Err(End::Drop(ABNORMAL).into()),
                () = inbox.wait() => {}
                () = session.stopping() => return Err(CloseCode::Restarting.into()),
                () = sleep.as_mut() => self.tick().await?,
            }
        }
    }

    fn deadline(&mut self) -> Instant {
        let starved = self.starving.map(|since| since + STALL);
        let session = self.protocol.session().deadline();
        let own = [starved, self.nudge].into_iter().flatten();
        own.fold(self.heartbeat.deadline(None).min(session), Instant::min)
    }

    async fn tick(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.heartbeat.is_over(now) {
            return Err(CloseCode::Silent.into());
        }
        if self.starving.is_some_and(|since| now >= since + STALL) {
            return Err(CloseCode::TooSlow.into());
        }
        if self.heartbeat.is_due(None, now) {
            self.heartbeat.pinged();
            self.protocol.ask(&mut self.payload);
        }
        if self.nudge.is_some_and(|at| now >= at) {
            self.nudge = None;
            if self.poll.is_some() && self.payload.0.is_empty() {
                self.payload.message(&[NOOP]);
            }
        }
        let events = self.protocol.session().tick().await?;
        self.put(&events);
        Ok(())
    }

    async fn handle(&mut self, command: Command) -> Result<(), Leave> {
        match command {
            Command::Poll { nonce, answer } => self.take_poll(nonce, answer)?,
            Command::Post(Some(body), taken) => {
                self.heartbeat.heard();
                let outcome = self.take_body(&body).await;
                // A client that closes has been understood.
                if !matches!(outcome, Err(End::Code(_))) {
                    let _ = taken.send(());
                }
                outcome?;
            }
            Command::Post(None, _) => return Err(CloseCode::BadFrame.into()),
            Command::Probed => self.nudge_at(Instant::now()),
            Command::Upgrade(give) => return Err(Leave::Upgraded(give)),
        }
        Ok(())
    }

    fn take_poll(&mut self, nonce: String, answer: oneshot::Sender<String>) -> Result<(), End> {
        // Two polls at once, or one again: a browser may repeat a request whose answer was lost. What that held cannot be
        // told from what came, so the client is to come back with its cursor.
        if self.poll.is_some() || (!nonce.is_empty() && nonce == self.nonce) {
            return Err(CloseCode::BadFrame.into());
        }
        self.nonce = nonce;
        self.heartbeat.heard();
        self.protocol.session().confirmed(self.answered);
        self.poll = Some(answer);
        if self.link.probed.load(Ordering::Acquire) {
            self.nudge_at(Instant::now() + NUDGE);
        }
        Ok(())
    }

    fn nudge_at(&mut self, at: Instant) {
        self.nudge = self.poll.as_ref().map(|_| at);
    }

    async fn take_body(&mut self, body: &str) -> Result<(), End> {
        for packet in body.split(SEPARATOR) {
            self.bucket.take(&self.app.config.limits)?;
            let events = self.protocol.receive(packet, &mut self.payload).await?;
            self.put(&events);
        }
        Ok(())
    }

    fn put(&mut self, events: &[Packet]) {
        for packet in events {
            self.protocol.put(packet, &mut self.payload);
        }
    }

    /// Answers the poll that waits, if there is something to answer.
    fn deliver(&mut self) -> Result<(), End> {
        let inbox = self.protocol.session().inbox();
        if self.poll.is_none() {
            if let Some(code) = inbox.closing() {
                return Err(code.into());
            }
            // What is queued stays in the inbox and its limits.
            let waits = inbox.has_packets() || !self.payload.0.is_empty();
            self.starving = waits.then(|| self.starving.unwrap_or_else(Instant::now));
            return Ok(());
        }
        let drained = self.protocol.session().drain(ANSWER);
        for packet in &drained.packets {
            self.protocol.put(packet, &mut self.payload);
        }
        if let Some(code) = drained.close {
            return Err(code.into());
        }
        if !self.payload.0.is_empty()
            && let Some(poll) = self.poll.take()
        {
            self.answered = self.protocol.session().ask();
            (self.starving, self.nudge) = (None, None);
            let payload = std::mem::take(&mut self.payload.0);
            if poll.send(payload).is_err() {
                return Err(End::Drop(ABNORMAL));
            }
        }
        Ok(())
    }
}

/// Resolves when the client of the poll that waits has gone.
async fn hung_up(poll: &mut Option<oneshot::Sender<String>>) {
    match poll {
        Some(poll) => poll.closed().await,
        None => std::future::pending().await,
    }
}
