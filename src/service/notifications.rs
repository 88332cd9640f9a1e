//! Sending notifications, to one person or to the whole school, and reading them.

use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::policy::announce;
use crate::app::App;
use crate::error::{Conflict, Error, Noun, Result};
use crate::hub::Hub;
use crate::model::audience::Audience;
use crate::model::audit::{Action, AuditActor};
use crate::model::events::{Event, Publication};
use crate::model::ids::{ConnectionId, Id, UserId, UserKey};
use crate::model::notifications::{
    Link, NewNotification, Notification, NotificationKey, NotificationsRead, Sent, Which,
};
use crate::model::outcome::Outcome;
use crate::model::pushes::Pushable;
use crate::model::users::{Role, User};
use crate::store::notifications;
use crate::store::{WriteTx, audit, pushes, users};

/// Recipients that the first slice of a large announcement has, and the most that any has.
const FIRST_SLICE_PEOPLE: usize = 100;
const MAX_SLICE_PEOPLE: usize = 500;
/// How long a slice should take: a chat message never waits behind much more than this.
const SLICE_TIME: Duration = Duration::from_millis(3);

/// Sends a notification to an audience and returns when every recipient has it. An idempotency key that the sender has
/// used before gives the first answer back.
///
/// # Errors
/// [`Conflict::Idempotency`] when the key was used for a different request; [`Error::PolicyDenied`] where the sender may not announce to
/// one of these people.
pub async fn send(
    app: &App,
    by: AuditActor,
    new: NewNotification,
    audience: Audience,
) -> Result<Outcome<Sent>> {
    let hash = request_hash(&new, &audience);
    let (hub, limits) = (app.hub.clone(), app.clone());
    let (outcome, delivery) = app
        .store
        .write(move |tx| {
            let sender = &by.actor;
            if let Some(earlier) = earlier(tx, sender, &new, &hash)? {
                return Ok((earlier, None));
            }
            let (people, unknown) = notifications::resolve(tx, &audience)?;
            announce::check(&limits, tx, sender, &people)?;
            if is_bounded(tx, &by)? {
                limits.limits.rates.recipients(sender, people.len())?;
            }
            let sent = Sent {
                id: Id::generate(),
                recipients: people.len() as i64,
                unknown,
            };
            let key = notifications::insert(tx, &new, sender, &hash, &sent)?;
            // A notification to many can be misused: it is written into the audit log, and its recipients see who sent it.
            if people.len() > 1 {
                let detail = format!("{}: {} people", audience.describe(), people.len());
                let target = sent.id.to_string();
                audit::note(tx, &by, Action::NotificationSent, &target, &detail)?;
            }
            let outcome = Outcome::fresh(sent);
            if people.len() <= FIRST_SLICE_PEOPLE {
                deliver(tx, &hub, key, people)?;
                return Ok((outcome, None));
            }
            notifications::insert_delivery(tx, key, &people)?;
            Ok((outcome, Some(key)))
        })
        .await?;
    if let Some(key) = delivery {
        // On a task of its own: if the caller hangs up, the other recipients still get it.
        let task = app.tasks.spawn(finish(app.clone(), key));
        task.await
            .map_err(|e| Error::Internal(format!("delivery: {e}")))??;
    }
    Ok(outcome)
}

/// Whether the limit on recipients applies to this sender: administrators and programs of the school reach everybody.
fn is_bounded(tx: &WriteTx, by: &AuditActor) -> Result<bool> {
    let id = by.actor.strip_prefix("user:").and_then(UserId::parse);
    let Some(id) = id else {
        return Ok(false);
    };
    let sender = users::by_id(tx, &id)?;
    Ok(sender.is_some_and(|sender| sender.role != Role::Admin))
}

/// The version of [`request_hash`], its first byte. Another form of the hash needs another one: hashes of different forms say
/// nothing of each other, so a retry that crosses an upgrade is not refused.
const HASH_VERSION: u8 = 1;

/// The hash by which a repeated request is told from a different one with the same key: of JSON whose form is fixed here.
fn request_hash(new: &NewNotification, audience: &Audience) -> Vec<u8> {
    let canonical = serde_json::json!([
        new.kind.as_str(),
        new.title,
        new.message,
        new.link.as_ref().map(Link::as_str),
        new.urgency.as_str(),
        new.ttl,
        [
            serde_json::json!(audience.all),
            serde_json::json!(audience.roles),
            serde_json::json!(audience.groups),
            serde_json::json!(audience.users),
            serde_json::json!(audience.except),
        ],
    ]);
    let mut hash = vec![HASH_VERSION];
    hash.extend(Sha256::digest(canonical.to_string()));
    hash
}

/// Whether these are hashes of different requests.
fn is_other_request(earlier: &[u8], hash: &[u8]) -> bool {
    let same_form = earlier.len() == hash.len() && earlier.first() == hash.first();
    same_form && earlier != hash
}

fn earlier(
    tx: &WriteTx,
    sender: &str,
    new: &NewNotification,
    hash: &[u8],
) -> Result<Option<Outcome<Sent>>> {
    let Some(key) = &new.idempotency_key else {
        return Ok(None);
    };
    match notifications::by_idempotency_key(tx, sender, key)? {
        Some((earlier, _)) if is_other_request(&earlier, hash) => {
            Err(Error::Conflict(Conflict::Idempotency))
        }
        found => Ok(found.map(|(_, sent)| Outcome::repeated(sent))),
    }
}

/// Sends one user a notification of the server's own, in the write that it is about.
pub(in crate::service) fn tell(
    tx: &WriteTx,
    hub: &Hub,
    to: UserKey,
    new: &NewNotification,
    emergency: bool,
) -> Result<()> {
    let sent = Sent {
        id: Id::generate(),
        recipients: 1,
        unknown: Vec::new(),
    };
    let key = notifications::insert(tx, new, "server", &[], &sent)?;
    if emergency {
        notifications::set_emergency(tx, key)?;
    }
    deliver(tx, hub, key, vec![to])
}

/// Writes the rows of some recipients, and tells them.
fn deliver(tx: &WriteTx, hub: &Hub, key: NotificationKey, to: Vec<UserKey>) -> Result<()> {
    if to.is_empty() {
        return Ok(());
    }
    let Some(notification) = notifications::deliver(tx, key, &to)? else {
        return Ok(());
    };
    super::pushes::queue(tx, hub, &to, Pushable::Notification(key), notification.seq)?;
    tx.emit(Publication {
        to,
        except: None,
        event: Event::Notification(notification.into()),
    });
    Ok(())
}

/// Writes slice after slice of a large announcement, each in a commit of its own, until no recipient is left.
async fn finish(app: App, key: NotificationKey) -> Result<()> {
    let mut size = FIRST_SLICE_PEOPLE;
    loop {
        let hub = app.hub.clone();
        let written = app
            .store
            .write(move |tx| {
                let began = Instant::now();
                let slice = notifications::take_slice(tx, key, size)?;
                let more = slice.len() == size;
                deliver(tx, &hub, key, slice)?;
                Ok((more, began.elapsed()))
            })
            .await;
        match written {
            Ok((true, took)) => size = next_size(size, took),
            Ok((false, _)) => return Ok(()),
            // Its position is on disk: it goes on from there, now or after a restart.
            Err(Error::Unavailable(..)) if !app.stopping.is_cancelled() => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// How many recipients fit into [`SLICE_TIME`], as the last slice went: those with devices to push to take longer.
fn next_size(size: usize, took: Duration) -> usize {
    let share = SLICE_TIME.as_secs_f64() / took.as_secs_f64().max(1e-6);
    ((size as f64 * share) as usize).clamp(FIRST_SLICE_PEOPLE / 4, MAX_SLICE_PEOPLE)
}

/// At start: finishes the announcements that a crash cut.
pub async fn finish_deliveries(app: App) {
    let unfinished = loop {
        match app.store.read(notifications::unfinished_deliveries).await {
            Ok(unfinished) => break unfinished,
            Err(error) => tracing::error!(%error, "cannot look up unfinished deliveries"),
        }
        tokio::select! {
            () = tokio::time::sleep(std::time::Duration::from_secs(5)) => {}
            () = app.stopping.cancelled() => return,
        }
    };
    for key in unfinished {
        match finish(app.clone(), key).await {
            Ok(()) => tracing::info!("finished a delivery from before the restart"),
            Err(error) => tracing::error!(%error, "cannot finish a delivery"),
        }
    }
}

/// Marks one read; again is no change.
///
/// # Errors
/// [`Noun::Notification`] not found, also for another person's.
pub async fn read(
    app: &App,
    me: &User,
    id: Id,
    from: Option<ConnectionId>,
) -> Result<Notification> {
    let me = me.clone();
    app.store
        .write(move |tx| {
            let mut found = own(tx, &me, id)?;
            if found.read {
                return Ok(found);
            }
            notifications::set_read(tx, me.key, found.seq)?;
            pushes::forget(tx, me.key, found.seq)?;
            (found.read, found.read_at) = (true, Some(tx.now));
            emit_read(tx, &me, &[id], from)?;
            Ok(found)
        })
        .await
}

/// Marks everything read and returns how many that were.
pub async fn read_all(app: &App, me: &User, from: Option<ConnectionId>) -> Result<i64> {
    let me = me.clone();
    app.store
        .write(move |tx| {
            let updated = notifications::set_all_read(tx, me.key)?;
            if updated == 0 {
                return Ok(0);
            }
            pushes::forget_notifications(tx, me.key)?;
            emit_read(tx, &me, &[], from)?;
            Ok(updated)
        })
        .await
}

/// The durable event of a read and the new counts. No ids stand for all.
fn emit_read(tx: &WriteTx, me: &User, ids: &[Id], from: Option<ConnectionId>) -> Result<()> {
    let seq = tx.next_seq();
    notifications::insert_read_event(tx, me.key, seq, ids)?;
    let which = if ids.is_empty() {
        Which::All(true)
    } else {
        Which::Ids(ids.to_vec())
    };
    tx.emit(Publication {
        to: vec![me.key],
        except: from.map(|socket| (me.key, socket)),
        event: Event::NotificationsRead(NotificationsRead { seq, which }),
    });
    super::messages::emit_unread(tx, me)
}

/// Takes one from the caller's list.
///
/// # Errors
/// [`Noun::Notification`] not found, also for another person's.
pub async fn delete(app: &App, me: &User, id: Id) -> Result<()> {
    let me = me.clone();
    app.store
        .write(move |tx| {
            let found = own(tx, &me, id)?;
            notifications::delete(tx, me.key, &found)?;
            pushes::forget(tx, me.key, found.seq)?;
            if !found.read {
                super::messages::emit_unread(tx, &me)?;
            }
            Ok(())
        })
        .await
}

fn own(tx: &WriteTx, me: &User, id: Id) -> Result<Notification> {
    notifications::of_user(tx, me.key, id)?.ok_or(Error::NotFound(Noun::Notification))
}

/// The counts of a user now.
pub async fn unread(app: &App, me: &User) -> Result<crate::model::users::Unread> {
    let key = me.key;
    app.store.read(move |c| users::unread(c, key)).await
}
