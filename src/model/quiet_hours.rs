//! The hours in which a user is not to be disturbed, on the clock of their place.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::days::zone;
use super::time::Time;
use crate::error::{Error, Result};
use crate::rule;

/// The most windows that quiet hours have.
const WINDOWS_MAX: usize = 20;

/// Windows of the week in the person's own time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuietHours {
    /// A name of the IANA time zone database, for example `Europe/Berlin`.
    pub time_zone: String,
    pub windows: Vec<Window>,
}

/// From one time of day to another, on the days on which it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    pub days: Vec<Day>,
    /// `HH:MM`.
    #[schema(example = "21:00")]
    pub from: String,
    /// `HH:MM`, up to `24:00`. What is not after `from` is on the day after.
    #[schema(example = "07:00")]
    pub to: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    pub const ALL: [Day; 7] = [
        Day::Mon,
        Day::Tue,
        Day::Wed,
        Day::Thu,
        Day::Fri,
        Day::Sat,
        Day::Sun,
    ];

    fn of(weekday: Weekday) -> Self {
        match weekday {
            Weekday::Monday => Day::Mon,
            Weekday::Tuesday => Day::Tue,
            Weekday::Wednesday => Day::Wed,
            Weekday::Thursday => Day::Thu,
            Weekday::Friday => Day::Fri,
            Weekday::Saturday => Day::Sat,
            Weekday::Sunday => Day::Sun,
        }
    }
}

impl QuietHours {
    pub(super) fn check(&self) -> Result<()> {
        if zone(&self.time_zone).is_none() {
            let why = rule::not_a_time_zone();
            return Err(Error::invalid("quietHours.timeZone", why));
        }
        if self.windows.len() > WINDOWS_MAX {
            return Err(Error::invalid("quietHours.windows", rule::too_many(20)));
        }
        for window in &self.windows {
            let within = |why| Error::invalid("quietHours.windows", why);
            window.check().map_err(within)?;
        }
        Ok(())
    }

    /// The end of the window that `now` is in: the latest, where there are several.
    pub(super) fn until(&self, now: Time) -> Option<Time> {
        let zone = zone(&self.time_zone)?;
        let ends = self
            .windows
            .iter()
            .filter_map(|window| window.until(now, &zone));
        ends.max()
    }
}

impl Window {
    /// # Errors
    /// The rule that it breaks.
    pub fn check(&self) -> std::result::Result<(), rule::Rule> {
        let (Some(from), Some(to)) = (minutes(&self.from), minutes(&self.to)) else {
            return Err(rule::not_a_window());
        };
        if from == to || from == 24 * 60 {
            return Err(rule::empty_window());
        }
        if self.days.is_empty() || self.days.len() > 7 {
            return Err(rule::no_days());
        }
        Ok(())
    }

    /// Its end, where `now` is in it, by the clock of this zone.
    pub fn until(&self, now: Time, zone: &TimeZone) -> Option<Time> {
        let instant = Timestamp::from_millisecond(now.0).ok()?;
        let today = instant.to_zoned(zone.clone()).date();
        let started = [Some(today), today.yesterday().ok()].into_iter().flatten();
        let ends = started
            .filter_map(|date| self.on(date, zone))
            .filter(|(from, to)| (*from..*to).contains(&instant))
            .map(|(_, to)| Time(to.as_millisecond()));
        ends.max()
    }

    /// Its beginning and end, if it begins on this date.
    fn on(&self, date: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        if !self.days.contains(&Day::of(date.weekday())) {
            return None;
        }
        let (from, to) = (minutes(&self.from)?, minutes(&self.to)?);
        let end_date = if to > from {
            date
        } else {
            date.tomorrow().ok()?
        };
        Some((at(date, from, zone)?, at(end_date, to, zone)?))
    }
}

/// A time of day on a date; one that the clock skips or repeats is the one that a calendar would take.
fn at(date: Date, minutes: i32, zone: &TimeZone) -> Option<Timestamp> {
    let civil = date.at(0, 0, 0, 0).checked_add(minutes.minutes()).ok()?;
    Some(civil.to_zoned(zone.clone()).ok()?.timestamp())
}

/// The minutes of `HH:MM`.
fn minutes(text: &str) -> Option<i32> {
    let (hours, minutes) = text.split_once(':')?;
    if hours.len() != 2
        || minutes.len() != 2
        || !text.bytes().all(|b| b.is_ascii_digit() || b == b':')
    {
        return None;
    }
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= 24 * 60).then_some(total)
}
