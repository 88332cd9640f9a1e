//! A report to be kept in the school's own system: a page to read, the same as JSON, and the SHA-256 of each.

use std::io::{Cursor, Write as _};

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::reports;
use crate::app::App;
use crate::error::{Error, Result};
use crate::model::audit::{Action, AuditActor, SafeguardingEntry};
use crate::model::ids::{Id, UserId};
use crate::model::safeguarding::holds::HoldView;
use crate::model::safeguarding::reports::ReportDetail;
use crate::model::safeguarding::reviews::ReviewView;
use crate::model::text::hex;
use crate::model::time::Time;
use crate::model::users::User;
use crate::store::audit;
use crate::store::safeguarding::{holds, reviews};

/// All that goes into the archive.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Export {
    exported_at: Time,
    exported_by: String,
    report: ReportDetail,
    /// Of the conversation of the two.
    reviews: Vec<ReviewView>,
    /// Of one of the two, or their conversation.
    holds: Vec<HoldView>,
    /// The lines of the audit log about all of these, with the texts whose salted hashes they hold.
    audit: Vec<SafeguardingEntry>,
}

/// How a line of the audit log is hashed, for whoever checks it.
const HOW: &str = "Each line of \"audit\" has the SHA-256 of eight netstrings (the length in bytes, a colon, the bytes, a comma): \
    \"previous\", which is the hash of the line before in hexadecimal, the line's number, its time in Unix milliseconds, actor, address (empty where it \
    is null), action, target, detail. A text's hash in a detail is the SHA-256 of its salt and the text.";

/// The archive.
///
/// # Errors
/// [`Noun::Report`](crate::error::Noun) not found, also for who is named in it.
pub async fn report(app: &App, me: &User, by: AuditActor, id: Id) -> Result<Vec<u8>> {
    let me = me.clone();
    let export = app
        .store
        .write(move |tx| {
            // First, so that the line of this export is among those that it brings.
            let report = reports::detail(tx, &me, id)?;
            audit::note(tx, &by, Action::ReportExported, &id.to_string(), "")?;
            let people = [&report.report.reporter.id, &report.report.partner.id];
            let is_named = |users: &[&UserId]| users.iter().all(|user| people.contains(user));
            let mut reviews = reviews::everything(tx, me.key, tx.now)?;
            reviews.retain(|one| is_named(&[&one.users[0].id, &one.users[1].id]));
            let mut holds = holds::list(tx, me.key)?;
            holds.retain(|one| {
                let users: Vec<_> = one.users.iter().map(|user| &user.id).collect();
                is_named(&users)
            });
            let mut targets = vec![id.to_string()];
            targets.extend(reviews.iter().map(|one| one.id.to_string()));
            targets.extend(holds.iter().map(|one| one.id.to_string()));
            targets.extend(report.messages.iter().map(|one| one.id.to_string()));
            Ok(Export {
                exported_at: tx.now,
                exported_by: by.actor.clone(),
                audit: audit::about_any(tx, &targets)?,
                report,
                reviews,
                holds,
            })
        })
        .await?;
    pack(&export).map_err(|e| Error::Internal(format!("export: {e}")))
}

fn pack(export: &Export) -> std::result::Result<Vec<u8>, Box<dyn std::error::Error>> {
    let files = [
        ("report.html", page(export).into_string().into_bytes()),
        ("report.json", serde_json::to_vec_pretty(export)?),
        ("README.txt", format!("{HOW}\n").into_bytes()),
    ];
    let mut sums = String::new();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in &files {
        zip.start_file(*name, SimpleFileOptions::default())?;
        zip.write_all(bytes)?;
        let sum = hex(&Sha256::digest(bytes));
        sums.extend([&sum, "  ", *name, "\n"]);
    }
    // As `sha256sum --check` reads it.
    zip.start_file("SHA256SUMS", SimpleFileOptions::default())?;
    zip.write_all(sums.as_bytes())?;
    Ok(zip.finish()?.into_inner())
}

const STYLE: &str = "body{font:1rem/1.5 sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}\
    td,th{text-align:start;vertical-align:top;padding:.2rem .6rem .2rem 0}\
    p,td{white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate;margin:0}\
    tr.reported td{font-weight:bold}";

/// No script, nothing from elsewhere, and every text shown as text.
fn page(export: &Export) -> Markup {
    let detail = &export.report;
    let report = &detail.report;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { "Report " (report.id) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Report" }
                table {
                    (row("Id", &report.id.to_string()))
                    (row("Reason", report.reason.as_str()))
                    (row("Reported by", &report.reporter.name))
                    (row("Conversation with", &report.partner.name))
                    (row("At", &report.created_at.to_string()))
                    (row("State", report.state.as_str()))
                    (row("What the reporter wrote", &detail.report_note))
                    (row("Outcome", &report.outcome))
                    (row("Notes", &detail.note))
                }
                h2 { "The passage" }
                table {
                    tr { th { "Time" } th { "Who" } th { "What" } }
                    @for message in &detail.messages {
                        tr class=[message.reported.then_some("reported")] {
                            td { (message.created_at) }
                            td { (message.sender_name) }
                            td {
                                (message.content)
                                @if let Some(removed) = &message.removed { " (removed " (removed.at) ")" }
                            }
                        }
                    }
                }
                h2 { "Reviews" }
                table {
                    tr { th { "Asked" } th { "By" } th { "Reason" } th { "Approved by" } }
                    @for one in &export.reviews {
                        tr {
                            td { (one.asked_at) }
                            td { (one.asked_by.name) }
                            td { (one.reason.as_deref().unwrap_or_default()) }
                            td { (one.approved_by.as_ref().map_or("", |by| by.name.as_str())) }
                        }
                    }
                }
                h2 { "Holds" }
                table {
                    tr { th { "From" } th { "Until" } th { "By" } th { "Reason" } }
                    @for one in &export.holds {
                        tr {
                            td { (one.created_at) }
                            td { (one.ended_at.map_or_else(String::new, |at| at.to_string())) }
                            td { (one.made_by.name) }
                            td { (one.reason) }
                        }
                    }
                }
                h2 { "Audit log" }
                table {
                    tr { th { "Line" } th { "Time" } th { "Who" } th { "What" } }
                    @for line in &export.audit {
                        tr {
                            td { (line.entry.line) }
                            td { (line.entry.at) }
                            td { (line.entry.actor_name.as_deref().unwrap_or(&line.entry.actor)) }
                            td {
                                (line.entry.action) " " (line.entry.detail)
                                @if let Some(text) = &line.text { "\n" (text) }
                            }
                        }
                    }
                }
                p { "Exported " (export.exported_at) " by " (export.exported_by) "." }
            }
        }
    }
}

fn row(name: &str, value: &str) -> Markup {
    html! { tr { th scope="row" { (name) } td { (value) } } }
}
