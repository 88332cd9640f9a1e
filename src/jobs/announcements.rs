//! Sends announcements whose time has come.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::app::App;
use crate::service::announcements;

const PERIOD: Duration = Duration::from_secs(1);

/// Each second, and as soon as one is made.
pub fn start(app: &App) {
    let app = app.clone();
    app.tasks.clone().spawn(async move {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = app.announcement_due.notified() => {}
                () = app.stopping.cancelled() => return,
            }
            super::run(&app, "announcements", announcements::send_due(&app)).await;
        }
    });
}
