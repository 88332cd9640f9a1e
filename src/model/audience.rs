//! Who a notification is for.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::UserId;
use super::users::Role;
use crate::error::{Error, Result};
use crate::rule;

/// The union of the named sets, less `except`, each person once. Disabled people are in none of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = StoredAudience)]
pub struct Audience {
    pub all: bool,
    pub roles: BTreeSet<Role>,
    /// Group ids.
    pub groups: BTreeSet<UserId>,
    #[serde(rename = "userIds")]
    pub users: BTreeSet<String>,
    pub except: BTreeSet<String>,
}

impl Audience {
    /// The most ids that one request may name.
    pub const MAX_NAMED: usize = 10_000;

    /// Whom it is for, in few words and without a name, for the audit log.
    pub fn describe(&self) -> String {
        let mut said: Vec<String> = Vec::new();
        if self.all {
            said.push("everybody".into());
        }
        said.extend(self.roles.iter().map(|role| format!("role {role}")));
        said.extend(
            self.groups
                .iter()
                .take(10)
                .map(|group| format!("group {group}")),
        );
        if self.groups.len() > 10 {
            said.push(format!("{} more groups", self.groups.len() - 10));
        }
        if !self.users.is_empty() {
            said.push(format!("{} by id", self.users.len()));
        }
        if !self.except.is_empty() {
            said.push(format!("except {}", self.except.len()));
        }
        said.join(", ")
    }

    /// Checks that the audience names a user.
    pub fn checked(self) -> Result<Self> {
        let named = self.users.len() + self.except.len() + self.groups.len();
        if named > Self::MAX_NAMED {
            return Err(Error::invalid(
                "audience",
                rule::too_many_ids(Self::MAX_NAMED),
            ));
        }
        if !self.all && self.roles.is_empty() && self.groups.is_empty() && self.users.is_empty() {
            return Err(Error::invalid("audience", rule::no_audience()));
        }
        Ok(self)
    }
}
