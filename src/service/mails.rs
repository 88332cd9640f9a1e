//! Mail, as administrators see it.

use lettre::Address;

use crate::app::App;
use crate::config::SmtpUrl;
use crate::error::{Error, Result};
use crate::mail;
use crate::model::audit::{Action, AuditActor};
use crate::model::language::Language;
use crate::model::mails::{MailReport, MailTest};
use crate::rule;
use crate::store::{audit, mails};

/// How mail stands.
///
/// # Errors
/// As those of a read.
pub async fn report(app: &App) -> Result<MailReport> {
    let now = app.now();
    let read = app.store.read(move |c| {
        let counts = mails::counts(c, now)?;
        Ok((counts, mails::dead(c, now)?))
    });
    let ((waiting, sent), dead) = read.await?;
    let config = &app.config.mail;
    Ok(MailReport {
        server: config.url.as_ref().map(SmtpUrl::server),
        from: config.from.as_ref().map(ToString::to_string),
        waiting,
        sent,
        pause: mail::pause(app).filter(|pause| pause.until > now),
        dead,
    })
}

/// Sends a test to an address.
///
/// # Errors
/// [`Error::Invalid`] for what is no address; [`Error::Unavailable`] where no mail server is configured.
pub async fn test(app: &App, by: AuditActor, to: &str, language: Language) -> Result<MailTest> {
    let address: Address = to
        .trim()
        .parse()
        .map_err(|_| Error::invalid("to", rule::not_an_email()))?;
    let outcome = mail::test(app, address, language).await?;
    app.store
        .write(move |tx| audit::note(tx, &by, Action::MailTested, "", ""))
        .await?;
    Ok(MailTest {
        sent: outcome.is_ok(),
        failure: outcome.err(),
    })
}
