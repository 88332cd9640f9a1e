//! Reports of messages: made by one of the two people, looked at by the leads.

use std::time::Duration;

use super::tell;
use crate::app::App;
use crate::error::{Error, Noun, Result};
use crate::model::audit::{Action, AuditActor};
use crate::model::ids::{Id, UserKey};
use crate::model::outcome::Outcome;
use crate::model::page::Range;
use crate::model::safeguarding::news::News;
use crate::model::safeguarding::reports::{
    NewReport, PersonFacts, Reason, Receipt, ReportChange, ReportDetail, ReportFilter, ReportView,
};
use crate::model::users::{Affiliation, User};
use crate::store::guardians::{self, End};
use crate::store::safeguarding::reports::{self, Stored};
use crate::store::{WriteTx, affiliations, audit, removals};

/// A day, in seconds.
const DAY_SECONDS: i64 = 24 * 3_600;

/// Reports a message, one that was taken back too, and copies it with those around it. The same report again gives the first one back.
///
/// # Errors
/// [`Noun::Message`] not found, also of a conversation that the caller is not in; [`Error::TooMany`] past the limit of a day.
pub async fn make(app: &App, me: &User, new: NewReport) -> Result<Outcome<Receipt>> {
    let (me, app_in) = (me.key, app.clone());
    app.store
        .write(move |tx| {
            let found = removals::find(tx, new.message)?.filter(|found| found.is_seen_by(me));
            let found = found.ok_or(Error::NotFound(Noun::Message))?;
            if let Some(first) = reports::of_reporter(tx, me, new.message)? {
                return Ok(Outcome::repeated(first));
            }
            check_limit(tx, &app_in, me)?;
            let partner = match me == found.sender {
                true => found.receiver,
                false => found.sender,
            };
            let receipt = reports::insert(tx, (me, partner), &found, &new)?;
            // Administrators read the log: who reported, and why, stands in the report alone.
            let target = receipt.id.to_string();
            let by = AuditActor::server();
            audit::note(tx, &by, Action::ReportMade, &target, "")?;
            let named = [me, partner];
            match new.reason {
                Reason::Danger => alarm(tx, &app_in, &named)?,
                _ => tell::leads(tx, &app_in, &named, &News::Reported)?,
            }
            Ok(Outcome::fresh(receipt))
        })
        .await
}

fn check_limit(tx: &WriteTx, app: &App, me: UserKey) -> Result<()> {
    let since = tx.now.plus_seconds(-DAY_SECONDS);
    if reports::count_since(tx, me, since)? >= app.config.safeguarding.reports_per_day.get() {
        return Err(Error::TooMany(Duration::from_secs(
            DAY_SECONDS.unsigned_abs(),
        )));
    }
    Ok(())
}

/// Tells the leads of a danger, by push and by mail.
fn alarm(tx: &WriteTx, app: &App, named: &[UserKey]) -> Result<()> {
    tell::leads(tx, app, named, &News::Danger)?;
    tell::mail_leads(tx, app, named, &News::Danger)
}

/// Tells the leads again of each danger whose report nobody has opened for a quarter of an hour.
///
/// # Errors
/// As those of a write.
pub async fn repeat_alarms(app: &App) -> Result<()> {
    let app_in = app.clone();
    app.store
        .write(move |tx| {
            let alarms = reports::take_alarms(tx)?;
            alarms
                .iter()
                .try_for_each(|named| alarm(tx, &app_in, named))
        })
        .await
}

/// Reports that a lead may see, the newest first.
///
/// # Errors
/// As those of a read.
pub async fn list(
    app: &App,
    me: &User,
    filter: ReportFilter,
    range: Range,
) -> Result<Vec<ReportView>> {
    let me = me.key;
    app.store
        .read(move |c| reports::list(c, me, &filter, range))
        .await
}

fn found(tx: &rusqlite::Connection, me: &User, id: Id) -> Result<Stored> {
    reports::by_id(tx, me.key, id)?.ok_or(Error::NotFound(Noun::Report))
}

/// A report, whole. That a lead looks at it is written into the audit log.
///
/// # Errors
/// [`Noun::Report`] not found, also for who is named in it.
pub async fn look(app: &App, me: &User, by: AuditActor, id: Id) -> Result<ReportDetail> {
    let me = me.clone();
    app.store
        .write(move |tx| {
            let stored = found(tx, &me, id)?;
            reports::open(tx, stored.view.key)?;
            audit::note(tx, &by, Action::ReportLooked, &id.to_string(), "")?;
            detail(tx, &me, id)
        })
        .await
}

/// All that is known of a report.
pub(super) fn detail(c: &rusqlite::Connection, me: &User, id: Id) -> Result<ReportDetail> {
    let stored = found(c, me, id)?;
    let people = [
        (stored.reporter, &stored.view.reporter),
        (stored.partner, &stored.view.partner),
    ];
    let mut seen = affiliations::seen_by(c, me, &people.map(|(key, _)| key))?;
    let facts = people.into_iter().map(|(key, person)| {
        let Affiliation {
            classes, children, ..
        } = seen.remove(&key).unwrap_or_default();
        Ok(PersonFacts {
            person: person.clone(),
            classes,
            children,
            guardians: guardians::of(c, key, End::Child)?,
            earlier_reports: reports::count_others(c, me.key, key, stored.view.key)?,
        })
    });
    let people = facts.collect::<Result<Vec<_>>>()?;
    Ok(ReportDetail {
        messages: reports::messages(c, stored.view.key, stored.message)?,
        people,
        report_note: stored.report_note,
        note: stored.note,
        report: stored.view,
    })
}

/// Changes a report: who takes it up has it.
///
/// # Errors
/// [`Noun::Report`] not found, also for who is named in it.
pub async fn change(
    app: &App,
    me: &User,
    by: AuditActor,
    id: Id,
    change: ReportChange,
) -> Result<ReportDetail> {
    let me = me.clone();
    app.store
        .write(move |tx| {
            let stored = found(tx, &me, id)?;
            reports::open(tx, stored.view.key)?;
            reports::change(tx, stored.view.key, me.key, &change)?;
            let target = id.to_string();
            if let Some(state) = change.state.filter(|state| *state != stored.view.state) {
                let detail = format!("from {} to {}", stored.view.state.as_str(), state.as_str());
                audit::note(tx, &by, Action::ReportChanged, &target, &detail)?;
            }
            let before = |field| match field {
                "outcome" => &stored.view.outcome,
                _ => &stored.note,
            };
            for (field, text) in [("outcome", &change.outcome), ("note", &change.note)] {
                let is_new = |text: &&String| **text != *before(field);
                if let Some(text) = text.as_ref().filter(is_new) {
                    let about = (target.as_str(), field);
                    audit::note_text(tx, &by, Action::ReportChanged, about, text)?;
                }
            }
            detail(tx, &me, id)
        })
        .await
}
