//! Stores what was counted, and tells those who watch the dashboard.

use std::time::Duration;

use crate::app::App;
use crate::ops::stats;

const TELL_PERIOD: Duration = Duration::from_secs(2);
const SAVE_PERIOD: Duration = Duration::from_secs(15);

pub fn start(app: &App) {
    super::every(app, "dashboard", TELL_PERIOD, |app| async move {
        stats::tell_watchers(&app).await
    });
    super::every_and_at_the_end(app, "stats", SAVE_PERIOD, |app| async move {
        stats::save(&app).await
    });
}
