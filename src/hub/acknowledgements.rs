//! Online does not mean reached: an event that was sent to a socket counts as delivered once the client has acknowledged it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::{Entry, Hub, lock};
use crate::model::ids::{ConnectionId, Seq, UserKey};

/// How long a user who left without acknowledging has to come back before what they may have missed is pushed.
pub const ACK_GRACE: Duration = Duration::from_secs(60);

/// Whether an event reaches a user's sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It goes to an open socket.
    Connected,
    /// It goes to an open socket, but all pages have been hidden for long.
    Hidden,
    /// There is no socket.
    Away,
    /// There is no socket, and what was sent to the last one is not acknowledged.
    Unacked,
}

/// What showed that a user got something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AckSource {
    /// A frame that JavaScript, or an app, sent.
    Page,
    /// Only pongs of the protocol, long after it was written.
    Link,
    /// A hidden page, which shows what arrives after `from` on its device: the one with this push subscription.
    Device { endpoint: Arc<str>, from: Seq },
}

/// How far a user has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    pub user: UserKey,
    pub by: AckSource,
    pub seq: Seq,
}

/// What was sent to a user's sockets and not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unacked {
    pub user: UserKey,
    /// The highest seq that is acknowledged.
    pub after: Seq,
    /// The highest seq that was sent.
    pub up_to: Seq,
    /// When the last socket went.
    pub since: Instant,
    /// Since when the user had no page in front, if there was one in the background.
    pub hidden_since: Option<Instant>,
}

impl Entry {
    pub(super) fn unacked(&self, user: UserKey) -> Option<Unacked> {
        let since = self.left?;
        (self.sent > self.acked).then_some(Unacked {
            user,
            after: self.acked,
            up_to: self.sent,
            since,
            hidden_since: self.hidden_since(),
        })
    }

    pub(super) fn ack(&mut self, seq: Seq, by: AckSource) {
        if by == AckSource::Page && seq > self.acked_by_page {
            self.acked_by_page = seq;
        }
        if seq > self.acked {
            self.acked = seq;
            self.risen = true;
        }
    }
}

impl Hub {
    /// Records that the event of this seq is sent to the user's sockets, if there is one. Called inside the write that makes the
    /// event, so either the end of the socket sees that it was sent, or the write sees that there is no socket.
    pub fn record_sent(&self, user: UserKey, seq: Seq) -> Reach {
        let shard = &mut *self.shard(user);
        match shard.users.get_mut(&user) {
            Some(entry) if entry.connected() => {
                entry.sent = entry.sent.max(seq);
                if entry.unattended() {
                    Reach::Hidden
                } else {
                    Reach::Connected
                }
            }
            Some(entry) if entry.sent > entry.acked => Reach::Unacked,
            None if shard.unacked.contains_key(&user) => Reach::Unacked,
            _ if !self.caught_up.load(Ordering::Acquire) => Reach::Unacked,
            _ => Reach::Away,
        }
    }

    /// A socket of the user has received everything up to `seq`. If its page is hidden, that does not count as seen.
    pub fn ack(&self, user: UserKey, connection: ConnectionId, seq: Seq, by: AckSource) {
        if let Some(entry) = self.shard(user).users.get_mut(&user)
            && !entry.acked_hidden(connection, seq)
        {
            entry.ack(seq, by);
        }
    }

    /// The acknowledgements since the last call. For each user, those of the page come before those of the link.
    pub fn take_acks(&self) -> Vec<Ack> {
        let mut acked = Vec::new();
        for shard in &self.shards {
            let shard = &mut *lock(shard);
            acked.append(&mut shard.shown);
            for (user, entry) in &mut shard.users {
                let mut taken = |by, seq| {
                    let user = *user;
                    acked.push(Ack { user, by, seq });
                };
                if std::mem::take(&mut entry.risen) {
                    if entry.acked_by_page > 0 {
                        taken(AckSource::Page, entry.acked_by_page);
                    }
                    if entry.acked > entry.acked_by_page {
                        taken(AckSource::Link, entry.acked);
                    }
                }
                for (by, seq) in entry.take_shown() {
                    taken(by, seq);
                }
            }
        }
        acked
    }

    /// Whether the user has a socket, or had one a moment ago, that has said how far it got.
    pub fn is_back(&self, user: UserKey) -> bool {
        let shard = self.shard(user);
        let entry = shard.users.get(&user);
        entry.is_some_and(|entry| entry.acked > 0 || entry.sent > 0)
    }

    /// These were not saved: [`Hub::take_acks`] returns them again.
    pub fn keep_acks(&self, unsaved: impl Iterator<Item = Ack>) {
        for one in unsaved {
            let shard = &mut *self.shard(one.user);
            if matches!(one.by, AckSource::Device { .. }) {
                shard.shown.push(one);
            } else if let Some(entry) = shard.users.get_mut(&one.user) {
                entry.risen = true;
            }
        }
    }

    /// What was unacknowledged before the start is queued. Until then every user who is away counts as unacknowledged.
    pub fn caught_up(&self) {
        self.caught_up.store(true, Ordering::Release);
    }

    /// What has been unacknowledged for longer than [`ACK_GRACE`], of users who have not come back. It stays until
    /// [`Hub::forget_unacked`].
    pub fn overdue_unacked(&self, now: Instant) -> Vec<Unacked> {
        let mut unacked = Vec::new();
        for shard in &self.shards {
            let shard = lock(shard);
            let old = |unacked: &Unacked| now.saturating_duration_since(unacked.since) >= ACK_GRACE;
            unacked.extend(shard.unacked.values().filter(|d| old(d)).copied());
        }
        unacked
    }

    /// Whether its user has not come back since.
    pub fn is_still_unacked(&self, unacked: &Unacked) -> bool {
        self.shard(unacked.user).unacked.get(&unacked.user) == Some(unacked)
    }

    /// It is queued now.
    pub fn forget_unacked(&self, unacked: &Unacked) {
        let shard = &mut *self.shard(unacked.user);
        if shard.unacked.get(&unacked.user) == Some(unacked) {
            shard.unacked.remove(&unacked.user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::GRACE;
    use super::*;
    use crate::model::ids::UserId;

    const USER: UserKey = UserKey(1);

    fn hub() -> Hub {
        let hub = crate::hub::tests::hub();
        hub.caught_up();
        hub
    }

    fn connect(hub: &Hub) -> ConnectionId {
        let inbox = hub.inbox();
        let id = inbox.id();
        hub.register(USER, &UserId::parse("u").unwrap(), inbox, 9, false);
        id
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_without_confirming_leaves_a_doubt() {
        let hub = hub();
        assert_eq!(hub.record_sent(USER, 1), Reach::Away);
        let socket = connect(&hub);
        assert_eq!(hub.record_sent(USER, 2), Reach::Connected);
        hub.ack(USER, socket, 2, AckSource::Page);
        assert_eq!(hub.record_sent(USER, 3), Reach::Connected);
        let left = Instant::now();
        hub.unregister(USER, socket);
        assert_eq!(hub.record_sent(USER, 4), Reach::Unacked);
        hub.sweep(left + GRACE);
        assert_eq!(hub.record_sent(USER, 5), Reach::Unacked);
        assert!(
            hub.overdue_unacked(left + ACK_GRACE - Duration::from_millis(1))
                .is_empty()
        );
        let unacked = Unacked {
            user: USER,
            after: 2,
            up_to: 3,
            since: left,
            hidden_since: None,
        };
        assert_eq!(hub.overdue_unacked(left + ACK_GRACE), [unacked]);
        assert_eq!(hub.record_sent(USER, 6), Reach::Unacked);
        hub.forget_unacked(&unacked);
        assert_eq!(hub.record_sent(USER, 7), Reach::Away);
    }

    #[tokio::test(start_paused = true)]
    async fn who_confirmed_or_comes_back_leaves_none() {
        let hub = hub();
        let socket = connect(&hub);
        hub.record_sent(USER, 2);
        hub.ack(USER, socket, 2, AckSource::Page);
        hub.unregister(USER, socket);
        assert_eq!(hub.record_sent(USER, 3), Reach::Away);
        hub.sweep(Instant::now() + GRACE);

        let socket = connect(&hub);
        hub.record_sent(USER, 4);
        hub.unregister(USER, socket);
        hub.sweep(Instant::now() + GRACE);
        connect(&hub);
        assert!(hub.overdue_unacked(Instant::now() + ACK_GRACE).is_empty());
    }

    #[test]
    fn another_device_that_confirms_is_enough() {
        let hub = hub();
        let (laptop, phone) = (connect(&hub), connect(&hub));
        hub.record_sent(USER, 7);
        hub.ack(USER, phone, 7, AckSource::Page);
        hub.unregister(USER, laptop);
        hub.unregister(USER, phone);
        assert_eq!(hub.record_sent(USER, 8), Reach::Away);
    }

    #[test]
    fn what_was_confirmed_is_told_once_and_by_what() {
        let hub = hub();
        let socket = connect(&hub);
        hub.ack(USER, socket, 7, AckSource::Page);
        hub.ack(USER, socket, 6, AckSource::Page);
        let told = |by, seq| Ack {
            user: USER,
            by,
            seq,
        };
        assert_eq!(hub.take_acks(), [told(AckSource::Page, 7)]);
        assert!(hub.take_acks().is_empty());
        hub.ack(USER, socket, 9, AckSource::Link);
        let both = [told(AckSource::Page, 7), told(AckSource::Link, 9)];
        assert_eq!(hub.take_acks(), both);
    }
}
