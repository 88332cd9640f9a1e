//! A school of one day, as the preview of a policy looks at it.

use super::facts::PersonFacts;
use crate::model::ids::{UserId, UserKey};

/// Somebody of the school, as they are today. Leads are left out: they may always write.
#[derive(Debug, Clone)]
pub struct SchoolPerson {
    pub key: UserKey,
    pub id: UserId,
    pub name: String,
    pub facts: PersonFacts,
}

/// A group of today.
#[derive(Debug, Clone, Default)]
pub struct SchoolGroup {
    pub is_class: bool,
    /// Who is in it, by their place among the people, and whether they lead it.
    pub members: Vec<(usize, bool)>,
}

/// Everybody and what they are to each other today.
#[derive(Debug, Clone, Default)]
pub struct School {
    pub people: Vec<SchoolPerson>,
    pub groups: Vec<SchoolGroup>,
    /// Child and guardian, by their places, of links that give a relation.
    pub links: Vec<(usize, usize)>,
    /// How many messages one has sent another in the last 30 days, by their places.
    pub sent: Vec<(usize, usize, i64)>,
}
