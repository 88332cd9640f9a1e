//! What the sending of mails makes known while it runs.

use std::sync::{Mutex, PoisonError};

use crate::app::App;
use crate::model::mails::Pause;

#[derive(Default)]
struct Status(Mutex<Option<Pause>>);

/// That nothing is sent for now, and why.
pub fn pause(app: &App) -> Option<Pause> {
    let status = app.state::<Status>();
    let pause = status.0.lock().unwrap_or_else(PoisonError::into_inner);
    pause.clone()
}

pub fn set_pause(app: &App, pause: Option<Pause>) {
    let status = app.state::<Status>();
    *status.0.lock().unwrap_or_else(PoisonError::into_inner) = pause;
}
