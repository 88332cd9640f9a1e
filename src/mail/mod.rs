//! Mail: what is in the outbox goes to the school's SMTP server (RFC 5321).
//!
//! Rows come into the outbox inside the write that they belong to (`service::mails`). Here they are read one by one when they are due,
//! at the pace that the provider allows; the text is made then, in the language that its reader has chosen by then, and what came of it is stored.
//! A crash in between repeats a mail, with the same `Message-ID`, and loses none. What one recipient's mail fails at concerns that mail;
//! what every mail would fail at pauses all of them, and costs none an attempt.

mod drain;
mod letter;
mod oauth2;
pub mod smtp;
mod status;

use lettre::Address;

use crate::app::App;
use crate::error::{Error, Result};
use crate::model::language::Language;
use crate::model::mails::{Failure, Stage};
pub use letter::link_code;
use smtp::Smtp;
pub use status::pause;

/// Starts to send what is in the outbox, until the server stops, where a server is configured.
pub fn start(app: &App) {
    let Some(smtp) = Smtp::of(&app.config) else {
        return;
    };
    let app = app.clone();
    app.tasks.clone().spawn(drain::work(app, smtp));
}

/// Sends a test at once, past the outbox. Where the server takes it, a pause ends.
///
/// # Errors
/// [`Error::Unavailable`] where no SMTP server is configured; inside, why it does not take the mail.
pub async fn test(app: &App, to: Address, language: Language) -> Result<Result<(), Failure>> {
    let smtp = Smtp::of(&app.config);
    let mut smtp = smtp.ok_or_else(|| Error::unavailable("No mail server is configured."))?;
    let outcome = match letter::test(app, &to, language) {
        Ok(text) => smtp.send(to, &text).await,
        Err(why) => Err(Failure::new(Stage::Content, None, &why)),
    };
    smtp.close().await;
    if outcome.is_ok() {
        status::set_pause(app, None);
        app.mail_due.notify_one();
    }
    Ok(outcome)
}
