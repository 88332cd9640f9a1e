//! Hidden pages: a page in the background shows what arrives, but the user has not seen it there.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::acknowledgements::{AckSource, Unacked};
use super::{Entry, Hub, Packet, lock};
use crate::model::events::{Event, Looking};
use crate::model::ids::{ConnectionId, Seq, UserKey};

/// A user's pages that are in the background.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    pages: Vec<HiddenPage>,
    /// Since when the user has had no page in front; a lost connection does not end that.
    since: Option<Instant>,
    /// Other devices have been pushed what was unseen, and are pushed at once from now on.
    unattended: bool,
    /// What the hidden pages were last told: whether the user looks at another page.
    told: Option<bool>,
}

#[derive(Debug)]
struct HiddenPage {
    connection: ConnectionId,
    /// The push subscription of the page's device, if the page itself shows what arrives, and after which seq it does.
    endpoint: Option<Arc<str>>,
    from: Seq,
    /// Up to where the page has got everything.
    acknowledged: Seq,
    /// Up to where it has shown everything, and whether that has risen since it was last saved.
    shown: Seq,
    unsaved: bool,
}

impl HiddenPage {
    /// What the page has shown since the last call.
    fn take_shown(&mut self) -> Option<(AckSource, Seq)> {
        let unsaved = std::mem::take(&mut self.unsaved);
        let endpoint = self.endpoint.clone().filter(|_| unsaved)?;
        let from = self.from;
        Some((AckSource::Device { endpoint, from }, self.shown))
    }
}

impl Hidden {
    fn page(&mut self, connection: ConnectionId) -> Option<&mut HiddenPage> {
        let mut pages = self.pages.iter_mut();
        pages.find(|page| page.connection == connection)
    }
}

impl Entry {
    /// Puts a page into the background. Returns what it has shown for another subscription before.
    pub(super) fn hide(
        &mut self,
        connection: ConnectionId,
        endpoint: Option<Arc<str>>,
    ) -> Option<(AckSource, Seq)> {
        let from = self.sent;
        let hidden = self.hidden.get_or_insert_default();
        if let Some(page) = hidden.page(connection) {
            if page.endpoint == endpoint {
                return None;
            }
            let shown = page.take_shown();
            (page.endpoint, page.from) = (endpoint, from);
            // What the device was to show itself is to be pushed to it.
            hidden.unattended = false;
            return shown;
        }
        hidden.pages.push(HiddenPage {
            connection,
            endpoint,
            from,
            acknowledged: 0,
            shown: 0,
            unsaved: false,
        });
        // The new page has been told nothing yet.
        hidden.told = None;
        None
    }

    /// Since when the user has had no page in front.
    pub(super) fn hidden_since(&self) -> Option<Instant> {
        self.hidden.as_ref().and_then(|hidden| hidden.since)
    }

    /// The same was true before the connection was lost.
    pub(super) fn set_hidden_since(&mut self, since: Option<Instant>) {
        if let Some(hidden) = &mut self.hidden {
            hidden.since = since;
        }
    }

    /// Takes a page out of the background.
    fn unhide(&mut self, connection: ConnectionId) -> Option<HiddenPage> {
        let pages = &mut self.hidden.as_mut()?.pages;
        let is_it = |page: &HiddenPage| page.connection == connection;
        let at = pages.iter().position(is_it)?;
        Some(pages.swap_remove(at))
    }

    /// A page has gone. Returns what it showed, as far as that is not saved yet.
    pub(super) fn leave(&mut self, connection: ConnectionId) -> Option<(AckSource, Seq)> {
        let mut page = self.unhide(connection)?;
        if page.endpoint.is_some() && page.shown < self.sent {
            // Its device was left out, and did not show everything: it is pushed with the next round.
            self.hidden
                .iter_mut()
                .for_each(|hidden| hidden.unattended = false);
        }
        page.take_shown()
    }

    /// A hidden page has got everything up to `seq`: the user has not seen it yet. `false` for a page that is not hidden.
    pub(super) fn acked_hidden(&mut self, connection: ConnectionId, seq: Seq) -> bool {
        let hidden = self.hidden.as_mut();
        let Some(page) = hidden.and_then(|hidden| hidden.page(connection)) else {
            return false;
        };
        page.acknowledged = page.acknowledged.max(seq);
        true
    }

    /// To be called after each change of devices or of what is hidden. Tells the hidden pages whether the user looks at another one;
    /// in the order of the changes, so while the shard is locked.
    pub(super) fn visibility_changed(&mut self) {
        let Some(hidden) = &mut self.hidden else {
            return;
        };
        let looking = hidden.pages.len() < self.devices.len();
        if looking && hidden.pages.is_empty() {
            self.hidden = None;
            return;
        }
        if looking {
            (hidden.since, hidden.unattended) = (None, false);
        } else {
            hidden.since.get_or_insert_with(Instant::now);
        }
        if hidden.told.replace(looking) == Some(looking) {
            return;
        }
        let seen = self.acked;
        let packet = Arc::new(Packet::new(&Event::Looking(Looking { looking, seen })));
        for inbox in &self.devices {
            if hidden.page(inbox.id()).is_some() {
                inbox.push(packet.clone());
            }
        }
    }

    pub(super) fn unattended(&self) -> bool {
        let hidden = self.hidden.as_ref();
        hidden.is_some_and(|hidden| hidden.unattended)
    }

    /// What the hidden pages have shown since the last call.
    pub(super) fn take_shown(&mut self) -> Vec<(AckSource, Seq)> {
        let pages = self.hidden.iter_mut().flat_map(|hidden| &mut hidden.pages);
        pages.filter_map(HiddenPage::take_shown).collect()
    }
}

impl Hub {
    /// A page has gone into the background; `endpoint` is its device's push subscription, if the page shows what arrives.
    pub fn hide(&self, user: UserKey, connection: ConnectionId, endpoint: Option<Arc<str>>) {
        self.change(user, connection, |entry| entry.hide(connection, endpoint));
    }

    /// A page is in front of its user again, who sees what it has.
    pub fn show(&self, user: UserKey, connection: ConnectionId) {
        self.change(user, connection, |entry| {
            if let Some(page) = entry.unhide(connection) {
                entry.ack(page.acknowledged, AckSource::Page);
            }
            None
        });
    }

    /// A hidden page has shown everything up to `seq` on its device.
    pub fn shown(&self, user: UserKey, connection: ConnectionId, seq: Seq) {
        let mut shard = self.shard(user);
        let entry = shard.users.get_mut(&user);
        let hidden = entry.and_then(|entry| entry.hidden.as_mut());
        if let Some(page) = hidden.and_then(|hidden| hidden.page(connection))
            && seq > page.shown
        {
            (page.shown, page.unsaved) = (seq, true);
        }
    }

    /// Changes what is known of an open socket's page. `change` returns what a page has shown and is still to be saved.
    fn change(
        &self,
        user: UserKey,
        connection: ConnectionId,
        change: impl FnOnce(&mut Entry) -> Option<(AckSource, Seq)>,
    ) {
        let shard = &mut *self.shard(user);
        if let Some(entry) = shard.users.get_mut(&user)
            && entry.devices.iter().any(|inbox| inbox.id() == connection)
        {
            let shown = change(entry);
            entry.visibility_changed();
            shard.keep_shown(user, shown);
        }
    }

    /// The users who have had nothing but hidden pages for `after`, with what these have received and not seen. Each is returned
    /// once: what arrives from now on is pushed at once.
    pub fn take_unattended(&self, now: Instant, after: Duration) -> Vec<Unacked> {
        let mut unseen = Vec::new();
        for shard in &self.shards {
            let users = &mut lock(shard).users;
            for (user, entry) in users.iter_mut().filter(|(_, entry)| entry.connected()) {
                let Some(hidden) = entry.hidden.as_mut().filter(|hidden| !hidden.unattended) else {
                    continue;
                };
                let since = hidden.since.filter(|since| now >= *since + after);
                if let Some(since) = since {
                    hidden.unattended = true;
                    unseen.push(Unacked {
                        user: *user,
                        after: entry.acked,
                        up_to: entry.sent,
                        since,
                        hidden_since: Some(since),
                    });
                }
            }
        }
        unseen
    }

    /// What was unseen could not be queued: [`Hub::take_unattended`] returns these users again.
    pub fn keep_unattended(&self, users: impl Iterator<Item = UserKey>) {
        for user in users {
            let mut shard = self.shard(user);
            let entry = shard.users.get_mut(&user);
            if let Some(hidden) = entry.and_then(|entry| entry.hidden.as_mut()) {
                hidden.unattended = false;
            }
        }
    }

    /// Whether the user still looks at no page.
    pub fn is_unattended(&self, user: UserKey) -> bool {
        let shard = self.shard(user);
        shard.users.get(&user).is_some_and(Entry::unattended)
    }

    /// The push subscriptions of the devices on which hidden pages show everything that arrives after `seq`.
    pub fn shown_on(&self, user: UserKey, seq: Seq) -> Vec<Arc<str>> {
        let shard = self.shard(user);
        let entry = shard.users.get(&user);
        let hidden = entry.and_then(|entry| entry.hidden.as_ref());
        let pages = hidden.into_iter().flat_map(|hidden| &hidden.pages);
        let pages = pages.filter(|page| page.from <= seq);
        pages.filter_map(|page| page.endpoint.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Inbox, Reach};
    use super::*;
    use crate::model::ids::UserId;

    const USER: UserKey = UserKey(1);
    const MINUTE: Duration = Duration::from_secs(60);

    fn connect(hub: &Hub, hidden: bool) -> Arc<Inbox> {
        let inbox = hub.inbox();
        hub.register(USER, &UserId::parse("u").unwrap(), inbox.clone(), 9, hidden);
        inbox
    }

    fn told(inbox: &Inbox) -> Vec<String> {
        let packets = inbox.drain(usize::MAX).packets;
        packets.iter().map(|packet| packet.json.clone()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_hidden_page_acknowledges_is_not_seen() {
        let hub = crate::hub::tests::hub();
        let page = connect(&hub, false);
        hub.record_sent(USER, 5);
        hub.ack(USER, page.id(), 5, AckSource::Page);
        hub.hide(USER, page.id(), Some("https://push/1".into()));
        assert_eq!(hub.record_sent(USER, 6), Reach::Connected);
        hub.ack(USER, page.id(), 6, AckSource::Page);
        hub.shown(USER, page.id(), 6);
        let taken = hub.take_acks();
        let taken: Vec<_> = taken.iter().map(|one| (one.by.clone(), one.seq)).collect();
        let device = AckSource::Device {
            endpoint: "https://push/1".into(),
            from: 5,
        };
        assert_eq!(taken, [(AckSource::Page, 5), (device, 6)]);

        let now = Instant::now();
        assert!(hub.take_unattended(now, MINUTE).is_empty());
        let unseen = hub.take_unattended(now + MINUTE, MINUTE);
        assert_eq!((unseen[0].after, unseen[0].up_to), (5, 6));
        assert!(hub.take_unattended(now + MINUTE, MINUTE).is_empty(), "once");
        assert_eq!(hub.record_sent(USER, 7), Reach::Hidden);
        assert_eq!(hub.shown_on(USER, 7), ["https://push/1".into()]);
        assert!(hub.shown_on(USER, 4).is_empty(), "what was before it");

        hub.show(USER, page.id());
        assert_eq!(hub.record_sent(USER, 8), Reach::Connected);
        let taken = hub.take_acks();
        assert_eq!((&taken[0].by, taken[0].seq), (&AckSource::Page, 6));
    }

    #[tokio::test(start_paused = true)]
    async fn one_page_in_front_is_enough_and_the_hidden_ones_know() {
        let hub = crate::hub::tests::hub();
        let (laptop, phone) = (connect(&hub, false), connect(&hub, false));
        hub.hide(USER, laptop.id(), None);
        let looking =
            |is: bool| format!(r#"{{"event":"looking","data":{{"looking":{is},"seen":0}}}}"#);
        assert_eq!(told(&laptop), [looking(true)]);
        let later = Instant::now() + MINUTE;
        assert!(hub.take_unattended(later, MINUTE).is_empty());

        hub.unregister(USER, phone.id());
        assert_eq!(told(&laptop), [looking(false)]);
        assert_eq!(
            hub.take_unattended(Instant::now() + MINUTE, MINUTE).len(),
            1
        );
        let phone = connect(&hub, true);
        assert_eq!(told(&phone), [looking(false)]);
        assert!(hub.is_unattended(USER));
        hub.show(USER, phone.id());
        assert!(!hub.is_unattended(USER));
        assert_eq!(told(&laptop).last(), Some(&looking(true)));
        assert!(told(&phone).is_empty(), "it is in front itself");
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_goes_without_having_shown_everything_is_looked_at_again() {
        let hub = crate::hub::tests::hub();
        let (laptop, phone) = (connect(&hub, true), connect(&hub, true));
        for (page, endpoint) in [(&laptop, "https://push/1"), (&phone, "https://push/2")] {
            hub.hide(USER, page.id(), Some(endpoint.into()));
        }
        let later = Instant::now() + MINUTE;
        assert_eq!(hub.take_unattended(later, MINUTE).len(), 1);
        hub.record_sent(USER, 5);
        hub.shown(USER, laptop.id(), 5);
        hub.unregister(USER, phone.id());
        assert_eq!(hub.shown_on(USER, 5), ["https://push/1".into()]);
        assert_eq!(hub.take_unattended(later, MINUTE).len(), 1, "again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_connection_does_not_restart_the_minute() {
        let hub = crate::hub::tests::hub();
        let began = Instant::now();
        for second in [0, 20, 65] {
            tokio::time::advance(began + Duration::from_secs(second) - Instant::now()).await;
            hub.sweep(Instant::now());
            let page = connect(&hub, true);
            hub.record_sent(USER, 5);
            hub.unregister(USER, page.id());
        }
        connect(&hub, true);
        assert_eq!(hub.take_unattended(Instant::now(), MINUTE).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_a_hidden_page_has_not_seen_what_it_showed() {
        let hub = crate::hub::tests::hub();
        hub.caught_up();
        let page = connect(&hub, true);
        hub.record_sent(USER, 5);
        hub.ack(USER, page.id(), 5, AckSource::Page);
        hub.unregister(USER, page.id());
        assert_eq!(hub.record_sent(USER, 6), Reach::Unacked);
    }
}
