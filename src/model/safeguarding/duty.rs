//! What people do beside their role.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What somebody does beside their role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    Safeguarding,
}

/// Whether a duty is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DutyState {
    /// Another lead has to confirm the grant.
    Pending,
    Active,
    /// An administrator could have logged in as its holder: another lead has to confirm that it is still them.
    Suspended,
}

impl DutyState {
    pub fn as_str(self) -> &'static str {
        match self {
            DutyState::Pending => "pending",
            DutyState::Active => "active",
            DutyState::Suspended => "suspended",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let all = [DutyState::Pending, DutyState::Active, DutyState::Suspended];
        all.into_iter().find(|state| state.as_str() == text)
    }
}
