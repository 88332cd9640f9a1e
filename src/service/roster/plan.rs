//! What a file would change: each line held against who is here.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::error::{Error, Result};
use crate::model::accounts::AccountChange;
use crate::model::ids::UserId;
use crate::model::roster::{BadRow, PlannedRow, Roster, Row, bad};
use crate::model::users::{DisplayName, NewUser, Role, User, Username};
use crate::store::roster::Known;

/// What is to be done.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub adding: Vec<(NewUser, Option<Vec<String>>, PlannedRow)>,
    pub changing: Vec<(User, AccountChange, Option<Vec<String>>, PlannedRow)>,
    pub disabling: Vec<(User, PlannedRow)>,
    pub unchanged: usize,
    pub new_groups: BTreeSet<String>,
    pub bad: Vec<BadRow>,
}

/// Everybody there is, by what a file may call them.
pub struct People {
    all: Vec<Known>,
    by_id: HashMap<UserId, usize>,
    by_username: HashMap<String, usize>,
    by_email: HashMap<String, usize>,
}

impl People {
    pub fn new(all: Vec<Known>) -> Self {
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

    pub fn plan(self, roster: Roster, disable_missing: bool, groups: &HashSet<String>) -> Plan {
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
                Err(error) => plan.bad.extend(bad(line, &error)),
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
        let admin = known.filter(|known| known.is_admin());
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
            if !named.contains(&at) && !user.disabled && !known.is_admin() {
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
