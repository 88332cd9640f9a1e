//! Forgets callers that limits need not remember, and writes what was refused into the audit log.

use std::time::Duration;

use crate::app::App;
use crate::ops::limits;

const PERIOD: Duration = Duration::from_secs(60);

pub fn start(app: &App) {
    super::every_and_at_the_end(app, "limits", PERIOD, |app| async move {
        app.limits.tidy();
        limits::note(&app).await
    });
}
