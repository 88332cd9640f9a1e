//! Socket.IO by long-polling: the client fetches what there is with GETs, one waiting at a time, and brings its own with
//! POSTs. A task holds each session; requests find it by the session's id. A WebSocket may take the session over.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::bucket::Bucket;
use super::engineio::{self, CLOSE, NOOP, PROBE, PROBED, SEPARATOR, UPGRADE};
use super::frame::Incoming;
use super::heartbeat::Heartbeat;
use super::socketio::SocketIo;
use super::websocket::{self, LINGER, STALL, Wire};
use super::{ABNORMAL, End, Out, Protocol};
use crate::app::App;
use crate::error::{Error, Result};
use crate::hub::{HARD_LIMIT, Packet};
use crate::model::events::CloseCode;
use crate::model::ids::{ConnectionId, Seq};

/// How long a WebSocket may take to take a session over.
const UPGRADE_TIME: Duration = Duration::from_secs(10);
/// While it does, a poll that waits is answered after this long: the client stops polling first.
const NUDGE: Duration = Duration::from_millis(100);
/// Events that share one answer, in bytes.
const ANSWER: usize = 64 << 10;

/// Sessions of which nobody knows yet whose they are. One request makes one, and holds no connection open.
const MAX_WAITING: usize = 4_096;
/// How long a WebSocket that is about to take over is let finish when the server stops: its client polls no more.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// The sessions that poll.
#[derive(Clone)]
pub struct Sessions {
    links: Arc<Mutex<HashMap<String, Arc<Link>>>>,
    waiting: Arc<Semaphore>,
}

impl Default for Sessions {
    fn default() -> Self {
        Sessions {
            links: Arc::default(),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
        }
    }
}

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
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session; returns the handshake's answer.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while too many have not said who they are; [`Error::Internal`] where the system has no
    /// random numbers.
    pub fn begin(&self, app: &App) -> Result<String> {
        let waiting = self.waiting.clone().try_acquire_owned();
        let waiting = waiting.map_err(|_| Error::unavailable("Too many are connecting."))?;
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
            answered: None,
            waiting: Some(waiting),
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
            () = stopped(&app) => Err(End::Code(CloseCode::Restarting)),
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

async fn stopped(app: &App) {
    app.stopping.cancelled().await;
    tokio::time::sleep(STOP_GRACE).await;
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
    /// Whose the last answer was, and the highest seq in it: the next poll shows that it came.
    answered: Option<(ConnectionId, Seq)>,
    /// A place among those of whom nobody knows yet who they are.
    waiting: Option<OwnedSemaphorePermit>,
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
            None => self.confirm(),
        }
        // A WebSocket that has gone meanwhile drops what it is given, and the session ends.
        let _ = give.send(Carried {
            protocol: self.protocol,
            heartbeat: self.heartbeat,
            bucket: self.bucket,
            unsent: self.payload,
        });
    }

    /// Tells the client, by the poll that waits or those that come soon.
    async fn farewell(mut self, end: &End, commands: &mut mpsc::Receiver<Command>) {
        if let End::Code(code) = end {
            self.protocol.farewell(*code, &mut self.payload);
        }
        // Out of the hub first: nothing more is queued for a session that is ending.
        drop(self.protocol);
        let close = match end {
            End::Peer(_) => NOOP,
            End::Code(_) | End::Drop(_) => CLOSE,
        };
        // Who has not said who they are has nothing to miss.
        let lingers = matches!(end, End::Code(code) if *code != CloseCode::NoAuth);
        let until = Instant::now() + LINGER;
        // Not in one answer: a stock client takes a CLOSE at once and the events before it a moment later, as if they had
        // come after the next connection; and there it would get them again.
        for answer in [self.payload.0, close.to_owned()] {
            if answer.is_empty() {
                continue;
            }
            while self.poll.is_none() && lingers {
                match timeout_at(until, commands.recv()).await {
                    Ok(Some(Command::Poll { answer, .. })) => self.poll = Some(answer),
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => return,
                }
            }
            if let Some(poll) = self.poll.take() {
                let _ = poll.send(answer);
            }
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
                if matches!(outcome, Ok(()) | Err(End::Peer(_))) {
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
        self.confirm();
        self.poll = Some(answer);
        if self.link.probed.load(Ordering::Acquire) {
            self.nudge_at(Instant::now() + NUDGE);
        }
        Ok(())
    }

    /// The last answer came. Its session may be another's meanwhile, if the client left and joined again.
    fn confirm(&mut self) {
        let session = self.protocol.session();
        if let Some((id, seq)) = self.answered.take()
            && id == session.inbox().id()
        {
            session.confirmed(seq);
        }
    }

    fn nudge_at(&mut self, at: Instant) {
        self.nudge = self.poll.as_ref().map(|_| at);
    }

    async fn take_body(&mut self, body: &str) -> Result<(), End> {
        for packet in body.split(SEPARATOR) {
            self.bucket.take(&self.app.config.limits)?;
            let events = self.protocol.receive(packet, &mut self.payload).await?;
            // Answers to somebody who fetches none.
            if self.payload.0.len() > HARD_LIMIT {
                return Err(CloseCode::TooSlow.into());
            }
            self.put(&events);
        }
        if self.protocol.session().joined() {
            self.waiting = None;
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
            self.answered = Some((inbox.id(), self.protocol.session().ask()));
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
