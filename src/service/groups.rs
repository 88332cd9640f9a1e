//! Groups: making them and who is in them.

use crate::app::App;
use crate::error::{Error, Noun, Result};
use crate::model::groups::NewGroup;
use crate::model::ids::UserId;
use crate::store::{WriteTx, groups, users};

/// # Errors
/// [`Error::Conflict`] when the id is taken.
pub async fn add(app: &App, new: NewGroup) -> Result<()> {
    app.store
        .write(move |tx| Ok((groups::insert(tx, &new, tx.now).map(drop)?, Vec::new())))
        .await
}

/// # Errors
/// [`Noun::Group`] not found.
pub async fn rename(app: &App, id: UserId, name: String) -> Result<()> {
    app.store
        .write(move |tx| Ok((groups::rename(tx, existing(tx, &id)?, &name)?, Vec::new())))
        .await
}

/// Removes a group; its members stay.
///
/// # Errors
/// [`Noun::Group`] not found.
pub async fn remove(app: &App, id: UserId) -> Result<()> {
    app.store
        .write(move |tx| Ok((groups::delete(tx, existing(tx, &id)?)?, Vec::new())))
        .await
}

/// Adds people, all or none, and returns how many were not members yet.
///
/// # Errors
/// [`Noun::Group`] or [`Noun::User`] not found.
pub async fn add_members(app: &App, id: UserId, members: Vec<UserId>) -> Result<usize> {
    change_members(app, id, members, groups::add_member).await
}

/// Removes people, all or none, and returns how many were members.
///
/// # Errors
/// [`Noun::Group`] or [`Noun::User`] not found.
pub async fn remove_members(app: &App, id: UserId, members: Vec<UserId>) -> Result<usize> {
    change_members(app, id, members, groups::remove_member).await
}

type Change =
    fn(&rusqlite::Connection, groups::GroupKey, crate::model::ids::UserKey) -> Result<bool>;

async fn change_members(
    app: &App,
    id: UserId,
    members: Vec<UserId>,
    change: Change,
) -> Result<usize> {
    app.store
        .write(move |tx| {
            let group = existing(tx, &id)?;
            let mut changed = 0;
            for member in &members {
                let user = users::by_id(tx, member)?.ok_or(Error::NotFound(Noun::User))?;
                changed += usize::from(change(tx, group, user.key)?);
            }
            Ok((changed, Vec::new()))
        })
        .await
}

fn existing(tx: &WriteTx, id: &UserId) -> Result<groups::GroupKey> {
    groups::by_id(tx, id)?.ok_or(Error::NotFound(Noun::Group))
}
