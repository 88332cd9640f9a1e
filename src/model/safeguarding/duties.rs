//! The duty of a safeguarding lead.

use serde::Serialize;
use utoipa::ToSchema;

use super::PersonView;
use super::duty::DutyState;
use crate::model::time::Time;

/// A safeguarding lead, also one who is yet to be confirmed.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SafeguardingLead)]
pub struct LeadView {
    pub user: PersonView,
    pub state: DutyState,
    /// `user:<id>` of the administrator.
    pub granted_by: String,
    pub granted_at: Time,
    pub confirmed_by: Option<String>,
    pub confirmed_at: Option<Time>,
}
