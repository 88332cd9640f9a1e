//! The one who publishes: committed events leave in the order of their commits. Two request handlers that each
//! published their own would overtake one another, and a client's cursor would pass an event it never saw.

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use tokio::runtime::Handle;

use super::{Hub, Inbox};
use crate::model::events::Effect;

/// Commits that may wait to be published; the writer waits for room, so memory stays bounded.
const QUEUE: usize = 1_024;
/// Further commits whose events are put into inboxes before anybody is woken.
const TOGETHER: usize = 16;
/// Up to this many sockets are woken from this thread.
const FEW: usize = 4;

/// Ends when its sender is dropped, and is joined when it is dropped itself.
pub struct Dispatcher {
    thread: Option<JoinHandle<()>>,
}

impl Dispatcher {
    pub fn start(hub: Arc<Hub>) -> (Self, mpsc::SyncSender<Vec<Effect>>) {
        let (sender, commits) = mpsc::sync_channel::<Vec<Effect>>(QUEUE);
        let runtime = Handle::try_current().ok();
        let thread = std::thread::Builder::new()
            .name("dispatcher".into())
            .spawn(move || {
                while let Ok(first) = commits.recv() {
                    let mut to_wake = ToWake(Vec::new());
                    let more = commits.try_iter().take(TOGETHER).flatten();
                    for effect in first.into_iter().chain(more) {
                        match effect {
                            Effect::Publish(publication) => hub.put(&publication, &mut to_wake.0),
                            Effect::Disconnect(user, code) => hub.disconnect(user, code),
                            Effect::UserChanged(_) | Effect::PushDue => {}
                        }
                    }
                    to_wake.wake(runtime.as_ref());
                }
            })
            .inspect_err(|error| tracing::error!(%error, "no dispatcher thread"))
            .ok();
        (Dispatcher { thread }, sender)
    }
}

/// Sockets that wake when this is dropped: wherever that is, also when its runtime is gone, so that nobody waits for ever.
struct ToWake(Vec<Arc<Inbox>>);

impl ToWake {
    /// What came together leaves together: a socket that gets a hundred events writes once. A worker of the runtime takes
    /// the tasks that it wakes into its own queue; each one that is woken from outside goes through a lock.
    fn wake(self, runtime: Option<&Handle>) {
        if let Some(runtime) = runtime
            && self.0.len() > FEW
        {
            runtime.spawn(async move { drop(self) });
        }
    }
}

impl Drop for ToWake {
    fn drop(&mut self) {
        self.0.iter().for_each(|inbox| inbox.wake());
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
