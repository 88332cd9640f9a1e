//! A school's people as a CSV file (RFC 4180): schoolbell's own columns, or OneRoster's `users.csv`.

mod columns;
mod groups;
mod links;
mod mapping;
mod quotes;
mod read;
mod step;
mod table;
mod write;

use std::collections::HashSet;

use serde::Serialize;
use utoipa::ToSchema;

use super::accounts::FactsChange;
use super::days::{Date, Days};
use super::groups::{GroupKind, Membership};
use super::guardians::GuardianLink;
use super::ids::UserId;
use super::users::{DisplayName, Role, Username};
use crate::error::FieldError;

pub use mapping::{FileColumns, Mapping, columns, header};
pub use read::{Files, bad, bad_in, parse};
pub use step::{Ref, Seen, Step, StepCounts, StepFacts, StepMembership, StepProblem};
pub use table::MAX_ROWS;
pub use write::{archive, write, write_table};

/// A person of a file, by a valid line of it.
#[derive(Debug, Clone)]
pub struct Row {
    /// The line of the file, the header being 1.
    pub line: u64,
    /// Where the file has ids of its own.
    pub id: Option<UserId>,
    pub username: Username,
    pub name: DisplayName,
    /// `None` leaves the role as it is; a new user needs one.
    pub role: Option<Role>,
    /// `None` where no file says who is in which.
    pub groups: Option<Vec<RowGroup>>,
    /// Whose guardian they are, by ids or usernames; `None` where the file has no such column.
    pub children: Option<Vec<String>>,
    /// OneRoster's agents, by their ids; `None` where the file has no such column.
    pub agents: Option<Vec<String>>,
    /// What they are to these children.
    pub kind: Option<String>,
    pub facts: FactsChange,
    /// `Some(None)` takes the address away.
    pub email: Option<Option<String>>,
    pub disabled: Option<bool>,
}

/// The files of an import, by the names that they go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
pub enum FileName {
    /// Our own `people.csv`, OneRoster's `users.csv`, or a single file of any name.
    #[serde(rename = "people.csv")]
    People,
    #[serde(rename = "groups.csv")]
    Groups,
    #[serde(rename = "members.csv")]
    Members,
    #[serde(rename = "guardians.csv")]
    Guardians,
    #[serde(rename = "classes.csv")]
    Classes,
    #[serde(rename = "enrollments.csv")]
    Enrollments,
}

/// A group that a user is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowGroup {
    /// A name or an id.
    pub group: String,
    /// `None`: the file says no more than that they are in it.
    pub membership: Option<Membership>,
    /// Where a file of memberships has it: such a group must exist, or be in a file of its own.
    pub place: Option<(FileName, u64)>,
}

/// A group of a file of groups.
#[derive(Debug, Clone)]
pub struct FileGroup {
    pub line: u64,
    pub id: UserId,
    pub name: String,
    pub kind: Option<GroupKind>,
}

/// A line of a file of memberships.
#[derive(Debug, Clone)]
pub struct FileMember {
    pub line: u64,
    pub file: FileName,
    /// A name or an id.
    pub group: String,
    /// An id or a username.
    pub person: String,
    /// `None`: the file says no more than that there is one.
    pub membership: Option<Membership>,
}

/// A link between a guardian and a child, each by id or username.
#[derive(Debug, Clone)]
pub struct FileLink {
    pub line: u64,
    pub file: FileName,
    pub child: String,
    pub guardian: String,
    pub facts: LinkFacts,
}

/// What a file says of a link; `None` leaves a fact as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkFacts {
    pub kind: Option<String>,
    pub from: Option<Option<Date>>,
    pub until: Option<Option<Date>>,
    pub contact: Option<bool>,
    pub receives: Option<bool>,
    pub priority: Option<Option<u32>>,
    pub locked: Option<bool>,
}

impl LinkFacts {
    /// A link with these facts in the place of its own.
    pub fn over(&self, before: GuardianLink) -> GuardianLink {
        GuardianLink {
            kind: self.kind.clone().or(before.kind),
            days: Days {
                from: self.from.unwrap_or(before.days.from),
                until: self.until.unwrap_or(before.days.until),
            },
            contact: self.contact.unwrap_or(before.contact),
            receives: self.receives.unwrap_or(before.receives),
            priority: self.priority.unwrap_or(before.priority),
            locked: self.locked.unwrap_or(before.locked),
        }
    }
}

/// The links of files.
#[derive(Debug, Clone, Default)]
pub struct Links {
    pub named: Vec<FileLink>,
    /// Whether no child in the file of people has other guardians.
    pub are_all: bool,
    /// Children who have no other guardians, and guardians who have no other children, by id or username.
    pub of_children: Vec<String>,
    pub of_guardians: Vec<String>,
    pub bad: Vec<BadRow>,
}

/// A line, or one thing in it, that is left out, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BadRow {
    pub file: FileName,
    /// The line of the file, the header being 1.
    pub line: u64,
    #[serde(flatten)]
    pub error: FieldError,
}

/// A file that was read.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    pub rows: Vec<Row>,
    pub groups: Vec<FileGroup>,
    pub links: Links,
    /// Ids of people of other schools in the file, where one school's are asked for.
    pub elsewhere: HashSet<String>,
    /// Whether every line of who is in which group could be read.
    pub has_all_members: bool,
    pub bad: Vec<BadRow>,
    /// Names of columns that mean nothing here, and of those that stand twice.
    pub unused_columns: Vec<String>,
    pub repeated_columns: Vec<String>,
}

/// What a line would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlannedRow {
    /// The line of the file; `null` for a user who is not in it.
    pub line: Option<u64>,
    pub username: String,
    pub name: String,
    pub role: Role,
    /// What changes, as `field: before → after`.
    pub changes: Vec<String>,
}

/// How many links between guardians and children an import changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct LinkCounts {
    pub adding: usize,
    pub changing: usize,
    pub ending: usize,
    /// Links that the file has otherwise and that stay.
    pub kept: usize,
}

/// What becomes of a link between a guardian and a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum LinkFate {
    Added,
    Changed,
    Ended,
    /// It stays as it is, since it is locked.
    Locked,
    /// It stays ended, since a person ended it.
    EndedByHand,
    /// It stays, since a person made it.
    MadeByHand,
}

/// A link and what an import does with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlannedLink {
    /// Names.
    pub child: String,
    pub guardian: String,
    pub fate: LinkFate,
}

/// What an import would do, or did.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportPreview {
    /// Names this file with these effects: what is confirmed.
    pub digest: String,
    pub adding: usize,
    pub changing: usize,
    pub disabling: usize,
    pub unchanged: usize,
    pub bad: usize,
    /// People in the file who are disabled and stay so.
    pub still_disabled: usize,
    /// What the columns were taken for, where their names do not say it.
    pub mapping: Option<Mapping>,
    /// Columns of the file that are not used.
    pub unused_columns: Vec<String>,
    /// Columns that stand twice: the first counts.
    pub repeated_columns: Vec<String>,
    /// Groups that would be made.
    pub new_groups: Vec<String>,
    /// Groups that would get another id, name or kind.
    pub changed_groups: Vec<String>,
    /// Groups that were made by hand, are not in the file, and keep members whom the file would take out.
    pub kept_groups: Vec<String>,
    pub links: LinkCounts,
    /// At most 100 links that would change.
    pub changed_links: Vec<PlannedLink>,
    /// At most 100 links that the file has otherwise and that stay: they are locked, or were made or ended by hand.
    pub kept_links: Vec<PlannedLink>,
    /// At most 100 of each.
    pub added: Vec<PlannedRow>,
    pub changed: Vec<PlannedRow>,
    pub disabled: Vec<PlannedRow>,
    pub bad_rows: Vec<BadRow>,
}

/// What an import did.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Imported {
    pub added: usize,
    pub changed: usize,
    pub disabled: usize,
    /// What was no longer possible when its turn came.
    pub problems: Vec<StepProblem>,
}

/// Where an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImportState {
    /// Its steps are being written down.
    Staging,
    Running,
    Done,
}

/// How far an import is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ImportProgress {
    pub state: ImportState,
    pub total: usize,
    pub done: usize,
    /// What was no longer possible when its turn came.
    pub problems: Vec<StepProblem>,
}

/// A user of a file to be written.
#[derive(Debug, Clone)]
pub struct Line {
    pub id: String,
    pub username: String,
    pub name: String,
    pub role: Role,
    pub groups: Vec<String>,
    pub email: String,
    pub disabled: bool,
    pub grade: String,
    pub phones: Vec<String>,
    pub adult_from: String,
    /// Ids of the children whose guardian they are.
    pub children: Vec<String>,
}
