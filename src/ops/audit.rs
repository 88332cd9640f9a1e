//! The chain of the audit log, walked.

use crate::app::App;
use crate::error::Result;
use crate::model::audit::{Anchor, Chain};
use crate::model::safeguarding::news::News;
use crate::ops::retention::is_night;
use crate::service::safeguarding::tell;
use crate::store::safeguarding::duties;
use crate::store::{audit, meta};

/// Walks along the chain. `known`: an anchor from elsewhere, which must be in it.
///
/// # Errors
/// As those of a long read.
pub async fn verify(app: &App, known: Option<Anchor>) -> Result<Chain> {
    app.store.read_long(move |c| audit::verify(c, known)).await
}

/// Writes the newest line of the log and its hash into the server's own log once each night, and mails them to the leads and to the address
/// outside of the school: whoever rewrites the chain later cannot rewrite these.
///
/// # Errors
/// As those of a write.
pub async fn anchor_at_night(app: &App) -> Result<()> {
    if !is_night(app.now(), app.school.get().time_zone.clone()) {
        return Ok(());
    }
    let (app_in, today) = (app.clone(), app.calendar.today().to_string());
    let anchored = app.store.write(move |tx| {
        let newest = audit::newest(tx)?;
        if newest.line == 0 || !meta::is_new(tx, "audit_anchored_on", &today)? {
            return Ok(None);
        }
        duties::tidy_makers(tx)?;
        tell::mail_leads(tx, &app_in, &[], &News::anchor(newest))?;
        tell::external(tx, &app_in, &News::anchor(newest))?;
        Ok(Some(newest))
    });
    if let Some(newest) = anchored.await? {
        tracing::info!(anchor = %newest, "audit log anchored");
    }
    Ok(())
}
