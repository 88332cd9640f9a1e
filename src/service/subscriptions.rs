//! The devices that get pushes.

use crate::app::App;
use crate::error::{Conflict, Error, Noun, Result, Unauthorized};
use crate::model::events::Effect;
use crate::model::ids::{Id, UserKey};
use crate::model::subscriptions::{Device, NewSubscription, PushKeys};
use crate::model::users::User;
use crate::push::guard;
use crate::store::{push_services, subscriptions, users};

/// Stores the caller's browser. One that belonged to another user is the caller's from now on.
///
/// # Errors
/// [`Conflict::DeviceRemoved`]; [`Error::Invalid`] on `endpoint` when pushes may not go there; [`Error::TooMany`] for more new push services than one person's
/// browsers can have.
pub async fn put(app: &App, me: &User, new: NewSubscription) -> Result<Device> {
    guard::check(&app.config.push, &new.endpoint)?;
    let owner = me.key;
    let limits = app.clone();
    app.store
        .write(move |tx| {
            if subscriptions::is_removed(tx, new.endpoint.as_str())? {
                return Err(Error::Conflict(Conflict::DeviceRemoved));
            }
            if !push_services::is_known(tx, &new.endpoint.origin())? {
                limits.limits.rates.push_service(owner)?;
            }
            // A user who was disabled a moment ago has lost their subscriptions and must not get one back.
            if users::by_key(tx, owner)?.is_none_or(|user| user.disabled) {
                return Err(Error::Unauthorized(Unauthorized::Disabled));
            }
            subscriptions::put(tx, owner, &new)
        })
        .await
}

/// A browser replaces its subscription by another, by itself and without a login: the secret of the old one identifies it.
#[derive(Debug)]
pub struct Renewal {
    pub endpoint: String,
    pub keys: PushKeys,
    pub new: NewSubscription,
}

/// # Errors
/// [`Noun::Subscription`] not found, also when the secret is another one; [`Error::Invalid`] as for [`put`].
pub async fn renew(app: &App, renewal: Renewal) -> Result<Device> {
    guard::check(&app.config.push, &renewal.new.endpoint)?;
    app.store
        .write(move |tx| {
            let owner = subscriptions::owner(tx, &renewal.endpoint)?
                .filter(|owner| owner.auth == renewal.keys.auth)
                .ok_or(Error::NotFound(Noun::Subscription))?
                .user;
            let device = subscriptions::renew(tx, owner, &renewal.endpoint, &renewal.new)?;
            tx.emit(Effect::PushDue);
            Ok(device)
        })
        .await
}

/// The caller's devices, newest first.
pub async fn list(app: &App, me: &User, limit: i64) -> Result<Vec<Device>> {
    let key = me.key;
    app.store
        .read(move |c| subscriptions::list(c, key, limit))
        .await
}

/// # Errors
/// [`Noun::Subscription`] not found, also for another user's.
pub async fn remove(app: &App, me: &User, id: Id) -> Result<()> {
    let key = me.key;
    app.store
        .write(move |tx| {
            if subscriptions::delete(tx, key, id)? {
                Ok(())
            } else {
                Err(Error::NotFound(Noun::Subscription))
            }
        })
        .await
}

/// Forgets the caller's browser; one that is not known, or another user's, is no error and no change.
pub async fn remove_endpoint(app: &App, me: &User, endpoint: String) -> Result<()> {
    let key: UserKey = me.key;
    app.store
        .write(move |tx| {
            subscriptions::delete_endpoint(tx, key, &endpoint)?;
            Ok(())
        })
        .await
}
