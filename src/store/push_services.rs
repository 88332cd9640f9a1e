//! The outcomes of pushes: by push service, by subscription, and the dead letters.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{Connection, params};

use super::pushes::COUNTED;
use super::{WriteTx, all, delivery_status, first, run};
use crate::error::Result;
use crate::model::ids::{Seq, UserId};
use crate::model::pushes::{
    Failure, FinishedPush, LONGEST_THROTTLE, PushOutcome, ServiceKey, SubscriptionStates, THROTTLE,
};
use crate::model::time::Time;

/// How old the time of the last success may become before it is written again, in milliseconds: most pushes write nothing
/// to their subscription.
const SUCCESS_AGE_MS: i64 = 60_000;

/// Whether a user has, or had, a device at this service.
pub fn is_known(connection: &Connection, origin: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM push_services WHERE origin = ?1";
    Ok(first(connection, sql, [origin], |_| Ok(()))?.is_some())
}

/// Stores the outcomes of pushes. One whose row has gone meanwhile, because the message was read, is counted too.
pub fn apply_outcomes(tx: &WriteTx, settled: &[FinishedPush]) -> Result<()> {
    let mut sent: BTreeMap<ServiceKey, i64> = BTreeMap::new();
    for one in settled {
        match &one.outcome {
            PushOutcome::Sent => {
                delivered(tx, one)?;
                *sent.entry(one.service).or_default() += 1;
            }
            PushOutcome::Summed(at) => {
                sum_up(tx, one, *at)?;
                *sent.entry(one.service).or_default() += 1;
            }
            PushOutcome::OverBudget(at) => defer_device(tx, one, *at)?,
            PushOutcome::Gone => {
                delivery_status::set_failed(tx, &one.key, one.service, "gone")?;
                gone(tx, one)?;
            }
            PushOutcome::Retry(at, failure) => {
                failed(tx, one, failure)?;
                put_off(tx, one, *at, 1)?;
            }
            PushOutcome::Throttled(until, failure) => {
                failed(tx, one, failure)?;
                pause(tx, one.service, *until, "throttled")?;
                // Others first: it may be this one's own fault.
                put_off(tx, one, *until, 0)?;
            }
            PushOutcome::DeviceThrottled(asked, failure) => {
                failed(tx, one, failure)?;
                pause_device(tx, one, *asked)?;
            }
            PushOutcome::OtherKey(failure) => {
                failed(tx, one, failure)?;
                delivery_status::set_failed(tx, &one.key, one.service, "refused")?;
                bury(tx, one, 1, failure)?;
                stop_device(tx, one)?;
            }
            PushOutcome::Refused(until, failure) => {
                failed(tx, one, failure)?;
                pause(tx, one.service, *until, "refused")?;
                put_off(tx, one, *until, 1)?;
            }
            PushOutcome::Dead(failure) => {
                failed(tx, one, failure)?;
                delivery_status::set_failed(tx, &one.key, one.service, "refused")?;
                bury(tx, one, 1, failure)?;
            }
            PushOutcome::Expired => {
                delivery_status::set_failed(tx, &one.key, one.service, "expired")?;
                bury(tx, one, 0, &Failure::too_late())?;
            }
            // Its user has changed their preferences since it was read.
            PushOutcome::Later(_) | PushOutcome::Dropped if !unchanged(tx, one)? => {}
            PushOutcome::Later(at) => put_off(tx, one, *at, 0)?,
            PushOutcome::Dropped => {
                delivery_status::set_failed(tx, &one.key, one.service, "off")?;
                finish(tx, one)?;
            }
        }
    }
    for (service, count) in sent {
        // A service that accepts one push does not refuse this server.
        let sql = "UPDATE push_services SET sent = sent + ?2, last_success_at = ?3,
                          paused_until = CASE WHEN paused_for = 'refused' THEN NULL ELSE paused_until END
                   WHERE key = ?1";
        run(tx, sql, [service.0, count, tx.now.0])?;
    }
    Ok(())
}

/// Removes the row. While what its user received is unacknowledged it stays, done, so that it is not queued again.
fn finish(tx: &WriteTx, one: &FinishedPush) -> Result<()> {
    let sql = "DELETE FROM push_outbox WHERE user_key = ?1 AND seq = ?2 AND subscription_key = ?3
               AND (kind = 'test' OR seq <= (SELECT covered_seq FROM push_subscriptions WHERE key = ?3))";
    if run(tx, sql, row(one))? == 0 {
        let sql = "UPDATE push_outbox SET due_at = NULL WHERE user_key = ?1 AND seq = ?2 AND subscription_key = ?3";
        run(tx, sql, row(one))?;
    }
    Ok(())
}

/// The key of a row.
fn row(one: &FinishedPush) -> [i64; 3] {
    [one.key.user.0, one.key.seq, one.key.subscription.0]
}

/// Whether `due_at` is unchanged since the row was read.
fn unchanged(tx: &WriteTx, one: &FinishedPush) -> Result<bool> {
    let [user, seq, subscription] = row(one);
    let sql = "SELECT 1 FROM push_outbox
               WHERE user_key = ?1 AND seq = ?2 AND subscription_key = ?3 AND due_at = ?4";
    let params = [user, seq, subscription, one.due_at.0];
    Ok(first(tx, sql, params, |_| Ok(()))?.is_some())
}

fn put_off(tx: &WriteTx, one: &FinishedPush, at: Time, tried: i64) -> Result<()> {
    let [user, seq, subscription] = row(one);
    let sql = "UPDATE push_outbox SET tries = tries + ?5, due_at = ?4
               WHERE user_key = ?1 AND seq = ?2 AND subscription_key = ?3 AND due_at IS NOT NULL";
    run(tx, sql, [user, seq, subscription, at.0, tried]).map(drop)
}

fn delivered(tx: &WriteTx, one: &FinishedPush) -> Result<()> {
    finish(tx, one)?;
    delivery_status::set_pushed(tx, &one.key)?;
    let sql = format!("UPDATE push_subscriptions SET last_success_at = ?2, failing_since = NULL, throttled = 0, paused_until = NULL,
                      summary_at = iif(EXISTS (SELECT 1 FROM push_outbox WHERE user_key = ?4 AND subscription_key = ?1
                                           AND {COUNTED}), summary_at, NULL)
               WHERE key = ?1 AND (failing_since IS NOT NULL OR summary_at <= ?2 OR coalesce(last_success_at, 0) <= ?2 - ?3)");
    let [user, _, subscription] = row(one);
    run(tx, &sql, [subscription, tx.now.0, SUCCESS_AGE_MS, user]).map(drop)
}

/// What waits for a device becomes a summary at this time; what is urgent does not wait.
fn defer_device(tx: &WriteTx, one: &FinishedPush, at: Time) -> Result<()> {
    let [user, _, subscription] = row(one);
    let sql = "UPDATE push_subscriptions SET summary_at = ?2 WHERE key = ?1";
    run(tx, sql, [subscription, at.0])?;
    let sql = format!(
        "UPDATE push_outbox SET due_at = max(due_at, ?3) WHERE user_key = ?1 AND subscription_key = ?2 AND {COUNTED}"
    );
    run(tx, &sql, [user, subscription, at.0]).map(drop)
}

/// The device has a summary in place of all that waited for it at this time.
fn sum_up(tx: &WriteTx, one: &FinishedPush, at: Time) -> Result<()> {
    let [user, _, subscription] = row(one);
    let sql = format!(
        "SELECT seq FROM push_outbox WHERE user_key = ?1 AND subscription_key = ?2 AND {COUNTED}
         AND due_at <= ?3 AND created_at <= (SELECT summary_at FROM push_subscriptions WHERE key = ?2)"
    );
    let seqs: Vec<Seq> = all(tx, &sql, [user, subscription, at.0], |row| row.get(0))?;
    for seq in seqs {
        let mut summed = one.clone();
        summed.key.seq = seq;
        finish(tx, &summed)?;
        delivery_status::set_pushed(tx, &summed.key)?;
    }
    delivered(tx, one)
}

/// Puts off everything for the device: as long as its service asks for, and each time in a row for twice as long as the time before.
fn pause_device(tx: &WriteTx, one: &FinishedPush, asked: Option<Duration>) -> Result<()> {
    let [user, _, subscription] = row(one);
    let sql = "UPDATE push_subscriptions SET throttled = throttled + 1 WHERE key = ?1 RETURNING throttled";
    let times: Option<i64> = first(tx, sql, [subscription], |row| row.get(0))?;
    let doubled = THROTTLE.saturating_mul(1 << (times.unwrap_or(1).clamp(1, 8) - 1));
    let wait = doubled.max(asked.unwrap_or_default()).min(LONGEST_THROTTLE);
    let until = tx.now.0 + wait.as_millis() as i64;
    let sql = "UPDATE push_subscriptions SET paused_until = ?2 WHERE key = ?1";
    run(tx, sql, [subscription, until])?;
    let sql = "UPDATE push_outbox SET due_at = max(due_at, ?3)
               WHERE user_key = ?1 AND subscription_key = ?2 AND due_at IS NOT NULL";
    run(tx, sql, [user, subscription, until]).map(drop)
}

/// Pushes nothing more to the device, nor what waits for it.
fn stop_device(tx: &WriteTx, one: &FinishedPush) -> Result<()> {
    let [user, _, subscription] = row(one);
    let sql = "UPDATE push_subscriptions SET stopped_at = ?2 WHERE key = ?1";
    run(tx, sql, [subscription, tx.now.0])?;
    let sql = "DELETE FROM push_outbox WHERE user_key = ?1 AND subscription_key = ?2 AND due_at IS NOT NULL";
    run(tx, sql, [user, subscription]).map(drop)
}

/// The rows that wait for the subscription go with it.
fn gone(tx: &WriteTx, one: &FinishedPush) -> Result<()> {
    let sql = "UPDATE push_services SET failed = failed + 1 WHERE key = ?1";
    run(tx, sql, [one.service.0])?;
    // It may have another endpoint by now.
    let sql = "DELETE FROM push_subscriptions WHERE key = ?1 AND endpoint = ?2";
    run(tx, sql, params![one.key.subscription.0, one.endpoint]).map(drop)
}

fn failed(tx: &WriteTx, one: &FinishedPush, failure: &Failure) -> Result<()> {
    run(
        tx,
        "UPDATE push_services SET failed = failed + 1, last_error_at = ?2, last_status = ?3, last_error = ?4
         WHERE key = ?1",
        params![one.service.0, tx.now.0, failure.status, failure.text],
    )?;
    let sql =
        "UPDATE push_subscriptions SET failing_since = coalesce(failing_since, ?2) WHERE key = ?1";
    run(tx, sql, [one.key.subscription.0, tx.now.0]).map(drop)
}

fn pause(tx: &WriteTx, service: ServiceKey, until: Time, why: &str) -> Result<()> {
    let sql = "UPDATE push_services SET paused_until = ?2, paused_for = ?3
               WHERE key = ?1 AND (coalesce(paused_until, 0) < ?2 OR paused_until > ?2 + 3600000)";
    run(tx, sql, params![service.0, until.0, why]).map(drop)
}

/// Gives a push up after `tried` more attempts than were written down.
fn bury(tx: &WriteTx, one: &FinishedPush, tried: i64, failure: &Failure) -> Result<()> {
    let [user, seq, subscription] = row(one);
    let buried = run(
        tx,
        "INSERT INTO push_dead_letters (user_key, service_key, kind, seq, tries, status, reason, died_at)
         SELECT user_key, service_key, kind, seq, tries + ?4, ?5, ?6, ?7 FROM push_outbox
         WHERE user_key = ?1 AND seq = ?2 AND subscription_key = ?3 AND due_at IS NOT NULL",
        params![user, seq, subscription, tried, failure.status, failure.text, tx.now.0],
    )?;
    let sql = "UPDATE push_services SET dead = dead + ?2 WHERE key = ?1";
    run(tx, sql, [one.service.0, buried as i64])?;
    finish(tx, one)
}

/// After a restart: a key or a contact that was refused may have been mended. With another key, devices that knew another one than
/// the last may know this one.
pub fn resume_refused(connection: &Connection, public_key: &str) -> Result<()> {
    let sql = "INSERT INTO meta (name, value) VALUES ('vapid_public_key', ?1)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value <> excluded.value";
    if run(connection, sql, [public_key])? > 0 {
        run(
            connection,
            "UPDATE push_subscriptions SET stopped_at = NULL",
            [],
        )?;
    }
    let sql = "UPDATE push_services SET paused_until = NULL, paused_for = NULL WHERE paused_for = 'refused'";
    run(connection, sql, []).map(drop)
}

/// Forgets dead letters from before this time.
pub fn forget_dead(connection: &Connection, before: Time) -> Result<usize> {
    let sql = "DELETE FROM push_dead_letters WHERE died_at < ?1";
    run(connection, sql, [before.0])
}

/// Forgets services without rows or counts: anybody can make one up by subscribing, as far as hosts are allowed.
pub fn forget_unused(connection: &Connection) -> Result<usize> {
    let sql = "DELETE FROM push_services WHERE sent = 0
                 AND NOT EXISTS (SELECT 1 FROM push_subscriptions s WHERE s.service_key = push_services.key)
                 AND NOT EXISTS (SELECT 1 FROM push_outbox o WHERE o.service_key = push_services.key)
                 AND NOT EXISTS (SELECT 1 FROM push_dead_letters d WHERE d.service_key = push_services.key)";
    run(connection, sql, [])
}

/// How many pushes wait.
pub fn waiting(connection: &Connection) -> Result<i64> {
    let sql = "SELECT count(*) FROM push_outbox WHERE due_at IS NOT NULL";
    Ok(first(connection, sql, [], |row| row.get(0))?.unwrap_or(0))
}

/// A service's row and counts.
#[derive(Debug)]
pub struct ServiceRow {
    pub origin: String,
    pub subscriptions: i64,
    pub waiting: i64,
    pub sent: i64,
    pub failed: i64,
    pub dead: i64,
    pub last_success_at: Option<Time>,
    pub paused_until: Option<Time>,
    pub last_error: Option<(Time, Failure)>,
}

/// Every push service, the busiest first. Counts rows: for a page that a person opens.
pub fn list(connection: &Connection) -> Result<Vec<ServiceRow>> {
    let sql = "SELECT origin,
                      (SELECT count(*) FROM push_subscriptions s WHERE s.service_key = p.key),
                      (SELECT count(*) FROM push_outbox o WHERE o.service_key = p.key AND o.due_at IS NOT NULL),
                      sent, failed, dead, last_success_at, paused_until, last_error_at, last_status, last_error
               FROM push_services p ORDER BY sent DESC, key LIMIT 100";
    all(connection, sql, [], |row| {
        let time = |column| {
            let stored = row.get::<_, Option<i64>>(column);
            stored.map(|ms| ms.map(Time))
        };
        let error_at: Option<Time> = time(8)?;
        let failure = Failure {
            status: row.get(9)?,
            text: row.get::<_, Option<String>>(10)?.unwrap_or_default(),
        };
        Ok(ServiceRow {
            origin: row.get(0)?,
            subscriptions: row.get(1)?,
            waiting: row.get(2)?,
            sent: row.get(3)?,
            failed: row.get(4)?,
            dead: row.get(5)?,
            last_success_at: time(6)?,
            paused_until: time(7)?,
            last_error: error_at.map(|at| (at, failure)),
        })
    })
}

/// How many subscriptions are in which state.
pub fn states(connection: &Connection) -> Result<SubscriptionStates> {
    let sql =
        "SELECT count(*) FILTER (WHERE failing_since IS NULL AND last_success_at IS NOT NULL),
                      count(*) FILTER (WHERE failing_since IS NOT NULL),
                      count(*) FILTER (WHERE failing_since IS NULL AND last_success_at IS NULL)
               FROM push_subscriptions";
    let states = first(connection, sql, [], |row| {
        Ok(SubscriptionStates {
            working: row.get(0)?,
            failing: row.get(1)?,
            unused: row.get(2)?,
        })
    })?;
    Ok(states.unwrap_or_default())
}

/// A dead letter's row.
#[derive(Debug)]
pub struct DeadRow {
    pub user_id: UserId,
    pub user_name: String,
    pub origin: String,
    pub kind: String,
    pub seq: i64,
    pub tries: i64,
    pub failure: Failure,
    pub died_at: Time,
}

/// The newest dead letters.
pub fn dead_letters(connection: &Connection, limit: i64) -> Result<Vec<DeadRow>> {
    let sql = "SELECT u.id, u.name, p.origin, d.kind, d.seq, d.tries, d.status, d.reason, d.died_at
               FROM push_dead_letters d JOIN users u ON u.key = d.user_key
               JOIN push_services p ON p.key = d.service_key
               ORDER BY d.died_at DESC, d.key DESC LIMIT ?1";
    all(connection, sql, [limit], |row| {
        Ok(DeadRow {
            user_id: super::users::user_id(row, 0)?,
            user_name: row.get(1)?,
            origin: row.get(2)?,
            kind: row.get(3)?,
            seq: row.get(4)?,
            tries: row.get(5)?,
            failure: Failure {
                status: row.get(6)?,
                text: row.get(7)?,
            },
            died_at: Time(row.get(8)?),
        })
    })
}
