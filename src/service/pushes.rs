//! Fills the push outbox: with what commits while its recipient has no socket, and with what was sent to a socket that never
//! acknowledged it.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::app::App;
use crate::error::Result;
use crate::hub::{ACK_GRACE, Ack, AckSource, Hub, Reach, Unacked};
use crate::model::events::Effect;
use crate::model::ids::{Seq, UserKey};
use crate::model::pushes::{
    DeadLetter, FinishedPush, PushOutcome, PushReport, Pushable, ServiceError, ServiceFigures,
};
use crate::model::stats::Count;
use crate::model::users::User;
use crate::push::{answers, contact, guard};
use crate::store::push_services::{self, DeadRow, ServiceRow};
use crate::store::pushes::Devices;
use crate::store::{WriteTx, delivery_status, meta, pushes, subscriptions};

/// How many rows, or people, one write handles.
const SLICE_ROWS: usize = 200;
/// For how long a push that was given up is kept, in seconds.
const KEEP_DEAD_SECONDS: i64 = 14 * 24 * 3_600;
/// For how long a subscription is kept after its browser's own date for its end, in seconds: clocks are wrong.
const KEEP_ENDED_SECONDS: i64 = 24 * 3_600;
/// How long to wait after the database refused a write.
const RETRY_PAUSE: Duration = Duration::from_secs(5);
/// Dead letters that a report shows.
const SHOWN_LETTERS: i64 = 50;

/// Queues a push of what these people get at `seq`, except for those who have an open socket. Call it in the write that makes the
/// event.
pub(super) fn queue(
    tx: &WriteTx,
    hub: &Hub,
    to: &[UserKey],
    what: Pushable,
    seq: Seq,
) -> Result<()> {
    let (mut live, mut pushed, mut missed) = (0, 0, 0);
    for &user in to {
        match queue_for(tx, hub, user, what, seq)? {
            Way::Live => live += 1,
            Way::Pushed => pushed += 1,
            Way::Missed => missed += 1,
        }
    }
    let kind = match what {
        Pushable::Message => Count::Message,
        _ => Count::Notification,
    };
    tx.emit(Effect::Count(kind, to.len() as u64));
    for (way, count) in [
        (Count::Live, live),
        (Count::Pushed, pushed),
        (Count::Missed, missed),
    ] {
        if count > 0 {
            tx.emit(Effect::Count(way, count));
        }
    }
    if pushed > 0 {
        tx.emit(Effect::PushDue);
    }
    Ok(())
}

/// How an event reaches one person.
enum Way {
    Live,
    Pushed,
    /// There is neither a socket nor a device.
    Missed,
}

fn queue_for(tx: &WriteTx, hub: &Hub, to: UserKey, what: Pushable, seq: Seq) -> Result<Way> {
    let reach = hub.record_sent(to, seq);
    let queued = match reach {
        Reach::Connected => 0,
        Reach::Hidden => {
            let shown = hub.shown_on(to, seq);
            pushes::queue(tx, to, what, seq, Devices::Elsewhere(&shown))?
        }
        Reach::Away | Reach::Unacked => pushes::queue(tx, to, what, seq, Devices::All)?,
    };
    if reach == Reach::Away && queued > 0 {
        pushes::cover(tx, to, seq)?;
    }
    let at_a_page = matches!(reach, Reach::Connected | Reach::Hidden);
    let unreachable = !at_a_page && queued == 0;
    if unreachable && matches!(what, Pushable::Notification(_)) {
        delivery_status::set_unreachable(tx, to, seq)?;
    }
    Ok(match queued {
        0 if at_a_page => Way::Live,
        0 => Way::Missed,
        _ => Way::Pushed,
    })
}

/// Pushes a test to each of the caller's devices, online or not, and returns how many those are.
pub async fn test(app: &App, me: &User) -> Result<usize> {
    let me = me.key;
    app.limits.rates.test_push(me)?;
    app.store
        .write(move |tx| {
            let queued = pushes::queue(tx, me, Pushable::Test, tx.next_seq(), Devices::All)?;
            tx.emit(Effect::PushDue);
            Ok(queued)
        })
        .await
}

/// Queues pushes for what sockets did not acknowledge and their users have stayed away from.
///
/// # Errors
/// As those of a write.
pub async fn queue_unacked(app: &App) -> Result<()> {
    queue_unattended(app).await?;
    let unacked = app.hub.overdue_unacked(Instant::now());
    for slice in unacked.chunks(SLICE_ROWS) {
        queue_each(app, slice, |tx, hub, unacked| {
            match hub.is_still_unacked(unacked) {
                true => queue_for_all_devices(tx, unacked),
                false => Ok(0),
            }
        })
        .await?;
        // Not before: an event that comes meanwhile must not count as acknowledged.
        slice
            .iter()
            .for_each(|unacked| app.hub.forget_unacked(unacked));
    }
    Ok(())
}

/// Queues what only hidden pages have received, once they have been hidden for long.
async fn queue_unattended(app: &App) -> Result<()> {
    let after = Duration::from_secs(app.config.push.hidden_after_seconds.into());
    let mut unseen = app.hub.take_unattended(Instant::now(), after);
    unseen.retain(|unacked| unacked.up_to > unacked.after);
    for slice in unseen.chunks(SLICE_ROWS) {
        let queued = queue_each(app, slice, |tx, hub, unacked| {
            if !hub.is_unattended(unacked.user) {
                return Ok(0);
            }
            let shown = hub.shown_on(unacked.user, unacked.after);
            let elsewhere = Devices::Elsewhere(&shown);
            pushes::queue_unread(tx, unacked.user, unacked.after, unacked.up_to, elsewhere)
        });
        if let Err(error) = queued.await {
            // All of them again: what is in the outbox is not queued twice.
            let users = unseen.iter().map(|unacked| unacked.user);
            app.hub.keep_unattended(users);
            return Err(error);
        }
    }
    Ok(())
}

/// Puts what is unread of these into the outbox, in one write. `queue` looks whether that is still to be done as it is written, and
/// returns how many pushes those are.
async fn queue_each(
    app: &App,
    unacked: &[Unacked],
    queue: impl Fn(&WriteTx, &Hub, &Unacked) -> Result<usize> + Send + 'static,
) -> Result<()> {
    let (unacked, hub) = (unacked.to_vec(), app.hub.clone());
    app.store
        .write(move |tx| {
            let mut queued = 0;
            for unacked in &unacked {
                queued += queue(tx, &hub, unacked)?;
            }
            if queued > 0 {
                tx.emit(Effect::PushDue);
            }
            Ok(())
        })
        .await
}

/// Queues what is unacknowledged and unread for all devices, and records that it is queued.
fn queue_for_all_devices(tx: &WriteTx, unacked: &Unacked) -> Result<usize> {
    let (user, up_to) = (unacked.user, unacked.up_to);
    let queued = pushes::queue_unread(tx, user, unacked.after, up_to, Devices::All)?;
    pushes::cover(tx, user, up_to)?;
    Ok(queued)
}

/// Writes down how far people's sockets have confirmed, for those who would get a push otherwise.
pub async fn save_acks(app: &App) -> Result<()> {
    let confirmed = app.hub.take_acks();
    let mut slices = confirmed.chunks(SLICE_ROWS);
    while let Some(slice) = slices.next() {
        let written = slice.to_vec();
        let save = app.store.write(move |tx| {
            for Ack { user, by, seq } in written {
                if let AckSource::Device { endpoint, from } = &by {
                    pushes::cover_device(tx, user, endpoint, *from, seq)?;
                    continue;
                }
                pushes::cover(tx, user, seq)?;
                delivery_status::set_delivered(tx, user, seq, by == AckSource::Page)?;
            }
            Ok(())
        });
        if let Err(error) = save.await {
            let unsaved = slice.iter().chain(slices.flatten());
            app.hub.keep_acks(unsaved.cloned());
            return Err(error);
        }
    }
    Ok(())
}

/// After a start: what was left to sockets that the stop, or the crash, has cut goes to those who do not come back within a
/// minute.
pub async fn catch_up(app: App) {
    let up_to = loop {
        match app.store.read(meta::seq).await {
            Ok(seq) => break seq,
            Err(error) => tracing::error!(%error, "cannot look up undelivered events"),
        }
        if !wait(&app, RETRY_PAUSE).await {
            return;
        }
    };
    if !wait(&app, ACK_GRACE).await {
        return;
    }
    while let Err(error) = queue_undelivered(&app, up_to).await {
        tracing::error!(%error, "cannot queue events from before the start; trying again");
        if !wait(&app, RETRY_PAUSE).await {
            return;
        }
    }
}

/// Whether the server still runs after this time.
async fn wait(app: &App, time: Duration) -> bool {
    app.stopping
        .run_until_cancelled(sleep(time))
        .await
        .is_some()
}

/// Everything up to `up_to` that was neither acknowledged nor pushed, for users who are not connected.
pub async fn queue_undelivered(app: &App, up_to: Seq) -> Result<()> {
    // A client that came back meanwhile has acknowledged how far it got.
    save_acks(app).await?;
    let subscribers = app.store.read(pushes::subscribers).await?;
    let away = subscribers
        .into_iter()
        .filter(|user| !app.hub.is_back(*user));
    let unacked: Vec<Unacked> = away
        .map(|user| Unacked {
            user,
            after: 0,
            up_to,
            since: Instant::now(),
            hidden_since: None,
        })
        .collect();
    for slice in unacked.chunks(SLICE_ROWS) {
        queue_each(app, slice, |tx, _, unacked| {
            queue_for_all_devices(tx, unacked)
        })
        .await?;
    }
    app.hub.caught_up();
    Ok(())
}

/// Gives up what is too old, also of a paused push service; forgets old dead letters and subscriptions that have ended.
pub async fn tidy(app: &App) -> Result<()> {
    loop {
        let now = app.now();
        let overdue = app
            .store
            .read(move |c| pushes::overdue(c, now, SLICE_ROWS as i64))
            .await?;
        let expired: Vec<FinishedPush> = overdue
            .into_iter()
            .map(|push| push.finished(PushOutcome::Expired))
            .collect();
        let more = expired.len() == SLICE_ROWS;
        let settle = app.store.write(move |tx| {
            push_services::apply_outcomes(tx, &expired)?;
            Ok(())
        });
        settle.await?;
        if !more {
            break;
        }
    }
    let forget = app.store.write(|tx| {
        push_services::forget_dead(tx, tx.now.plus_seconds(-KEEP_DEAD_SECONDS))?;
        subscriptions::delete_expired(tx, tx.now.plus_seconds(-KEEP_ENDED_SECONDS))?;
        pushes::tidy(tx, tx.now)?;
        push_services::forget_unused(tx)?;
        Ok(())
    });
    forget.await?;
    let waiting = app.store.read(push_services::waiting).await?;
    app.metrics.push_waiting.set(waiting);
    Ok(())
}

/// What an administrator is shown.
pub async fn report(app: &App) -> Result<PushReport> {
    let (services, states, dead) = app
        .store
        .read(|c| {
            Ok((
                push_services::list(c)?,
                push_services::states(c)?,
                push_services::dead_letters(c, SHOWN_LETTERS)?,
            ))
        })
        .await?;
    let now = app.now();
    Ok(PushReport {
        subject: contact::subject(&app.config),
        subject_problem: contact::problem(&app.config),
        subscriptions: states,
        services: services.into_iter().map(|row| figures(row, now)).collect(),
        dead: dead.into_iter().map(dead_letter).collect(),
    })
}

fn figures(row: ServiceRow, now: crate::model::time::Time) -> ServiceFigures {
    let host = guard::host_of_origin(&row.origin).to_owned();
    ServiceFigures {
        name: guard::vendor(&host),
        origin: row.origin,
        subscriptions: row.subscriptions,
        waiting: row.waiting,
        sent: row.sent,
        failed: row.failed,
        dead: row.dead,
        last_success_at: row.last_success_at,
        paused_until: row.paused_until.filter(|until| *until > now),
        last_error: row.last_error.map(|(at, failure)| ServiceError {
            at,
            advice: answers::advice(&host, &failure),
            status: failure.status,
            text: failure.text,
        }),
    }
}

fn dead_letter(row: DeadRow) -> DeadLetter {
    let host = guard::host_of_origin(&row.origin);
    DeadLetter {
        user_id: row.user_id,
        user_name: row.user_name,
        service: guard::vendor(host),
        kind: row.kind,
        seq: row.seq,
        tries: row.tries,
        advice: answers::advice(host, &row.failure),
        status: row.failure.status,
        text: row.failure.text,
        died_at: row.died_at,
    }
}
