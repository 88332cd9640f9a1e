//! Figures: written down by hour, shown to administrators, and sent to those who watch.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::app::App;
use crate::error::Result;
use crate::model::events::Event;
use crate::model::figures::{Hour, HourFigures, Now, Overview};
use crate::model::time::Time;
use crate::store::{accounts, figures, push_services};

/// Milliseconds of an hour.
const HOUR: i64 = 3_600_000;
/// How often watchers are told, and how often what was counted is written down.
const TELL: Duration = Duration::from_secs(2);
const SAVE: Duration = Duration::from_secs(15);

/// Writes down what is counted, and tells those who watch how things stand.
pub async fn work(app: App) {
    let every = |period| {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    };
    let (mut tell, mut save) = (every(TELL), every(SAVE));
    loop {
        let outcome = tokio::select! {
            _ = tell.tick() => tell_watchers(&app).await,
            _ = save.tick() => write_down(&app).await,
            () = app.stopping.cancelled() => break,
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, "figures were not seen to");
        }
    }
    if let Err(error) = write_down(&app).await {
        tracing::warn!(%error, "the last figures were not written down");
    }
}

/// Adds what was counted since the last time to its hour. What cannot be written now is counted on.
pub async fn write_down(app: &App) -> Result<()> {
    let counted = app.metrics.tally.take();
    if counted.is_empty() {
        return Ok(());
    }
    let batch = counted.clone();
    let write = app.store.write(move |tx| {
        figures::add(tx, tx.now.0.div_euclid(HOUR), &batch)?;
        Ok(())
    });
    write
        .await
        .inspect_err(|_| app.metrics.tally.put_back(counted))
}

async fn tell_watchers(app: &App) -> Result<()> {
    if app.hub.watched() {
        write_down(app).await?;
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
                figures::since(c, at.0.div_euclid(HOUR))?,
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
    write_down(app).await?;
    let now = now(app).await?;
    let first = now.at.0.div_euclid(HOUR) - hours + 1;
    let stored = app.store.read(move |c| figures::since(c, first)).await?;
    let mut hours: Vec<HourFigures> = Vec::new();
    for (hour, name, value) in stored {
        let at = Time(hour * HOUR);
        if hours.last().is_none_or(|last| last.at != at) {
            let hour = Hour::default();
            hours.push(HourFigures { at, hour });
        }
        if let Some(last) = hours.last_mut() {
            last.hour.add(&name, value);
        }
    }
    Ok(Overview { now, hours })
}
