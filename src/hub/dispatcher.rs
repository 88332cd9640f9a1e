//! The one thread that publishes: committed events leave in the order of their commits. If request handlers published their own
//! events, one could overtake another, and a client's cursor would pass an event that it never saw.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;

use super::Hub;
use super::inbox::{Inbox, SOFT_LIMIT};
use crate::model::events::{CloseCode, Publication};
use crate::model::ids::UserKey;
use crate::threads::{self, Pulse};

/// Commits that may wait to be published; the writer waits for room, so memory stays bounded.
const QUEUE_COMMITS: usize = 1_024;
/// Further commits whose events are put into inboxes before any socket is woken.
const BATCH_COMMITS: usize = 16;
/// Bytes of events after which sockets are woken anyway: well before an inbox is full.
const WAKE_BYTES: usize = SOFT_LIMIT / 2;
/// How often it shows that it is alive while there is nothing to publish.
const IDLE_PERIOD: Duration = Duration::from_secs(1);
/// Up to this many sockets are woken from this thread.
const MAX_WOKEN_HERE: usize = 4;

/// What a committed write has the hub do.
#[derive(Debug)]
pub enum Delivery {
    Publish(Publication),
    /// Every socket of this user goes, with this code.
    Disconnect(UserKey, CloseCode),
    /// The sockets of this session go.
    EndSession(UserKey, Arc<str>),
}

/// The thread ends when the sender is dropped; dropping this joins it.
pub struct Dispatcher {
    thread: Option<JoinHandle<()>>,
}

impl Dispatcher {
    /// # Errors
    /// Where the system has no thread left.
    pub fn start(
        hub: Arc<Hub>,
        pulse: Pulse,
    ) -> std::io::Result<(Self, mpsc::SyncSender<Vec<Delivery>>)> {
        let (sender, commits) = mpsc::sync_channel::<Vec<Delivery>>(QUEUE_COMMITS);
        let runtime = Handle::try_current().ok();
        let work = move || {
            loop {
                pulse.beat();
                match commits.recv_timeout(IDLE_PERIOD) {
                    Ok(first) => {
                        let more = commits.try_iter().take(BATCH_COMMITS).flatten();
                        publish(&hub, runtime.as_ref(), first.into_iter().chain(more));
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        let thread = Some(threads::essential("dispatcher", work)?);
        Ok((Dispatcher { thread }, sender))
    }
}

fn publish(hub: &Hub, runtime: Option<&Handle>, deliveries: impl Iterator<Item = Delivery>) {
    let mut to_wake = ToWake::default();
    for delivery in deliveries {
        match delivery {
            Delivery::Publish(publication) => hub.put(&publication, &mut to_wake),
            Delivery::Disconnect(user, code) => hub.disconnect(user, code),
            Delivery::EndSession(user, session) => hub.end_session(user, &session),
        }
        if to_wake.bytes > WAKE_BYTES {
            std::mem::take(&mut to_wake).wake(runtime);
        }
    }
    to_wake.wake(runtime);
}

/// Wakes its sockets when it is dropped, also when its runtime is gone, so that no task waits for ever.
#[derive(Default)]
pub(super) struct ToWake {
    pub inboxes: Vec<Arc<Inbox>>,
    /// Of the events that were put into them, each once.
    pub bytes: usize,
}

impl ToWake {
    /// Events that come together leave together: a socket that gets a hundred events writes once. A worker of the runtime takes
    /// the tasks that it wakes into its own queue; each one that is woken from outside goes through a lock.
    fn wake(self, runtime: Option<&Handle>) {
        if let Some(runtime) = runtime
            && self.inboxes.len() > MAX_WOKEN_HERE
        {
            runtime.spawn(async move { drop(self) });
        }
    }
}

impl Drop for ToWake {
    fn drop(&mut self) {
        self.inboxes.iter().for_each(|inbox| inbox.wake());
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use futures_util::FutureExt as _;

    use super::super::tests::hub;
    use super::*;
    use crate::model::events::{Event, Resync};
    use crate::model::ids::UserId;

    fn told(user: UserKey) -> Delivery {
        let resync = Resync {
            reason: "unknown_cursor",
            seq: 1,
        };
        let publication = Publication {
            to: vec![user],
            except: None,
            event: Event::Resync(resync),
        };
        Delivery::Publish(publication)
    }

    #[test]
    fn a_socket_is_woken_before_a_large_commit_fills_its_inbox() {
        let hub = Arc::new(hub());
        let inbox = hub.inbox();
        let (ann, bob) = (UserKey(1), UserKey(2));
        hub.register(ann, &UserId::parse("ann").unwrap(), inbox.clone(), 1, false);
        let (_dispatcher, commits) = Dispatcher::start(hub.clone(), Pulse::default()).unwrap();
        // The commit's last event waits for this lock.
        let busy = hub.shard(bob);
        let many = WAKE_BYTES / 40;
        let mut deliveries: Vec<Delivery> = (0..many).map(|_| told(ann)).collect();
        deliveries.push(told(bob));
        commits.send(deliveries).unwrap();
        let started = Instant::now();
        while inbox.wait().now_or_never().is_none() {
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "nobody woke it"
            );
            std::thread::yield_now();
        }
        drop(busy);
        drop(commits);
    }
}
