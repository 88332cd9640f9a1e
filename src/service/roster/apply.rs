//! Doing one step of an import. A step looks at what it is about again: others may have changed it since the import was confirmed.

use crate::app::App;
use crate::error::{Error, Noun, Result};
use crate::model::accounts::{AccountChange, FactsChange, parse_email};
use crate::model::audit::{Action, AuditActor};
use crate::model::days::Days;
use crate::model::events::Effect;
use crate::model::groups::{Membership, NewGroup};
use crate::model::guardians::GivenLink;
use crate::model::ids::{UserId, UserKey};
use crate::model::roster::{Ref, Seen, Step, StepFacts, StepMembership};
use crate::model::users::{DisplayName, NewUser, Origin, User, Username};
use crate::rule;
use crate::service::accounts::{apply as apply_change, change_duties, changed_fields};
use crate::service::guardians::{check_pair, end_link, put_link as store_link};
use crate::store::groups::{self, GroupKey};
use crate::store::guardians::StoredLink;
use crate::store::roster::{keep_group_by_file, set_memberships};
use crate::store::safeguarding::duties;
use crate::store::{WriteTx, accounts, audit, guardians, users};

/// # Errors
/// Why the step is no longer possible; what it wrote is for the caller to undo.
pub fn apply(tx: &WriteTx, app: &App, by: &AuditActor, step: &Step) -> Result<()> {
    match step {
        Step::Group {
            key,
            id,
            name,
            kind,
        } => {
            let id = UserId::parse_field("id", id)?;
            if let Some(key) = key {
                return keep_group_by_file(tx, GroupKey(*key), (&id, name, *kind));
            }
            let new = NewGroup {
                id,
                name: name.clone(),
                kind: *kind,
                by_hand: false,
            };
            groups::insert(tx, &new, tx.now).map(drop)
        }
        Step::Release { key, seen } => {
            let user = unchanged(tx, *key, seen)?;
            accounts::release_username(tx, user.key)
        }
        Step::Add { .. } => add(tx, by, step),
        Step::Change { .. } => change(tx, app, by, step),
        Step::Link {
            child,
            guardian,
            link,
        } => put_link(tx, child, guardian, link),
        Step::EndLink { child, guardian } => {
            match guardians::between(tx, UserKey(*child), UserKey(*guardian))? {
                Some(known) if !known.is_held() && !known.by_hand => end_link(tx, &known, false),
                _ => Ok(()),
            }
        }
        Step::Disable { key, seen, .. } => {
            let user = unchanged(tx, *key, seen)?;
            let change = AccountChange {
                disabled: Some(true),
                ..AccountChange::default()
            };
            apply_change(tx, &user, &change)?;
            audit::note(tx, by, Action::PersonDisabled, user.id().as_str(), "")
        }
    }
}

fn add(tx: &WriteTx, by: &AuditActor, step: &Step) -> Result<()> {
    let Step::Add {
        id,
        username,
        name,
        email,
        role,
        facts,
        groups,
    } = step
    else {
        return Ok(());
    };
    let new = NewUser {
        id: UserId::parse_field("id", id)?,
        username: Some(Username::parse(username)?),
        name: DisplayName::parse(name)?,
        email: email.clone(),
        avatar: None,
        role: *role,
        password_hash: None,
        origin: Origin::Import,
    };
    let user = users::insert(tx, &new, tx.now)?;
    accounts::set_facts(tx, user.key, &facts_of(facts)?)?;
    set_memberships(tx, user.key, &memberships(tx, groups)?)?;
    audit::note(tx, by, Action::PersonAdded, user.id().as_str(), "imported")?;
    duties::note_maker(tx, user.key, &by.actor)?;
    tx.emit(Effect::UserChanged(user.id().clone()));
    Ok(())
}

fn change(tx: &WriteTx, app: &App, by: &AuditActor, step: &Step) -> Result<()> {
    let Step::Change {
        key,
        seen,
        id,
        username,
        name,
        email,
        role,
        disabled,
        facts,
        groups,
    } = step
    else {
        return Ok(());
    };
    let user = unchanged(tx, *key, seen)?;
    let change = AccountChange {
        id: id
            .as_deref()
            .map(|id| UserId::parse_field("id", id))
            .transpose()?,
        username: username.as_deref().map(Username::parse).transpose()?,
        name: name.as_deref().map(DisplayName::parse).transpose()?,
        email: email.as_deref().map(parse_email).transpose()?,
        role: *role,
        groups: None,
        duties: None,
        disabled: *disabled,
        facts: facts_of(facts)?,
    };
    apply_change(tx, &user, &change)?;
    change_duties(tx, app, by, &user, &change)?;
    let mut said = changed_fields(&user, &change);
    if let Some(groups) = groups {
        set_memberships(tx, user.key, &memberships(tx, groups)?)?;
        said += if said.is_empty() {
            "groups"
        } else {
            ", groups"
        };
    }
    let target = change.id.as_ref().unwrap_or(user.id()).as_str();
    if !said.is_empty() {
        audit::note(tx, by, Action::PersonChanged, target, &said)?;
    }
    match change.disabled {
        Some(true) => audit::note(tx, by, Action::PersonDisabled, target, ""),
        Some(false) => audit::note(tx, by, Action::PersonEnabled, target, ""),
        None => Ok(()),
    }
}

fn facts_of(facts: &StepFacts) -> Result<FactsChange> {
    let StepFacts {
        grade,
        adult_from,
        phones,
    } = facts;
    FactsChange::parse(grade.as_deref(), adult_from.as_deref(), phones.as_deref())
}

fn memberships(tx: &WriteTx, groups: &[StepMembership]) -> Result<Vec<(GroupKey, Membership)>> {
    let mut found = Vec::with_capacity(groups.len());
    for one in groups {
        let key = match &one.group {
            Ref::Key(key) if groups::exists(tx, GroupKey(*key))? => GroupKey(*key),
            Ref::Key(_) => return Err(Error::NotFound(Noun::Group)),
            Ref::Id(id) => {
                let unknown = || Error::invalid("groups", rule::not_a_group(id));
                let parsed = UserId::parse(id).ok_or_else(unknown)?;
                groups::by_id(tx, &parsed)?.ok_or_else(unknown)?
            }
        };
        let days = Days::parse(one.from.as_deref(), one.until.as_deref())?;
        found.push((
            key,
            Membership {
                lead: one.lead,
                days,
            },
        ));
    }
    Ok(found)
}

/// A user who is not erased.
fn user(tx: &WriteTx, who: &Ref) -> Result<User> {
    let found = match who {
        Ref::Key(key) => users::by_key(tx, UserKey(*key))?,
        Ref::Id(id) => match UserId::parse(id) {
            Some(id) => users::by_id(tx, &id)?,
            None => None,
        },
    };
    let there = match found {
        Some(user) => accounts::by_key(tx, user.key)?.map(|_| user),
        None => None,
    };
    there.ok_or(Error::NotFound(Noun::User))
}

/// Sets a link, unless a person has set it meanwhile, or the two can no longer be guardian and child.
fn put_link(tx: &WriteTx, child: &Ref, guardian: &Ref, link: &GivenLink) -> Result<()> {
    let (child, guardian) = (user(tx, child)?, user(tx, guardian)?);
    let stored = StoredLink {
        child: child.key,
        guardian: guardian.key,
        link: link.link()?,
        by_hand: false,
        ended_by_hand: false,
    };
    let known = guardians::between(tx, stored.child, stored.guardian)?;
    if known.is_some_and(|known| known.is_held() || known.by_hand) {
        return Ok(());
    }
    check_pair(tx, &child, &guardian)?;
    store_link(tx, &stored)
}

/// A user as they were when the import was confirmed: what was confirmed was about them as they were. Their username may have been
/// released by a step before.
fn unchanged(tx: &WriteTx, key: i64, seen: &Seen) -> Result<User> {
    let now = users::by_key(tx, UserKey(key))?;
    let same = now.filter(|user| {
        let username = user.username.clone().or_else(|| seen.username.clone());
        let now = Seen {
            username,
            ..Seen::of(user)
        };
        now == *seen
    });
    same.ok_or_else(|| Error::invalid("user", rule::changed_meanwhile()))
}

/// A user whose change was left out after their username had been taken from them keeps it, unless another user has it by now.
pub fn give_back_username(tx: &WriteTx, step: &Step) -> Result<()> {
    let Step::Change { key, seen, .. } = step else {
        return Ok(());
    };
    let user = users::by_key(tx, UserKey(*key))?.filter(|user| user.username.is_none());
    let username = seen.username.as_deref().map(Username::parse).transpose()?;
    let (Some(user), Some(username)) = (user, username) else {
        return Ok(());
    };
    if users::is_taken(tx, &username, Some(user.key))? {
        return Ok(());
    }
    let change = AccountChange {
        username: Some(username),
        ..AccountChange::default()
    };
    apply_change(tx, &user, &change)
}
