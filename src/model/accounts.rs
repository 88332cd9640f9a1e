//! People as administrators see and change them.

use serde::Serialize;
use utoipa::ToSchema;

use super::ids::{UserId, UserKey};
use super::text;
use super::time::Time;
use super::users::{DisplayName, Role, Username};
use crate::error::{Error, Result};
use crate::rule;

/// A group, as it stands beside a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct GroupName {
    pub id: UserId,
    pub name: String,
}

/// A person, with what only administrators see.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    #[serde(skip)]
    pub key: UserKey,
    pub id: UserId,
    pub username: Option<String>,
    pub name: String,
    pub email: Option<String>,
    pub role: Role,
    pub groups: Vec<GroupName>,
    pub disabled: bool,
    /// Whether they log in here, with a password.
    pub has_password: bool,
    /// Browsers that get pushes.
    pub devices: i64,
    pub online: bool,
    pub last_seen_at: Option<Time>,
    pub created_at: Time,
}

/// Which people to list.
#[derive(Debug, Clone, Default)]
pub struct AccountFilter {
    /// Words of the name or the username, as [`text::words`] gives them.
    pub search: Vec<String>,
    pub role: Option<Role>,
    pub group: Option<UserId>,
    pub disabled: Option<bool>,
    /// The last one of the page before.
    pub after: Option<UserKey>,
}

/// What is to be changed of a user; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct AccountChange {
    /// The id that the school's own system has for them.
    pub id: Option<UserId>,
    pub username: Option<Username>,
    pub name: Option<DisplayName>,
    /// `Some(None)` takes it away.
    pub email: Option<Option<String>>,
    pub role: Option<Role>,
    /// All of their groups.
    pub groups: Option<Vec<UserId>>,
    pub disabled: Option<bool>,
}

/// An e-mail address as far as it can be told without writing to it; empty stands for none.
///
/// # Errors
/// [`Error::Invalid`] on `email`.
pub fn parse_email(given: &str) -> Result<Option<String>> {
    if given.trim().is_empty() {
        return Ok(None);
    }
    let email = text::line("email", given, 254)?;
    let parts = email.split_once('@');
    let whole = parts.is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    if !whole || email.contains(char::is_whitespace) || email.matches('@').count() != 1 {
        return Err(Error::invalid("email", rule::not_an_email()));
    }
    Ok(Some(email))
}

/// By which a user sets a password, once.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasswordLink {
    /// A path of this server. The code stands behind the `#`, so that no log and no proxy sees it.
    pub path: String,
    pub expires_at: Time,
}
