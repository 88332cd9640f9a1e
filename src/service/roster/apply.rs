//! Doing the steps of an import, some at a time: other writes wait for no longer than one slice. What is done and the mark of
//! how far it is are one commit, so that a restart goes on where it was.

use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::Mutex;

use crate::app::App;
use crate::error::{Error, Noun, Result};
use crate::model::accounts::{AccountChange, FactsChange, parse_email};
use crate::model::audit::{Action, AuditActor};
use crate::model::days::Days;
use crate::model::events::Effect;
use crate::model::groups::{Membership, NewGroup};
use crate::model::guardians::GivenLink;
use crate::model::ids::{UserId, UserKey};
use crate::model::roster::{ImportState, Ref, Seen, Step, StepFacts, StepMembership, StepProblem};
use crate::model::users::{DisplayName, NewUser, Origin, User, Username};
use crate::rule;
use crate::service::accounts::{apply as apply_change, changed_fields};
use crate::service::guardians::check_pair;
use crate::store::groups::{self, GroupKey};
use crate::store::guardians::{End, StoredLink};
use crate::store::roster::{keep_group_by_file, set_memberships};
use crate::store::roster_import::{self, StoredImport};
use crate::store::{WriteTx, accounts, audit, guardians, users};

/// How long a slice may take before its commit, and the pause after it, in which others write.
const SLICE_TIME: Duration = Duration::from_millis(10);
const PAUSE: Duration = Duration::from_millis(5);
/// How many steps a slice reads at most.
const MAX_STEPS: usize = 200;
/// The pause after a slice that failed, for want of disk for instance.
const RETRY_PAUSE: Duration = Duration::from_secs(5);
/// How many problems are kept.
const MAX_PROBLEMS: usize = 100;

/// Held by the one that writes steps down, and by the one that does them.
#[derive(Default)]
pub struct Turns {
    pub staging: Mutex<()>,
    steps: Mutex<()>,
}

/// Goes on with an import that is under way until it is done, or the server stops. One whose steps were not all written down is
/// forgotten: nobody was told that it runs.
pub async fn resume(app: &App) {
    let turns = app.state::<Turns>();
    let held = turns.staging.lock().await;
    if let Err(error) = app.store.write(roster_import::forget_staged).await {
        tracing::warn!(%error, "cannot remove an import that did not begin");
    }
    drop(held);
    run(app).await;
}

/// Does all steps that there are.
pub async fn run(app: &App) {
    let turns = app.state::<Turns>();
    let _held = turns.steps.lock().await;
    loop {
        let metrics = app.metrics.clone();
        let slice = app.store.write(move |tx| {
            let began = Instant::now();
            let more = slice(tx, began + SLICE_TIME)?;
            metrics.slice_seconds.observe(began.elapsed().as_secs_f64());
            Ok(more)
        });
        let pause = match slice.await {
            Ok(true) => PAUSE,
            Ok(false) => return,
            Err(error) => {
                app.metrics.job_failed("roster_import");
                tracing::warn!(job = "roster_import", %error, "job failed");
                RETRY_PAUSE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = app.stopping.cancelled() => return,
        }
    }
}

/// Does steps until the time is up. Whether there are more.
fn slice(tx: &WriteTx, until: Instant) -> Result<bool> {
    let Some(import) = roster_import::current(tx)? else {
        return Ok(false);
    };
    if import.state != ImportState::Running {
        return Ok(false);
    }
    let by = actor(&import);
    let steps = roster_import::next(tx, MAX_STEPS)?;
    let (mut counts, mut problems) = (import.counts, import.problems.clone());
    let mut last = None;
    let mut count = 0;
    for (n, step) in steps {
        if count > 0 && Instant::now() >= until {
            break;
        }
        last = Some(n);
        count += 1;
        // Of another version, after a downgrade.
        let Some(step) = step else {
            counts.left_out += 1;
            tracing::error!(step = n, "import step cannot be read, and is left out");
            continue;
        };
        // Who is missing may be in the file as one whose step was left out.
        if counts.left_out > 0 && matches!(step, Step::Disable { missing: true, .. }) {
            counts.leave_out(&step);
            continue;
        }
        // What is wrong with one step must not undo the others of the slice.
        match tx.nested(|| apply(tx, &by, &step)) {
            Ok(()) => {}
            // The disk, or the database as a whole: all of the slice is tried again.
            Err(error @ Error::Unavailable(..)) => return Err(error),
            Err(error) => {
                let problem = StepProblem {
                    name: step.about(),
                    message: sentence(&error),
                };
                tracing::warn!(step = n, problem = problem.message, "import step left out");
                counts.leave_out(&step);
                if problems.len() < MAX_PROBLEMS {
                    problems.push(problem);
                }
                give_back_username(tx, &step)?;
            }
        }
    }
    let Some(last) = last else {
        finish(tx, &by, &import)?;
        return Ok(false);
    };
    roster_import::done(tx, (last, count), counts, &problems)?;
    Ok(true)
}

/// A user whose change was left out after their username had been taken from them keeps it, unless another user has it by now.
fn give_back_username(tx: &WriteTx, step: &Step) -> Result<()> {
    let Step::Change { key, seen, .. } = step else {
        return Ok(());
    };
    let user = users::by_key(tx, UserKey(*key))?.filter(|user| user.username.is_none());
    let username = seen.username.as_deref().map(Username::parse).transpose()?;
    let (Some(user), Some(username)) = (user, username) else {
        return Ok(());
    };
    if users::is_taken(tx, &username, Some(user.key))? {
        return Ok(());
    }
    let change = AccountChange {
        username: Some(username),
        ..AccountChange::default()
    };
    apply_change(tx, &user, &change)
}

fn sentence(error: &Error) -> String {
    match error.details().first() {
        Some(detail) => format!("{} {}", detail.field, detail.message),
        None => error.to_string(),
    }
}

fn finish(tx: &WriteTx, by: &AuditActor, import: &StoredImport) -> Result<()> {
    let counts = import.counts;
    let mut detail = format!(
        "{} added, {} changed, {} disabled",
        counts.added, counts.changed, counts.disabled
    );
    if counts.links > 0 {
        detail = format!("{detail}, {} guardian links", counts.links);
    }
    if counts.left_out > 0 {
        detail = format!("{detail}, {} left out", counts.left_out);
    }
    audit::note(tx, by, Action::RosterImported, "", &detail)?;
    roster_import::finish(tx)
}

/// Who confirmed the import; a key's scopes were looked at then.
fn actor(import: &StoredImport) -> AuditActor {
    AuditActor {
        address: import.address.as_deref().and_then(|text| text.parse().ok()),
        ..AuditActor::label(import.actor.clone())
    }
}

fn apply(tx: &WriteTx, by: &AuditActor, step: &Step) -> Result<()> {
    match step {
        Step::Group {
            key,
            id,
            name,
            kind,
        } => {
            let id = UserId::parse_field("id", id)?;
            if let Some(key) = key {
                return keep_group_by_file(tx, GroupKey(*key), (&id, name, *kind));
            }
            let new = NewGroup {
                id,
                name: name.clone(),
                kind: *kind,
                by_hand: false,
            };
            groups::insert(tx, &new, tx.now).map(drop)
        }
        Step::Release { key, seen } => {
            let user = unchanged(tx, *key, seen)?;
            accounts::release_username(tx, user.key)
        }
        Step::Add { .. } => add(tx, by, step),
        Step::Change { .. } => change(tx, by, step),
        Step::Link {
            child,
            guardian,
            link,
        } => put_link(tx, child, guardian, link),
        Step::EndLink { child, guardian } => {
            match stored_link(tx, UserKey(*child), UserKey(*guardian))? {
                Some(known) if !known.is_held() && !known.by_hand => {
                    guardians::end(tx, &known, false)
                }
                _ => Ok(()),
            }
        }
        Step::Disable { key, seen, .. } => {
            let user = unchanged(tx, *key, seen)?;
            let change = AccountChange {
                disabled: Some(true),
                ..AccountChange::default()
            };
            apply_change(tx, &user, &change)?;
            audit::note(tx, by, Action::PersonDisabled, user.id().as_str(), "")
        }
    }
}

fn add(tx: &WriteTx, by: &AuditActor, step: &Step) -> Result<()> {
    let Step::Add {
        id,
        username,
        name,
        email,
        role,
        facts,
        groups,
    } = step
    else {
        return Ok(());
    };
    let new = NewUser {
        id: UserId::parse_field("id", id)?,
        username: Some(Username::parse(username)?),
        name: DisplayName::parse(name)?,
        email: email.clone(),
        avatar: None,
        role: *role,
        password_hash: None,
        origin: Origin::Import,
    };
    let user = users::insert(tx, &new, tx.now)?;
    accounts::set_facts(tx, user.key, &facts_of(facts)?)?;
    set_memberships(tx, user.key, &memberships(tx, groups)?)?;
    audit::note(tx, by, Action::PersonAdded, user.id().as_str(), "imported")?;
    tx.emit(Effect::UserChanged(user.id().clone()));
    Ok(())
}

fn change(tx: &WriteTx, by: &AuditActor, step: &Step) -> Result<()> {
    let Step::Change {
        key,
        seen,
        id,
        username,
        name,
        email,
        role,
        disabled,
        facts,
        groups,
    } = step
    else {
        return Ok(());
    };
    let user = unchanged(tx, *key, seen)?;
    let change = AccountChange {
        id: id
            .as_deref()
            .map(|id| UserId::parse_field("id", id))
            .transpose()?,
        username: username.as_deref().map(Username::parse).transpose()?,
        name: name.as_deref().map(DisplayName::parse).transpose()?,
        email: email.as_deref().map(parse_email).transpose()?,
        role: *role,
        groups: None,
        disabled: *disabled,
        facts: facts_of(facts)?,
    };
    apply_change(tx, &user, &change)?;
    let mut said = changed_fields(&user, &change);
    if let Some(groups) = groups {
        set_memberships(tx, user.key, &memberships(tx, groups)?)?;
        said += if said.is_empty() {
            "groups"
        } else {
            ", groups"
        };
    }
    let target = change.id.as_ref().unwrap_or(user.id()).as_str();
    if !said.is_empty() {
        audit::note(tx, by, Action::PersonChanged, target, &said)?;
    }
    match change.disabled {
        Some(true) => audit::note(tx, by, Action::PersonDisabled, target, ""),
        Some(false) => audit::note(tx, by, Action::PersonEnabled, target, ""),
        None => Ok(()),
    }
}

fn facts_of(facts: &StepFacts) -> Result<FactsChange> {
    let StepFacts {
        grade,
        adult_from,
        phones,
    } = facts;
    FactsChange::parse(grade.as_deref(), adult_from.as_deref(), phones.as_deref())
}

fn memberships(tx: &WriteTx, groups: &[StepMembership]) -> Result<Vec<(GroupKey, Membership)>> {
    let mut found = Vec::with_capacity(groups.len());
    for one in groups {
        let key = match &one.group {
            Ref::Key(key) if groups::exists(tx, GroupKey(*key))? => GroupKey(*key),
            Ref::Key(_) => return Err(Error::NotFound(Noun::Group)),
            Ref::Id(id) => {
                let unknown = || Error::invalid("groups", rule::not_a_group(id));
                let parsed = UserId::parse(id).ok_or_else(unknown)?;
                groups::by_id(tx, &parsed)?.ok_or_else(unknown)?
            }
        };
        let days = Days::parse(one.from.as_deref(), one.until.as_deref())?;
        found.push((
            key,
            Membership {
                lead: one.lead,
                days,
            },
        ));
    }
    Ok(found)
}

/// A user who is not erased.
fn user(tx: &WriteTx, who: &Ref) -> Result<User> {
    let found = match who {
        Ref::Key(key) => users::by_key(tx, UserKey(*key))?,
        Ref::Id(id) => match UserId::parse(id) {
            Some(id) => users::by_id(tx, &id)?,
            None => None,
        },
    };
    let there = match found {
        Some(user) => accounts::by_key(tx, user.key)?.map(|_| user),
        None => None,
    };
    there.ok_or(Error::NotFound(Noun::User))
}

/// Sets a link, unless a person has set it meanwhile, or the two can no longer be guardian and child.
fn put_link(tx: &WriteTx, child: &Ref, guardian: &Ref, link: &GivenLink) -> Result<()> {
    let (child, guardian) = (user(tx, child)?, user(tx, guardian)?);
    let stored = StoredLink {
        child: child.key,
        guardian: guardian.key,
        link: link.link()?,
        by_hand: false,
        ended_by_hand: false,
    };
    let known = stored_link(tx, stored.child, stored.guardian)?;
    if known.is_some_and(|known| known.is_held() || known.by_hand) {
        return Ok(());
    }
    check_pair(tx, &child, &guardian)?;
    guardians::put(tx, &stored)
}

fn stored_link(
    connection: &Connection,
    child: UserKey,
    guardian: UserKey,
) -> Result<Option<StoredLink>> {
    let links = guardians::stored_of(connection, child, End::Child)?;
    Ok(links.into_iter().find(|link| link.guardian == guardian))
}

/// A user as they were when the import was confirmed: what was confirmed was about them as they were. Their username may have been
/// released by a step before.
fn unchanged(tx: &WriteTx, key: i64, seen: &Seen) -> Result<User> {
    let now = users::by_key(tx, UserKey(key))?;
    let same = now.filter(|user| {
        let username = user.username.clone().or_else(|| seen.username.clone());
        let now = Seen {
            username,
            ..Seen::of(user)
        };
        now == *seen
    });
    same.ok_or_else(|| Error::invalid("user", rule::changed_meanwhile()))
}
