//! What safeguarding does by the clock: dangers that nobody has opened, people who have not been told, erasures that waited for the end of
//! a hold, and each night's anchor of the audit log.

use std::time::Duration;

use crate::app::App;
use crate::ops::{audit, personal_data};
use crate::service::safeguarding::{reports, reviews};

const ALARMS: Duration = Duration::from_secs(20);
const ERASURES: Duration = Duration::from_secs(20);
const REMINDERS: Duration = Duration::from_secs(3_600);
const ANCHORS: Duration = Duration::from_secs(600);

pub fn start(app: &App) {
    super::every(app, "alarms", ALARMS, |app| async move {
        reports::repeat_alarms(&app).await
    });
    super::every(app, "erasures", ERASURES, |app| async move {
        personal_data::erase_pending(&app).await
    });
    super::every(app, "reminders", REMINDERS, |app| async move {
        reviews::remind(&app).await
    });
    super::every(app, "anchor", ANCHORS, |app| async move {
        audit::anchor_at_night(&app).await
    });
}
