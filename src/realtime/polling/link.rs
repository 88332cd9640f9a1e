//! The way from a request to a session's task.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::Polling;
use super::command::{Command, SessionGone};
use crate::app::App;
use crate::error;
use crate::realtime::engineio;

/// The sessions that poll.
#[derive(Clone, Default)]
pub struct Sessions(Arc<Mutex<HashMap<String, Arc<Link>>>>);

/// The way to a session's task.
pub struct Link {
    commands: mpsc::Sender<Command>,
    /// Whether the session is authenticated.
    joined: AtomicBool,
    /// Whether a POST is being read or taken.
    posting: AtomicBool,
    /// Whether a WebSocket is about to take over, and has shown that it works.
    pub(super) upgrading: AtomicBool,
    probed: AtomicBool,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Link>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session; returns the handshake's answer. With too many unauthenticated sessions, the oldest of them goes.
    /// `address`: where it comes from, unless that is a proxy; `token`: that of its headers.
    ///
    /// # Errors
    /// [`error::Error::Internal`] where the system has no random numbers.
    pub fn begin(
        &self,
        app: &App,
        address: Option<IpAddr>,
        token: Option<String>,
    ) -> error::Result<String> {
        let slot = app.limits.handshakes.take(address);
        let sid = engineio::new_sid()?;
        let open = engineio::open(&sid, &["websocket"]);
        let (sender, commands) = mpsc::channel(4);
        let link = Arc::new(Link {
            commands: sender,
            joined: AtomicBool::new(false),
            posting: AtomicBool::new(false),
            upgrading: AtomicBool::new(false),
            probed: AtomicBool::new(false),
        });
        self.lock().insert(sid.clone(), link.clone());
        let polling = Polling::new(app, link, slot, token);
        app.tasks.spawn(polling.serve(self.clone(), sid, commands));
        Ok(open)
    }

    pub(super) fn remove(&self, sid: &str) {
        self.lock().remove(sid);
    }

    pub fn find(&self, sid: &str) -> Option<Arc<Link>> {
        self.lock().get(sid).cloned()
    }
}

impl Link {
    pub(super) fn set_joined(&self) {
        self.joined.store(true, Ordering::Relaxed);
    }

    /// Whether it is known whose session this is.
    pub fn joined(&self) -> bool {
        self.joined.load(Ordering::Relaxed)
    }

    /// Waits for packets. `nonce` tells requests apart.
    ///
    /// # Errors
    /// [`SessionGone`]; a second poll beside the first ends the session.
    pub async fn poll(&self, nonce: &str) -> Result<String, SessionGone> {
        let (answer, answered) = oneshot::channel();
        let nonce = nonce.to_owned();
        self.command(Command::Poll { nonce, answer }).await?;
        answered.await.map_err(|_| SessionGone)
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

    /// Gives it back.
    pub(super) fn end_upgrade(&self) {
        self.probed.store(false, Ordering::Release);
        self.upgrading.store(false, Ordering::Release);
    }

    /// The WebSocket works.
    pub(super) async fn probed(&self) -> Result<(), SessionGone> {
        self.probed.store(true, Ordering::Release);
        self.command(Command::Probed).await
    }

    pub(super) fn is_probed(&self) -> bool {
        self.probed.load(Ordering::Acquire)
    }

    pub(super) async fn command(&self, command: Command) -> Result<(), SessionGone> {
        self.commands.send(command).await.map_err(|_| SessionGone)
    }
}

/// The right to bring a body.
pub struct Posting(Arc<Link>);

impl Posting {
    /// Returns when all packets of the body have been taken.
    ///
    /// # Errors
    /// [`SessionGone`], also for a body that does not keep to the protocol.
    pub async fn deliver(self, body: String) -> Result<(), SessionGone> {
        let (taken, when_taken) = oneshot::channel();
        self.0.command(Command::Post(Some(body), taken)).await?;
        when_taken.await.map_err(|_| SessionGone)
    }
}

impl Drop for Posting {
    fn drop(&mut self) {
        self.0.posting.store(false, Ordering::Release);
    }
}
