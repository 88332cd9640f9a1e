//! A file of people: what it would change, and changing it in one transaction.

mod plan;

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use sha2::{Digest, Sha256};

use self::plan::{People, Plan};
use super::accounts::apply;
use crate::app::App;
use crate::error::{Conflict, Error, Noun, Result};
use crate::model::accounts::AccountChange;
use crate::model::audit::{Action, By};
use crate::model::events::Effect;
use crate::model::roster::{self, ImportPreview, Imported, PlannedRow, Progress, ProgressView};
use crate::model::users::User;
use crate::store::roster::{everybody, group_names, lines, set_groups_by_name};
use crate::store::{WriteTx, audit, users};

/// Lines of each kind that a preview shows.
const SHOWN: usize = 100;

/// What a file would do. Nothing is written. `disable_missing`: whoever has a username and is not in the file is shut out,
/// administrators aside.
///
/// # Errors
/// As [`roster::parse`].
pub async fn preview(app: &App, file: Vec<u8>, disable_missing: bool) -> Result<ImportPreview> {
    let (plan, digest) = plan(app, file, disable_missing).await?;
    let some = |rows: Vec<&PlannedRow>| rows.into_iter().take(SHOWN).cloned().collect();
    Ok(ImportPreview {
        digest,
        adding: plan.adding.len(),
        changing: plan.changing.len(),
        disabling: plan.disabling.len(),
        unchanged: plan.unchanged,
        bad: plan.bad.len(),
        new_groups: plan.new_groups.into_iter().collect(),
        added: some(plan.adding.iter().map(|(.., row)| row).collect()),
        changed: some(plan.changing.iter().map(|(.., row)| row).collect()),
        disabled: some(plan.disabling.iter().map(|(_, row)| row).collect()),
        bad_rows: plan.bad.into_iter().take(SHOWN).collect(),
    })
}

/// Does what a preview with this digest showed, all of it or nothing. Lines that are bad are left out.
///
/// # Errors
/// [`Conflict::Stale`] when it would do something else by now; as [`preview`].
pub async fn import(
    app: &App,
    by: By,
    file: Vec<u8>,
    disable_missing: bool,
    confirmed: &str,
) -> Result<Imported> {
    let (plan, digest) = plan(app, file, disable_missing).await?;
    if digest != confirmed {
        return Err(Error::Conflict(Conflict::Stale));
    }
    let progress = Arc::new(Progress {
        digest,
        total: plan.adding.len() + plan.changing.len() + plan.disabling.len(),
        ..Progress::default()
    });
    *app.import.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress.clone());
    app.store
        .write(move |tx| {
            let effects = write(tx, &by, &plan, &progress)?;
            let imported = Imported {
                added: plan.adding.len(),
                changed: plan.changing.len(),
                disabled: plan.disabling.len(),
            };
            let detail = format!(
                "{} added, {} changed, {} disabled",
                imported.added, imported.changed, imported.disabled
            );
            audit::note(tx, &by, Action::RosterImported, "", &detail)?;
            Ok((imported, effects))
        })
        .await
}

/// How far the import of this digest is.
///
/// # Errors
/// [`Noun::Route`] not found when it did not begin.
pub fn progress(app: &App, digest: &str) -> Result<ProgressView> {
    let running = app.import.lock().unwrap_or_else(PoisonError::into_inner);
    let progress = running.as_ref().filter(|running| running.digest == digest);
    progress
        .map(|progress| progress.view())
        .ok_or(Error::NotFound(Noun::Route))
}

/// Everybody who logs in here, as a file.
pub async fn export(app: &App, by: By) -> Result<Vec<u8>> {
    let people = app.store.read(lines).await?;
    let detail = format!("{} people", people.len());
    app.store
        .write(move |tx| {
            audit::note(tx, &by, Action::RosterExported, "", &detail)?;
            Ok(((), Vec::new()))
        })
        .await?;
    Ok(roster::write(&people))
}

fn write(tx: &WriteTx, by: &By, plan: &Plan, progress: &Progress) -> Result<Vec<Effect>> {
    let mut effects = Vec::new();
    let step = || progress.done.fetch_add(1, Ordering::Relaxed);
    for (new, groups, _) in &plan.adding {
        let user = users::insert(tx, new, tx.now)?;
        set_groups_by_name(tx, user.key, groups.as_deref().unwrap_or_default())?;
        audit::note(tx, by, Action::PersonAdded, user.id().as_str(), "imported")?;
        effects.push(Effect::UserChanged(user.id().clone()));
        step();
    }
    for (user, change, groups, planned) in &plan.changing {
        check_unchanged(tx, user)?;
        effects.extend(apply(tx, user, change)?);
        if let Some(groups) = groups {
            set_groups_by_name(tx, user.key, groups)?;
        }
        let said = planned.changes.join(", ");
        audit::note(tx, by, Action::PersonChanged, user.id().as_str(), &said)?;
        step();
    }
    let disabled = AccountChange {
        disabled: Some(true),
        ..AccountChange::default()
    };
    for (user, _) in &plan.disabling {
        check_unchanged(tx, user)?;
        effects.extend(apply(tx, user, &disabled)?);
        audit::note(tx, by, Action::PersonDisabled, user.id().as_str(), "")?;
        step();
    }
    Ok(effects)
}

/// Somebody may have changed between the look at them and this write: what was confirmed was about who they were.
fn check_unchanged(tx: &WriteTx, planned: &User) -> Result<()> {
    let seen = |user: User| User {
        last_seen_at: planned.last_seen_at,
        ..user
    };
    let now = users::by_key(tx, planned.key)?.map(seen);
    if now.as_ref() == Some(planned) {
        Ok(())
    } else {
        Err(Error::Conflict(Conflict::Stale))
    }
}

/// The plan, and what names it: the same file with other effects has another name.
async fn plan(app: &App, file: Vec<u8>, disable_missing: bool) -> Result<(Plan, String)> {
    app.store
        .read(move |c| {
            let roster = roster::parse(&file)?;
            let mut hash = Sha256::new();
            hash.update(&file);
            let people = People::new(everybody(c)?);
            let groups = group_names(c)?.into_iter().collect();
            let plan = people.plan(roster, disable_missing, &groups);
            // Ids of new people are made anew each time.
            for (.., row) in &plan.adding {
                hash.update(format!("{row:?}"));
            }
            for (user, .., row) in &plan.changing {
                hash.update(format!("{} {row:?}", user.id()));
            }
            for (user, _) in &plan.disabling {
                hash.update(user.id().as_str());
            }
            let digest = hash.finalize();
            let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            Ok((plan, digest))
        })
        .await
}
