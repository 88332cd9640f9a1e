//! Announcements: made now, sent when their time has come, reported on, and repeated for those who have not read them.

use rusqlite::Connection;

use super::policy::announce;
use crate::app::App;
use crate::error::{Conflict, Error, Noun, Result};
use crate::hub::Hub;
use crate::model::announcements::{
    Announcement, AudiencePreview, DeliveryFacts, NewAnnouncement, Recipient, Report, Stage,
    StageCounts, StageFilter, State,
};
use crate::model::audience::Audience;
use crate::model::audit::{Action, AuditActor};
use crate::model::ids::{Id, UserKey};
use crate::model::notifications::{Link, NewNotification, Type};
use crate::model::outcome::Outcome;
use crate::model::time::Time;
use crate::push::guard;
use crate::rule;
use crate::store::{announcements, audit, delivery_status, notifications};

/// Names that the preview of an audience shows.
const PREVIEW_NAMES: i64 = 8;
/// Seconds for which a push service may keep one: over a weekend and a day.
const TTL_SECONDS: u32 = 3 * 24 * 3_600;
/// Seconds after which what was sent to a socket is either acknowledged or queued as a push.
const RECENT_SECONDS: i64 = 300;

/// Stores an announcement. It is sent by [`send_due`], at once where it has no time of its own.
pub async fn make(
    app: &App,
    by: AuditActor,
    new: NewAnnouncement,
) -> Result<Outcome<Announcement>> {
    store(app, by, new, None).await
}

/// Reminds those who have not read it by then.
///
/// # Errors
/// [`Noun::Announcement`] not found, also for one that is not sent yet; [`Error::Invalid`] when everybody has read it.
pub async fn remind(
    app: &App,
    by: AuditActor,
    id: Id,
    title: Option<String>,
    idempotency_key: Option<String>,
) -> Result<Outcome<Announcement>> {
    let (of, unread) = app
        .store
        .read(move |c| {
            let of = announcements::by_id(c, id)?.ok_or(Error::NotFound(Noun::Announcement))?;
            let key = of.notification.ok_or(Error::NotFound(Noun::Announcement))?;
            Ok((of, delivery_status::unread(c, key)?))
        })
        .await?;
    if unread.is_empty() {
        return Err(Error::invalid("id", rule::read_by_everybody()));
    }
    let new = NewAnnouncement {
        title: title.unwrap_or(of.title),
        message: of.message,
        link: of.link.as_deref().map(Link::parse).transpose()?,
        urgency: of.urgency,
        audience: Audience::default(),
        send_at: None,
        idempotency_key,
    };
    store(app, by, new, Some(of.key)).await
}

async fn store(
    app: &App,
    by: AuditActor,
    new: NewAnnouncement,
    reminder_of: Option<i64>,
) -> Result<Outcome<Announcement>> {
    let (id, app_in) = (Id::generate(), app.clone());
    let made = app
        .store
        .write(move |tx| {
            let earlier = match &new.idempotency_key {
                Some(key) => announcements::by_idempotency_key(tx, &by.actor, key)?,
                None => None,
            };
            let fresh = earlier.is_none();
            if fresh {
                let (people, _) = match reminder_of {
                    Some(of) => notifications::resolve(tx, &unread_of(tx, of)?)?,
                    None => notifications::resolve(tx, &new.audience)?,
                };
                announce::check(&app_in, tx, &by.actor, &people)?;
                announcements::insert(tx, id, &new, reminder_of, &by.actor)?;
                let target = id.to_string();
                let detail = new.audience.describe();
                audit::note(tx, &by, Action::AnnouncementMade, &target, &detail)?;
            }
            let made = earlier.map_or_else(|| announcements::by_id(tx, id), |one| Ok(Some(one)))?;
            let announcement = made.ok_or(Error::NotFound(Noun::Announcement))?;
            Ok(Outcome {
                value: announcement,
                fresh,
            })
        })
        .await?;
    app.announcement_due.notify_one();
    Ok(made)
}

/// Cancels one whose time has not come.
///
/// # Errors
/// [`Noun::Announcement`] not found; [`Conflict::Sent`].
pub async fn cancel(app: &App, by: AuditActor, id: Id) -> Result<()> {
    app.store
        .write(move |tx| {
            let found = announcements::by_id(tx, id)?.ok_or(Error::NotFound(Noun::Announcement))?;
            if found.state == State::Cancelled {
                return Ok(());
            }
            if !announcements::cancel(tx, found.key)? {
                return Err(Error::Conflict(Conflict::Sent));
            }
            let target = id.to_string();
            audit::note(tx, &by, Action::AnnouncementCancelled, &target, "")?;
            Ok(())
        })
        .await
}

/// Sends what is due, one after the other.
///
/// # Errors
/// As those of a read.
pub async fn send_due(app: &App) -> Result<()> {
    let now = app.now();
    let due = app.store.read(move |c| announcements::due(c, now)).await?;
    for (announcement, sender) in due {
        let id = announcement.id;
        // One that cannot be sent does not hold up the others.
        if let Err(error) = send(app, announcement, sender).await {
            tracing::error!(%error, announcement = %id, "cannot send an announcement; trying again");
        }
    }
    Ok(())
}

/// A crash between the sending and the mark repeats this: the notification knows its announcement, so it is not sent twice.
async fn send(app: &App, announcement: Announcement, sender: String) -> Result<()> {
    let audience = match announcement.reminder_of {
        None => announcement.audience,
        Some(of) => {
            let unread = app.store.read(move |c| {
                let of = announcements::by_id(c, of)?;
                of.map_or(Ok(Audience::default()), |of| unread_of(c, of.key))
            });
            unread.await?
        }
    };
    let key = format!("announcement:{}", announcement.id);
    let new = NewNotification {
        kind: Type::parse("announcement")?,
        title: announcement.title,
        message: announcement.message,
        link: announcement.link.as_deref().map(Link::parse).transpose()?,
        urgency: announcement.urgency,
        ttl: TTL_SECONDS,
        idempotency_key: Some(key.clone()),
    };
    let sent =
        super::notifications::send(app, AuditActor::label(sender.clone()), new, audience).await;
    let id = match sent {
        Ok(sent) => sent.value.id,
        // It went out before the crash, to an audience that has changed since.
        Err(Error::Conflict(Conflict::Idempotency)) => {
            let earlier = app
                .store
                .read(move |c| notifications::by_idempotency_key(c, &sender, &key));
            let (_, earlier) = earlier.await?.ok_or(Error::NotFound(Noun::Notification))?;
            earlier.id
        }
        // Its sender may not announce to these people any more.
        Err(Error::PolicyDenied(_)) => {
            return give_up(app, announcement.key, announcement.id).await;
        }
        Err(error) => return Err(error),
    };
    let key = announcement.key;
    app.store
        .write(move |tx| announcements::set_sent(tx, key, id))
        .await
}

/// Those who have not read the announcement with this key.
fn unread_of(c: &Connection, announcement: i64) -> Result<Audience> {
    let of = announcements::notification_of(c, announcement)?;
    let unread = of.map_or(Ok(Vec::new()), |key| delivery_status::unread(c, key))?;
    Ok(Audience {
        users: unread.into_iter().collect(),
        ..Audience::default()
    })
}

/// Cancels an announcement that the policy does not allow when its time has come.
async fn give_up(app: &App, key: i64, id: Id) -> Result<()> {
    tracing::warn!(announcement = %id, "announcement cancelled: its sender may not announce to these people any more");
    app.store
        .write(move |tx| {
            announcements::give_up(tx, key)?;
            let (by, target) = (AuditActor::schedule(), id.to_string());
            let detail = "the policy does not allow it any more";
            audit::note(tx, &by, Action::AnnouncementCancelled, &target, detail)?;
            Ok(())
        })
        .await
}

/// The people of an audience now.
pub async fn preview(app: &App, audience: Audience) -> Result<AudiencePreview> {
    app.store
        .read(move |c| {
            let (people, unknown) = notifications::resolve(c, &audience)?;
            Ok(AudiencePreview {
                count: people.len(),
                names: announcements::names(c, &people, PREVIEW_NAMES)?,
                unknown,
            })
        })
        .await
}

/// Newest first.
pub async fn list(app: &App, before: Option<i64>, limit: i64) -> Result<Vec<Announcement>> {
    app.store
        .read(move |c| announcements::list(c, before, limit))
        .await
}

/// # Errors
/// [`Noun::Announcement`] not found.
pub async fn report(app: &App, id: Id) -> Result<Report> {
    let hub = app.hub.clone();
    let now = app.now();
    app.store
        .read_long(move |c| {
            let announcement =
                announcements::by_id(c, id)?.ok_or(Error::NotFound(Noun::Announcement))?;
            let mut stages = StageCounts::default();
            if let Some(key) = announcement.notification {
                let recent = is_recent(&announcement, now);
                for facts in delivery_status::facts_of(c, key, now)? {
                    stages.add(&stage(&hub, &facts, recent));
                }
                stages.waiting += delivery_status::undelivered(c, key)?;
            }
            Ok(Report {
                announcement,
                stages,
            })
        })
        .await
}

/// The recipients at a stage, by name, after one of them.
///
/// # Errors
/// [`Noun::Announcement`] not found.
pub async fn recipients(
    app: &App,
    id: Id,
    filter: Option<StageFilter>,
    after: Option<UserKey>,
    limit: usize,
) -> Result<Vec<Recipient>> {
    let hub = app.hub.clone();
    let now = app.now();
    app.store
        .read_long(move |c| {
            let found = announcements::by_id(c, id)?.ok_or(Error::NotFound(Noun::Announcement))?;
            let Some(key) = found.notification else {
                return Ok(Vec::new());
            };
            let recent = is_recent(&found, now);
            let mut wanted = Vec::new();
            let of = |facts: &DeliveryFacts| stage(&hub, facts, recent);
            delivery_status::recipients(c, key, now, after, of, |one| {
                if filter.is_none_or(|filter| filter.takes(&one.stage)) {
                    wanted.push(one);
                }
                wanted.len() < limit
            })?;
            Ok(wanted)
        })
        .await
}

/// Whether the socket that it was sent to may turn out to be dead, so that a push follows.
fn is_recent(announcement: &Announcement, now: Time) -> bool {
    now < announcement.send_at.plus_seconds(RECENT_SECONDS)
}

fn stage(hub: &Hub, facts: &DeliveryFacts, recent: bool) -> Stage {
    facts.stage(hub.is_connected(facts.user), recent, |origin| {
        guard::owner_of_origin(origin).to_owned()
    })
}
