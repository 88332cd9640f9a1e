//! Removes at night what is older than it is to be kept.

use std::time::Duration;

use crate::app::App;
use crate::ops::retention;

/// How often the clock is checked.
const PERIOD: Duration = Duration::from_secs(300);

pub fn start(app: &App) {
    super::every(app, "retention", PERIOD, |app| async move {
        retention::purge_at_night(&app).await
    });
}
