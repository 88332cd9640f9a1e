//! Who is online, who is told so, and who is typing.

use std::sync::Arc;

use tokio::time::Instant;

use super::policy::{Act, decide_now};
use crate::app::App;
use crate::error::Result;
use crate::model::events::{Effect, Event, Typing};
use crate::model::ids::{UserId, UserKey};
use crate::model::time::Time;
use crate::model::users::{Presence, User};
use crate::store::{conversations, users};

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

/// Tells people who share a conversation with a user that they came or went.
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
    let partners = app
        .store
        .read(move |c| conversations::partners(c, key))
        .await?;
    let presence = Presence {
        user_id,
        online,
        last_seen_at,
    };
    app.hub.tell(partners, Event::Presence(presence));
    Ok(())
}

/// The presence of those among `ids` to whom `me` may write; the others are left out.
pub async fn of(app: &App, me: &User, ids: Vec<UserId>) -> Result<Vec<Presence>> {
    let mut presences = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(user) = super::users::find(app, &id).await? else {
            continue;
        };
        if decide_now(me, Act::SeePresence, &user).allowed {
            presences.push(Presence {
                user_id: id,
                online: app.hub.is_online(user.key),
                last_seen_at: user.last_seen_at,
            });
        }
    }
    Ok(presences)
}

/// Tells `to` that `from` is writing to them, or has stopped. Nothing is stored.
///
/// # Errors
/// As [`super::policy::writable`].
pub async fn typing(app: &App, from: &Arc<User>, to: &UserId, typing: bool) -> Result<()> {
    let partner = super::policy::writable(app, from, to, "to").await?;
    let user_id = from.id().clone();
    app.hub
        .tell(vec![partner.key], Event::Typing(Typing { user_id, typing }));
    Ok(())
}
