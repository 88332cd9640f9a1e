//! What a file would change: compares each line with the people who are here.

use std::collections::HashSet;

use super::difference::Difference;
use super::groups::Targets;
use super::links::{self, LinksPlan, Who};
use super::names::Names;
use super::people::{Memberships, People, Resolved, Wishes};
use crate::error::{Error, Result};
use crate::model::accounts::{AccountChange, FactsChange};
use crate::model::groups::{GroupKind, Membership};
use crate::model::ids::UserId;
use crate::model::roster::{BadRow, PlannedRow, Roster, Row, bad, bad_in};
use crate::model::text;
use crate::model::users::{NewUser, Origin, Role, User};
use crate::rule;
use crate::store::guardians::StoredLink;
use crate::store::roster::{Known, KnownGroup};

/// A user who is to be added.
#[derive(Debug, Clone)]
pub struct Adding {
    pub new: NewUser,
    pub facts: FactsChange,
    pub groups: Memberships,
    pub row: PlannedRow,
}

/// A user who is to be changed.
#[derive(Debug, Clone)]
pub struct Changing {
    pub user: User,
    pub change: AccountChange,
    /// All their memberships, where they change.
    pub groups: Option<Memberships>,
    pub row: PlannedRow,
}

/// What is to be done.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub adding: Vec<Adding>,
    pub changing: Vec<Changing>,
    pub disabling: Vec<(User, PlannedRow)>,
    pub unchanged: usize,
    pub targets: Targets,
    /// Names of groups that were made by hand and are not in the file, of which the file would take people out.
    pub kept_groups: Vec<String>,
    pub links: LinksPlan,
    pub bad: Vec<BadRow>,
    /// People in the file who are disabled and stay so.
    pub still_disabled: usize,
    pub unused_columns: Vec<String>,
    pub repeated_columns: Vec<String>,
}

/// What is here.
pub struct Here {
    pub people: Vec<Known>,
    pub groups: Vec<KnownGroup>,
    pub links: Vec<StoredLink>,
}

/// Compares files with what is here.
pub fn plan(roster: Roster, here: Here, wishes: Wishes) -> Plan {
    let mut plan = Plan {
        bad: roster.bad,
        unused_columns: roster.unused_columns,
        repeated_columns: roster.repeated_columns,
        ..Plan::default()
    };
    let targets = Targets::new(here.groups, roster.groups, wishes.adopt_ids);
    let mut people = People::new(here.people, targets, wishes);
    people.keeps_memberships = !roster.has_all_members;
    // A user whose line is bad is in the file as well. Since it is not known who they are, nobody counts as missing.
    let complete = plan.bad.is_empty();
    people.find_moving(&roster.rows);
    let rows = people.resolve(roster.rows, &mut plan.bad);
    let mut names = Names::new(&people.all);
    for id in roster.elsewhere {
        names.leave_out(id);
    }
    let mut named = HashSet::new();
    for resolved in rows {
        let line = resolved.row.line;
        match people.find(&resolved) {
            Ok(found) => {
                named.extend(found);
                let new = plan.adding.len();
                let who = found.map_or(Who::New(new), |at| Who::Here(people.all[at].user.key));
                let is_there = found.is_some() || resolved.row.disabled != Some(true);
                names.take(&resolved.row, is_there.then_some(who));
                people.take(resolved, found, &mut plan);
            }
            Err(error) => plan.bad.extend(bad(line, &error)),
        }
    }
    let mut of_file = roster.links;
    of_file
        .named
        .retain(|link| !names.is_absent(&link.child) && !names.is_absent(&link.guardian));
    // A line that cannot be read may be the one that names a link.
    let is_certain = plan.bad.is_empty();
    plan.links = links::plan(of_file, here.links, &names, is_certain);
    plan.bad.append(&mut plan.links.bad);
    if wishes.disable_missing && complete && plan.bad.is_empty() {
        people.disable_missing(&named, &mut plan);
    }
    plan.bad.sort_by_key(|bad| bad.line);
    plan.kept_groups.sort();
    plan.kept_groups.dedup();
    plan.targets = people.targets;
    plan
}

impl People {
    /// Finds the groups of all lines, before people are compared: which groups the file names decides what it takes away.
    fn resolve(&mut self, rows: Vec<Row>, bad: &mut Vec<BadRow>) -> Vec<Resolved> {
        let mut with_guardians = HashSet::new();
        let mut resolved = Vec::with_capacity(rows.len());
        for mut row in rows {
            let groups = row.groups.take().map(|groups| {
                let mut found: Vec<(usize, Option<Membership>)> = Vec::new();
                for of in groups {
                    match (self.targets.find(&of), of.place) {
                        (Ok(at), _) if found.iter().any(|(known, _)| *known == at) => {}
                        (Ok(at), _) => found.push((at, of.membership)),
                        (Err(error), Some((file, line))) => bad.extend(bad_in(file, line, &error)),
                        (Err(error), None) => bad.extend(super::plan::bad(row.line, &error)),
                    }
                }
                found.sort_by_key(|(at, _)| *at);
                found
            });
            if row.role == Some(Role::Guardian) {
                with_guardians.extend(groups.iter().flatten().map(|(at, _)| *at));
            }
            resolved.push(Resolved { row, groups });
        }
        for at in with_guardians {
            self.targets.list[at].kind.get_or_insert(GroupKind::Other);
        }
        resolved
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
    fn find(&self, resolved: &Resolved) -> Result<Option<usize>> {
        let row = &resolved.row;
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
        if admin.is_some_and(|known| !self.difference(known, resolved).said.is_empty()) {
            return refuse("role", rule::admin_by_hand());
        }
        Ok(found)
    }

    fn take(&self, resolved: Resolved, found: Option<usize>, plan: &mut Plan) {
        let Some(known) = found.map(|at| &self.all[at]) else {
            if resolved.row.disabled != Some(true) {
                plan.adding.push(adding(resolved));
            }
            return;
        };
        let Difference {
            said,
            change,
            groups,
            kept,
        } = self.difference(known, &resolved);
        plan.kept_groups.extend(kept);
        plan.still_disabled += usize::from(known.user.disabled && change.disabled.is_none());
        if said.is_empty() {
            plan.unchanged += 1;
            return;
        }
        let row = resolved.row;
        let planned = PlannedRow {
            line: Some(row.line),
            username: row.username.as_str().to_owned(),
            name: row.name.as_str().to_owned(),
            role: row.role.unwrap_or(known.user.role),
            changes: said,
        };
        let shut_out = change.disabled == Some(true);
        if shut_out && planned.changes.len() == 1 {
            plan.disabling.push((known.user.clone(), planned));
        } else {
            plan.changing.push(Changing {
                user: known.user.clone(),
                change,
                groups,
                row: planned,
            });
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

fn adding(Resolved { row, groups }: Resolved) -> Adding {
    let role = row.role.unwrap_or(Role::Student);
    let planned = PlannedRow {
        line: Some(row.line),
        username: row.username.as_str().to_owned(),
        name: row.name.as_str().to_owned(),
        role,
        changes: Vec::new(),
    };
    let groups = groups.into_iter().flatten();
    Adding {
        new: NewUser {
            id: row.id.unwrap_or_else(UserId::generate),
            username: Some(row.username),
            name: row.name,
            email: row.email.flatten(),
            avatar: None,
            role,
            password_hash: None,
            origin: Origin::Import,
        },
        facts: row.facts,
        groups: groups
            .map(|(at, membership)| (at, membership.unwrap_or_default()))
            .collect(),
        row: planned,
    }
}
