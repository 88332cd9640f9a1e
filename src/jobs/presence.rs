//! Tells people who share a conversation that a user came or went.

use std::time::Duration;

use crate::app::App;
use crate::service::presence;

/// How often people who have been gone for the whole grace are looked for.
const PERIOD: Duration = Duration::from_millis(500);

pub fn start(app: &App) {
    super::every(app, "presence", PERIOD, |app| async move {
        presence::sweep(&app).await
    });
    let Some(mut arrivals) = app.hub.take_arrivals() else {
        return;
    };
    let app = app.clone();
    app.tasks.clone().spawn(async move {
        loop {
            let (key, id) = tokio::select! {
                Some(arrival) = arrivals.recv() => arrival,
                () = app.stopping.cancelled() => return,
            };
            super::run(&app, "presence", presence::tell(&app, key, id, true, None)).await;
        }
    });
}
