//! Rules that can never hold: they are taken, and named.

use super::rules::{GradeRange, Pattern, Policy, Relation};
use crate::error::FieldError;
use crate::model::users::Role;
use crate::rule;

/// A rule that never decides anything: its list and its place in it, and why.
pub type Warning = FieldError;

/// Who can be in a class as its teacher, as far as roles tell. Who is somebody's guardian may have any role.
const LEADERS: &[Role] = &[Role::Teacher, Role::Staff, Role::Guardian];
const PUPILS: &[Role] = &[Role::Student, Role::Guardian];
const IN_A_CLASS: &[Role] = &[Role::Student, Role::Teacher, Role::Staff, Role::Guardian];

/// The rules of a policy that can never hold, or that a never-rule always beats.
pub fn warnings(policy: &Policy) -> Vec<Warning> {
    let mut found = Vec::new();
    for (at, rule) in policy.rules.iter().enumerate() {
        let field = format!("rule.{at}");
        let beaten = policy
            .never
            .iter()
            .position(|never| covers(never, &rule.pattern));
        if let Some(why) = impossible(&rule.pattern) {
            found.push(FieldError::new(field, why));
        } else if let Some(never) = beaten {
            found.push(FieldError::new(field, rule::beaten_by_never(never)));
        }
    }
    for (at, never) in policy.never.iter().enumerate() {
        if let Some(why) = impossible(never) {
            found.push(FieldError::new(format!("never.{at}"), why));
        }
    }
    found
}

/// Why no two people can fit.
fn impossible(pattern: &Pattern) -> Option<rule::Rule> {
    let any = |roles: &[Role], wanted: &[Role]| roles.iter().any(|role| wanted.contains(role));
    let ends: Option<(&[Role], &[Role])> = match pattern.when {
        Relation::Teaches => Some((LEADERS, PUPILS)),
        Relation::TaughtBy => Some((PUPILS, LEADERS)),
        Relation::SharesClass => Some((IN_A_CLASS, IN_A_CLASS)),
        Relation::TeachesChild => Some((LEADERS, &Role::ALL)),
        Relation::ChildTaughtBy => Some((&Role::ALL, LEADERS)),
        Relation::GuardianOf => Some((&Role::ALL, PUPILS)),
        Relation::ChildOf => Some((PUPILS, &Role::ALL)),
        Relation::Anyone | Relation::SharesGroup | Relation::SharesChild => None,
    };
    if let Some((from, to)) = ends
        && (!any(&pattern.from, from) || !any(&pattern.to, to))
    {
        return Some(rule::never_holds(pattern.when.as_str()));
    }
    for (roles, range) in [
        (&pattern.from, pattern.from_grade),
        (&pattern.to, pattern.to_grade),
    ] {
        let Some(range) = range else { continue };
        if range.is_empty() {
            return Some(rule::empty_grade_range());
        }
        if !any(roles, PUPILS) {
            return Some(rule::grade_without_pupils());
        }
    }
    None
}

/// Whether every pair that fits `pattern` fits the never-rule too.
fn covers(never: &Pattern, pattern: &Pattern) -> bool {
    let has_all = |roles: &[Role], wanted: &[Role]| wanted.iter().all(|role| roles.contains(role));
    let grades = |own: Option<GradeRange>, other: Option<GradeRange>| match (own, other) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(own), Some(other)) => own.includes(other),
    };
    (never.when == Relation::Anyone || never.when == pattern.when)
        && has_all(&never.from, &pattern.from)
        && has_all(&never.to, &pattern.to)
        && grades(never.from_grade, pattern.from_grade)
        && grades(never.to_grade, pattern.to_grade)
        && (never.from_group.is_empty() || never.from_group == pattern.from_group)
        && (never.to_group.is_empty() || never.to_group == pattern.to_group)
}

#[cfg(test)]
mod tests {
    use super::super::from_toml;
    use super::*;

    #[test]
    fn rules_that_never_hold_are_named() {
        let policy = from_toml(
            "rule = [
                { from = ['teacher'], to = ['student'], when = 'teaches', may = 'start' },
                { from = ['student'], to = ['student'], when = 'teaches', may = 'start' },
                { from = ['student'], to = ['teacher'], when = 'taught_by', may = 'start', from_grade = '09..07' },
                { from = ['teacher'], to = ['staff'], when = 'anyone', may = 'start', to_grade = '07..' },
                { from = ['guardian'], to = ['guardian'], when = 'shares_child', may = 'start' },
                { from = ['admin'], to = ['student'], when = 'shares_class', may = 'start' },
             ]
             never = [
                { from = ['guardian'], to = ['guardian', 'student'], when = 'anyone' },
                { from = ['student'], to = ['student'], when = 'guardian_of' },
                { from = ['teacher'], to = ['staff'], when = 'child_of' },
             ]",
        )
        .unwrap();
        let found: Vec<(String, &str)> = warnings(&policy)
            .into_iter()
            .map(|w| (w.field, w.rule))
            .collect();
        let expected = [
            ("rule.1", "never_holds"),
            ("rule.2", "empty_grade_range"),
            ("rule.3", "grade_without_pupils"),
            ("rule.4", "beaten_by_never"),
            ("rule.5", "never_holds"),
            ("never.2", "never_holds"),
        ];
        let expected: Vec<(String, &str)> = expected
            .iter()
            .map(|(f, r)| ((*f).to_owned(), *r))
            .collect();
        assert_eq!(found, expected);
    }
}
