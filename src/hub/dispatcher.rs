//! The one who publishes: committed events leave in the order of their commits. Two request handlers that each
//! published their own would overtake one another, and a client's cursor would pass an event it never saw.

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use super::Hub;
use crate::model::events::Effect;

/// Commits that may wait to be published; the writer waits for room, so memory stays bounded.
const QUEUE: usize = 1_024;

/// Ends when its sender is dropped, and is joined when it is dropped itself.
pub struct Dispatcher {
    thread: Option<JoinHandle<()>>,
}

impl Dispatcher {
    pub fn start(hub: Arc<Hub>) -> (Self, mpsc::SyncSender<Vec<Effect>>) {
        let (sender, commits) = mpsc::sync_channel::<Vec<Effect>>(QUEUE);
        let thread = std::thread::Builder::new()
            .name("dispatcher".into())
            .spawn(move || {
                for effect in commits.into_iter().flatten() {
                    match effect {
                        Effect::Publish(publication) => hub.publish(&publication),
                        Effect::Disconnect(user, code) => hub.disconnect(user, code),
                        Effect::UserChanged(_) | Effect::PushDue => {}
                    }
                }
            })
            .inspect_err(|error| tracing::error!(%error, "no dispatcher thread"))
            .ok();
        (Dispatcher { thread }, sender)
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
