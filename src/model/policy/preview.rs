//! What a policy would mean on a roster, in numbers by role: nothing of whose messages.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::decide::{decide, fitting};
use super::facts::{Fact, PairFacts};
use super::rules::{May, Policy, Relation, Relations};
use super::school::School;
use super::warnings::{Warning, warnings};
use crate::model::days::{Date, Days};
use crate::model::ids::UserId;
use crate::model::users::Role;

/// How many pairs of two roles may begin, and how many may answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PairCount {
    pub from: Role,
    pub to: Role,
    pub start: u64,
    pub reply: u64,
}

/// Somebody who loses somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PreviewPerson {
    pub id: UserId,
    pub name: String,
    pub role: Role,
}

/// Two people who are something to each other by the roster, and could write before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Losing {
    pub from: PreviewPerson,
    pub to: PreviewPerson,
}

/// Messages of the last 30 days that would not have been allowed, by role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RefusedCount {
    pub from: Role,
    pub to: Role,
    pub count: i64,
}

/// What a policy would mean on this roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PolicyPreview)]
pub struct Preview {
    pub pairs: Vec<PairCount>,
    /// How many pupils can be reached by a pupil, a guardian or a teacher who neither teaches them nor is a guardian of theirs. The office
    /// is not counted.
    pub reached_by_others: u64,
    /// The first of those who would lose somebody.
    pub losing: Vec<Losing>,
    /// How many pairs these are in all.
    pub losing_count: u64,
    pub refused: Vec<RefusedCount>,
    /// Rules that can never hold.
    pub warnings: Vec<Warning>,
    /// Rules, by their places, that are about nobody of today.
    pub unused: Vec<usize>,
}

/// How many pairs [`Preview::losing`] names.
const MAX_LOSING: usize = 200;

/// What the two policies say of two kinds of people with some relations.
#[derive(Clone, Copy)]
struct Said {
    new: May,
    old: May,
}

/// Compares a policy with the one in force.
pub fn preview(school: &School, new: &Policy, old: &Policy, today: Date) -> Preview {
    let mut comparison = Comparison::new(school, new, old, today);
    for from in 0..school.people.len() {
        comparison.look_from(from);
    }
    comparison.finish()
}

struct Comparison<'a> {
    school: &'a School,
    policies: [&'a Policy; 2],
    today: Date,
    /// The kind of each person: people of one kind have the same facts.
    kinds: Vec<usize>,
    /// Everybody of each kind.
    of_kind: Vec<Vec<usize>>,
    /// The groups of each person, and whether they lead them.
    groups_of: Vec<Vec<(usize, bool)>>,
    children_of: Vec<Vec<usize>>,
    guardians_of: Vec<Vec<usize>>,
    sent: Vec<Vec<(usize, i64)>>,
    said: HashMap<(usize, usize, Relations), Said>,
    used: Vec<bool>,
    /// What the one who is looked at is to each of the others, and those to whom they are something.
    relations: Vec<Relations>,
    touched: Vec<usize>,
    pairs: HashMap<(Role, Role), (u64, u64)>,
    refused: HashMap<(Role, Role), i64>,
    reached: Vec<bool>,
    losing: Vec<Losing>,
    losing_count: u64,
}

impl<'a> Comparison<'a> {
    fn new(school: &'a School, new: &'a Policy, old: &'a Policy, today: Date) -> Self {
        let count = school.people.len();
        let mut kinds = Vec::with_capacity(count);
        let mut of_kind: Vec<Vec<usize>> = Vec::new();
        let mut known = HashMap::new();
        for (at, person) in school.people.iter().enumerate() {
            let facts = &person.facts;
            let groups: Vec<&str> = facts
                .groups
                .iter()
                .map(|(group, _)| group.as_str())
                .collect();
            let kind = (facts.role, facts.grade, facts.guardian.is_empty(), groups);
            let kind = *known.entry(kind).or_insert_with(|| {
                of_kind.push(Vec::new());
                of_kind.len() - 1
            });
            of_kind[kind].push(at);
            kinds.push(kind);
        }
        let mut groups_of = vec![Vec::new(); count];
        for (at, group) in school.groups.iter().enumerate() {
            for (member, leads) in &group.members {
                groups_of[*member].push((at, *leads));
            }
        }
        let (mut children_of, mut guardians_of) =
            (vec![Vec::new(); count], vec![Vec::new(); count]);
        for (child, guardian) in &school.links {
            children_of[*guardian].push(*child);
            guardians_of[*child].push(*guardian);
        }
        let mut sent = vec![Vec::new(); count];
        for (from, to, messages) in &school.sent {
            sent[*from].push((*to, *messages));
        }
        Comparison {
            school,
            policies: [new, old],
            today,
            kinds,
            of_kind,
            groups_of,
            children_of,
            guardians_of,
            sent,
            said: HashMap::new(),
            used: vec![false; new.rules.len()],
            relations: vec![Relations::default(); count],
            touched: Vec::new(),
            pairs: HashMap::new(),
            refused: HashMap::new(),
            reached: vec![false; count],
            losing: Vec::new(),
            losing_count: 0,
        }
    }

    fn role(&self, at: usize) -> Role {
        self.school.people[at].facts.role
    }

    fn relate(&mut self, to: usize, relations: Relations) {
        if self.relations[to].is_empty() {
            self.touched.push(to);
        }
        self.relations[to].extend(relations);
    }

    fn relate_as(&mut self, to: usize, relation: Relation) {
        let mut one = Relations::default();
        one.insert(relation);
        self.relate(to, one);
    }

    /// Who is in a group with somebody, and what they are to each other by it.
    fn in_groups(&self, of: usize) -> Vec<(usize, Relations)> {
        let mut found = Vec::new();
        for (group, leads) in &self.groups_of[of] {
            let group = &self.school.groups[*group];
            for (other, other_leads) in group.members.iter().filter(|(other, _)| *other != of) {
                let roles = [self.role(of), self.role(*other)];
                let relations = Relations::in_group(group.is_class, [*leads, *other_leads], roles);
                found.push((*other, relations));
            }
        }
        found
    }

    /// Finds what `from` is to everybody.
    fn relate_all(&mut self, from: usize) {
        for (other, relations) in self.in_groups(from) {
            self.relate(other, relations);
            if !relations.contains(Relation::Teaches) {
                continue;
            }
            for guardian in self.guardians_of[other].clone() {
                self.relate_as(guardian, Relation::TeachesChild);
            }
        }
        for child in self.children_of[from].clone() {
            self.relate_as(child, Relation::GuardianOf);
            for (teacher, relations) in self.in_groups(child) {
                if relations.contains(Relation::TaughtBy) {
                    self.relate_as(teacher, Relation::ChildTaughtBy);
                }
            }
            for guardian in self.guardians_of[child].clone() {
                self.relate_as(guardian, Relation::SharesChild);
            }
        }
        for guardian in self.guardians_of[from].clone() {
            self.relate_as(guardian, Relation::ChildOf);
        }
    }

    fn look_from(&mut self, from: usize) {
        self.relate_all(from);
        let mut touched = std::mem::take(&mut self.touched);
        touched.retain(|to| *to != from);
        let mut touched_of_kind = vec![0_u64; self.of_kind.len()];
        for to in touched.iter().copied() {
            touched_of_kind[self.kinds[to]] += 1;
            let relations = self.relations[to];
            let said = self.say(self.kinds[from], self.kinds[to], relations);
            self.count(from, to, said.new, 1);
            if said.new == May::No && said.old != May::No {
                self.loses(from, to);
            }
            let is_own =
                relations.contains(Relation::Teaches) || relations.contains(Relation::GuardianOf);
            if said.new != May::No && !is_own {
                self.reach(from, to);
            }
        }
        for (kind, touched) in touched_of_kind.into_iter().enumerate() {
            let own = u64::from(self.kinds[from] == kind);
            let others = self.of_kind[kind].len() as u64 - touched - own;
            if others == 0 {
                continue;
            }
            let said = self.say(self.kinds[from], kind, Relations::default());
            let one = self.of_kind[kind][0];
            self.count(from, one, said.new, others);
            if said.new != May::No {
                for at in 0..self.of_kind[kind].len() {
                    let to = self.of_kind[kind][at];
                    if to != from && self.relations[to].is_empty() {
                        self.reach(from, to);
                    }
                }
            }
        }
        for (to, messages) in std::mem::take(&mut self.sent[from]) {
            let relations = self.relations[to];
            if self.say(self.kinds[from], self.kinds[to], relations).new == May::No {
                *self
                    .refused
                    .entry((self.role(from), self.role(to)))
                    .or_default() += messages;
            }
        }
        self.relations[from] = Relations::default();
        for to in touched {
            self.relations[to] = Relations::default();
        }
    }

    /// What the policies say, asked once for each two kinds of people and what they are to each other.
    fn say(&mut self, from: usize, to: usize, relations: Relations) -> Said {
        if let Some(said) = self.said.get(&(from, to, relations)) {
            return *said;
        }
        let facts = |kind: usize| self.school.people[self.of_kind[kind][0]].facts.clone();
        let pair = PairFacts {
            from: facts(from),
            to: facts(to),
            facts: relations
                .iter()
                .map(|relation| Fact {
                    relation,
                    group: None,
                    child: None,
                    days: Days::default(),
                })
                .collect(),
            orders: Vec::new(),
        };
        let [new, old] = self
            .policies
            .map(|policy| decide(policy, &pair, self.today).may);
        for rule in fitting(self.policies[0], &pair, self.today) {
            self.used[rule] = true;
        }
        let said = Said { new, old };
        self.said.insert((from, to, relations), said);
        said
    }

    fn count(&mut self, from: usize, to: usize, may: May, pairs: u64) {
        let count = self
            .pairs
            .entry((self.role(from), self.role(to)))
            .or_default();
        match may {
            May::Start => count.0 += pairs,
            May::Reply => count.1 += pairs,
            May::No => {}
        }
    }

    fn reach(&mut self, from: usize, to: usize) {
        let is_office = matches!(self.role(from), Role::Staff | Role::Admin);
        if !is_office && self.role(to) == Role::Student {
            self.reached[to] = true;
        }
    }

    fn loses(&mut self, from: usize, to: usize) {
        self.losing_count += 1;
        if self.losing.len() < MAX_LOSING {
            let person = |at: usize| PreviewPerson {
                id: self.school.people[at].id.clone(),
                name: self.school.people[at].name.clone(),
                role: self.role(at),
            };
            let pair = Losing {
                from: person(from),
                to: person(to),
            };
            self.losing.push(pair);
        }
    }

    fn finish(self) -> Preview {
        let mut pairs: Vec<PairCount> = self
            .pairs
            .into_iter()
            .filter(|(_, (start, reply))| start + reply > 0)
            .map(|((from, to), (start, reply))| PairCount {
                from,
                to,
                start,
                reply,
            })
            .collect();
        pairs.sort_by_key(|pair| (pair.from, pair.to));
        let refused = self.refused.into_iter();
        let mut refused: Vec<RefusedCount> = refused
            .map(|((from, to), count)| RefusedCount { from, to, count })
            .collect();
        refused.sort_by_key(|count| (count.from, count.to));
        let unused = self.used.iter().enumerate();
        Preview {
            pairs,
            reached_by_others: self.reached.iter().filter(|reached| **reached).count() as u64,
            losing: self.losing,
            losing_count: self.losing_count,
            refused,
            warnings: warnings(self.policies[0]),
            unused: unused
                .filter(|(_, used)| !**used)
                .map(|(at, _)| at)
                .collect(),
        }
    }
}
