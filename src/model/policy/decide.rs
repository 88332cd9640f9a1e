//! The decision.

use serde::Serialize;
use utoipa::ToSchema;

use super::facts::{PairFacts, PersonFacts};
use super::rules::{GradeRange, May, Pattern, Policy};
use crate::model::days::Date;
use crate::model::time::Time;

/// What a decision rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// A no-contact order, by its place among the facts.
    Order(usize),
    /// One of the two is a safeguarding lead.
    Lead,
    /// By its place in the policy, from 0.
    Never(usize),
    /// By its place in the policy, from 0.
    Rule(usize),
    /// No rule is about these two.
    NoRule,
}

/// What one person may do with another, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    pub may: May,
    pub ground: Ground,
}

/// What a policy says of these two today. A no-contact order wins over everything, and who is a safeguarding lead over every rule;
/// then a never-rule wins over every rule, and of the rules the strongest wins.
pub fn decide(policy: &Policy, facts: &PairFacts, today: Date) -> Decision {
    let order = facts
        .orders
        .iter()
        .position(|order| order.days.contains(today));
    if let Some(order) = order {
        return no(Ground::Order(order));
    }
    if facts.from.is_lead || facts.to.is_lead {
        return Decision {
            may: May::Start,
            ground: Ground::Lead,
        };
    }
    let fits = |pattern: &Pattern, without_grade| fits(pattern, facts, today, without_grade);
    if let Some(never) = policy.never.iter().position(|never| fits(never, true)) {
        return no(Ground::Never(never));
    }
    let mut best = no(Ground::NoRule);
    for (at, rule) in policy.rules.iter().enumerate() {
        if rule.may > best.may && fits(&rule.pattern, false) {
            best = Decision {
                may: rule.may,
                ground: Ground::Rule(at),
            };
        }
    }
    best
}

/// The rules, by their places, that are about these two.
pub fn fitting(policy: &Policy, facts: &PairFacts, today: Date) -> Vec<usize> {
    let rules = policy.rules.iter().enumerate();
    let fitting = rules.filter(|(_, rule)| fits(&rule.pattern, facts, today, false));
    fitting.map(|(at, _)| at).collect()
}

fn no(ground: Ground) -> Decision {
    Decision {
        may: May::No,
        ground,
    }
}

/// Whether a pattern is about these two. `without_grade`: whether a pupil without a grade is in its ranges.
fn fits(pattern: &Pattern, facts: &PairFacts, today: Date, without_grade: bool) -> bool {
    let end = |person: &PersonFacts, roles, range: Option<GradeRange>, groups: &[_]| {
        person.roles_on(today).meets(roles)
            && range.is_none_or(|range| {
                person.is_pupil()
                    && person
                        .grade
                        .map_or(without_grade, |grade| range.contains(grade))
            })
            && (groups.is_empty() || person.is_in(groups, today))
    };
    end(
        &facts.from,
        &pattern.from,
        pattern.from_grade,
        &pattern.from_group,
    ) && end(&facts.to, &pattern.to, pattern.to_grade, &pattern.to_group)
        && facts.holds(pattern.when, today)
}

/// Why somebody may not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    NotAllowed,
    /// There is nothing to answer.
    AnswerOnly,
    /// The two have a conversation, and an order or the policy ends it.
    Closed,
    YouBlocked,
}

impl Why {
    pub fn as_str(self) -> &'static str {
        match self {
            Why::NotAllowed => "not_allowed",
            Why::AnswerOnly => "answer_only",
            Why::Closed => "closed",
            Why::YouBlocked => "you_blocked",
        }
    }
}

/// What the caller may do with a user now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Can {
    pub write: May,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// Until when what is written is not pushed: quiet hours of the other one's role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_until: Option<Time>,
}

impl Can {
    pub fn no(why: Why) -> Self {
        Can {
            write: May::No,
            why: Some(why),
            quiet_until: None,
        }
    }
}
