//! Blocking and muting people.

use super::known::known;
use super::policy;
use crate::app::App;
use crate::error::{Forbidden, Noun, Result};
use crate::model::ids::UserId;
use crate::model::users::{User, UserView};
use crate::store::{blocks, pushes};

/// Blocks a user for the caller, or takes that back. What was written meanwhile is not shown later.
///
/// # Errors
/// [`Error::Invalid`](crate::error::Error::Invalid) for oneself; [`Noun::User`] not found, also for somebody who neither can be written to
/// nor may write; [`Forbidden::CannotBlock`] for others than pupils and guardians, and along a guardian link.
pub async fn set_blocked(app: &App, me: &User, id: &UserId, blocked: bool) -> Result<()> {
    let other = known(app, id).await?;
    let (me, app_in) = (me.clone(), app.clone());
    app.store
        .write(move |tx| {
            if !blocked && blocks::remove(tx, me.key, other.key)? {
                return Ok(());
            }
            let sees = policy::visible(&app_in, tx, &me, &other);
            let is_seen = policy::visible(&app_in, tx, &other, &me);
            if other.disabled || sees.or(is_seen).is_err() {
                return Err(Noun::User.into());
            }
            if !blocked {
                return Ok(());
            }
            policy::check_not_self(&me, other.id(), "id")?;
            if !policy::may_block(tx, &me, &other)? {
                return Err(Forbidden::CannotBlock.into());
            }
            if blocks::insert(tx, me.key, other.key)? {
                pushes::forget_partner(tx, me.key, other.key)?;
            }
            Ok(())
        })
        .await
}

/// Whom the caller has blocked, by name.
///
/// # Errors
/// As those of a read.
pub async fn blocked(app: &App, me: &User) -> Result<Vec<UserView>> {
    let key = me.key;
    let found = app.store.read(move |c| blocks::of(c, key)).await?;
    let views = found.iter().map(|user| UserView::new(user, (false, None)));
    Ok(views.collect())
}

/// Whether the caller wants no push of what a partner writes.
///
/// # Errors
/// [`Error::Invalid`](crate::error::Error::Invalid) for oneself; [`Noun::User`] not found.
pub async fn set_muted(app: &App, me: &User, id: &UserId, muted: bool) -> Result<()> {
    let other = known(app, id).await?;
    let (me, app_in) = (me.clone(), app.clone());
    app.store
        .write(move |tx| {
            if !muted && blocks::unmute(tx, me.key, other.key)? {
                return Ok(());
            }
            policy::visible(&app_in, tx, &me, &other)?;
            if muted {
                policy::check_not_self(&me, other.id(), "id")?;
                pushes::forget_partner(tx, me.key, other.key)?;
                blocks::mute(tx, me.key, other.key)?;
            }
            Ok(())
        })
        .await
}
