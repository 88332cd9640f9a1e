//! API keys of the school's back end: `sb_` and 43 characters of base64url (32 random bytes). Only the SHA-256 is kept:
//! the key is random, so a slow hash would add nothing.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::time::Time;
use super::{random, text};
use crate::error::{Error, Forbidden, Result};

/// A key as it is shown, once.
#[derive(Clone)]
pub struct ApiKeySecret(String);

impl ApiKeySecret {
    pub const PREFIX: &'static str = "sb_";

    pub fn generate() -> Result<Self> {
        Ok(Self(Self::PREFIX.to_owned() + &random::base64url::<32>()?))
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The hash under which a presented key is looked up.
    pub fn hash(presented: &str) -> [u8; 32] {
        Sha256::digest(presented).into()
    }
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Send notifications.
    Notify,
    /// Change people and groups.
    Roster,
    /// Beside `roster`: make teachers and staff.
    #[serde(rename = "roster.roles")]
    #[value(name = "roster.roles")]
    RosterRoles,
    /// Read figures.
    Read,
}

impl Scope {
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Notify => "notify",
            Scope::Roster => "roster",
            Scope::RosterRoles => "roster.roles",
            Scope::Read => "read",
        }
    }
}

/// A key as administrators see it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiKey)]
pub struct ApiKeyView {
    pub id: String,
    pub name: String,
    pub scopes: Vec<String>,
    pub created_at: Time,
    /// To the minute.
    pub last_used_at: Option<Time>,
    pub revoked_at: Option<Time>,
}

/// A stored key.
#[derive(Debug, Clone)]
pub struct ApiKey {
    pub id: String,
    pub name: String,
    /// Space-separated [`Scope`]s.
    pub scopes: String,
    pub last_used_at: Option<Time>,
}

impl ApiKey {
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.split(' ').any(|s| s == scope.as_str())
    }

    /// # Errors
    /// [`Forbidden::Scope`] for a key without the scope.
    pub fn check(&self, scope: Scope) -> Result<()> {
        let may = self.has(scope);
        may.then_some(()).ok_or(Error::Forbidden(Forbidden::Scope))
    }

    pub fn parse_name(text: &str) -> Result<String> {
        text::line("name", text, 64)
    }
}
