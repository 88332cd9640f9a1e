//! Web Push (RFC 8030, 8291, 8292): what is in the outbox goes to push services.
//!
//! Rows come into the outbox inside the write of the message or notification (`service::pushes`). Here they are read
//! when they are due, sent with no transaction open, and settled in a short write: a crash in between repeats a push,
//! which its tag folds, and loses none. One process has the database, so what is in flight is known in memory alone.

pub mod answers;
mod budget;
pub mod client;
pub mod contact;
mod drain;
pub mod guard;
pub mod message;
pub mod payload;
pub mod sender;
pub mod signer;
mod throttled_devices;

use crate::app::App;
use crate::limits::priority::{Priority, yield_to_others};
use crate::threads;

/// Starts to send what is in the outbox, until the server stops. On a thread of its own, which yields to all others: ten
/// thousand pushes must not delay a message that a user waits for.
pub fn start(app: &App) {
    let app = app.clone();
    let work = move || {
        yield_to_others(Priority::Lowest);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(app.tasks.track_future(drain::work(app.clone()))),
            Err(error) => tracing::error!(%error, "cannot start the runtime of the push thread"),
        }
    };
    if let Err(error) = threads::essential("push", work) {
        tracing::error!(%error, "cannot start the push thread");
    }
}
