//! Pushes what sockets did not acknowledge, and keeps the outbox from filling with what is too old.

use std::time::Duration;

use crate::app::App;
use crate::service::pushes;

const QUEUE_PERIOD: Duration = Duration::from_secs(1);
const SAVE_PERIOD: Duration = Duration::from_secs(2);
const TIDY_PERIOD: Duration = Duration::from_secs(60);

pub fn start(app: &App) {
    app.tasks.spawn(pushes::catch_up(app.clone()));
    super::every(app, "push_queue", QUEUE_PERIOD, |app| async move {
        pushes::queue_unacked(&app).await
    });
    super::every_and_at_the_end(
        app,
        "push_acknowledgements",
        SAVE_PERIOD,
        |app| async move { pushes::save_acks(&app).await },
    );
    super::every(app, "push_tidy", TIDY_PERIOD, |app| async move {
        pushes::tidy(&app).await
    });
}
