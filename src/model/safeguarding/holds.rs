//! Holds: what neither retention nor an erasure removes.

use serde::Serialize;
use utoipa::ToSchema;

use super::PersonView;
use crate::model::ids::{Id, UserId};
use crate::model::time::Time;

/// What is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// All of a person's.
    User(UserId),
    /// The conversation of two.
    Conversation([UserId; 2]),
}

/// A hold.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Hold)]
pub struct HoldView {
    pub id: Id,
    /// One person, or the two of a conversation.
    pub users: Vec<PersonView>,
    pub reason: String,
    pub made_by: PersonView,
    pub created_at: Time,
    pub ended_by: Option<PersonView>,
    pub ended_at: Option<Time>,
}
