//! A file of people: what it would change, and changing it in one transaction.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use sha2::{Digest, Sha256};

use super::accounts::apply;
use crate::app::App;
use crate::error::{Conflict, Error, Noun, Result};
use crate::model::accounts::AccountChange;
use crate::model::audit::{Action, By};
use crate::model::events::Effect;
use crate::model::ids::UserId;
use crate::model::roster::{
    self, BadRow, ImportPreview, Imported, PlannedRow, Progress, ProgressView, Roster, Row,
};
use crate::model::users::{DisplayName, NewUser, Role, User, Username};
use crate::store::roster::{Known, everybody, group_names, is_admin, lines, set_groups_by_name};
use crate::store::{WriteTx, audit, users};

/// Lines of each kind that a preview shows.
const SHOWN: usize = 100;

/// What is to be done.
#[derive(Debug, Clone, Default)]
struct Plan {
    adding: Vec<(NewUser, Option<Vec<String>>, PlannedRow)>,
    changing: Vec<(User, AccountChange, Option<Vec<String>>, PlannedRow)>,
    disabling: Vec<(User, PlannedRow)>,
    unchanged: usize,
    new_groups: BTreeSet<String>,
    bad: Vec<BadRow>,
}

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

/// Everybody there is, by what a file may call them.
struct People {
    all: Vec<Known>,
    by_id: HashMap<UserId, usize>,
    by_username: HashMap<String, usize>,
    by_email: HashMap<String, usize>,
}

impl People {
    fn new(all: Vec<Known>) -> Self {
        let (mut by_id, mut by_username, mut by_email) =
            (HashMap::new(), HashMap::new(), HashMap::new());
        for (at, known) in all.iter().enumerate() {
            by_id.insert(known.user.id().clone(), at);
            if let Some(username) = &known.user.username {
                by_username.insert(username.to_ascii_lowercase(), at);
            }
            if let Some(email) = known.user.email.as_ref().filter(|_| known.has_password) {
                by_email.insert(email.to_ascii_lowercase(), at);
            }
        }
        People {
            all,
            by_id,
            by_username,
            by_email,
        }
    }

    fn plan(self, roster: Roster, disable_missing: bool, groups: &HashSet<String>) -> Plan {
        let mut plan = Plan {
            bad: roster.bad,
            ..Plan::default()
        };
        let mut named = HashSet::new();
        // Addresses that the file gives to people who log in with them.
        let mut claimed = HashSet::new();
        // Somebody whose line is bad is in the file all the same: who they are is not known, so nobody is missing.
        let complete = plan.bad.is_empty();
        for row in roster.rows {
            let line = row.line;
            let found = self.find(&row).and_then(|found| {
                let logs_in = found.is_some_and(|at| self.all[at].has_password);
                let email = row.email.iter().flatten().next().filter(|_| logs_in);
                match email.map(|email| claimed.insert(email.to_ascii_lowercase())) {
                    Some(false) => Err(Error::invalid("email", "belongs to somebody else")),
                    _ => Ok(found),
                }
            });
            match found {
                Ok(found) => {
                    named.extend(found);
                    let wanted = row.groups.iter().flatten();
                    plan.new_groups
                        .extend(wanted.filter(|name| !groups.contains(*name)).cloned());
                    self.take(row, found, &mut plan);
                }
                Err(error) => plan.bad.extend(
                    error
                        .details()
                        .first()
                        .cloned()
                        .map(|error| BadRow { line, error }),
                ),
            }
        }
        if disable_missing && complete && plan.bad.is_empty() {
            self.disable_missing(&named, &mut plan);
        }
        plan.bad.sort_by_key(|bad| bad.line);
        plan
    }

    /// Whom a line is about, if they are here already.
    fn find(&self, row: &Row) -> Result<Option<usize>> {
        let refuse = |field: &str, why: &str| Err(Error::invalid(field, why));
        let username = row.username.as_str().to_ascii_lowercase();
        let by_username = self.by_username.get(&username).copied();
        let by_id = row.id.as_ref().and_then(|id| self.by_id.get(id)).copied();
        let found = match (by_id, by_username) {
            (Some(a), Some(b)) if a != b => {
                return refuse("username", "belongs to somebody with another id");
            }
            (None, Some(_)) if row.id.is_some() => {
                return refuse("username", "belongs to somebody with another id");
            }
            (a, b) => a.or(b),
        };
        let email = row.email.iter().flatten().next();
        let owner = email.and_then(|email| self.by_email.get(&email.to_ascii_lowercase()));
        if owner.is_some_and(|owner| Some(*owner) != found) {
            return refuse("email", "belongs to somebody else");
        }
        let known = found.map(|at| &self.all[at]);
        let admin = known.filter(|known| is_admin(known));
        if admin.is_none() && row.role == Some(Role::Admin) {
            return refuse("role", "cannot be admin: make administrators one by one");
        }
        if admin.is_some_and(|known| !difference(known, row).0.is_empty()) {
            return refuse("role", "is an administrator's: change that by hand");
        }
        Ok(found)
    }

    fn take(&self, row: Row, found: Option<usize>, plan: &mut Plan) {
        let Some(known) = found.map(|at| &self.all[at]) else {
            if row.disabled != Some(true) {
                plan.adding.push(adding(row));
            }
            return;
        };
        let (changes, change, groups) = difference(known, &row);
        if changes.is_empty() {
            plan.unchanged += 1;
            return;
        }
        let planned = PlannedRow {
            line: Some(row.line),
            username: row.username.as_str().to_owned(),
            name: row.name.as_str().to_owned(),
            role: row.role.unwrap_or(known.user.role),
            changes,
        };
        let shut_out = change.disabled == Some(true);
        let only = planned.changes.len() == 1;
        if shut_out && only {
            plan.disabling.push((known.user.clone(), planned));
        } else {
            plan.changing
                .push((known.user.clone(), change, groups, planned));
        }
    }

    fn disable_missing(&self, named: &HashSet<usize>, plan: &mut Plan) {
        for (at, known) in self.all.iter().enumerate() {
            let user = &known.user;
            let Some(username) = user.username.as_ref() else {
                continue;
            };
            if !named.contains(&at) && !user.disabled && !is_admin(known) {
                let row = PlannedRow {
                    line: None,
                    username: username.clone(),
                    name: user.person.name.to_string(),
                    role: user.role,
                    changes: vec!["status: active → disabled".into()],
                };
                plan.disabling.push((user.clone(), row));
            }
        }
    }
}

fn adding(row: Row) -> (NewUser, Option<Vec<String>>, PlannedRow) {
    let role = row.role.unwrap_or(Role::Student);
    let planned = PlannedRow {
        line: Some(row.line),
        username: row.username.as_str().to_owned(),
        name: row.name.as_str().to_owned(),
        role,
        changes: Vec::new(),
    };
    let new = NewUser {
        id: row.id.unwrap_or_else(UserId::generate),
        username: Some(row.username),
        name: row.name,
        email: row.email.flatten(),
        avatar: None,
        role,
        password_hash: None,
    };
    (new, row.groups, planned)
}

/// What a line changes of somebody: for people to read, and to be done.
fn difference(known: &Known, row: &Row) -> (Vec<String>, AccountChange, Option<Vec<String>>) {
    let user = &known.user;
    let mut said = Vec::new();
    let mut say = |field: &str, before: &str, after: &str| {
        said.push(format!("{field}: {before} → {after}"));
    };
    let mut change = AccountChange::default();
    let username = user.username.as_deref().unwrap_or_default();
    if username != row.username.as_str() {
        say("username", username, row.username.as_str());
        change.username = Username::parse(row.username.as_str()).ok();
    }
    if *user.person.name != *row.name.as_str() {
        say("name", &user.person.name, row.name.as_str());
        change.name = DisplayName::parse(row.name.as_str()).ok();
    }
    if let Some(role) = row.role.filter(|role| *role != user.role) {
        say("role", user.role.as_str(), role.as_str());
        change.role = Some(role);
    }
    if let Some(email) = row.email.as_ref().filter(|email| **email != user.email) {
        let show = |email: &Option<String>| email.clone().unwrap_or_else(|| "–".into());
        say("email", &show(&user.email), &show(email));
        change.email = Some(email.clone());
    }
    let mut wanted = row.groups.clone();
    wanted.iter_mut().for_each(|groups| groups.sort());
    let groups = wanted.filter(|wanted| *wanted != known.groups);
    if let Some(groups) = &groups {
        say("groups", &known.groups.join(", "), &groups.join(", "));
    }
    if let Some(disabled) = row.disabled.filter(|now| *now != user.disabled) {
        let status = |disabled| if disabled { "disabled" } else { "active" };
        say("status", status(user.disabled), status(disabled));
        change.disabled = Some(disabled);
    }
    (said, change, groups)
}
