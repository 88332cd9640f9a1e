//! Which group a file means, and what it changes of groups.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Result};
use crate::model::groups::{GroupKind, Membership};
use crate::model::ids::UserId;
use crate::model::roster::{FileGroup, Ref, RowGroup, Step};
use crate::model::text;
use crate::rule;
use crate::store::groups::GroupKey;
use crate::store::roster::KnownGroup;

/// A group that is here, or that the import makes.
#[derive(Debug, Clone)]
pub struct Target {
    /// `None`: it is made.
    pub key: Option<GroupKey>,
    pub id: UserId,
    pub name: String,
    /// `None`: a class, unless a guardian is in it.
    pub kind: Option<GroupKind>,
    /// Whether it was made by hand, and no file has named it yet.
    pub by_hand: bool,
    /// Whether this file names it. Imports manage it from now on, no matter who created it.
    pub is_in_file: bool,
    /// Whether the file gives a group that is here another id, name or kind.
    pub is_changed: bool,
}

/// All groups, by what a file may call them.
#[derive(Debug, Clone, Default)]
pub struct Targets {
    pub list: Vec<Target>,
    by_key: HashMap<i64, usize>,
    by_id: HashMap<String, usize>,
    /// In any case: `7A` is not another one than `7a`. Of two with one name, the older.
    by_name: HashMap<String, usize>,
}

impl Targets {
    /// With `adopt_ids`, a group that is here under an id that was made here gets the file's.
    pub fn new(known: Vec<KnownGroup>, of_file: Vec<FileGroup>, adopt_ids: bool) -> Self {
        let mut targets = Targets::default();
        for group in known {
            targets.by_key.insert(group.key.0, targets.list.len());
            targets.add(Target {
                key: Some(group.key),
                id: group.id,
                name: group.name,
                kind: Some(group.kind),
                by_hand: group.by_hand,
                is_in_file: false,
                is_changed: false,
            });
        }
        let ids: HashSet<String> = of_file.iter().map(|group| group.id.to_string()).collect();
        for group in of_file {
            targets.take(group, &ids, adopt_ids);
        }
        targets
    }

    fn add(&mut self, target: Target) -> usize {
        let at = self.list.len();
        self.by_id.insert(target.id.to_string(), at);
        self.by_name
            .entry(text::case_key(&target.name))
            .or_insert(at);
        self.list.push(target);
        at
    }

    /// A group of the file: the one here with its id, one with its name whose id was made here, or a new one.
    fn take(&mut self, group: FileGroup, ids: &HashSet<String>, adopt_ids: bool) {
        let by_id = self.by_id.get(group.id.as_str()).copied();
        let namesake = self.by_name.get(&text::case_key(&group.name)).copied();
        let namesake = namesake.filter(|at| {
            let id = self.list[*at].id.as_str();
            uuid::Uuid::parse_str(id).is_ok() && !ids.contains(id)
        });
        let Some(at) = by_id.or(namesake) else {
            let at = self.add(Target {
                key: None,
                id: group.id,
                name: group.name,
                kind: group.kind,
                by_hand: false,
                is_in_file: true,
                is_changed: false,
            });
            // Its name leads to it even where an older group has that name too.
            let key = text::case_key(&self.list[at].name);
            self.by_name.insert(key, at);
            return;
        };
        // A line of this file may name it by the file's id, whichever it keeps.
        self.by_id.insert(group.id.to_string(), at);
        let target = &mut self.list[at];
        let id = if adopt_ids {
            group.id
        } else {
            target.id.clone()
        };
        let kind = group.kind.or(target.kind);
        target.is_changed = (&target.id, &target.name, target.kind) != (&id, &group.name, kind);
        target.id = id;
        target.name = group.name;
        target.kind = kind;
        target.is_in_file = true;
        self.by_name.insert(text::case_key(&target.name), at);
    }

    /// The place of the group that a line names; a name that is new makes one, an unknown id in a file of memberships is an error.
    pub fn find(&mut self, of: &RowGroup) -> Result<usize> {
        let by_id = self.by_id.get(&of.group).copied();
        let found = by_id.or_else(|| self.by_name.get(&text::case_key(&of.group)).copied());
        if let Some(at) = found {
            self.list[at].is_in_file = true;
            return Ok(at);
        }
        if of.place.is_some() {
            return Err(Error::invalid("group", rule::unknown_group(&of.group)));
        }
        Ok(self.add(Target {
            key: None,
            id: UserId::generate(),
            name: of.group.clone(),
            kind: None,
            by_hand: false,
            is_in_file: true,
            is_changed: false,
        }))
    }

    pub fn of_key(&self, key: GroupKey) -> Option<usize> {
        self.by_key.get(&key.0).copied()
    }

    /// Groups in words, by name; with what a membership says, where it says something.
    pub fn say(&self, groups: &[(usize, Membership)]) -> String {
        let mut said: Vec<String> = groups
            .iter()
            .map(|(at, membership)| {
                let mut facts = Vec::new();
                match membership.lead {
                    Some(true) => facts.push("leads".to_owned()),
                    Some(false) => facts.push("does not lead".to_owned()),
                    None => {}
                }
                facts.extend(membership.days.from.map(|day| format!("from {day}")));
                facts.extend(membership.days.until.map(|day| format!("until {day}")));
                let name = &self.list[*at].name;
                match facts.is_empty() {
                    true => name.clone(),
                    false => format!("{name} ({})", facts.join(", ")),
                }
            })
            .collect();
        said.sort();
        said.join(", ")
    }

    /// By what the steps of an import name a group.
    pub fn reference(&self, at: usize) -> Ref {
        let target = &self.list[at];
        match target.key {
            Some(key) => Ref::Key(key.0),
            None => Ref::Id(target.id.to_string()),
        }
    }

    /// Makes the groups that are new, and gives the others what the file says of them.
    pub fn steps(&self) -> impl Iterator<Item = Step> {
        let to_write = self.list.iter().filter(|target| {
            target.key.is_none() || target.is_changed || target.is_in_file && target.by_hand
        });
        to_write.map(|target| Step::Group {
            key: target.key.map(|key| key.0),
            id: target.id.to_string(),
            name: target.name.clone(),
            kind: target.kind.unwrap_or(GroupKind::Class),
        })
    }
}
