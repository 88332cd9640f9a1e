//! Removes what is past its retention, at night and in slices, so that no request waits for it.

use jiff::tz::TimeZone;

use super::slices;
use crate::app::App;
use crate::error::Result;
use crate::model::time::Time;
use crate::store::retention::{Progress, Slice};
use crate::store::{WriteTx, clock, retention};

/// The hours in which it is done, on the clock of the place.
const NIGHT: std::ops::Range<i8> = 2..5;

const DAY_MS: i64 = 86_400_000;
/// A clock that has advanced by more than this since the last check has jumped, or the server was off for long.
const JUMP_MS: i64 = 14 * DAY_MS;
/// After this long it is believed.
const TRUSTED_AFTER_MS: i64 = 7 * DAY_MS;

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    pub messages: usize,
    /// Recipients of notifications.
    pub notifications: usize,
    pub audit: usize,
}

/// Whether the clock can be trusted: one that has jumped ahead is not, until it has run on for a week. Otherwise a wrong clock
/// would make everything too old.
///
/// # Errors
/// As those of a write.
pub async fn look_at_clock(app: &App) -> Result<bool> {
    app.store
        .write(|tx| {
            retention::mend_audit_limit(tx)?;
            let seen = match clock::last_seen(tx)? {
                Some(seen) => seen,
                // The first check of a database that was there before.
                None => clock::newest_record(tx)?.unwrap_or(tx.now),
            };
            let mut doubted = clock::doubted_since(tx)?;
            if tx.now.0 - seen.0 > JUMP_MS {
                tracing::warn!(
                    now = %tx.now, last = %seen,
                    "the clock jumped ahead: retention pauses for a week"
                );
                doubted = Some(tx.now);
            }
            // It was put back, or a week has gone by.
            doubted =
                doubted.filter(|since| (since.0..since.0 + TRUSTED_AFTER_MS).contains(&tx.now.0));
            clock::note(tx, tx.now, doubted)?;
            Ok(doubted.is_none())
        })
        .await
}

/// Removes at night what is too old, unless the clock is in doubt.
///
/// # Errors
/// As those of a write.
pub async fn purge_at_night(app: &App) -> Result<()> {
    if !look_at_clock(app).await? || !is_night(app.now(), TimeZone::system()) {
        return Ok(());
    }
    let removed = purge(app).await?;
    if removed != Removed::default() {
        tracing::info!(?removed, "retention removed old rows");
    }
    Ok(())
}

pub fn is_night(now: Time, zone: TimeZone) -> bool {
    let instant = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default();
    NIGHT.contains(&instant.to_zoned(zone).hour())
}

/// Removes what is too old now.
pub async fn purge(app: &App) -> Result<Removed> {
    let days = app.school.get().retention;
    Ok(Removed {
        messages: purge_walking(app, days.messages, retention::messages).await?,
        notifications: purge_walking(app, days.notifications, retention::notifications).await?,
        audit: purge_one(app, days.audit, retention::audit_lines).await?,
    })
}

/// As [`purge_one`], past what is held.
async fn purge_walking(
    app: &App,
    days: u32,
    remove: fn(&WriteTx, Time, i64, Slice) -> Result<Progress>,
) -> Result<usize> {
    if days == 0 {
        return Ok(0);
    }
    let before = Time(app.now().0 - i64::from(days) * DAY_MS);
    let (mut removed, mut after) = (0, 0);
    while !app.stopping.is_cancelled() {
        let progress =
            slices::write(app, move |tx, slice| remove(tx, before, after, slice)).await?;
        removed += progress.removed;
        after = progress.after;
        if progress.is_done {
            break;
        }
    }
    Ok(removed)
}

async fn purge_one(
    app: &App,
    days: u32,
    remove: fn(&WriteTx, Time, Slice) -> Result<usize>,
) -> Result<usize> {
    if days == 0 {
        return Ok(0);
    }
    let before = Time(app.now().0 - i64::from(days) * DAY_MS);
    let mut removed = 0;
    while !app.stopping.is_cancelled() {
        match slices::write(app, move |tx, slice| remove(tx, before, slice)).await? {
            0 => break,
            some => removed += some,
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_night_is_that_of_the_place() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text: &str| {
            let instant: jiff::Timestamp = text.parse().unwrap();
            is_night(Time(instant.as_millisecond()), zone.clone())
        };
        assert!(at("2026-11-23T01:30:00Z") && at("2026-11-23T03:59:59Z"));
        assert!(!at("2026-11-23T00:59:59Z") && !at("2026-11-23T04:00:00Z"));
    }
}
