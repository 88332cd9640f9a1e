//! How a session joins the stream: register with the hub, read what was missed, then let through what is newer.

use std::time::Duration;

use tokio::time::Instant;

use super::{Phase, Reply, Session};
use crate::config::count;
use crate::error::{Error, Unauthorized};
use crate::hub::{AckSource, Packet};
use crate::limits::rates::RequestClass;
use crate::model::events::{CloseCode, Connected, Event, Resync};
use crate::model::ids::{Seq, UserKey};
use crate::model::users::User;
use crate::service::auth::Identity;
use crate::service::{messages, users};
use crate::store::replay::{self, Missed, Snapshot};

impl Session {
    /// A user with a valid token: they join, or, having joined, go on with a newer token.
    pub async fn authenticate(&mut self, identity: Identity) -> Reply {
        // A request may come a moment after the expiry; a socket would close again at once.
        if identity.expires_at <= self.app.now() {
            return Err(CloseCode::TokenExpired);
        }
        let expires = self.expiry(&identity);
        match &mut self.phase {
            Phase::Joined {
                identity: before,
                expires: until,
                ..
            } => {
                if before.user.key != identity.user.key {
                    return Err(CloseCode::BadToken);
                }
                self.inbox.set_session(identity.session_id());
                (*before, *until) = (identity, expires);
                Ok(Vec::new())
            }
            Phase::Waiting { .. } => {
                // Boxed: it runs once, and an idle socket's task should not be as large as this.
                Box::pin(self.join(identity, expires)).await
            }
        }
    }

    /// When a token expires on the clock that does not jump.
    fn expiry(&self, identity: &Identity) -> Instant {
        let left = (identity.expires_at.0 - self.app.now().0).max(0) as u64;
        // A token without an end ends some day: timers reach no further than two years.
        Instant::now() + Duration::from_millis(left.min(730 * 86_400_000))
    }

    async fn join(&mut self, identity: Identity, expires: Instant) -> Reply {
        let user = identity.user.clone();
        let rates = &self.app.limits.rates;
        rates
            .person(user.key, RequestClass::Socket)
            .map_err(|_| CloseCode::TooManyFrames)?;
        self.slot.iter().for_each(|slot| slot.mark_authenticated());
        self.inbox.set_session(identity.session_id());
        let limits = &self.app.config.limits;
        let max = if limits.enabled {
            count(limits.connections_per_user)
        } else {
            usize::MAX
        };
        let inbox = self.inbox.clone();
        let hub = &self.app.hub;
        hub.register(user.key, user.id(), inbox, max, self.hidden);
        // From here on `Drop` takes the socket out of the hub again.
        self.phase = Phase::Joined {
            identity,
            expires,
            seen: Seq::MAX,
            epoch: "".into(),
            resumed: false,
        };
        // The stop has told only the sockets that were registered before.
        if self.app.stopping.is_cancelled() {
            return Err(CloseCode::Restarting);
        }
        // A user who was disabled between the check of the token and the registration was not disconnected.
        let cache = &self.app.user_cache;
        let ended = match self.inbox.session() {
            Some(session) => cache.has_ended(&self.app.store, &session).await,
            None => Ok(false),
        };
        if ended.map_err(close_code)? {
            return Err(CloseCode::Revoked);
        }
        match users::find(&self.app, user.id()).await {
            Ok(Some(now)) if now.token_version == user.token_version && !now.disabled => {}
            Ok(_) => return Err(CloseCode::Revoked),
            Err(error) => return Err(close_code(error)),
        }
        let (key, since) = (user.key, self.since.clone());
        let snapshot = self
            .app
            .store
            .read(move |c| replay::snapshot(c, key, since.as_deref()))
            .await
            .map_err(close_code)?;
        let snapshot = self.tell_what_may_be_told(&user, snapshot).await;
        let packets = self.welcome(snapshot.map_err(close_code)?);
        self.note_cursor(user.key, &packets);
        Ok(packets)
    }

    /// Without reads of messages that nobody is told of.
    async fn tell_what_may_be_told(
        &self,
        user: &User,
        snapshot: Snapshot,
    ) -> Result<Snapshot, Error> {
        let missed = match snapshot.missed {
            Missed::Events(events) => {
                Missed::Events(messages::hide_receipts_of_events(&self.app, user, events).await?)
            }
            other => other,
        };
        Ok(Snapshot { missed, ..snapshot })
    }

    /// A client with a cursor has seen what is before it, and gets what is sent again. One that missed nothing, has no cursor, or
    /// is told to fetch again has everything up to the snapshot.
    fn note_cursor(&self, user: UserKey, packets: &[Packet]) {
        let Phase::Joined { seen, .. } = &self.phase else {
            return;
        };
        let replayed = packets.iter().filter_map(|packet| packet.seq).max();
        let (hub, id) = (&self.app.hub, self.inbox.id());
        match (&self.since, replayed) {
            (Some(since), Some(last)) => {
                hub.ack(user, id, since.seq, AckSource::Page);
                hub.record_sent(user, last);
            }
            _ => hub.ack(user, id, *seen, AckSource::Page),
        }
    }

    /// `connected`, then what was missed. Its `seq` is where the events that follow begin.
    fn welcome(&mut self, snapshot: Snapshot) -> Vec<Packet> {
        let Phase::Joined {
            identity,
            seen,
            epoch,
            resumed,
            ..
        } = &mut self.phase
        else {
            return Vec::new();
        };
        let resync = |reason| {
            let seq = snapshot.seq;
            vec![Event::Resync(Resync { reason, seq })]
        };
        let (missed, complete) = match snapshot.missed {
            Missed::Events(events) => (events, true),
            Missed::TooMany => (resync("too_much_missed"), false),
            Missed::Unknown => (resync("unknown_cursor"), false),
        };
        if self.since.is_some() {
            self.app.metrics.replay_events.observe(missed.len() as f64);
        }
        let cursor = self.since.as_ref().filter(|_| complete);
        let seq = cursor.map_or(snapshot.seq, |cursor| cursor.seq);
        (*seen, *epoch) = (snapshot.seq, snapshot.epoch.into());
        *resumed = cursor.is_some();
        self.written.begin_at(seq);
        let connected = Event::Connected(Connected {
            user_id: identity.user.id().clone(),
            connection_id: self.inbox.id().to_string(),
            seq,
            up_to: snapshot.seq,
            unread: snapshot.unread,
            server_time: self.app.now(),
        });
        let events = std::iter::once(connected).chain(missed);
        events.map(|event| Packet::new(&event)).collect()
    }
}

/// What an error in authenticating means for the socket.
pub fn close_code(error: Error) -> CloseCode {
    match error {
        Error::Unauthorized(Unauthorized::Expired) => CloseCode::TokenExpired,
        Error::Unauthorized(Unauthorized::Disabled | Unauthorized::Revoked) => CloseCode::Revoked,
        Error::Unauthorized(_) | Error::Invalid(_) => CloseCode::BadToken,
        other => {
            tracing::error!(error = %other, "cannot join a socket");
            CloseCode::Restarting
        }
    }
}
