//! Statistics: stored by hour, shown to administrators, and sent to those who watch.

use crate::app::App;
use crate::error::Result;
use crate::model::events::Event;
use crate::model::stats::{Hour, HourStats, Now, Overview};
use crate::model::time::Time;
use crate::store::{accounts, push_services, stats};

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;
/// Adds what was counted since the last time to its hour. What cannot be written is kept for the next time.
pub async fn save(app: &App) -> Result<()> {
    let counted = app.metrics.hourly_stats.take();
    if counted.is_empty() {
        return Ok(());
    }
    let batch = counted.clone();
    let write = app.store.write(move |tx| {
        stats::add(tx, tx.now.0.div_euclid(HOUR_MS), &batch)?;
        Ok(())
    });
    write
        .await
        .inspect_err(|_| app.metrics.hourly_stats.put_back(counted))
}

pub async fn tell_watchers(app: &App) -> Result<()> {
    if app.hub.watched() {
        save(app).await?;
        app.hub
            .tell_watchers(&Event::Overview(now(app).await?.into()));
    }
    Ok(())
}

/// How things stand now.
pub async fn now(app: &App) -> Result<Now> {
    let at = app.now();
    let (people, pushes_waiting, hours) = app
        .store
        .read(move |c| {
            Ok((
                accounts::count(c)?,
                push_services::waiting(c)?,
                stats::since(c, at.0.div_euclid(HOUR_MS))?,
            ))
        })
        .await?;
    let mut hour = Hour::default();
    for (_, name, value) in hours {
        hour.add(&name, value);
    }
    Ok(Now {
        at,
        online: app.hub.online().len() as i64,
        people,
        pushes_waiting,
        hour,
    })
}

/// Now, and this many hours up to now.
pub async fn overview(app: &App, hours: i64) -> Result<Overview> {
    save(app).await?;
    let now = now(app).await?;
    let first = now.at.0.div_euclid(HOUR_MS) - hours + 1;
    let stored = app.store.read(move |c| stats::since(c, first)).await?;
    let mut hours: Vec<HourStats> = Vec::new();
    for (hour, name, value) in stored {
        let at = Time(hour * HOUR_MS);
        if hours.last().is_none_or(|last| last.at != at) {
            let hour = Hour::default();
            hours.push(HourStats { at, hour });
        }
        if let Some(last) = hours.last_mut() {
            last.hour.add(&name, value);
        }
    }
    Ok(Overview { now, hours })
}
