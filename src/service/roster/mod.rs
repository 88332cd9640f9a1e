//! Files of people: what they would change, and changing it.

mod apply;
mod difference;
mod export;
mod groups;
mod links;
mod names;
mod people;
mod plan;
mod run;
mod steps;

use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

pub use self::export::{export, export_all};
use self::groups::Target;
pub use self::people::Wishes;
use self::plan::{Here, Plan};
use self::run::Turns;
pub use self::run::resume;
use crate::app::App;
use crate::error::{Conflict, Error, Noun, Result};
use crate::limits::priority::on_yielding_thread;
use crate::model::audit::AuditActor;
use crate::model::roster::{
    self, FileColumns, Files, ImportPreview, ImportProgress, ImportState, Imported, Mapping,
    PlannedRow, StepCounts,
};
use crate::model::text;
use crate::store::roster as roster_store;
use crate::store::roster_import::{self, StoredImport};
use crate::store::{WriteTx, guardians};

/// How long the answer to a confirmed import waits for its end, and how often it looks.
const ANSWER_TIME: Duration = Duration::from_secs(15);
const LOOK_PERIOD: Duration = Duration::from_millis(50);
/// How many steps one write puts down.
const STAGED_AT_A_TIME: usize = 1_000;
/// Lines of each kind that a preview shows.
const SHOWN_LINES: usize = 100;

/// What files would do. Nothing is written.
///
/// # Errors
/// As [`roster::parse`].
pub async fn preview(app: &App, files: Files, wishes: Wishes) -> Result<ImportPreview> {
    let Planned {
        plan,
        digest,
        mapping,
        ..
    } = plan(app, files, wishes).await?;
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
        mapping,
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

/// What came of a confirmed import.
pub enum Started {
    Done(Imported),
    /// It goes on, also after a restart.
    Running(ImportProgress),
}

/// Does what a preview with this digest showed. Lines that are bad are left out. It is checked as a whole and written down; its
/// steps are done some at a time, and answered once they are done, or after a while how far they are.
///
/// # Errors
/// [`Conflict::Stale`] when it would do something else by now; [`Conflict::ImportRunning`]; as [`preview`].
pub async fn import(
    app: &App,
    by: AuditActor,
    files: Files,
    wishes: Wishes,
    confirmed: &str,
) -> Result<Started> {
    // A mapping that a program sends is for that file alone.
    let said = files.mapping.clone().filter(|_| by.is_by_hand());
    let kept = said
        .map(|mapping| roster::header(&files.users).map(|header| (header, mapping)))
        .transpose()?;
    let planned = plan(app, files, wishes).await?;
    if planned.digest != confirmed {
        return Err(Error::Conflict(Conflict::Stale));
    }
    let digest = planned.digest.clone();
    let (staged, is_staged) = oneshot::channel();
    let running = app.clone();
    // A task of its own: whoever asked may hang up, and what is written down must be done.
    app.tasks.spawn(async move {
        let result = stage(&running, by, planned, kept).await;
        let goes_on = result.is_ok();
        let _ = staged.send(result);
        if goes_on {
            run::run(&running).await;
        }
    });
    is_staged
        .await
        .unwrap_or_else(|_| Err(Error::unavailable("The server is stopping.")))?;
    let patience = Instant::now() + ANSWER_TIME;
    loop {
        let current = current(app, &digest).await?;
        if current.state == ImportState::Done {
            let StepCounts {
                added,
                changed,
                disabled,
                ..
            } = current.counts;
            return Ok(Started::Done(Imported {
                added,
                changed,
                disabled,
                problems: current.problems,
            }));
        }
        if Instant::now() >= patience {
            return Ok(Started::Running(view(current)));
        }
        tokio::time::sleep(LOOK_PERIOD).await;
    }
}

/// Writes the steps down, some at a time; none is done before all of them are there.
async fn stage(
    app: &App,
    by: AuditActor,
    planned: Planned,
    kept: Option<(Vec<String>, Mapping)>,
) -> Result<()> {
    let Planned {
        plan,
        digest,
        after,
        ..
    } = planned;
    let prepared = on_yielding_thread("roster", move || {
        let (steps, counts) = steps::of(&plan);
        let texts: serde_json::Result<Vec<String>> =
            steps.iter().map(serde_json::to_string).collect();
        (plan, texts, counts)
    });
    let (plan, texts, counts) = prepared.await?;
    let mut texts = texts.map_err(|e| Error::Internal(format!("a step of an import: {e}")))?;
    let total = texts.len();
    let turns = app.state::<Turns>();
    // One that is staged and not by the holder of this is of a process that has ended.
    let _held = turns.staging.lock().await;
    app.store
        .write(move |tx| {
            let running = roster_import::current(tx)?;
            if running.is_some_and(|import| import.state == ImportState::Running) {
                return Err(Error::Conflict(Conflict::ImportRunning));
            }
            if roster_import::number(tx)? != after {
                return Err(Error::Conflict(Conflict::Stale));
            }
            check_key(tx, &by, &plan)?;
            if let Some((header, mapping)) = &kept {
                roster_store::keep_mapping(tx, header, mapping)?;
            }
            roster_import::stage(tx, &digest, &by, total, counts)
        })
        .await?;
    while !texts.is_empty() {
        let slice: Vec<String> = texts.drain(..texts.len().min(STAGED_AT_A_TIME)).collect();
        app.store
            .write(move |tx| roster_import::add_steps(tx, &slice))
            .await?;
    }
    app.store.write(roster_import::begin).await
}

async fn current(app: &App, digest: &str) -> Result<StoredImport> {
    let current = app.store.read(roster_import::current).await?;
    let current = current.filter(|import| import.digest == digest);
    current.ok_or(Error::NotFound(Noun::Route))
}

fn view(import: StoredImport) -> ImportProgress {
    ImportProgress {
        state: import.state,
        total: import.total,
        done: import.done,
        problems: import.problems,
    }
}

/// The columns of a file of people, and what each is.
///
/// # Errors
/// [`Error::Invalid`] on `file` for what is no such file.
pub async fn columns(app: &App, files: Files) -> Result<FileColumns> {
    let kept = kept_mapping(app, &files.users).await?;
    roster::columns(&files.users, kept.as_ref())
}

/// What the columns of such a file were the last time.
async fn kept_mapping(app: &App, users: &[u8]) -> Result<Option<Mapping>> {
    // What cannot be read is told where it is read for good.
    let Ok(header) = roster::header(users) else {
        return Ok(None);
    };
    app.store
        .read(move |c| roster_store::mapping(c, &header))
        .await
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
/// [`Noun::Route`] not found when it did not begin, or another has run since.
pub async fn progress(app: &App, digest: &str) -> Result<ImportProgress> {
    current(app, digest).await.map(view)
}

/// A plan, and what it was made of.
struct Planned {
    plan: Plan,
    digest: String,
    /// What the columns were taken for.
    mapping: Option<Mapping>,
    /// The number of the newest import then.
    after: i64,
}

/// The plan and its digest: the same file with other effects has another digest.
async fn plan(app: &App, mut files: Files, wishes: Wishes) -> Result<Planned> {
    files.mapping = match files.mapping {
        // Said to be empty: the names of the columns count.
        Some(mapping) => Some(mapping).filter(|mapping| !mapping.is_empty()),
        None => kept_mapping(app, &files.users).await?,
    };
    let mapping = files.mapping.clone();
    // Files are parsed one at a time, on a low-priority thread and without a database connection, so a slow one does not hold up other requests.
    let turn = app.limits.parsing.turn(()).await?;
    let parsed = on_yielding_thread("roster", move || {
        let mut hash = Sha256::new();
        for file in files.all() {
            hash.update(file.len().to_le_bytes());
            hash.update(file);
        }
        hash.update(format!("{:?} {:?}", files.mapping, files.org));
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
            Ok(Planned {
                plan,
                digest: text::hex(&hash.finalize()),
                mapping,
                after: roster_import::number(c)?,
            })
        })
        .await
}
