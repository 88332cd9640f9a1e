//! A school's people as a CSV file (RFC 4180): schoolbell's own columns, or OneRoster's `users.csv`.

mod columns;
mod quotes;
mod read;
mod table;
mod write;

use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;
use utoipa::ToSchema;

use super::ids::UserId;
use super::users::{DisplayName, Role, Username};
use crate::error::FieldError;

pub use read::{Files, bad, parse};
pub use table::MAX_ROWS;
pub use write::{write, write_table};

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
    /// Names or ids; `None` where the file has no such column.
    pub groups: Option<Vec<String>>,
    /// `Some(None)` takes the address away.
    pub email: Option<Option<String>>,
    pub disabled: Option<bool>,
}

/// A line that is left out, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BadRow {
    /// The line of the file, the header being 1.
    pub line: u64,
    #[serde(flatten)]
    pub error: FieldError,
}

/// A file that was read.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    pub rows: Vec<Row>,
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
    /// Columns of the file that are not used.
    pub unused_columns: Vec<String>,
    /// Columns that stand twice: the first counts.
    pub repeated_columns: Vec<String>,
    /// Groups that would be made.
    pub new_groups: Vec<String>,
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
}

/// How far a running import is.
#[derive(Debug, Default)]
pub struct Progress {
    pub digest: String,
    pub total: usize,
    pub done: AtomicUsize,
}

/// As clients see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProgressView {
    pub total: usize,
    pub done: usize,
}

impl Progress {
    pub fn view(&self) -> ProgressView {
        ProgressView {
            total: self.total,
            done: self.done.load(Ordering::Relaxed),
        }
    }
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
}
