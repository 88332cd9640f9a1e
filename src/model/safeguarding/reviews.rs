//! Reviews: a lead reads the conversation of two people, with a reason and somebody's approval.

use serde::Serialize;
use utoipa::ToSchema;

use super::PersonView;
use crate::model::ids::{Id, Seq, UserId};
use crate::model::messages::Removed;
use crate::model::time::Time;

/// A review to be asked for.
#[derive(Debug, Clone)]
pub struct NewReview {
    pub users: [UserId; 2],
    pub reason: String,
    /// It can be read at once, and is approved afterwards.
    pub urgent: bool,
}

/// How a review stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReviewState)]
pub enum State {
    /// Nobody has approved it.
    Waiting,
    /// It can be read.
    Open,
    Ended,
}

/// A review.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Review)]
pub struct ReviewView {
    #[serde(skip)]
    pub key: i64,
    pub id: Id,
    pub users: [PersonView; 2],
    /// For leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub urgent: bool,
    pub state: State,
    /// Whether it is still to be approved.
    pub needs_approval: bool,
    pub asked_by: PersonView,
    pub asked_at: Time,
    pub approved_by: Option<PersonView>,
    pub approved_at: Option<Time>,
    /// Until when it can be read.
    pub ends_at: Option<Time>,
    /// When the two people were told.
    pub told_at: Option<Time>,
}

/// A message, as a review shows it: with what was taken back, and what a block keeps from its receiver.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewedMessage {
    pub id: Id,
    #[schema(value_type = i64)]
    pub seq: Seq,
    pub sender_id: UserId,
    pub content: String,
    pub created_at: Time,
    pub removed: Option<Removed>,
    /// Whether its receiver had blocked the sender, and does not see it.
    pub hidden: bool,
}
