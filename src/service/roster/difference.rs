//! What a line changes of a user who is here.

use super::people::{Memberships, People, Resolved};
use crate::model::accounts::{AccountChange, FactsChange};
use crate::model::days::Date;
use crate::model::grades::Grade;
use crate::model::groups::Membership;
use crate::model::users::{DisplayName, Username};
use crate::store::roster::Known;

/// What a line changes of a user: for people to read, and to be done.
pub struct Difference {
    pub said: Vec<String>,
    pub change: AccountChange,
    pub groups: Option<Memberships>,
    /// Groups that were made by hand and keep them.
    pub kept: Vec<String>,
}

/// The facts that a line has otherwise.
fn facts(
    known: &Known,
    wanted: &FactsChange,
    say: &mut impl FnMut(&str, &str, &str),
) -> FactsChange {
    let mut facts = FactsChange::default();
    if let Some(grade) = wanted.grade.filter(|grade| *grade != known.grade) {
        let show = |grade: Option<Grade>| grade.map_or("", Grade::as_str);
        say("grade", show(known.grade), show(grade));
        facts.grade = Some(grade);
    }
    if let Some(day) = wanted.adult_from.filter(|day| *day != known.adult_from) {
        let show = |day: Option<_>| day.map_or_else(String::new, |day: Date| day.to_string());
        say("adultFrom", &show(known.adult_from), &show(day));
        facts.adult_from = Some(day);
    }
    if let Some(phones) = wanted
        .phones
        .as_ref()
        .filter(|phones| **phones != known.phones)
    {
        say("phones", &known.phones.join(", "), &phones.join(", "));
        facts.phones = Some(phones.clone());
    }
    facts
}

impl People {
    /// What a line changes of a user.
    pub fn difference(&self, known: &Known, Resolved { row, groups }: &Resolved) -> Difference {
        let user = &known.user;
        let mut said = Vec::new();
        let mut say = |field: &str, before: &str, after: &str| {
            let shown = |text: &str| {
                if text.is_empty() {
                    "–".to_owned()
                } else {
                    text.to_owned()
                }
            };
            said.push(format!("{field}: {} → {}", shown(before), shown(after)));
        };
        let mut change = AccountChange::default();
        if let Some(id) = row.id.as_ref().filter(|id| *id != user.id()) {
            say("id", user.id().as_str(), id.as_str());
            change.id = Some(id.clone());
        }
        let username = user.username.as_deref().unwrap_or_default();
        if username != row.username.as_str() {
            say("username", username, row.username.as_str());
            change.username = Username::parse(row.username.as_str()).ok();
        }
        if *user.person.name != *row.name.as_str() {
            say("name", &user.person.name, row.name.as_str());
            change.name = DisplayName::parse(row.name.as_str()).ok();
        }
        if let Some(role) = row.role.filter(|role| *role != user.role) {
            say("role", user.role.as_str(), role.as_str());
            change.role = Some(role);
        }
        if let Some(email) = row.email.as_ref().filter(|email| **email != user.email) {
            let show = |email: &Option<String>| email.clone().unwrap_or_default();
            say("email", &show(&user.email), &show(email));
            change.email = Some(email.clone());
        }
        change.facts = facts(known, &row.facts, &mut say);
        let before = self.memberships(known);
        let (mut wanted, mut kept) = (None, Vec::new());
        if let Some(groups) = groups {
            let (all, of_hand) = self.wanted(groups, &before);
            kept = of_hand;
            if all != before {
                say(
                    "groups",
                    &self.targets.say(&before),
                    &self.targets.say(&all),
                );
                wanted = Some(all);
            }
        }
        // Where missing people are disabled, people in the file are not.
        let active = self.wishes.disable_missing.then_some(false);
        if let Some(disabled) = row.disabled.or(active).filter(|now| *now != user.disabled) {
            let status = |disabled| if disabled { "disabled" } else { "active" };
            say("status", status(user.disabled), status(disabled));
            change.disabled = Some(disabled);
        }
        Difference {
            said,
            change,
            groups: wanted,
            kept,
        }
    }

    fn memberships(&self, known: &Known) -> Memberships {
        let groups = known.groups.iter();
        let mut groups: Memberships = groups
            .filter_map(|(key, membership)| Some((self.targets.of_key(*key)?, *membership)))
            .collect();
        groups.sort_by_key(|(at, _)| *at);
        groups
    }

    /// All memberships as a line has them, and the names of groups that keep the user though it does not name them: no member is
    /// taken out of a group that was made by hand and is not in the file.
    fn wanted(
        &self,
        groups: &[(usize, Option<Membership>)],
        before: &Memberships,
    ) -> (Memberships, Vec<String>) {
        let held = |at: usize| before.iter().find(|(known, _)| *known == at);
        let mut all: Memberships = groups
            .iter()
            .map(|(at, membership)| {
                let known = held(*at).map(|(_, known)| *known);
                (*at, membership.or(known).unwrap_or_default())
            })
            .collect();
        let mut kept = Vec::new();
        for (at, membership) in before {
            let target = &self.targets.list[*at];
            let is_named = groups.iter().any(|(named, _)| named == at);
            let is_by_hand = target.by_hand && !target.is_in_file;
            if !is_named && (is_by_hand || self.keeps_memberships) {
                if is_by_hand {
                    kept.push(target.name.clone());
                }
                all.push((*at, *membership));
            }
        }
        all.sort_by_key(|(at, _)| *at);
        (all, kept)
    }
}
