//! What safeguarding leads do, and how they are told.

pub mod duties;
pub mod export;
pub mod holds;
pub mod no_contact;
pub mod notice;
pub mod reports;
pub mod reviews;
pub mod tell;

use rusqlite::Connection;

use crate::error::{Error, Noun, Result};
use crate::model::ids::{UserId, UserKey};
use crate::model::users::User;
use crate::store::users;

/// A user by id.
fn user(connection: &Connection, id: &UserId) -> Result<User> {
    users::by_id(connection, id)?.ok_or(Error::NotFound(Noun::User))
}

/// A user whose key is stored.
fn stored_user(connection: &Connection, key: UserKey) -> Result<User> {
    users::by_key(connection, key)?.ok_or(Error::NotFound(Noun::User))
}
