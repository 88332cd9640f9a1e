//! Stores when sessions were last seen.

use std::time::Duration;

use crate::app::App;
use crate::service::sessions;

const PERIOD: Duration = Duration::from_secs(60);

pub fn start(app: &App) {
    super::every_and_at_the_end(app, "sessions", PERIOD, |app| async move {
        sessions::store_seen(&app).await
    });
}
