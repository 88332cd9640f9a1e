//! A WebSocket takes a session over from long-polling.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::super::Protocol as _;
use super::command::{Carried, Command, SessionGone};
use super::link::Link;
use crate::app::App;
use crate::limits::connection_limit::Slot;
use crate::model::events::CloseCode;
use crate::realtime::connection_end::{ABNORMAL, ConnectionEnd};
use crate::realtime::engineio::{PROBE, PROBED, SEPARATOR, UPGRADE};
use crate::realtime::frame::Incoming;
use crate::realtime::socketio::{self};
use crate::realtime::websocket::{self, Wire};
use crate::realtime::{Farewell, Out};

/// How long a WebSocket may take to take a session over.
const UPGRADE_TIME: Duration = Duration::from_secs(10);
/// How long a WebSocket that is about to take over is let finish when the server stops: its client polls no more.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// The right to take a session over.
pub struct Upgrading(Arc<Link>);

impl Upgrading {
    /// Takes the right to take the session over, which one at a time has.
    pub fn begin(link: &Arc<Link>) -> Option<Self> {
        let free = !link.upgrading.swap(true, Ordering::AcqRel);
        free.then(|| Upgrading(link.clone()))
    }

    /// Lets a WebSocket prove itself, then starts to serve the session on it. Where it does not prove itself, the
    /// session goes on polling.
    pub async fn serve<S>(self, app: &App, stream: S, early: &[u8], slot: Option<Arc<Slot>>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut wire = Wire::new(stream, early);
        let probe = timeout(UPGRADE_TIME, self.probe(&mut wire));
        let probed = tokio::select! {
            probed = probe => probed.unwrap_or(Err(ConnectionEnd::Code(CloseCode::NoAuth))),
            () = stopped(app) => Err(ConnectionEnd::Code(CloseCode::Restarting)),
            () = lost(slot.as_deref()) => Err(ConnectionEnd::Code(CloseCode::Restarting)),
        };
        // The right goes back first: a farewell may take a while.
        drop(self);
        let mut carried = match probed {
            Ok(carried) => carried,
            Err(end) => {
                let farewell = match end {
                    ConnectionEnd::Code(code) => socketio::farewell(code),
                    ConnectionEnd::Peer(_) | ConnectionEnd::Drop(_) => Farewell::Said,
                };
                return wire.close(&end, farewell).await;
            }
        };
        carried.protocol.session().attach(slot);
        for packet in carried.unsent.0.split(SEPARATOR).filter(|p| !p.is_empty()) {
            wire.out.message(&[packet]);
        }
        let (protocol, heartbeat, bucket) = (carried.protocol, carried.heartbeat, carried.bucket);
        websocket::resume(app, wire, protocol, heartbeat, bucket, None);
    }

    async fn probe<S>(&self, wire: &mut Wire<S>) -> Result<Carried, ConnectionEnd>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let gone = |SessionGone| ConnectionEnd::Code(CloseCode::BadFrame);
        if next_text(wire).await? != PROBE {
            return Err(ConnectionEnd::Code(CloseCode::BadFrame));
        }
        wire.out.message(&[PROBED]);
        wire.flush().await?;
        self.0.probed().await.map_err(gone)?;
        if next_text(wire).await? != UPGRADE {
            return Err(ConnectionEnd::Code(CloseCode::BadFrame));
        }
        let (give, given) = oneshot::channel();
        self.0.command(Command::Upgrade(give)).await.map_err(gone)?;
        given.await.map_err(|_| gone(SessionGone))
    }
}

impl Drop for Upgrading {
    fn drop(&mut self) {
        self.0.end_upgrade();
    }
}

async fn stopped(app: &App) {
    app.stopping.cancelled().await;
    tokio::time::sleep(STOP_GRACE).await;
}

async fn lost(slot: Option<&Slot>) {
    match slot {
        Some(slot) => slot.lost().await,
        None => std::future::pending().await,
    }
}

async fn next_text<S>(wire: &mut Wire<S>) -> Result<String, ConnectionEnd>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    loop {
        match wire.decode()? {
            Some(Incoming::Text(text)) => return Ok(text),
            Some(Incoming::Close(_)) => return Err(ConnectionEnd::Drop(ABNORMAL)),
            Some(_) => {}
            None => wire.read().await?,
        }
    }
}
