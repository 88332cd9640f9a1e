//! Hidden pages: a page in the background shows what arrives, but nobody has seen it there.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::doubts::{By, Doubt};
use super::{Entry, Hub, Inbox, lock};
use crate::model::events::{Event, Looking};
use crate::model::ids::{ConnectionId, Seq, UserKey};

/// A user's pages that are in the background.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    pages: Vec<HiddenPage>,
    /// Since when the user has no other page.
    since: Option<Instant>,
    /// That was so long ago that other devices are pushed at once.
    unattended: bool,
    /// What the hidden pages were last told: whether the user looks at another page.
    told: Option<bool>,
}

#[derive(Debug)]
struct HiddenPage {
    connection: ConnectionId,
    /// The push subscription of the page's device, if the page itself shows what arrives.
    endpoint: Option<Arc<str>>,
    /// Up to where the page has acknowledged.
    acknowledged: Seq,
    /// Whether `acknowledged` has risen since it was last saved.
    risen: bool,
}

/// Hidden pages that are to be told whether their user looks at another page.
#[must_use]
pub(super) struct Notice {
    to: Vec<Arc<Inbox>>,
    looking: bool,
}

impl Notice {
    pub(super) fn send(self) {
        let looking = self.looking;
        let packet = Arc::new(super::Packet::new(&Event::Looking(Looking { looking })));
        self.to.iter().for_each(|inbox| inbox.push(packet.clone()));
    }
}

impl HiddenPage {
    /// What the page has acknowledged since the last call, if it shows that itself.
    fn take_shown(&mut self) -> Option<(By, Seq)> {
        let risen = std::mem::take(&mut self.risen);
        let endpoint = self.endpoint.clone().filter(|_| risen)?;
        Some((By::Device(endpoint), self.acknowledged))
    }
}

impl Hidden {
    fn page(&mut self, connection: ConnectionId) -> Option<&mut HiddenPage> {
        let mut pages = self.pages.iter_mut();
        pages.find(|page| page.connection == connection)
    }
}

impl Entry {
    /// Puts a page into the background.
    pub(super) fn hide(&mut self, connection: ConnectionId, endpoint: Option<Arc<str>>) {
        let hidden = self.hidden.get_or_insert_default();
        match hidden.page(connection) {
            Some(page) => page.endpoint = endpoint,
            None => hidden.pages.push(HiddenPage {
                connection,
                endpoint,
                acknowledged: 0,
                risen: false,
            }),
        }
        // This page knows nothing yet.
        hidden.told = None;
    }

    /// Takes a page out of the background.
    fn unhide(&mut self, connection: ConnectionId) -> Option<HiddenPage> {
        let pages = &mut self.hidden.as_mut()?.pages;
        let is_it = |page: &HiddenPage| page.connection == connection;
        let at = pages.iter().position(is_it)?;
        Some(pages.swap_remove(at))
    }

    /// A page has gone. Returns what it showed, as far as that is not saved yet.
    pub(super) fn leave(&mut self, connection: ConnectionId) -> Option<(By, Seq)> {
        self.unhide(connection)?.take_shown()
    }

    /// A hidden page's acknowledgement: nobody has seen it yet. `false` for a page that is not hidden.
    pub(super) fn acknowledged_hidden(&mut self, connection: ConnectionId, seq: Seq) -> bool {
        let hidden = self.hidden.as_mut();
        let Some(page) = hidden.and_then(|hidden| hidden.page(connection)) else {
            return false;
        };
        if seq > page.acknowledged {
            page.acknowledged = seq;
            page.risen = page.endpoint.is_some();
        }
        true
    }

    /// To be called after each change of devices or of what is hidden.
    pub(super) fn look(&mut self) -> Option<Notice> {
        let hidden = self.hidden.as_mut()?;
        if hidden.pages.is_empty() {
            self.hidden = None;
            return None;
        }
        let looking = hidden.pages.len() < self.devices.len();
        if looking {
            (hidden.since, hidden.unattended) = (None, false);
        } else {
            hidden.since.get_or_insert_with(Instant::now);
        }
        if hidden.told.replace(looking) == Some(looking) {
            return None;
        }
        let is_hidden = |inbox: &&Arc<Inbox>| {
            let mut pages = hidden.pages.iter();
            pages.any(|page| page.connection == inbox.id())
        };
        let to = self.devices.iter().filter(is_hidden).cloned().collect();
        Some(Notice { to, looking })
    }

    pub(super) fn unattended(&self) -> bool {
        self.hidden.as_ref().is_some_and(|hidden| hidden.unattended)
    }

    /// The devices whose hidden pages have acknowledged more since the last call.
    pub(super) fn take_shown(&mut self) -> Vec<(By, Seq)> {
        let pages = self.hidden.iter_mut().flat_map(|hidden| &mut hidden.pages);
        pages.filter_map(HiddenPage::take_shown).collect()
    }

    /// These were not saved.
    pub(super) fn keep_shown(&mut self) {
        let pages = self.hidden.iter_mut().flat_map(|hidden| &mut hidden.pages);
        pages.for_each(|page| page.risen = page.endpoint.is_some());
    }
}

impl Hub {
    /// A page has gone into the background; `endpoint` is its device's push subscription, if the page shows what arrives.
    pub fn hide(&self, user: UserKey, connection: ConnectionId, endpoint: Option<Arc<str>>) {
        self.change(user, |entry| entry.hide(connection, endpoint));
    }

    /// A page is in front of its user again, who sees what it has.
    pub fn show(&self, user: UserKey, connection: ConnectionId) {
        self.change(user, |entry| {
            if let Some(page) = entry.unhide(connection) {
                entry.confirm(page.acknowledged, By::Page);
            }
        });
    }

    fn change(&self, user: UserKey, change: impl FnOnce(&mut Entry)) {
        let notice = self.shard(user).users.get_mut(&user).and_then(|entry| {
            change(entry);
            entry.look()
        });
        notice.into_iter().for_each(Notice::send);
    }

    /// The users who have had nothing but hidden pages for `after`, with what these have that nobody has seen. Each is returned
    /// once: what arrives from now on is pushed at once.
    pub fn take_unattended(&self, now: Instant, after: Duration) -> Vec<Doubt> {
        let mut unseen = Vec::new();
        for shard in &self.shards {
            for (user, entry) in &mut lock(shard).users {
                let Some(hidden) = entry.hidden.as_mut().filter(|hidden| !hidden.unattended) else {
                    continue;
                };
                let since = hidden.since.filter(|since| now >= *since + after);
                if let Some(since) = since {
                    hidden.unattended = true;
                    unseen.push(Doubt {
                        user: *user,
                        after: entry.confirmed,
                        up_to: entry.promised,
                        since,
                    });
                }
            }
        }
        unseen
    }

    /// These were not pushed: [`Hub::take_unattended`] returns them again.
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

    /// The push subscriptions of the devices on which hidden pages show what arrives.
    pub fn shown_on(&self, user: UserKey) -> Vec<Arc<str>> {
        let shard = self.shard(user);
        let entry = shard.users.get(&user);
        let hidden = entry.and_then(|entry| entry.hidden.as_ref());
        let pages = hidden.into_iter().flat_map(|hidden| &hidden.pages);
        pages.filter_map(|page| page.endpoint.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reach;
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
    async fn what_a_hidden_page_acknowledges_nobody_has_seen() {
        let hub = crate::hub::tests::hub();
        let page = connect(&hub, false);
        hub.promise(USER, 5);
        hub.confirm(USER, page.id(), 5, By::Page);
        hub.hide(USER, page.id(), Some("https://push/1".into()));
        assert_eq!(hub.promise(USER, 6), Reach::Connected);
        hub.confirm(USER, page.id(), 6, By::Page);
        let taken = hub.take_confirmed();
        let taken: Vec<_> = taken.iter().map(|one| (one.by.clone(), one.seq)).collect();
        let device = By::Device("https://push/1".into());
        assert_eq!(taken, [(By::Page, 5), (device, 6)]);

        let now = Instant::now();
        assert!(hub.take_unattended(now, MINUTE).is_empty());
        let unseen = hub.take_unattended(now + MINUTE, MINUTE);
        assert_eq!((unseen[0].after, unseen[0].up_to), (5, 6));
        assert!(hub.take_unattended(now + MINUTE, MINUTE).is_empty(), "once");
        assert_eq!(hub.promise(USER, 7), Reach::Hidden);
        assert_eq!(hub.shown_on(USER), ["https://push/1".into()]);

        hub.show(USER, page.id());
        assert_eq!(hub.promise(USER, 8), Reach::Connected);
        let taken = hub.take_confirmed();
        assert_eq!((&taken[0].by, taken[0].seq), (&By::Page, 6));
    }

    #[tokio::test(start_paused = true)]
    async fn one_page_in_front_is_enough_and_the_hidden_ones_know() {
        let hub = crate::hub::tests::hub();
        let (laptop, phone) = (connect(&hub, false), connect(&hub, false));
        hub.hide(USER, laptop.id(), None);
        let looking = |is: bool| format!(r#"{{"event":"looking","data":{{"looking":{is}}}}}"#);
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
    async fn who_leaves_a_hidden_page_has_not_seen_what_it_showed() {
        let hub = crate::hub::tests::hub();
        hub.caught_up();
        let page = connect(&hub, true);
        hub.promise(USER, 5);
        hub.confirm(USER, page.id(), 5, By::Page);
        hub.unregister(USER, page.id());
        assert_eq!(hub.promise(USER, 6), Reach::Doubtful);
    }
}
