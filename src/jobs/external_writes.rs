//! Another process has written to the database, a command for instance: whom it shut out must go.

use crate::app::App;
use crate::service::{settings, users};

pub fn start(app: &App) {
    let app = app.clone();
    app.tasks.clone().spawn(async move {
        loop {
            tokio::select! {
                () = app.external_write.notified() => {}
                () = app.stopping.cancelled() => return,
            }
            super::run(&app, "external_writes", users::disconnect_disabled(&app)).await;
            super::run(&app, "external_writes", settings::reload(&app)).await;
        }
    });
}
