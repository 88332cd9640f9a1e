//! What safeguarding leads do.

pub mod duties;
pub mod holds;
pub mod no_contact;
pub mod notices;
pub mod reports;
pub mod reviews;

use rusqlite::Row;

use super::users;
use crate::model::safeguarding::PersonView;
use crate::model::users::Role;

/// The columns of a [`PersonView`], of the table of users as `alias`.
fn person_columns(alias: &str) -> String {
    format!("{alias}.id, {alias}.name, {alias}.role")
}

/// Reads [`person_columns`].
fn person(row: &Row, at: usize) -> rusqlite::Result<PersonView> {
    Ok(PersonView {
        id: users::user_id(row, at)?,
        name: row.get(at + 1)?,
        role: Role::parse(row.get_ref(at + 2)?.as_str()?).unwrap_or(Role::Student),
    })
}

/// As [`person`], where there is one.
fn person_if_any(row: &Row, at: usize) -> rusqlite::Result<Option<PersonView>> {
    match row.get_ref(at)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => person(row, at).map(Some),
    }
}
