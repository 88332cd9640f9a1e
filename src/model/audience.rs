//! Who a notification is for.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::UserId;
use super::users::Role;
use crate::error::{Error, Result};

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

    /// Checks that the audience names somebody.
    pub fn checked(self) -> Result<Self> {
        let named = self.users.len() + self.except.len() + self.groups.len();
        if named > Self::MAX_NAMED {
            return Err(Error::invalid(
                "audience",
                format!("must not name more than {} ids", Self::MAX_NAMED),
            ));
        }
        if !self.all && self.roles.is_empty() && self.groups.is_empty() && self.users.is_empty() {
            return Err(Error::invalid(
                "audience",
                "must name at least one of all, roles, groups and userIds",
            ));
        }
        Ok(self)
    }
}
