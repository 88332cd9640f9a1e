//! What safeguarding leads do: reports, reviews, holds and no-contact orders, and the duty itself.

pub mod duties;
pub mod duty;
pub mod holds;
pub mod news;
pub mod no_contact;
pub mod reports;
pub mod reviews;

use serde::Serialize;
use utoipa::ToSchema;

use super::ids::UserId;
use super::users::{Role, User};
use crate::error::Result;
use crate::model::text;

/// A user, as leads see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SafeguardingPerson)]
pub struct PersonView {
    pub id: UserId,
    pub name: String,
    pub role: Role,
}

impl From<&User> for PersonView {
    fn from(user: &User) -> Self {
        PersonView {
            id: user.id().clone(),
            name: user.person.name.to_string(),
            role: user.role,
        }
    }
}

/// The most characters of a reason, of a note and of an outcome.
pub const MAX_TEXT: usize = 2_000;

/// Why something is done.
///
/// # Errors
/// [`Error::Invalid`](crate::error::Error::Invalid) on `reason`, where it is empty or too long.
pub fn parse_reason(text: &str) -> Result<String> {
    text::bounded("reason", text, MAX_TEXT)
}

/// A text that may be left out.
///
/// # Errors
/// [`Error::Invalid`](crate::error::Error::Invalid) on `field`, where it is too long.
pub fn parse_note(field: &str, text: Option<&str>) -> Result<String> {
    match text.map(str::trim) {
        None | Some("") => Ok(String::new()),
        Some(text) => text::bounded(field, text, MAX_TEXT),
    }
}
