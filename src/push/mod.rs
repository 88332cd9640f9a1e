//! Web Push (RFC 8030, 8291, 8292): what is in the outbox goes to push services.
//!
//! Rows come into the outbox inside the write of the message or notification (`service::pushes`). Here they are read
//! when they are due, sent with no transaction open, and settled in a short write: a crash in between repeats a push,
//! which its tag folds, and loses none. One process has the database, so what is in flight is known in memory alone.

pub mod answers;
pub mod client;
pub mod contact;
mod drain;
pub mod guard;
pub mod message;
pub mod payload;
pub mod sender;
pub mod signer;

use crate::app::App;
use crate::threads;

/// How much less the thread counts than the others when there is not enough processor for all (`nice`).
#[cfg(target_os = "linux")]
const NICENESS: i32 = 19;

/// Starts to send what is in the outbox, until the server stops. On a thread of its own, which yields to all others: ten
/// thousand pushes must not delay a message that somebody waits for.
pub fn start(app: &App) {
    let app = app.clone();
    let work = move || {
        yield_to_others();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(app.tasks.track_future(drain::work(app.clone()))),
            Err(error) => tracing::error!(%error, "nothing can be pushed"),
        }
    };
    if let Err(error) = threads::essential("push", work) {
        tracing::error!(%error, "nothing can be pushed");
    }
}

fn yield_to_others() {
    // On Linux this is the thread's; elsewhere it would be the whole process's.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "the push thread is as important as the others");
    }
}
