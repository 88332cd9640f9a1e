//! What a decision looks at. Each fact has the days on which it holds, so that it is known until when a decision stands.

use serde::Serialize;
use utoipa::ToSchema;

use super::rules::Relation;
use crate::model::days::{Date, Days};
use crate::model::grades::Grade;
use crate::model::ids::UserId;
use crate::model::users::Role;

/// Roles as a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    pub fn of(roles: &[Role]) -> Self {
        Roles(roles.iter().fold(0, |bits, role| bits | 1 << *role as u8))
    }

    /// Those of somebody who is a guardian on these days: their role, and `guardian` today.
    pub fn on(today: Date, role: Role, guardian: &[Days]) -> Self {
        match guardian.iter().any(|days| days.contains(today)) {
            true => Roles::of(&[role, Role::Guardian]),
            false => Roles::of(&[role]),
        }
    }

    /// Whether one of these is in `roles`.
    pub fn meets(self, roles: &[Role]) -> bool {
        self.0 & Roles::of(roles).0 != 0
    }
}

/// What is known of one of the two.
#[derive(Debug, Clone)]
pub struct PersonFacts {
    pub role: Role,
    /// A pupil's.
    pub grade: Option<Grade>,
    /// On which days they are somebody's guardian.
    pub guardian: Vec<Days>,
    /// Groups that rules of the policy name, and on which days they are in them.
    pub groups: Vec<(UserId, Days)>,
    pub is_lead: bool,
}

impl PersonFacts {
    /// Somebody of whom nothing but the role is known.
    pub fn new(role: Role) -> Self {
        PersonFacts {
            role,
            grade: None,
            guardian: Vec::new(),
            groups: Vec::new(),
            is_lead: false,
        }
    }

    /// Their role, and `guardian` for whoever is somebody's guardian.
    pub fn roles_on(&self, today: Date) -> Roles {
        Roles::on(today, self.role, &self.guardian)
    }

    pub fn is_pupil(&self) -> bool {
        self.role == Role::Student
    }

    pub fn is_in(&self, groups: &[UserId], today: Date) -> bool {
        let mut own = self.groups.iter();
        own.any(|(group, days)| groups.contains(group) && days.contains(today))
    }
}

/// A group or a child, by which a relation holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Named {
    pub id: UserId,
    pub name: String,
}

/// Why a relation holds, and on which days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    pub relation: Relation,
    /// The group that both are in, or in which one teaches.
    pub group: Option<Named>,
    /// The child through whom it holds.
    pub child: Option<Named>,
    pub days: Days,
}

/// A no-contact order between the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub id: String,
    pub days: Days,
}

/// All that is known of one person who writes to another.
#[derive(Debug, Clone)]
pub struct PairFacts {
    pub from: PersonFacts,
    pub to: PersonFacts,
    pub facts: Vec<Fact>,
    pub orders: Vec<Order>,
}

impl PairFacts {
    pub fn holds(&self, relation: Relation, today: Date) -> bool {
        let mut facts = self.facts.iter();
        relation == Relation::Anyone
            || facts.any(|fact| fact.relation == relation && fact.days.contains(today))
    }

    /// The days around `today` on which all of this holds as it does today.
    pub fn steady(&self, today: Date) -> Days {
        let people = [&self.from, &self.to];
        let of_people = people.into_iter().flat_map(|person| {
            let groups = person.groups.iter().map(|(_, days)| days);
            person.guardian.iter().chain(groups)
        });
        let all = of_people
            .chain(self.facts.iter().map(|fact| &fact.days))
            .chain(self.orders.iter().map(|order| &order.days));
        let mut steady = Days::default();
        for days in all {
            for begins in [days.from, days.until.and_then(Date::next)]
                .into_iter()
                .flatten()
            {
                if begins <= today {
                    steady.from = steady.from.max(Some(begins));
                } else {
                    // The day before it; the calendar has one, as there is an earlier day.
                    let last = begins.previous().unwrap_or(begins);
                    steady.until = Some(steady.until.map_or(last, |until| until.min(last)));
                }
            }
        }
        steady
    }
}
