//! A file of people: what it would change, and changing it in one transaction.

mod difference;
mod export;
mod groups;
mod links;
mod names;
mod plan;

use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

pub use self::export::{export, export_all};
use self::groups::Target;
pub use self::plan::Wishes;
use self::plan::{Adding, Changing, Here, Memberships, Plan};
use super::accounts::{apply, changed_fields};
use crate::app::App;
use crate::error::{Conflict, Error, Noun, Result};
use crate::limits::priority::on_yielding_thread;
use crate::model::accounts::AccountChange;
use crate::model::audit::{Action, AuditActor};
use crate::model::events::Effect;
use crate::model::roster::{
    self, Files, ImportPreview, Imported, PlannedRow, Progress, ProgressView,
};
use crate::model::text;
use crate::model::users::User;
use crate::store::roster::{self as roster_store, set_memberships};
use crate::store::{WriteTx, accounts, audit, guardians, users};

/// Lines of each kind that a preview shows.
const SHOWN_LINES: usize = 100;

/// What files would do. Nothing is written.
///
/// # Errors
/// As [`roster::parse`].
pub async fn preview(app: &App, files: Files, wishes: Wishes) -> Result<ImportPreview> {
    let (plan, digest) = plan(app, files, wishes).await?;
    let some = |rows: Vec<&PlannedRow>| rows.into_iter().take(SHOWN_LINES).cloned().collect();
    let groups = |is_shown: fn(&Target) -> bool| {
        let mut names: Vec<String> = plan
            .targets
            .list
            .iter()
            .filter(|group| is_shown(group))
            .map(|group| group.name.clone())
            .collect();
        names.sort();
        names
    };
    Ok(ImportPreview {
        digest,
        adding: plan.adding.len(),
        changing: plan.changing.len(),
        disabling: plan.disabling.len(),
        unchanged: plan.unchanged,
        bad: plan.bad.len(),
        still_disabled: plan.still_disabled,
        new_groups: groups(|group| group.key.is_none()),
        changed_groups: groups(|group| group.is_changed),
        unused_columns: plan.unused_columns,
        repeated_columns: plan.repeated_columns,
        kept_groups: plan.kept_groups,
        links: plan.links.counts,
        changed_links: plan.links.changed.into_iter().take(SHOWN_LINES).collect(),
        kept_links: plan.links.kept.into_iter().take(SHOWN_LINES).collect(),
        added: some(plan.adding.iter().map(|one| &one.row).collect()),
        changed: some(plan.changing.iter().map(|one| &one.row).collect()),
        disabled: some(plan.disabling.iter().map(|(_, row)| row).collect()),
        bad_rows: plan.bad.into_iter().take(SHOWN_LINES).collect(),
    })
}

/// Does what a preview with this digest showed, all of it or nothing. Lines that are bad are left out.
///
/// # Errors
/// [`Conflict::Stale`] when it would do something else by now; as [`preview`].
pub async fn import(
    app: &App,
    by: AuditActor,
    files: Files,
    wishes: Wishes,
    confirmed: &str,
) -> Result<Imported> {
    let (plan, digest) = plan(app, files, wishes).await?;
    if digest != confirmed {
        return Err(Error::Conflict(Conflict::Stale));
    }
    let progress = Arc::new(Progress {
        digest,
        total: plan.adding.len() + plan.changing.len() + plan.disabling.len(),
        ..Progress::default()
    });
    app.state::<Running>().set(progress.clone());
    app.store
        .write(move |tx| {
            check_key(tx, &by, &plan)?;
            write(tx, &by, &plan, &progress)?;
            let imported = Imported {
                added: plan.adding.len(),
                changed: plan.changing.len(),
                disabled: plan.disabling.len(),
            };
            let mut detail = format!(
                "{} added, {} changed, {} disabled",
                imported.added, imported.changed, imported.disabled
            );
            if plan.links.len() > 0 {
                let _ = write!(detail, ", {} guardian links", plan.links.len());
            }
            audit::note(tx, &by, Action::RosterImported, "", &detail)?;
            Ok(imported)
        })
        .await
}

/// The import that runs, or ran last.
#[derive(Default)]
struct Running(Mutex<Option<Arc<Progress>>>);

impl Running {
    fn set(&self, progress: Arc<Progress>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
    }

    fn get(&self) -> Option<Arc<Progress>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What a key may not do by itself: see [`super::accounts::check_key`].
fn check_key(tx: &WriteTx, by: &AuditActor, plan: &Plan) -> Result<()> {
    let changed = plan.changing.iter();
    let shut_out = changed.filter(|one| one.change.disabled == Some(true));
    let shut_out = plan.disabling.len() + shut_out.count();
    let roles = plan.changing.iter().filter_map(|one| one.change.role);
    let roles = roles.chain(plan.adding.iter().map(|one| one.new.role));
    super::accounts::check_key(tx, by, shut_out, roles)
}

/// How far the import of this digest is.
///
/// # Errors
/// [`Noun::Route`] not found when it did not begin.
pub fn progress(app: &App, digest: &str) -> Result<ProgressView> {
    let progress = app.state::<Running>().get();
    let progress = progress.filter(|running| running.digest == digest);
    progress
        .map(|progress| progress.view())
        .ok_or(Error::NotFound(Noun::Route))
}

fn write(tx: &WriteTx, by: &AuditActor, plan: &Plan, progress: &Progress) -> Result<()> {
    let step = || progress.done.fetch_add(1, Ordering::Relaxed);
    let groups = plan.targets.write(tx)?;
    let set = |user, memberships: &Memberships| {
        let wanted: Vec<_> = memberships
            .iter()
            .map(|(at, membership)| (groups[*at], *membership))
            .collect();
        set_memberships(tx, user, &wanted)
    };
    let mut added = Vec::with_capacity(plan.adding.len());
    for Adding {
        new, facts, groups, ..
    } in &plan.adding
    {
        let user = users::insert(tx, new, tx.now)?;
        accounts::set_facts(tx, user.key, facts)?;
        set(user.key, groups)?;
        audit::note(tx, by, Action::PersonAdded, user.id().as_str(), "imported")?;
        tx.emit(Effect::UserChanged(user.id().clone()));
        added.push(user.key);
        step();
    }
    let renamed = |change: &AccountChange| change.username.is_some();
    for Changing { user, .. } in plan.changing.iter().filter(|one| renamed(&one.change)) {
        check_unchanged(tx, user)?;
        // Two people may swap names.
        accounts::release_username(tx, user.key)?;
    }
    for Changing {
        user,
        change,
        groups,
        ..
    } in &plan.changing
    {
        if !renamed(change) {
            check_unchanged(tx, user)?;
        }
        apply(tx, user, change)?;
        if let Some(groups) = groups {
            set(user.key, groups)?;
        }
        let mut said = changed_fields(user, change);
        if groups.is_some() {
            said += if said.is_empty() {
                "groups"
            } else {
                ", groups"
            };
        }
        let target = user.id().as_str();
        if !said.is_empty() {
            audit::note(tx, by, Action::PersonChanged, target, &said)?;
        }
        match change.disabled {
            Some(true) => audit::note(tx, by, Action::PersonDisabled, target, "")?,
            Some(false) => audit::note(tx, by, Action::PersonEnabled, target, "")?,
            None => {}
        }
        step();
    }
    plan.links.write(tx, &added)?;
    let disabled = AccountChange {
        disabled: Some(true),
        ..AccountChange::default()
    };
    for (user, _) in &plan.disabling {
        check_unchanged(tx, user)?;
        apply(tx, user, &disabled)?;
        audit::note(tx, by, Action::PersonDisabled, user.id().as_str(), "")?;
        step();
    }
    Ok(())
}

/// A user may have changed since the preview: what was confirmed was about them as they were.
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

/// The plan and its digest: the same file with other effects has another digest.
async fn plan(app: &App, files: Files, wishes: Wishes) -> Result<(Plan, String)> {
    // Files are parsed one at a time, on a low-priority thread and without a database connection, so a slow one does not hold up other requests.
    let turn = app.limits.parsing.turn(()).await?;
    let parsed = on_yielding_thread("roster", move || {
        let mut hash = Sha256::new();
        for file in files.all() {
            hash.update(file.len().to_le_bytes());
            hash.update(file);
        }
        roster::parse(&files).map(|roster| (roster, hash))
    });
    let (roster, mut hash) = parsed.await??;
    drop(turn);
    app.store
        .read_long(move |c| {
            let here = Here {
                people: roster_store::everybody(c)?,
                groups: roster_store::groups(c)?,
                links: guardians::everything(c)?,
            };
            let plan = plan::plan(roster, here, wishes);
            // New people get new ids each time.
            for one in &plan.adding {
                hash.update(format!("{:?}", one.row));
            }
            for one in &plan.changing {
                hash.update(format!("{} {:?}", one.user.id(), one.row));
            }
            for (user, _) in &plan.disabling {
                hash.update(user.id().as_str());
            }
            hash.update(format!("{:?} {:?}", plan.links.changed, plan.links.kept));
            Ok((plan, text::hex(&hash.finalize())))
        })
        .await
}
