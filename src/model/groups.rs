//! Groups: a class, a cohort, a club.

use serde::{Deserialize, Serialize};

use super::days::Days;
use super::grades::Grade;
use super::ids::UserId;
use super::text;
use super::users::Role;
use crate::error::{Error, Result};
use crate::rule;

/// What a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GroupKind {
    Class,
    Cohort,
    Club,
    Other,
}

impl GroupKind {
    pub const ALL: [GroupKind; 4] = [
        GroupKind::Class,
        GroupKind::Cohort,
        GroupKind::Club,
        GroupKind::Other,
    ];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            GroupKind::Class => "class",
            GroupKind::Cohort => "cohort",
            GroupKind::Club => "club",
            GroupKind::Other => "other",
        }
    }
}

/// A group and how many are in it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Group {
    pub id: UserId,
    pub name: String,
    pub kind: GroupKind,
    /// People in it, the disabled among them.
    pub members: i64,
}

/// What the membership of a user in a group says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Membership {
    /// `None`: teachers and staff lead a class.
    pub lead: Option<bool>,
    pub days: Days,
}

/// A user in a group.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    pub id: UserId,
    pub name: String,
    pub role: Role,
    /// Whether they lead the group.
    pub lead: bool,
    #[serde(flatten)]
    pub days: Days,
    /// A pupil's.
    pub grade: Option<Grade>,
    pub disabled: bool,
    /// Whether they log in here, with a password.
    pub has_password: bool,
    /// Their guardians today.
    pub guardians: Vec<Guardian>,
}

/// A guardian, as they stand beside a pupil.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Guardian {
    pub id: UserId,
    pub name: String,
}

/// A group to be added. Its id has the alphabet of a user's: it may come from the school's own app.
#[derive(Debug, Clone)]
pub struct NewGroup {
    pub id: UserId,
    pub name: String,
    pub kind: GroupKind,
    /// Created by a person, not by an import or another program. An import removes no member from it unless its file names the group.
    pub by_hand: bool,
}

impl NewGroup {
    pub fn parse_name(text: &str) -> Result<String> {
        let name = text::name("name", text, 128)?;
        // They stand between names where several are listed.
        if name.contains([';', '|']) {
            return Err(Error::invalid("name", rule::no_separators()));
        }
        Ok(name)
    }
}
