//! What a file changes of the links between guardians and children.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Result};
use crate::model::guardians::{GuardianLink, MAX_CHILDREN, MAX_GUARDIANS};
use crate::model::ids::UserKey;
use crate::model::roster::{
    BadRow, FileLink, LinkCounts, LinkFacts, LinkFate, Links, PlannedLink, Ref, Step, bad_in,
};
use crate::model::users::Role;
use crate::rule;
use crate::store::guardians::StoredLink;

/// A user who is here, or whom the import adds: by the place among those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Who {
    Here(UserKey),
    New(usize),
}

/// What links need of people: who a file means, what they are after the import, and what they are called.
pub trait Directory {
    fn find(&self, name: &str) -> Option<Who>;
    fn role(&self, who: Who) -> Role;
    fn name(&self, who: Who) -> String;
    /// Whether the people's own file has them.
    fn is_in_file(&self, who: Who) -> bool;
    /// Whether such a file could have them.
    fn can_be_in_file(&self, who: Who) -> bool;
}

/// What is to be done.
#[derive(Debug, Clone, Default)]
pub struct LinksPlan {
    putting: Vec<(Who, Who, GuardianLink)>,
    ending: Vec<StoredLink>,
    pub counts: LinkCounts,
    pub changed: Vec<PlannedLink>,
    pub kept: Vec<PlannedLink>,
    pub bad: Vec<BadRow>,
}

type Pair = (Who, Who);

/// Compares the links of files with those that are here. Without `is_certain`, which is that every line could be read, none ends.
pub fn plan(
    links: Links,
    known: Vec<StoredLink>,
    people: &dyn Directory,
    is_certain: bool,
) -> LinksPlan {
    let mut plan = LinksPlan::default();
    let known: HashMap<Pair, StoredLink> = known
        .into_iter()
        .map(|link| ((Who::Here(link.child), Who::Here(link.guardian)), link))
        .collect();
    let mut family = Family::of(
        known
            .iter()
            .filter(|(_, link)| !link.ended_by_hand)
            .map(|(pair, _)| *pair),
    );
    let mut named: HashSet<Pair> = HashSet::new();
    // In the file's order, so that the same file has the same plan.
    for link in &links.named {
        match pair(link, people).and_then(|pair| family.check(pair, people).map(|()| pair)) {
            Ok(pair) if named.insert(pair) => {
                plan.take(pair, &link.facts, known.get(&pair), people);
            }
            Ok(_) => {}
            Err(error) => plan.bad.extend(bad_in(link.file, link.line, &error)),
        }
    }
    let of_guardians: HashSet<Who> = links
        .of_guardians
        .iter()
        .filter_map(|name| people.find(name))
        .collect();
    let of_children: HashSet<Who> = links
        .of_children
        .iter()
        .filter_map(|name| people.find(name))
        .collect();
    let mut gone: Vec<(&Pair, &StoredLink)> = known
        .iter()
        .filter(|(pair, link)| !named.contains(pair) && !link.ended_by_hand)
        .filter(|((child, guardian), _)| {
            let in_file = links.are_all && people.is_in_file(*child);
            let all_of_child = in_file || of_children.contains(child);
            // Of somebody whom no file can name a file says nothing.
            all_of_child && people.can_be_in_file(*guardian)
                || of_guardians.contains(guardian) && people.can_be_in_file(*child)
        })
        .collect();
    gone.sort_by_key(|(pair, _)| **pair);
    let is_certain = is_certain && plan.bad.is_empty();
    for (pair, link) in gone {
        if link.link.locked {
            plan.keep(*pair, LinkFate::Locked, people);
        } else if link.by_hand {
            plan.keep(*pair, LinkFate::MadeByHand, people);
        } else if is_certain {
            plan.counts.ending += 1;
            plan.say(*pair, LinkFate::Ended, people);
            plan.ending.push(link.clone());
        }
    }
    plan
}

fn pair(link: &FileLink, people: &dyn Directory) -> Result<Pair> {
    let find = |field: &str, name: &str| {
        let unknown = || Error::invalid(field, rule::unknown_person(name));
        people.find(name).ok_or_else(unknown)
    };
    let child = find("child", &link.child)?;
    let guardian = find("guardian", &link.guardian)?;
    if people.role(child) != Role::Student {
        return Err(Error::invalid("child", rule::not_a_pupil(&link.child)));
    }
    Ok((child, guardian))
}

impl LinksPlan {
    fn take(
        &mut self,
        pair: Pair,
        facts: &LinkFacts,
        known: Option<&StoredLink>,
        people: &dyn Directory,
    ) {
        let before = known.map(|known| &known.link);
        let link = facts.over(before.cloned().unwrap_or_default());
        match known {
            Some(known) if known.ended_by_hand => self.keep(pair, LinkFate::EndedByHand, people),
            Some(known) if known.link == link => {}
            Some(known) if known.link.locked => self.keep(pair, LinkFate::Locked, people),
            Some(known) if known.by_hand => self.keep(pair, LinkFate::MadeByHand, people),
            _ => {
                let fate = match known {
                    Some(_) => LinkFate::Changed,
                    None => LinkFate::Added,
                };
                match known {
                    Some(_) => self.counts.changing += 1,
                    None => self.counts.adding += 1,
                }
                self.say(pair, fate, people);
                self.putting.push((pair.0, pair.1, link));
            }
        }
    }

    fn say(&mut self, (child, guardian): Pair, fate: LinkFate, people: &dyn Directory) {
        self.changed.push(PlannedLink {
            child: people.name(child),
            guardian: people.name(guardian),
            fate,
        });
    }

    fn keep(&mut self, (child, guardian): Pair, fate: LinkFate, people: &dyn Directory) {
        self.counts.kept += 1;
        self.kept.push(PlannedLink {
            child: people.name(child),
            guardian: people.name(guardian),
            fate,
        });
    }

    /// How many links change.
    pub fn len(&self) -> usize {
        self.putting.len() + self.ending.len()
    }

    /// Ends, makes and changes links; `added` are the ids of the people whom the import adds.
    pub fn steps<'p>(&'p self, added: &'p [String]) -> impl Iterator<Item = Step> + 'p {
        let reference = |who| match who {
            Who::Here(key) => Ref::Key(key.0),
            Who::New(at) => Ref::Id(added.get(at).cloned().unwrap_or_default()),
        };
        let ending = self.ending.iter().map(|link| Step::EndLink {
            child: link.child.0,
            guardian: link.guardian.0,
        });
        let putting = self.putting.iter();
        ending.chain(putting.map(move |(child, guardian, link)| {
            Step::link(reference(*child), reference(*guardian), link)
        }))
    }
}

/// Who is whose child, for the rules that concern more than one link.
struct Family {
    children: HashMap<Who, Vec<Who>>,
    guardians: HashMap<Who, usize>,
    pairs: HashSet<Pair>,
}

impl Family {
    fn of(pairs: impl Iterator<Item = Pair>) -> Self {
        let mut family = Family {
            children: HashMap::new(),
            guardians: HashMap::new(),
            pairs: HashSet::new(),
        };
        for pair in pairs {
            family.add(pair);
        }
        family
    }

    fn add(&mut self, (child, guardian): Pair) {
        if self.pairs.insert((child, guardian)) {
            self.children.entry(guardian).or_default().push(child);
            *self.guardians.entry(child).or_default() += 1;
        }
    }

    /// Adds a link that may be.
    fn check(&mut self, (child, guardian): Pair, people: &dyn Directory) -> Result<()> {
        if self.pairs.contains(&(child, guardian)) {
            return Ok(());
        }
        if child == guardian {
            return Err(Error::invalid("guardian", rule::own_guardian()));
        }
        if self.is_above(child, guardian) {
            let name = people.name(guardian);
            return Err(Error::invalid("guardian", rule::in_a_circle(&name)));
        }
        if self
            .guardians
            .get(&child)
            .is_some_and(|n| *n >= MAX_GUARDIANS)
        {
            return Err(Error::invalid(
                "child",
                rule::too_many_guardians(MAX_GUARDIANS),
            ));
        }
        let children = self.children.get(&guardian).map_or(0, Vec::len);
        if children >= MAX_CHILDREN {
            return Err(Error::invalid(
                "guardian",
                rule::too_many_children(MAX_CHILDREN),
            ));
        }
        self.add((child, guardian));
        Ok(())
    }

    fn is_above(&self, above: Who, below: Who) -> bool {
        let mut waiting = vec![above];
        let mut seen = HashSet::new();
        while let Some(who) = waiting.pop() {
            if who == below {
                return true;
            }
            if seen.insert(who) {
                waiting.extend(self.children.get(&who).into_iter().flatten());
            }
        }
        false
    }
}
