//! The decision against tables written by hand, and what must hold of every policy.

use proptest::prelude::*;

use super::*;
use crate::model::days::{Date, Days};
use crate::model::grades::Grade;
use crate::model::users::Role;

/// What a preset allows: from, to, and the relations with `s` for start or `r` for reply. `anyone` stands for every relation that is not
/// named. Pairs that are not listed may not write. Whoever is a guardian by a relation is one for the rules, whatever their role:
/// a pupil with a child of their own at the school among them. Of several tables the strongest word counts.
type Table = &'static [(&'static str, &'static str, &'static str)];

const COMMON: Table = &[
    ("teacher", "teacher", "anyone:s"),
    ("teacher", "staff", "anyone:s"),
    ("teacher", "admin", "anyone:s"),
    ("staff", "student", "anyone:s"),
    ("staff", "teacher", "anyone:s"),
    ("staff", "guardian", "anyone:s"),
    ("staff", "staff", "anyone:s"),
    ("staff", "admin", "anyone:s"),
    ("admin", "student", "anyone:s"),
    ("admin", "teacher", "anyone:s"),
    ("admin", "guardian", "anyone:s"),
    ("admin", "staff", "anyone:s"),
    ("admin", "admin", "anyone:s"),
];

const TEACHER_LED: Table = &[
    (
        "student",
        "teacher",
        "taught_by:r shares_group:r child_taught_by:s",
    ),
    ("student", "staff", "anyone:r"),
    ("student", "admin", "anyone:r"),
    (
        "teacher",
        "student",
        "teaches:s shares_group:s teaches_child:s",
    ),
    ("teacher", "guardian", "teaches_child:s"),
    ("guardian", "teacher", "child_taught_by:s"),
    ("guardian", "staff", "anyone:r"),
    ("guardian", "admin", "anyone:r"),
];

/// Beside [`TEACHER_LED`], from grade 07 on.
const TEACHER_LED_07: Table = &[("student", "teacher", "taught_by:s")];

/// Beside [`TEACHER_LED`].
const FAMILY: Table = &[
    ("student", "teacher", "child_of:s"),
    ("student", "guardian", "child_of:s"),
    (
        "student",
        "staff",
        "child_of:s child_taught_by:s guardian_of:s shares_child:s",
    ),
    ("student", "admin", "child_of:s"),
    ("teacher", "student", "guardian_of:s"),
    ("guardian", "student", "guardian_of:s"),
    ("guardian", "guardian", "shares_group:s"),
    ("guardian", "staff", "anyone:s"),
];

/// Beside [`TEACHER_LED`], from grade 07 on.
const SECONDARY_07: Table = &[
    ("student", "student", "shares_class:s"),
    ("student", "teacher", "taught_by:s"),
    ("student", "staff", "anyone:s"),
];

const ANNOUNCEMENTS_ONLY: Table = &[
    ("student", "staff", "anyone:r"),
    ("student", "admin", "anyone:r"),
    ("guardian", "staff", "anyone:r"),
    ("guardian", "admin", "anyone:r"),
];

/// What the tables say of two roles and a relation.
fn expected(tables: &[Table], from: Role, to: Role, relation: Relation) -> May {
    let rows = tables.iter().flat_map(|table| table.iter());
    let mut best = May::No;
    for (_, _, cells) in rows.filter(|(f, t, _)| *f == from.as_str() && *t == to.as_str()) {
        let cell = |name: &str| {
            let mut cells = cells.split(' ').filter_map(|cell| cell.split_once(':'));
            cells
                .find(|(relation, _)| *relation == name)
                .map(|(_, may)| may)
        };
        let may = match cell(relation.as_str()).or_else(|| cell("anyone")) {
            Some("s") => May::Start,
            Some("r") => May::Reply,
            _ => May::No,
        };
        best = best.max(may);
    }
    best
}

fn today() -> Date {
    Date::parse("2026-11-30").unwrap()
}

fn fact(relation: Relation) -> Fact {
    Fact {
        relation,
        group: None,
        child: None,
        days: Days::default(),
    }
}

/// Two people of these roles with one relation. Pupils have this grade.
fn pair(from: Role, to: Role, relation: Relation, grade: Option<&str>) -> PairFacts {
    use Relation::*;
    let person = |role: Role, is_guardian: bool| PersonFacts {
        grade: grade
            .filter(|_| role == Role::Student)
            .and_then(Grade::parse),
        guardian: vec![Days::default(); usize::from(is_guardian)],
        ..PersonFacts::new(role)
    };
    PairFacts {
        from: person(
            from,
            matches!(relation, GuardianOf | ChildTaughtBy | SharesChild),
        ),
        to: person(to, matches!(relation, ChildOf | TeachesChild | SharesChild)),
        facts: vec![fact(relation)],
        orders: Vec::new(),
    }
}

#[test]
fn each_preset_allows_what_the_table_says() {
    let tables: [(Preset, Option<&str>, &[Table]); 10] = [
        (Preset::TeacherLed, Some("05"), &[COMMON, TEACHER_LED]),
        (Preset::TeacherLed, None, &[COMMON, TEACHER_LED]),
        (
            Preset::TeacherLed,
            Some("07"),
            &[COMMON, TEACHER_LED, TEACHER_LED_07],
        ),
        (
            Preset::TeacherLed,
            Some("09"),
            &[COMMON, TEACHER_LED, TEACHER_LED_07],
        ),
        (Preset::Family, Some("05"), &[COMMON, TEACHER_LED, FAMILY]),
        (Preset::Secondary, Some("06"), &[COMMON, TEACHER_LED]),
        (Preset::Secondary, None, &[COMMON, TEACHER_LED]),
        (
            Preset::Secondary,
            Some("09"),
            &[COMMON, TEACHER_LED, SECONDARY_07],
        ),
        (
            Preset::AnnouncementsOnly,
            Some("05"),
            &[COMMON, ANNOUNCEMENTS_ONLY],
        ),
        (
            Preset::AnnouncementsOnly,
            Some("13"),
            &[COMMON, ANNOUNCEMENTS_ONLY],
        ),
    ];
    let mut checked = 0;
    for (preset, grade, tables) in tables {
        let policy = preset.policy();
        for from in Role::ALL {
            for to in Role::ALL {
                for relation in Relation::ALL {
                    let found = decide(&policy, &pair(from, to, relation, grade), today()).may;
                    let expected = expected(tables, from, to, relation);
                    let of = format!("{preset}, grade {grade:?}: {from} to {to}, {relation}");
                    assert_eq!(found, expected, "{of}");
                    checked += 1;
                }
            }
        }
    }
    assert_eq!(checked, 10 * 250);
    for from in Role::ALL {
        for to in Role::ALL {
            let facts = pair(from, to, Relation::Anyone, None);
            let open = decide(&Preset::Open.policy(), &facts, today()).may;
            assert_eq!(open, May::Start, "{from} to {to}");
        }
    }
}

#[test]
fn pupils_of_two_grades_write_only_where_both_are_old_enough() {
    let policy = Preset::Secondary.policy();
    let of = |from: Option<&str>, to: Option<&str>| {
        let mut facts = pair(Role::Student, Role::Student, Relation::SharesClass, None);
        facts.from.grade = from.and_then(Grade::parse);
        facts.to.grade = to.and_then(Grade::parse);
        decide(&policy, &facts, today()).may
    };
    assert_eq!(of(Some("07"), Some("08")), May::Start);
    for (from, to) in [("07", "06"), ("06", "07"), ("KG", "13")] {
        assert_eq!(of(Some(from), Some(to)), May::No, "{from} to {to}");
    }
    assert_eq!(of(None, Some("09")), May::No);
}

#[test]
fn an_order_comes_before_a_lead_and_a_lead_before_every_rule() {
    let policy = Preset::AnnouncementsOnly.policy();
    let mut facts = pair(Role::Student, Role::Teacher, Relation::TaughtBy, None);
    assert_eq!(decide(&policy, &facts, today()).may, May::No);
    facts.to.is_lead = true;
    let decision = decide(&policy, &facts, today());
    assert_eq!((decision.may, decision.ground), (May::Start, Ground::Lead));
    facts.orders = vec![Order {
        id: "o".into(),
        days: Days::parse(None, Some("2026-11-30")).unwrap(),
    }];
    let decision = decide(&policy, &facts, today());
    assert_eq!((decision.may, decision.ground), (May::No, Ground::Order(0)));
    let tomorrow = today().next().unwrap();
    assert_eq!(decide(&policy, &facts, tomorrow).may, May::Start);
}

fn role() -> impl Strategy<Value = Role> {
    prop::sample::select(Role::ALL.to_vec())
}

fn roles() -> impl Strategy<Value = Vec<Role>> {
    prop::sample::subsequence(Role::ALL.to_vec(), 1..=5)
}

fn range() -> impl Strategy<Value = Option<GradeRange>> {
    prop::option::of(
        prop::sample::select(vec!["..06", "07..", "05..08", "03"]).prop_map(|r| r.parse().unwrap()),
    )
}

fn groups() -> impl Strategy<Value = Vec<crate::model::ids::UserId>> {
    let ids = ["council", "counsellors"].map(|id| crate::model::ids::UserId::parse(id).unwrap());
    prop_oneof![3 => Just(Vec::new()), 1 => prop::sample::subsequence(ids.to_vec(), 1..=2)]
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let when = prop::sample::select(Relation::ALL.to_vec());
    (roles(), roles(), when, range(), range(), groups(), groups()).prop_map(
        |(from, to, when, from_grade, to_grade, from_group, to_group)| Pattern {
            from,
            to,
            when,
            from_grade,
            to_grade,
            from_group,
            to_group,
        },
    )
}

fn rule() -> impl Strategy<Value = Rule> {
    let may = prop_oneof![Just(May::Start), Just(May::Reply)];
    (pattern(), may).prop_map(|(pattern, may)| Rule { pattern, may })
}

fn policy() -> impl Strategy<Value = Policy> {
    let rules = prop::collection::vec(rule(), 0..8);
    let never = prop::collection::vec(pattern(), 0..3);
    (rules, never).prop_map(|(rules, never)| Policy {
        rules,
        never,
        ..Policy::shut()
    })
}

fn days() -> impl Strategy<Value = Days> {
    let day = prop::option::of(prop::sample::select(vec![
        "2026-11-27",
        "2026-11-29",
        "2026-11-30",
        "2026-12-01",
        "2026-12-04",
    ]));
    (day.clone(), day).prop_map(|(from, until)| {
        let [from, until] = [from, until].map(|day| day.and_then(Date::parse));
        Days { from, until }
    })
}

fn person() -> impl Strategy<Value = PersonFacts> {
    let grade = prop::option::of(prop::sample::select(vec!["PK", "03", "06", "07", "09"]));
    let guardian = prop::collection::vec(days(), 0..2);
    let groups = groups().prop_flat_map(|ids| {
        let count = ids.len();
        (Just(ids), prop::collection::vec(days(), count))
    });
    let is_lead = prop::bool::weighted(0.1);
    (role(), grade, guardian, groups, is_lead).prop_map(
        |(role, grade, guardian, groups, is_lead)| PersonFacts {
            role,
            grade: grade.and_then(Grade::parse),
            guardian,
            groups: groups.0.into_iter().zip(groups.1).collect(),
            is_lead,
        },
    )
}

fn facts() -> impl Strategy<Value = PairFacts> {
    let when = prop::sample::select(Relation::ALL.to_vec());
    let one = (when, days()).prop_map(|(relation, days)| Fact {
        days,
        ..fact(relation)
    });
    let order = days().prop_map(|days| Order {
        id: "o".into(),
        days,
    });
    let orders = prop_oneof![5 => Just(Vec::new()), 1 => prop::collection::vec(order, 1)];
    (person(), person(), prop::collection::vec(one, 0..4), orders).prop_map(
        |(from, to, facts, orders)| PairFacts {
            from,
            to,
            facts,
            orders,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_rule_that_is_added_takes_nothing_away(policy in policy(), facts in facts(), rule in rule(), at in 0_usize..8) {
        let before = decide(&policy, &facts, today()).may;
        let mut more = policy;
        more.rules.insert(at.min(more.rules.len()), rule);
        prop_assert!(decide(&more, &facts, today()).may >= before);
    }

    #[test]
    fn a_never_rule_that_is_added_gives_nothing(policy in policy(), facts in facts(), never in pattern(), at in 0_usize..3) {
        let before = decide(&policy, &facts, today()).may;
        let mut more = policy;
        more.never.insert(at.min(more.never.len()), never);
        prop_assert!(decide(&more, &facts, today()).may <= before);
    }

    #[test]
    fn the_order_of_rules_does_not_matter(policy in policy(), facts in facts()) {
        let before = decide(&policy, &facts, today()).may;
        let mut turned = policy;
        turned.rules.reverse();
        turned.never.reverse();
        prop_assert_eq!(decide(&turned, &facts, today()).may, before);
    }

    #[test]
    fn a_decision_stands_for_as_long_as_its_facts_are_steady(policy in policy(), facts in facts(), away in -6_i32..7) {
        let mut day = today();
        for _ in 0..away.abs() {
            day = if away < 0 { day.previous() } else { day.next() }.unwrap();
        }
        let steady = facts.steady(today());
        prop_assert!(steady.contains(today()));
        if steady.contains(day) {
            prop_assert_eq!(decide(&policy, &facts, day), decide(&policy, &facts, today()));
        }
    }

    #[test]
    fn a_rule_that_is_warned_of_changes_nothing(policy in policy(), from in role(), to in role(), when in prop::sample::select(Relation::ALL.to_vec()), grade in prop::option::of(prop::sample::select(vec!["05", "08"]))) {
        let facts = pair(from, to, when, grade);
        let warned: Vec<String> = warnings(&policy).into_iter().map(|warning| warning.field).collect();
        let mut fewer = policy.clone();
        fewer.rules = policy.rules.iter().enumerate()
            .filter(|(at, _)| !warned.contains(&format!("rule.{at}")))
            .map(|(_, rule)| rule.clone()).collect();
        // A pupil leads no class, for instance.
        if can_have(when, from, to) {
            let (few, all) = (decide(&fewer, &facts, today()), decide(&policy, &facts, today()));
            prop_assert_eq!(few.may, all.may);
        }
    }
}

/// Whether people of these roles can have the relation.
fn can_have(when: Relation, from: Role, to: Role) -> bool {
    let leads = |role| matches!(role, Role::Teacher | Role::Staff);
    let is_pupil = |role| role == Role::Student;
    match when {
        Relation::Teaches => leads(from) && is_pupil(to),
        Relation::TaughtBy => is_pupil(from) && leads(to),
        Relation::SharesClass => [from, to]
            .into_iter()
            .all(|role| leads(role) || is_pupil(role)),
        Relation::TeachesChild => leads(from),
        Relation::ChildTaughtBy => leads(to),
        Relation::GuardianOf => is_pupil(to),
        Relation::ChildOf => is_pupil(from),
        Relation::Anyone | Relation::SharesGroup | Relation::SharesChild => true,
    }
}
