//! The decision of a policy as a condition on many people at once, for one of whom all is known: the one who looks.
//!
//! What must stay true: it finds whom [`decide`](crate::model::policy::decide) lets them write to, and nobody else. A test compares both
//! on random schools, pair by pair.

use super::groups::{IS_LIVE, LEADS, classes};
use super::guardians::{CHILD_IS_PUPIL, LINK_IS_LIVE};
use crate::model::days::Date;
use crate::model::grades::Grade;
use crate::model::ids::UserId;
use crate::model::policy::{GradeRange, May, Pattern, PersonFacts, Policy, Relation};
use crate::model::users::Role;

/// Whether the user `u` is somebody's guardian today.
fn is_guardian() -> String {
    format!(
        "EXISTS (SELECT 1 FROM guardian_links l WHERE l.guardian_key = u.key AND {LINK_IS_LIVE} AND {CHILD_IS_PUPIL})"
    )
}

/// The condition on `u`, another user, that `me` may write to them now, by this policy. Its parameters are `:me`, and `:answerable`: since
/// when what somebody wrote can be answered.
pub fn condition(policy: &Policy, me: &PersonFacts, today: Date) -> String {
    let patterns = |may: May| {
        let rules = policy.rules.iter().filter(move |rule| rule.may == may);
        let fitting = rules.filter_map(|rule| pattern(&rule.pattern, me, today, false));
        any(fitting.collect())
    };
    let never = policy
        .never
        .iter()
        .filter_map(|never| pattern(never, me, today, true));
    let by_rules = format!(
        "(NOT {never} AND ({start} OR ({reply} AND {CAN_BE_ANSWERED})))",
        never = any(never.collect()),
        start = patterns(May::Start),
        reply = patterns(May::Reply),
    );
    let lead = match me.is_lead {
        true => "TRUE",
        false => "u.key IN (SELECT user_key FROM leads)",
    };
    format!(
        "({lead} OR {by_rules}) AND NOT {} AND NOT {}",
        ordered_apart(me, today),
        blocked(me)
    )
}

/// Whom `me` has blocked, and may have: pupils and guardians each other, but not along a guardian link.
fn blocked(me: &PersonFacts) -> String {
    if !matches!(me.role, Role::Student | Role::Guardian) {
        return "FALSE".into();
    }
    format!(
        "(u.role IN ('student', 'guardian')
          AND EXISTS (SELECT 1 FROM blocks b WHERE b.user_key = :me AND b.blocked_key = u.key)
          AND NOT EXISTS (SELECT 1 FROM guardian_links l WHERE {LINK_IS_LIVE} AND (
              (l.child_key = :me AND l.guardian_key = u.key) OR (l.child_key = u.key AND l.guardian_key = :me))))"
    )
}

const CAN_BE_ANSWERED: &str = "EXISTS (
    SELECT 1 FROM conversations c JOIN conversation_members theirs ON theirs.conversation_key = c.key AND theirs.user_key = u.key
    WHERE c.low_key = min(u.key, :me) AND c.high_key = max(u.key, :me) AND theirs.wrote_at >= :answerable)";

fn any(conditions: Vec<String>) -> String {
    match conditions.is_empty() {
        true => "FALSE".into(),
        false => format!("({})", conditions.join(" OR ")),
    }
}

/// The condition on `u` that they are the other one of a pattern; `None` where `me` does not fit it.
fn pattern(
    pattern: &Pattern,
    me: &PersonFacts,
    today: Date,
    without_grade: bool,
) -> Option<String> {
    let in_range = |range: GradeRange| {
        me.is_pupil()
            && me
                .grade
                .map_or(without_grade, |grade| range.contains(grade))
    };
    let fits = me.roles_on(today).meets(&pattern.from)
        && pattern.from_grade.is_none_or(in_range)
        && (pattern.from_group.is_empty() || me.is_in(&pattern.from_group, today));
    if !fits {
        return None;
    }
    let mut conditions = vec![has_role(&pattern.to)];
    conditions.extend(
        pattern
            .to_grade
            .map(|range| has_grade(range, without_grade)),
    );
    if !pattern.to_group.is_empty() {
        conditions.push(is_in(&pattern.to_group));
    }
    conditions.extend(has_relation(pattern.when));
    Some(format!("({})", conditions.join(" AND ")))
}

/// Texts as SQL literals: of roles, grades and ids of groups, which have no quotes in them.
fn literals<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let quoted = texts.map(|text| format!("'{}'", text.replace('\'', "''")));
    quoted.collect::<Vec<_>>().join(", ")
}

fn has_role(roles: &[Role]) -> String {
    let by_role = format!(
        "u.role IN ({})",
        literals(roles.iter().map(|role| role.as_str()))
    );
    match roles.contains(&Role::Guardian) {
        true => format!("({by_role} OR {})", is_guardian()),
        false => by_role,
    }
}

fn has_grade(range: GradeRange, without_grade: bool) -> String {
    let grades = Grade::all().filter(|grade| range.contains(*grade));
    let inside = format!("u.grade IN ({})", literals(grades.map(Grade::as_str)));
    match without_grade {
        true => format!("u.role = 'student' AND (u.grade IS NULL OR {inside})"),
        false => format!("u.role = 'student' AND {inside}"),
    }
}

fn is_in(groups: &[UserId]) -> String {
    format!(
        "u.key IN (SELECT m.user_key FROM group_members m JOIN groups g ON g.key = m.group_key
                   WHERE g.id IN ({}) AND {IS_LIVE})",
        literals(groups.iter().map(UserId::as_str))
    )
}

/// That `u` has the relation to `:me`; `None` for anyone. Each set is found once for a query, not for each user.
fn has_relation(relation: Relation) -> Option<String> {
    let children = format!(
        "SELECT l.child_key FROM guardian_links l
         WHERE l.guardian_key = :me AND l.contact AND {LINK_IS_LIVE} AND {CHILD_IS_PUPIL}"
    );
    let members = |classes: &str, and: &str| {
        format!(
            "SELECT m.user_key FROM group_members m JOIN groups g ON g.key = m.group_key JOIN users u ON u.key = m.user_key
             WHERE m.group_key IN ({classes}) AND {IS_LIVE} AND {and}"
        )
    };
    let guardians = |children: &str| {
        format!(
            "SELECT l.guardian_key FROM guardian_links l
             WHERE l.child_key IN ({children}) AND l.contact AND {LINK_IS_LIVE} AND {CHILD_IS_PUPIL}"
        )
    };
    let (is_pupil, belongs) = (
        "u.role = 'student'",
        "u.role IN ('student', 'teacher', 'staff')",
    );
    let me = "m.user_key = :me";
    let pupils = || members(&classes(me, LEADS), is_pupil);
    let set = match relation {
        Relation::Anyone => return None,
        Relation::SharesGroup => format!(
            "SELECT m.user_key FROM group_members m WHERE {IS_LIVE} AND m.group_key IN (
                 SELECT m.group_key FROM group_members m WHERE {me} AND {IS_LIVE})"
        ),
        Relation::SharesClass => members(&classes(me, belongs), belongs),
        Relation::Teaches => pupils(),
        Relation::TaughtBy => members(&classes(me, is_pupil), LEADS),
        Relation::TeachesChild => guardians(&pupils()),
        Relation::ChildTaughtBy => {
            let of_children = format!("m.user_key IN ({children})");
            members(&classes(&of_children, is_pupil), LEADS)
        }
        Relation::GuardianOf => children,
        Relation::ChildOf => guardians("SELECT pupil.key FROM users pupil WHERE pupil.key = :me"),
        Relation::SharesChild => guardians(&children),
    };
    Some(format!("u.key IN ({set})"))
}

/// Whether an order keeps `u` and `me` apart.
fn ordered_apart(me: &PersonFacts, today: Date) -> String {
    let roles = Role::ALL.into_iter();
    let own = roles.filter(|role| me.roles_on(today).meets(&[*role]));
    format!(
        "EXISTS (SELECT 1 FROM no_contact o WHERE coalesce(o.until_day >= (SELECT today()), TRUE) AND (
             (o.a_key = :me AND (o.b_key = u.key OR o.role = u.role OR (o.role = 'guardian' AND {})))
             OR (o.a_key = u.key AND (o.b_key = :me OR o.role IN ({})))))",
        is_guardian(),
        literals(own.map(Role::as_str))
    )
}
