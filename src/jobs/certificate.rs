//! Gets the server's certificate and renews it in time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::app::App;
use crate::error::Result;
use crate::ops::certificate;

const PERIOD: Duration = Duration::from_secs(60);
/// The pause after the first attempt that failed; each is twice the one before. Let's Encrypt allows five failures an hour for a
/// name, and these are five.
const FIRST_PAUSE: Duration = Duration::from_secs(120);
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3_600);

struct Attempts {
    not_before: Instant,
    pause: Duration,
}

pub fn start(app: &App) {
    if !app.config.server.tls() {
        return;
    }
    let attempts = Arc::new(Mutex::new(Attempts {
        not_before: Instant::now(),
        pause: FIRST_PAUSE,
    }));
    super::every(app, "certificate", PERIOD, move |app| {
        let attempts = attempts.clone();
        async move {
            let renewed = renew_if_due(&app, &mut *attempts.lock().await).await;
            certificate::note_expiry(&app);
            renewed
        }
    });
}

async fn renew_if_due(app: &App, attempts: &mut Attempts) -> Result<()> {
    let is_late = Instant::now() >= attempts.not_before;
    if !app.config.server.has_acme() || !is_late || !certificate::is_due(&app.config, app.now()) {
        return Ok(());
    }
    let renewed = certificate::renew(app).await;
    if renewed.is_ok() {
        attempts.pause = FIRST_PAUSE;
    } else {
        attempts.not_before = Instant::now() + attempts.pause;
        attempts.pause = (attempts.pause * 2).min(LONGEST_PAUSE);
    }
    renewed
}
