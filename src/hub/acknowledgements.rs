//! Online is not reached: what was left to a socket counts once the socket has confirmed it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::{Entry, Hub, lock};
use crate::model::ids::{ConnectionId, Seq, UserKey};

/// How long somebody who went without confirming has to come back before what they may have missed is pushed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Whether an event will reach somebody's sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It is left to an open socket.
    Connected,
    /// It is left to an open socket, but all pages have been hidden for long.
    Hidden,
    /// There is none.
    Away,
    /// There is none, and what the last one was left is in doubt still.
    Doubtful,
}

/// What showed that a user got something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// Something that JavaScript, or an app, sent.
    Page,
    /// Nothing but pongs of the protocol, long after it was written.
    Link,
    /// A hidden page, which shows what arrives after `from` on its device: the one with this push subscription.
    Device { endpoint: Arc<str>, from: Seq },
}

/// How far a user has confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    pub user: UserKey,
    pub by: By,
    pub seq: Seq,
}

/// What somebody's sockets were left and did not confirm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubt {
    pub user: UserKey,
    /// The highest seq that is confirmed.
    pub after: Seq,
    /// The highest seq that a socket was left.
    pub up_to: Seq,
    /// When the last socket went.
    pub since: Instant,
    /// Since when the user had no page in front, if there was one in the background.
    pub hidden_since: Option<Instant>,
}

impl Entry {
    pub(super) fn doubt(&self, user: UserKey) -> Option<Doubt> {
        let since = self.left?;
        (self.promised > self.confirmed).then_some(Doubt {
            user,
            after: self.confirmed,
            up_to: self.promised,
            since,
            hidden_since: self.hidden_since(),
        })
    }

    pub(super) fn confirm(&mut self, seq: Seq, by: By) {
        if by == By::Page && seq > self.confirmed_by_page {
            self.confirmed_by_page = seq;
        }
        if seq > self.confirmed {
            self.confirmed = seq;
            self.risen = true;
        }
    }
}

impl Hub {
    /// Leaves the event of this seq to the user's sockets, if there is one. Called inside the write that makes the event:
    /// so either the socket's end sees that it was left, or the write sees that there is no socket.
    pub fn promise(&self, user: UserKey, seq: Seq) -> Reach {
        let shard = &mut *self.shard(user);
        match shard.users.get_mut(&user) {
            Some(entry) if entry.connected() => {
                entry.promised = entry.promised.max(seq);
                if entry.unattended() {
                    Reach::Hidden
                } else {
                    Reach::Connected
                }
            }
            Some(entry) if entry.promised > entry.confirmed => Reach::Doubtful,
            None if shard.doubts.contains_key(&user) => Reach::Doubtful,
            _ if !self.caught_up.load(Ordering::Acquire) => Reach::Doubtful,
            _ => Reach::Away,
        }
    }

    /// A socket of the user has got everything up to `seq`. If its page is hidden, that does not count as seen.
    pub fn confirm(&self, user: UserKey, connection: ConnectionId, seq: Seq, by: By) {
        if let Some(entry) = self.shard(user).users.get_mut(&user)
            && !entry.acknowledged_hidden(connection, seq)
        {
            entry.confirm(seq, by);
        }
    }

    /// The confirmations since the last call. For each user, what the page confirmed comes before what only the link did.
    pub fn take_confirmed(&self) -> Vec<Confirmation> {
        let mut confirmed = Vec::new();
        for shard in &self.shards {
            let shard = &mut *lock(shard);
            confirmed.append(&mut shard.shown);
            for (user, entry) in &mut shard.users {
                let mut taken = |by, seq| {
                    let user = *user;
                    confirmed.push(Confirmation { user, by, seq });
                };
                if std::mem::take(&mut entry.risen) {
                    if entry.confirmed_by_page > 0 {
                        taken(By::Page, entry.confirmed_by_page);
                    }
                    if entry.confirmed > entry.confirmed_by_page {
                        taken(By::Link, entry.confirmed);
                    }
                }
                for (by, seq) in entry.take_shown() {
                    taken(by, seq);
                }
            }
        }
        confirmed
    }

    /// Whether somebody has a socket, or had one a moment ago, that has said how far it got.
    pub fn is_back(&self, user: UserKey) -> bool {
        let shard = self.shard(user);
        let entry = shard.users.get(&user);
        entry.is_some_and(|entry| entry.confirmed > 0 || entry.promised > 0)
    }

    /// These were not saved: [`Hub::take_confirmed`] returns them again.
    pub fn keep_confirmed(&self, unsaved: impl Iterator<Item = Confirmation>) {
        for one in unsaved {
            let shard = &mut *self.shard(one.user);
            if matches!(one.by, By::Device { .. }) {
                shard.shown.push(one);
            } else if let Some(entry) = shard.users.get_mut(&one.user) {
                entry.risen = true;
            }
        }
    }

    /// What was in doubt at the start has been seen to; until then everybody who is away is in doubt.
    pub fn caught_up(&self) {
        self.caught_up.store(true, Ordering::Release);
    }

    /// The doubts that are older than [`PATIENCE`]; whoever came back meanwhile has none. They stand until
    /// [`Hub::settle_doubt`].
    pub fn old_doubts(&self, now: Instant) -> Vec<Doubt> {
        let mut doubts = Vec::new();
        for shard in &self.shards {
            let shard = lock(shard);
            let old = |doubt: &Doubt| now.saturating_duration_since(doubt.since) >= PATIENCE;
            doubts.extend(shard.doubts.values().filter(|d| old(d)).copied());
        }
        doubts
    }

    /// Whether its user has not come back since.
    pub fn stands(&self, doubt: &Doubt) -> bool {
        self.shard(doubt.user).doubts.get(&doubt.user) == Some(doubt)
    }

    /// What this doubt was about has been seen to.
    pub fn settle_doubt(&self, doubt: &Doubt) {
        let shard = &mut *self.shard(doubt.user);
        if shard.doubts.get(&doubt.user) == Some(doubt) {
            shard.doubts.remove(&doubt.user);
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
        assert_eq!(hub.promise(USER, 1), Reach::Away);
        let socket = connect(&hub);
        assert_eq!(hub.promise(USER, 2), Reach::Connected);
        hub.confirm(USER, socket, 2, By::Page);
        assert_eq!(hub.promise(USER, 3), Reach::Connected);
        let left = Instant::now();
        hub.unregister(USER, socket);
        assert_eq!(hub.promise(USER, 4), Reach::Doubtful);
        hub.sweep(left + GRACE);
        assert_eq!(hub.promise(USER, 5), Reach::Doubtful);
        assert!(
            hub.old_doubts(left + PATIENCE - Duration::from_millis(1))
                .is_empty()
        );
        let doubt = Doubt {
            user: USER,
            after: 2,
            up_to: 3,
            since: left,
            hidden_since: None,
        };
        assert_eq!(hub.old_doubts(left + PATIENCE), [doubt]);
        assert_eq!(hub.promise(USER, 6), Reach::Doubtful);
        hub.settle_doubt(&doubt);
        assert_eq!(hub.promise(USER, 7), Reach::Away);
    }

    #[tokio::test(start_paused = true)]
    async fn who_confirmed_or_comes_back_leaves_none() {
        let hub = hub();
        let socket = connect(&hub);
        hub.promise(USER, 2);
        hub.confirm(USER, socket, 2, By::Page);
        hub.unregister(USER, socket);
        assert_eq!(hub.promise(USER, 3), Reach::Away);
        hub.sweep(Instant::now() + GRACE);

        let socket = connect(&hub);
        hub.promise(USER, 4);
        hub.unregister(USER, socket);
        hub.sweep(Instant::now() + GRACE);
        connect(&hub);
        assert!(hub.old_doubts(Instant::now() + PATIENCE).is_empty());
    }

    #[test]
    fn another_device_that_confirms_is_enough() {
        let hub = hub();
        let (laptop, phone) = (connect(&hub), connect(&hub));
        hub.promise(USER, 7);
        hub.confirm(USER, phone, 7, By::Page);
        hub.unregister(USER, laptop);
        hub.unregister(USER, phone);
        assert_eq!(hub.promise(USER, 8), Reach::Away);
    }

    #[test]
    fn what_was_confirmed_is_told_once_and_by_what() {
        let hub = hub();
        let socket = connect(&hub);
        hub.confirm(USER, socket, 7, By::Page);
        hub.confirm(USER, socket, 6, By::Page);
        let told = |by, seq| Confirmation {
            user: USER,
            by,
            seq,
        };
        assert_eq!(hub.take_confirmed(), [told(By::Page, 7)]);
        assert!(hub.take_confirmed().is_empty());
        hub.confirm(USER, socket, 9, By::Link);
        let both = [told(By::Page, 7), told(By::Link, 9)];
        assert_eq!(hub.take_confirmed(), both);
    }
}
