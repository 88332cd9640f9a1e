//! Groups: making them and who is in them.

use crate::app::App;
use crate::error::{Error, Noun, Result};
use crate::model::audit::{Action, AuditActor};
use crate::model::groups::{GroupKind, Member, Membership, NewGroup};
use crate::model::ids::UserId;
use crate::store::{WriteTx, audit, groups, users};

/// # Errors
/// [`Error::Conflict`] when the id is taken.
pub async fn add(app: &App, by: AuditActor, new: NewGroup) -> Result<()> {
    app.store
        .write(move |tx| {
            groups::insert(tx, &new, tx.now)?;
            audit::note(tx, &by, Action::GroupAdded, new.id.as_str(), "")?;
            Ok(())
        })
        .await
}

/// Changes the name, the kind, or both.
///
/// # Errors
/// [`Noun::Group`] not found.
pub async fn change(
    app: &App,
    by: AuditActor,
    id: UserId,
    name: Option<String>,
    kind: Option<GroupKind>,
) -> Result<()> {
    app.store
        .write(move |tx| {
            groups::change(tx, existing(tx, &id)?, name.as_deref(), kind)?;
            // Names of groups may be names of people.
            let said: Vec<&str> = name
                .as_ref()
                .map(|_| "name")
                .into_iter()
                .chain(kind.map(GroupKind::as_str))
                .collect();
            let detail = said.join(", ");
            audit::note(tx, &by, Action::GroupChanged, id.as_str(), &detail)?;
            Ok(())
        })
        .await
}

/// Removes a group; its members stay.
///
/// # Errors
/// [`Noun::Group`] not found.
pub async fn remove(app: &App, by: AuditActor, id: UserId) -> Result<()> {
    app.store
        .write(move |tx| {
            let group = existing(tx, &id)?;
            let name = groups::name(tx, group)?;
            groups::delete(tx, group)?;
            audit::note(tx, &by, Action::GroupRemoved, id.as_str(), &name)?;
            Ok(())
        })
        .await
}

/// How many memberships of a group were added, changed and removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct MembersChanged {
    pub added: usize,
    /// Memberships that say something else now.
    pub changed: usize,
    pub removed: usize,
}

/// The people of a group, those who lead it first.
///
/// # Errors
/// [`Noun::Group`] not found.
pub async fn members(app: &App, id: UserId) -> Result<Vec<Member>> {
    app.store
        .read(move |c| {
            let group = groups::by_id(c, &id)?.ok_or(Error::NotFound(Noun::Group))?;
            groups::members(c, group)
        })
        .await
}

/// Adds and removes people, all or none of them; with a membership, sets what it says.
///
/// # Errors
/// [`Noun::Group`] or [`Noun::User`] not found.
pub async fn change_members(
    app: &App,
    by: AuditActor,
    id: UserId,
    add: Vec<(UserId, Option<Membership>)>,
    remove: Vec<UserId>,
) -> Result<MembersChanged> {
    app.store
        .write(move |tx| {
            let group = existing(tx, &id)?;
            let person = |id| users::by_id(tx, id)?.ok_or(Error::NotFound(Noun::User));
            let mut changed = MembersChanged {
                added: 0,
                changed: 0,
                removed: 0,
            };
            for (id, membership) in &add {
                let member = person(id)?.key;
                let is_new = groups::add_member(tx, group, member)?;
                let differs = match membership {
                    Some(membership) => groups::set_membership(tx, group, member, membership)?,
                    None => false,
                };
                changed.added += usize::from(is_new);
                changed.changed += usize::from(!is_new && differs);
            }
            for id in &remove {
                changed.removed += usize::from(groups::remove_member(tx, group, person(id)?.key)?);
            }
            let added = add.iter().map(|(id, _)| format!("+{id} "));
            let removed = remove.iter().map(|id| format!("-{id} "));
            let detail: String = added.chain(removed).collect();
            audit::note(
                tx,
                &by,
                Action::MembersChanged,
                id.as_str(),
                detail.trim_end(),
            )?;
            Ok(changed)
        })
        .await
}

fn existing(tx: &WriteTx, id: &UserId) -> Result<groups::GroupKey> {
    groups::by_id(tx, id)?.ok_or(Error::NotFound(Noun::Group))
}
