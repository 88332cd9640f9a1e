//! Who is whose guardian.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::days::{Date, Days};
use super::ids::UserId;
use super::text;
use super::users::Role;
use crate::error::{Error, Result};
use crate::rule;

/// The most guardians of one child, and the most children of one guardian: a home has many, and a damaged file more.
pub const MAX_GUARDIANS: usize = 20;
pub const MAX_CHILDREN: usize = 100;
/// The longest text for what a guardian is to a child, in characters.
const MAX_KIND: usize = 64;

/// What a link between a guardian and a child says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct GuardianLink {
    /// Free text: mother, foster parent.
    pub kind: Option<String>,
    #[serde(flatten)]
    pub days: Days,
    /// Whether it gives a relation between the guardian and the school's people.
    pub contact: bool,
    /// Whether the guardian gets what concerns the child.
    pub receives: bool,
    /// In which order the office calls, 1 first.
    pub priority: Option<u32>,
    /// Whether an import leaves it as it is.
    pub locked: bool,
}

impl Default for GuardianLink {
    fn default() -> Self {
        GuardianLink {
            kind: None,
            days: Days::default(),
            contact: true,
            receives: true,
            priority: None,
            locked: false,
        }
    }
}

/// A link, and the user at its other end.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LinkView {
    pub id: UserId,
    pub name: String,
    pub role: Role,
    /// Whether the pupil has agreed to the link. It takes that from the day of `adultFrom` on.
    pub agreed: bool,
    #[serde(flatten)]
    pub link: GuardianLink,
}

/// A pupil's guardians, as the pupil sees them.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnGuardians {
    /// From this day on a link holds only where the pupil agrees.
    pub adult_from: Option<Date>,
    /// Whether that day has come.
    pub of_age: bool,
    pub guardians: Vec<OwnGuardian>,
}

/// One of them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OwnGuardian {
    pub id: UserId,
    pub name: String,
    pub kind: Option<String>,
    pub agreed: bool,
}

/// A link as a client gives it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct GivenLink {
    /// The other user.
    pub id: String,
    /// Free text: mother, foster parent.
    #[schema(max_length = 64)]
    pub kind: Option<String>,
    /// The first day, `2026-11-30`.
    pub from: Option<String>,
    /// The last day.
    pub until: Option<String>,
    /// Whether it gives a relation between the guardian and the school's people; true where it is left out.
    pub contact: Option<bool>,
    /// Whether the guardian gets what concerns the child; true where it is left out.
    pub receives: Option<bool>,
    /// In which order the office calls, 1 first.
    pub priority: Option<u32>,
    /// Whether an import leaves it as it is; false where it is left out.
    pub locked: Option<bool>,
}

impl GivenLink {
    /// # Errors
    /// [`Error::Invalid`] on a field.
    pub fn parse(&self) -> Result<(UserId, GuardianLink)> {
        Ok((UserId::parse_field("id", &self.id)?, self.link()?))
    }

    /// What it says beside who is at its other end.
    ///
    /// # Errors
    /// [`Error::Invalid`] on a field.
    pub fn link(&self) -> Result<GuardianLink> {
        let link = GuardianLink {
            kind: parse_kind(self.kind.as_deref())?,
            days: Days::parse(self.from.as_deref(), self.until.as_deref())?,
            contact: self.contact.unwrap_or(true),
            receives: self.receives.unwrap_or(true),
            priority: self.priority,
            locked: self.locked.unwrap_or(false),
        };
        if link.priority == Some(0) {
            return Err(Error::invalid("priority", rule::too_small(1)));
        }
        Ok(link)
    }
}

/// # Errors
/// [`Error::Invalid`] on `kind`.
pub fn parse_kind(text: Option<&str>) -> Result<Option<String>> {
    let text = text.filter(|text| !text.trim().is_empty());
    text.map(|text| text::line("kind", text, MAX_KIND))
        .transpose()
}
