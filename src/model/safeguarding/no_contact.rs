//! No-contact orders: two people, or one and everybody of a role, who have nothing to do with each other here.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::PersonView;
use crate::model::days::Date;
use crate::model::ids::UserId;
use crate::model::time::Time;
use crate::model::users::Role;

/// Whom an order keeps away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    User(UserId),
    Role(Role),
}

/// An order to be made.
#[derive(Debug, Clone)]
pub struct NewOrder {
    pub a: UserId,
    pub from: From,
    /// The last day on which it holds.
    pub until: Option<Date>,
    pub reason: String,
}

/// An order, as leads see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NoContactOrder)]
pub struct OrderView {
    pub id: String,
    pub a: PersonView,
    /// The other one; `null` where it is everybody of a role.
    pub b: Option<PersonView>,
    pub role: Option<Role>,
    /// The last day on which it holds; `null`: until it is taken back.
    pub until: Option<Date>,
    pub reason: String,
    /// `user:<id>` of the lead.
    pub made_by: String,
    pub created_at: Time,
}

/// An order, as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredOrder {
    pub id: String,
    pub a: UserId,
    pub b: Option<UserId>,
    pub role: Option<Role>,
    pub until: Option<String>,
    pub reason: String,
    pub made_by: String,
    pub created_at: i64,
}
