//! The certificate that the server gets by itself: when it is due, and what went wrong.

use std::path::PathBuf;

use crate::app::App;
use crate::auth::acme::{self, Challenges, Files};
use crate::auth::certificate::{Pair, Validity};
use crate::auth::keyfile;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::model::time::Time;

/// Gets the certificate, or another one, and remembers why where it cannot be had.
///
/// # Errors
/// [`Error::Internal`] with what the authority, the network or the disk said.
pub async fn renew(app: &App) -> Result<()> {
    let config = &app.config;
    let files = Files::beside(&config.database.path);
    let challenges = app.state::<Challenges>();
    let mut obtained = acme::obtain(&config.server.acme, &files, &challenges).await;
    // Without an error, the job would ask for another one each minute, until the authority no longer gives any.
    if obtained.is_ok() && is_due(config, app.now()) {
        obtained = Err(
            "by this machine's clock the new certificate has expired already, or is about to: is the clock right?"
                .into(),
        );
    }
    let file = problem_file(config);
    match obtained {
        Ok(()) => {
            let _ = std::fs::remove_file(file);
            tracing::info!("got a certificate");
            Ok(())
        }
        Err(why) => {
            if let Err(error) = keyfile::replace(&file, &why) {
                tracing::warn!(error, "cannot store why there is no certificate");
            }
            Err(Error::Internal(format!("no certificate: {why}")))
        }
    }
}

/// Whether the certificate is missing, is for other names, or has less than a third of its time left.
pub fn is_due(config: &Config, now: Time) -> bool {
    let Some(Ok(validity)) = Pair::of(config).map(|pair| pair.validity()) else {
        return true;
    };
    let Validity {
        begins_at, ends_at, ..
    } = validity;
    let domains = &config.server.acme.domains;
    let has = |name: &str| validity.names.iter().any(|known| known == name);
    let has_all = domains.iter().all(|domain| has(domain.as_str()));
    !has_all || now.0 > ends_at.0 - (ends_at.0 - begins_at.0) / 3
}

/// Why the last attempt failed, if it did.
pub fn problem(config: &Config) -> Option<String> {
    if !config.server.has_acme() {
        return None;
    }
    let text = std::fs::read_to_string(problem_file(config)).ok()?;
    Some(text.trim().to_owned())
}

/// When the certificate ends; `None` without TLS, and where there is none yet.
pub fn expires_at(config: &Config) -> Option<Time> {
    Some(Pair::of(config)?.validity().ok()?.ends_at)
}

/// Shows the end of the certificate in the metrics.
pub fn note_expiry(app: &App) {
    let ends_at = expires_at(&app.config);
    app.metrics
        .certificate_expiry
        .set(ends_at.map_or(0, Time::seconds));
}

/// In a file, so that `schoolbell check` knows it too.
fn problem_file(config: &Config) -> PathBuf {
    keyfile::beside(&config.database.path, "acme-problem.txt")
}
