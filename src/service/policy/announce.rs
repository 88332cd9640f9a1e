//! Whom somebody may announce to.

use std::collections::HashSet;

use rusqlite::Connection;

use crate::app::App;
use crate::error::{Error, FieldError, Result};
use crate::model::ids::{UserId, UserKey};
use crate::model::policy::{Announce, Reach, Why};
use crate::model::users::User;
use crate::rule;
use crate::store::{policy, relations, users};

/// Whether a user may announce to anybody: by `notifications.senders` under `open`, else by the policy.
///
/// # Errors
/// As those of a read.
pub async fn may_announce(app: &App, user: &User) -> Result<bool> {
    let (app_in, user) = (app.clone(), user.clone());
    app.store
        .read(move |c| Ok(!matches!(allowed(&app_in, c, &user)?, Allowed::Nobody)))
        .await
}

/// To whom.
enum Allowed {
    Nobody,
    Everybody,
    OwnClasses,
}

fn allowed(app: &App, c: &Connection, user: &User) -> Result<Allowed> {
    let policy = app.decisions.policy(c, policy::stamps(c)?)?;
    if policy.is_open() {
        let senders = &app.config.notifications.senders;
        return Ok(match senders.contains(&user.role) {
            true => Allowed::Everybody,
            false => Allowed::Nobody,
        });
    }
    let roles = super::roles_of(app, c, user)?;
    let own: Vec<&Announce> = policy
        .announce
        .iter()
        .filter(|one| roles.meets(&one.from))
        .collect();
    Ok(match own.iter().any(|one| one.to == Reach::Everybody) {
        true => Allowed::Everybody,
        false if own.is_empty() => Allowed::Nobody,
        false => Allowed::OwnClasses,
    })
}

/// Checks that the sender of a notification may send it to each of these people. The school's own programs may: their keys have a scope for it.
///
/// # Errors
/// [`Error::PolicyDenied`] on `audience`.
pub fn check(app: &App, c: &Connection, sender: &str, people: &[UserKey]) -> Result<()> {
    let id = sender.strip_prefix("user:").and_then(UserId::parse);
    let Some(user) = id.map(|id| users::by_id(c, &id)).transpose()?.flatten() else {
        return Ok(());
    };
    let is_allowed = match allowed(app, c, &user)? {
        Allowed::Everybody => true,
        Allowed::Nobody => false,
        Allowed::OwnClasses => {
            let own: HashSet<UserKey> = relations::own_classes(c, user.key)?.into_iter().collect();
            people.iter().all(|person| own.contains(person))
        }
    };
    if is_allowed {
        return Ok(());
    }
    let rule = rule::policy(Why::NotAllowed.as_str());
    Err(Error::PolicyDenied(vec![FieldError::new("audience", rule)]))
}
