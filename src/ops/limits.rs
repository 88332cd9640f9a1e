//! What limits refused, for the audit log.

use crate::app::App;
use crate::error::Result;
use crate::limits::ledger::Entry;
use crate::model::audit::{Action, AuditActor};
use crate::model::ids::UserKey;
use crate::store::{WriteTx, audit, mails, sessions, users};

/// Writes down what was refused since the last time.
///
/// # Errors
/// As those of a write.
pub async fn note(app: &App) -> Result<()> {
    let entries = app.limits.ledger.take();
    app.store
        .write(move |tx| {
            sessions::tidy(tx)?;
            mails::tidy(tx)?;
            entries.iter().try_for_each(|entry| write(tx, entry))?;
            Ok(())
        })
        .await
}

fn write(tx: &WriteTx, entry: &Entry) -> Result<()> {
    let id = |user: UserKey| -> Result<String> {
        let found = users::by_key(tx, user)?;
        Ok(found.map_or_else(String::new, |user| user.id().to_string()))
    };
    let (action, target, detail) = match entry {
        Entry::FailedLogins(user, count) => (
            Action::LogInFailed,
            id(*user)?,
            format!("{count} wrong passwords"),
        ),
        Entry::MoreFailedLogins(accounts, count) => (
            Action::LogInFailed,
            String::new(),
            format!("{count} wrong passwords for {accounts} other accounts"),
        ),
        Entry::UnknownLogins(count) => (
            Action::LogInFailed,
            String::new(),
            format!("{count} logins with unknown names"),
        ),
        Entry::Refused(user, reason, count) => (
            Action::LimitReached,
            id(*user)?,
            format!("{reason}: {count} refused"),
        ),
    };
    audit::note(tx, &AuditActor::server(), action, &target, &detail)
}
