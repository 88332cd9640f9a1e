//! Socket.IO by long-polling: the client fetches what there is with GETs, one waiting at a time, and brings its own with
//! POSTs. A task holds each session; requests find it by the session's id. A WebSocket may take the session over.

mod command;
mod link;
mod upgrade;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::bucket::Bucket;
use super::connection_end::{ABNORMAL, ConnectionEnd};
use super::engineio::{CLOSE, NOOP, SEPARATOR};
use super::heartbeat::Heartbeat;
use super::socketio::SocketIo;
use super::websocket::CLOSE_TIME;
use super::{Farewell, Out, Protocol};
use crate::app::App;
use crate::hub::{HARD_LIMIT, Packet};
use crate::limits::connection_limit::Slot;
use crate::model::events::CloseCode;
use crate::model::ids::{ConnectionId, Seq};
use command::{Carried, Command, Payload};

pub use command::SessionGone;
pub use link::{Link, Posting, Sessions};
pub use upgrade::Upgrading;

/// While a WebSocket takes over, a poll that waits is answered after this long: the client stops polling first.
const NUDGE_AFTER: Duration = Duration::from_millis(100);
/// A client that fetches nothing for longer than this has stopped polling.
const UNFETCHED_TIME: Duration = Duration::from_secs(10);
/// Events that share one answer, in bytes.
const ANSWER_BYTES: usize = 64 << 10;

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
    /// Since when something has waited for a poll.
    starving: Option<Instant>,
    /// When to answer the poll that waits, with nothing if need be.
    nudge: Option<Instant>,
}

/// How a session leaves its task.
enum TaskEnd {
    Ended(ConnectionEnd),
    Upgraded(oneshot::Sender<Carried>),
}

impl<E: Into<ConnectionEnd>> From<E> for TaskEnd {
    fn from(end: E) -> Self {
        TaskEnd::Ended(end.into())
    }
}

impl Polling {
    fn new(app: &App, link: Arc<Link>, slot: Option<Arc<Slot>>, token: Option<String>) -> Self {
        Polling {
            app: app.clone(),
            protocol: SocketIo::new(app.clone(), slot, token),
            heartbeat: Heartbeat::new(),
            bucket: Bucket::new(&app.config.limits),
            link,
            payload: Payload::default(),
            poll: None,
            nonce: String::new(),
            answered: None,
            starving: None,
            nudge: None,
        }
    }

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
            TaskEnd::Upgraded(give) => {
                sessions.remove(&sid);
                self.hand_over(give);
            }
            TaskEnd::Ended(end) => {
                self.farewell(&end, &mut commands).await;
                sessions.remove(&sid);
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
    async fn farewell(mut self, end: &ConnectionEnd, commands: &mut mpsc::Receiver<Command>) {
        let farewell = match end {
            ConnectionEnd::Code(code) => self.protocol.farewell(*code, &mut self.payload),
            ConnectionEnd::Peer(_) => Farewell::Said,
            ConnectionEnd::Drop(_) => Farewell::Unsaid,
        };
        // An unauthenticated client misses nothing.
        let lingers = self.protocol.session().joined() && matches!(end, ConnectionEnd::Code(_));
        // Out of the hub first: nothing more is queued for a session that is ending.
        drop(self.protocol);
        let close = match (end, farewell) {
            (ConnectionEnd::Peer(_), _) => NOOP,
            (_, Farewell::Said) => CLOSE,
            // The next request is answered as for an unknown session.
            (_, Farewell::Unsaid) => "",
        };
        let until = Instant::now() + CLOSE_TIME;
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
    ) -> Result<std::convert::Infallible, TaskEnd> {
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
                    None => return Err(ConnectionEnd::Drop(ABNORMAL).into()),
                },
                () = hung_up(&mut self.poll) => return Err(ConnectionEnd::Drop(ABNORMAL).into()),
                () = inbox.wait() => {}
                () = session.stopping() => return Err(CloseCode::Restarting.into()),
                () = sleep.as_mut() => self.tick().await?,
            }
        }
    }

    fn deadline(&mut self) -> Instant {
        let starved = self.starving.map(|since| since + UNFETCHED_TIME);
        let session = self.protocol.session().deadline();
        let own = [starved, self.nudge].into_iter().flatten();
        own.fold(self.heartbeat.deadline(None).min(session), Instant::min)
    }

    async fn tick(&mut self) -> Result<(), ConnectionEnd> {
        let now = Instant::now();
        if self.heartbeat.is_over(now) {
            return Err(CloseCode::Silent.into());
        }
        if self
            .starving
            .is_some_and(|since| now >= since + UNFETCHED_TIME)
        {
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

    async fn handle(&mut self, command: Command) -> Result<(), TaskEnd> {
        match command {
            Command::Poll { nonce, answer } => self.take_poll(nonce, answer)?,
            Command::Post(Some(body), taken) => {
                self.heartbeat.heard();
                let outcome = self.take_body(&body).await;
                // The packet that closes needs no answer of its own.
                if matches!(outcome, Ok(()) | Err(ConnectionEnd::Peer(_))) {
                    let _ = taken.send(());
                }
                outcome?;
            }
            Command::Post(None, _) => return Err(CloseCode::BadFrame.into()),
            Command::Probed => self.nudge_at(Instant::now()),
            Command::Upgrade(give) => return Err(TaskEnd::Upgraded(give)),
        }
        Ok(())
    }

    fn take_poll(
        &mut self,
        nonce: String,
        answer: oneshot::Sender<String>,
    ) -> Result<(), ConnectionEnd> {
        // Two polls at once, or one again: a browser may repeat a request whose answer was lost. What that held cannot be
        // told from what came, so the client is to come back with its cursor.
        if self.poll.is_some() || (!nonce.is_empty() && nonce == self.nonce) {
            return Err(CloseCode::BadFrame.into());
        }
        self.nonce = nonce;
        self.heartbeat.heard();
        self.confirm();
        self.poll = Some(answer);
        if self.link.is_probed() {
            self.nudge_at(Instant::now() + NUDGE_AFTER);
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

    async fn take_body(&mut self, body: &str) -> Result<(), ConnectionEnd> {
        for packet in body.split(SEPARATOR) {
            self.bucket.take(&self.app.config.limits)?;
            let events = self.protocol.receive(packet, &mut self.payload).await?;
            // These are answers to a user who fetches none.
            if self.payload.0.len() > HARD_LIMIT {
                return Err(CloseCode::TooSlow.into());
            }
            self.put(&events);
        }
        if self.protocol.session().joined() {
            self.link.set_joined();
        }
        Ok(())
    }

    fn put(&mut self, events: &[Packet]) {
        for packet in events {
            self.protocol.put(packet, &mut self.payload);
        }
    }

    /// Answers the poll that waits, if there is something to answer.
    fn deliver(&mut self) -> Result<(), ConnectionEnd> {
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
        let drained = self.protocol.session().drain(ANSWER_BYTES);
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
            // What did not fit waits for the next poll.
            self.starving = inbox.has_packets().then(Instant::now);
            self.nudge = None;
            let payload = std::mem::take(&mut self.payload.0);
            if poll.send(payload).is_err() {
                return Err(ConnectionEnd::Drop(ABNORMAL));
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
