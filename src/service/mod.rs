//! The verbs: whatever has a rule, touches more than one table, or makes an event.
//!
//! A write here decides, then hands one closure to the store's writer. The closure records its effects on its transaction;
//! there is no other way to publish a durable event.

pub mod accounts;
pub mod announcements;
pub mod auth;
pub mod backup;
pub mod check;
pub mod demo;
pub mod figures;
pub mod groups;
pub mod health;
pub mod identity;
pub mod import;
pub mod keys;
pub mod limits;
pub mod messages;
pub mod notifications;
pub mod personal_data;
pub mod preferences;
pub mod presence;
pub mod pushes;
pub mod retention;
pub mod roster;
pub mod search;
mod slices;
pub mod subscriptions;
pub mod users;

use crate::app::App;

/// Starts what runs beside requests: presence, unfinished announcements, pushes, backups, retention, watching for
/// other processes. Call it once,
/// inside a tokio runtime; it ends when `app.stopping` is cancelled.
pub fn start_workers(app: &App) {
    app.tasks.spawn(presence::work(app.clone()));
    app.tasks
        .spawn(notifications::finish_deliveries(app.clone()));
    app.tasks.spawn(users::watch_elsewhere(app.clone()));
    app.tasks.spawn(pushes::work(app.clone()));
    app.tasks.spawn(pushes::catch_up(app.clone()));
    app.tasks.spawn(figures::work(app.clone()));
    app.tasks.spawn(announcements::work(app.clone()));
    app.tasks.spawn(backup::work(app.clone()));
    app.tasks.spawn(retention::work(app.clone()));
    app.tasks.spawn(limits::work(app.clone()));
    crate::push::start(app);
}
