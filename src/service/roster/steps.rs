//! The steps that a plan comes to, in the order in which they are done: nobody is disabled before all else is in.

use std::collections::HashSet;

use super::people::Memberships;
use super::plan::{Adding, Changing, Plan};
use crate::model::accounts::FactsChange;
use crate::model::grades::Grade;
use crate::model::roster::{Seen, Step, StepCounts, StepFacts, StepMembership};
use crate::model::users::Username;

/// All steps of a plan, and what they come to.
pub fn of(plan: &Plan) -> (Vec<Step>, StepCounts) {
    let counts = StepCounts {
        added: plan.adding.len(),
        changed: plan.changing.len(),
        disabled: plan.disabling.len(),
        links: plan.links.len(),
        left_out: 0,
    };
    let added: Vec<String> = plan
        .adding
        .iter()
        .map(|one| one.new.id.to_string())
        .collect();
    let groups = |memberships: &Memberships| {
        let steps = memberships.iter();
        steps
            .map(|(at, membership)| StepMembership::new(plan.targets.reference(*at), membership))
            .collect()
    };
    let mut steps: Vec<Step> = plan.targets.steps().collect();
    // Those that another user of the file gets: they are free before anybody is added.
    let wanted: HashSet<String> = plan
        .adding
        .iter()
        .filter_map(|one| one.new.username.as_ref())
        .chain(
            plan.changing
                .iter()
                .filter_map(|one| one.change.username.as_ref()),
        )
        .map(Username::key)
        .collect();
    steps.extend(plan.changing.iter().filter_map(|one| {
        let now = one
            .user
            .username
            .as_deref()
            .and_then(|name| Username::parse(name).ok())?;
        let moves = one
            .change
            .username
            .as_ref()
            .is_some_and(|new| new.key() != now.key());
        (moves && wanted.contains(&now.key())).then(|| Step::Release {
            key: one.user.key.0,
            seen: Seen::of(&one.user),
        })
    }));
    steps.extend(plan.adding.iter().map(
        |Adding {
             new,
             facts: of,
             groups: in_groups,
             ..
         }| {
            Step::Add {
                id: new.id.to_string(),
                username: new
                    .username
                    .as_ref()
                    .map(|name| name.as_str().to_owned())
                    .unwrap_or_default(),
                name: new.name.as_str().to_owned(),
                email: new.email.clone(),
                role: new.role,
                facts: facts(of),
                groups: groups(in_groups),
            }
        },
    ));
    let change = |one: &Changing| {
        let Changing {
            user,
            change,
            groups: in_groups,
            ..
        } = one;
        Step::Change {
            key: user.key.0,
            seen: Seen::of(user),
            id: change.id.as_ref().map(ToString::to_string),
            username: change
                .username
                .as_ref()
                .map(|name| name.as_str().to_owned()),
            name: change.name.as_ref().map(|name| name.as_str().to_owned()),
            email: change.email.clone().map(Option::unwrap_or_default),
            role: change.role,
            disabled: change.disabled,
            facts: facts(&change.facts),
            groups: in_groups.as_ref().map(groups),
        }
    };
    let (shut_out, others): (Vec<&Changing>, Vec<&Changing>) = plan
        .changing
        .iter()
        .partition(|one| one.change.disabled == Some(true));
    steps.extend(others.into_iter().map(change));
    steps.extend(plan.links.steps(&added));
    steps.extend(shut_out.into_iter().map(change));
    steps.extend(plan.disabling.iter().map(|(user, row)| Step::Disable {
        key: user.key.0,
        seen: Seen::of(user),
        missing: row.line.is_none(),
    }));
    (steps, counts)
}

fn facts(facts: &FactsChange) -> StepFacts {
    StepFacts {
        grade: facts
            .grade
            .map(|grade| grade.map_or("", Grade::as_str).to_owned()),
        adult_from: facts
            .adult_from
            .map(|day| day.map(|day| day.to_string()).unwrap_or_default()),
        phones: facts.phones.clone(),
    }
}
