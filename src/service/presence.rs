//! Who is online, who is told so, and who is typing.

use std::sync::Arc;

use tokio::time::Instant;

use super::policy;
use crate::app::App;
use crate::error::Result;
use crate::model::events::{Effect, Event, Typing};
use crate::model::ids::{UserId, UserKey};
use crate::model::time::Time;
use crate::model::users::{Presence, User};
use crate::store::users;

/// Tells people that a user has been gone for the whole grace.
///
/// # Errors
/// As those of a write.
pub async fn sweep(app: &App) -> Result<()> {
    let gone = app.hub.sweep(Instant::now());
    if gone.is_empty() {
        return Ok(());
    }
    let seen = app.now();
    let people = gone.clone();
    let saved = app
        .store
        .write(move |tx| {
            for (key, _) in &people {
                users::set_last_seen(tx, *key, seen)?;
            }
            for (_, id) in people {
                tx.emit(Effect::UserChanged(id));
            }
            Ok(())
        })
        .await;
    // They have gone anyway, and those who watch must be told.
    for (key, id) in gone {
        tell(app, key, id, false, Some(seen)).await?;
    }
    saved
}

/// Tells people who share a conversation with a user, and may write to them, that they came or went. Of who hides it nobody is told.
///
/// # Errors
/// As those of a read.
pub async fn tell(
    app: &App,
    key: UserKey,
    user_id: UserId,
    online: bool,
    last_seen_at: Option<Time>,
) -> Result<()> {
    let app_in = app.clone();
    let watchers = app.store.read(move |c| {
        let Some(user) = users::by_key(c, key)?.filter(|user| is_shown(&app_in, user)) else {
            return Ok(Vec::new());
        };
        policy::watchers(&app_in, c, &user)
    });
    let presence = Presence {
        user_id,
        online,
        last_seen_at,
    };
    let watchers = watchers.await?;
    app.hub.tell(watchers, Event::Presence(presence));
    Ok(())
}

/// Tells people at once when a user begins to hide whether they are online, or to show it.
///
/// # Errors
/// As those of a read.
pub async fn shows_or_hides(app: &App, before: &User) -> Result<()> {
    let Some(user) = super::known::find(app, before.id()).await? else {
        return Ok(());
    };
    if is_shown(app, before) == is_shown(app, &user) || !app.hub.is_online(user.key) {
        return Ok(());
    }
    let presence = Presence {
        user_id: user.id().clone(),
        online: is_shown(app, &user),
        last_seen_at: None,
    };
    let app_in = app.clone();
    let watchers = app.store.read(move |c| policy::watchers(&app_in, c, &user));
    app.hub.tell(watchers.await?, Event::Presence(presence));
    Ok(())
}

/// Whether others see when a user is online: as they want it themselves, else as the configuration has it for their role.
fn is_shown(app: &App, user: &User) -> bool {
    let by_role = || !app.config.presence.hidden_roles.contains(&user.role);
    user.show_online.unwrap_or_else(by_role)
}

/// Whether a user is online, and since when they are not, as others see it.
pub fn shown(app: &App, user: &User) -> (bool, Option<Time>) {
    match is_shown(app, user) {
        true => (app.hub.is_online(user.key), user.last_seen_at),
        false => (false, None),
    }
}

/// The presence of those among `ids` to whom `me` may write now; the others are left out.
///
/// # Errors
/// As those of a read.
pub async fn of(app: &App, me: &User, ids: Vec<UserId>) -> Result<Vec<Presence>> {
    let mut people = Vec::with_capacity(ids.len());
    for id in ids {
        people.extend(super::known::find(app, &id).await?);
    }
    let (app_in, me) = (app.clone(), me.clone());
    app.store
        .read(move |c| {
            let mut presences = Vec::with_capacity(people.len());
            for user in people {
                if policy::can(&app_in, c, &me, &user)?.why.is_none() {
                    let (online, last_seen_at) = shown(&app_in, &user);
                    presences.push(Presence {
                        user_id: user.id().clone(),
                        online,
                        last_seen_at,
                    });
                }
            }
            Ok(presences)
        })
        .await
}

/// Tells `to` that `from` is writing to them, or has stopped. Nothing is stored.
///
/// # Errors
/// As [`policy::typing_to`].
pub async fn typing(app: &App, from: &Arc<User>, to: &UserId, typing: bool) -> Result<()> {
    let partner = policy::typing_to(app, from, to, "to").await?;
    let user_id = from.id().clone();
    let event = Event::Typing(Typing { user_id, typing });
    app.hub.tell(Vec::from_iter(partner), event);
    Ok(())
}
