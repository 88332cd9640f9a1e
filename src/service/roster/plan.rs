//! What a file would change: compares each line with the people who are here.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::error::{Error, Result};
use crate::model::accounts::AccountChange;
use crate::model::ids::UserId;
use crate::model::roster::{BadRow, PlannedRow, Roster, Row, bad};
use crate::model::text;
use crate::model::users::{DisplayName, NewUser, Origin, Role, User, Username};
use crate::rule;
use crate::store::roster::Known;

/// What is to be done.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub adding: Vec<(NewUser, Option<Vec<String>>, PlannedRow)>,
    pub changing: Vec<(User, AccountChange, Option<Vec<String>>, PlannedRow)>,
    pub disabling: Vec<(User, PlannedRow)>,
    pub unchanged: usize,
    pub new_groups: BTreeSet<String>,
    /// All groups that the file names. Imports manage them from now on, no matter who created them.
    pub groups: BTreeSet<String>,
    pub bad: Vec<BadRow>,
    /// People in the file who are disabled and stay so.
    pub still_disabled: usize,
    pub unused_columns: Vec<String>,
    pub repeated_columns: Vec<String>,
}

/// Groups by name in any case: `7A` is not another one than `7a`.
struct GroupNames(HashMap<String, String>);

impl GroupNames {
    fn new(existing: &HashSet<String>) -> Self {
        let keyed = existing
            .iter()
            .map(|name| (text::case_key(name), name.clone()));
        GroupNames(keyed.collect())
    }

    /// Spells names as the first did.
    fn spell(&mut self, names: &mut [String]) {
        for name in names {
            let first = self
                .0
                .entry(text::case_key(name))
                .or_insert_with(|| name.clone());
            name.clone_from(first);
        }
    }
}

/// What an administrator wants of an import beside what its lines say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wishes {
    /// People who are not in the file are disabled, administrators aside; those who are in it are active.
    pub disable_missing: bool,
    /// People who were added here without an id of the school's own get the file's.
    pub adopt_ids: bool,
}

/// All people, by what a file may call them.
pub struct People {
    all: Vec<Known>,
    by_id: HashMap<UserId, usize>,
    by_username: HashMap<String, usize>,
    wishes: Wishes,
    /// The usernames of people whom a line, by its id, gives another one: theirs is free for another user in the file.
    moving: HashSet<usize>,
    /// Groups that the file names.
    of_file: BTreeSet<String>,
}

impl People {
    pub fn new(all: Vec<Known>, wishes: Wishes) -> Self {
        let (mut by_id, mut by_username) = (HashMap::new(), HashMap::new());
        for (at, known) in all.iter().enumerate() {
            by_id.insert(known.user.id().clone(), at);
            if let Some(username) = &known.user.username {
                by_username.insert(text::case_key(username), at);
            }
        }
        People {
            all,
            by_id,
            by_username,
            wishes,
            moving: HashSet::new(),
            of_file: BTreeSet::new(),
        }
    }

    pub fn plan(mut self, roster: Roster, groups: &HashSet<String>) -> Plan {
        let mut plan = Plan {
            bad: roster.bad,
            unused_columns: roster.unused_columns,
            repeated_columns: roster.repeated_columns,
            ..Plan::default()
        };
        let mut names = GroupNames::new(groups);
        let mut named = HashSet::new();
        // A user whose line is bad is in the file as well. Since it is not known who they are, nobody counts as missing.
        let complete = plan.bad.is_empty();
        let mut rows = roster.rows;
        self.find_moving(&rows);
        for groups in rows.iter_mut().filter_map(|row| row.groups.as_mut()) {
            names.spell(groups);
            self.of_file.extend(groups.iter().cloned());
        }
        for row in rows {
            let line = row.line;
            match self.find(&row) {
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
        if self.wishes.disable_missing && complete && plan.bad.is_empty() {
            self.disable_missing(&named, &mut plan);
        }
        plan.bad.sort_by_key(|bad| bad.line);
        plan.groups = self.of_file;
        plan
    }

    fn find_moving(&mut self, rows: &[Row]) {
        for row in rows {
            let known = row.id.as_ref().and_then(|id| self.by_id.get(id));
            let moves = known.filter(|at| {
                let username = self.all[**at].user.username.as_deref();
                username.is_some_and(|name| text::case_key(name) != row.username.key())
            });
            self.moving.extend(moves);
        }
    }

    /// The user whom a line is about, if they are here already.
    fn find(&self, row: &Row) -> Result<Option<usize>> {
        let refuse = |field: &str, rule| Err(Error::invalid(field, rule));
        let by_username = self.by_username.get(&row.username.key()).copied();
        let by_username = by_username.filter(|at| !self.moving.contains(at));
        let by_id = row.id.as_ref().and_then(|id| self.by_id.get(id)).copied();
        let found = match (by_id, by_username) {
            (Some(a), Some(b)) if a != b => {
                return refuse("username", rule::other_id());
            }
            (None, Some(at)) if row.id.is_some() => {
                let ours = uuid::Uuid::parse_str(self.all[at].user.id().as_str()).is_ok();
                match (ours, self.wishes.adopt_ids) {
                    (true, true) => Some(at),
                    (true, false) => {
                        return refuse("username", rule::own_id());
                    }
                    (false, _) => return refuse("username", rule::other_id()),
                }
            }
            (a, b) => a.or(b),
        };
        let known = found.map(|at| &self.all[at]);
        if known.is_none() && row.role.is_none() && row.disabled != Some(true) {
            return refuse("role", rule::needed_for_new());
        }
        let admin = known.filter(|known| known.is_admin());
        if admin.is_none() && row.role == Some(Role::Admin) {
            return refuse("role", rule::imports_no_admin());
        }
        if admin.is_some_and(|known| !self.difference(known, row).0.is_empty()) {
            return refuse("role", rule::admin_by_hand());
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
        let (changes, change, groups) = self.difference(known, &row);
        plan.still_disabled += usize::from(known.user.disabled && change.disabled.is_none());
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

    /// What a line changes of a user: for people to read, and to be done.
    fn difference(
        &self,
        known: &Known,
        row: &Row,
    ) -> (Vec<String>, AccountChange, Option<Vec<String>>) {
        let user = &known.user;
        let mut said = Vec::new();
        let mut say = |field: &str, before: &str, after: &str| {
            said.push(format!("{field}: {before} → {after}"));
        };
        let mut change = AccountChange::default();
        if let Some(id) = row.id.as_ref().filter(|id| *id != user.id()) {
            say("id", user.id().as_str(), id.as_str());
            change.id = Some(id.clone());
        }
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
        if let Some(groups) = &mut wanted {
            // No member is taken out of a group that was made by hand and is not in the file.
            let by_hand = known.by_hand.iter();
            groups.extend(
                by_hand
                    .filter(|name| !self.of_file.contains(*name))
                    .cloned(),
            );
            groups.sort();
        }
        let groups = wanted.filter(|wanted| *wanted != known.groups);
        if let Some(groups) = &groups {
            say("groups", &known.groups.join(", "), &groups.join(", "));
        }
        // Where missing people are disabled, people in the file are not.
        let active = self.wishes.disable_missing.then_some(false);
        if let Some(disabled) = row.disabled.or(active).filter(|now| *now != user.disabled) {
            let status = |disabled| if disabled { "disabled" } else { "active" };
            say("status", status(user.disabled), status(disabled));
            change.disabled = Some(disabled);
        }
        (said, change, groups)
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
        origin: Origin::Import,
    };
    (new, row.groups, planned)
}
