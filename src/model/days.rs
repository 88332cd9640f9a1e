//! Days of the calendar, on which facts about people begin and end.

use std::fmt;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use jiff::civil;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Serialize, Serializer};

use super::time::{Clock, Time};
use crate::error::{Error, Result};
use crate::rule;

/// A day, `2026-11-30` (RFC 3339 `full-date`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, utoipa::ToSchema)]
#[schema(value_type = String, format = "date")]
pub struct Date(civil::Date);

impl Date {
    pub fn parse(text: &str) -> Option<Self> {
        // Ten characters: no other form of ISO 8601.
        (text.len() == 10).then(|| text.parse().ok().map(Date))?
    }

    /// # Errors
    /// [`Error::Invalid`] on `field`.
    pub fn parse_field(field: &str, text: &str) -> Result<Self> {
        Date::parse(text.trim()).ok_or_else(|| Error::invalid(field, rule::not_a_day()))
    }

    /// The day after it; the calendar ends with the year 9999.
    pub fn next(self) -> Option<Self> {
        self.0.tomorrow().ok().map(Date)
    }

    pub fn previous(self) -> Option<Self> {
        self.0.yesterday().ok().map(Date)
    }

    /// The day that it is somewhere.
    pub fn at(time: Time, zone: &TimeZone) -> Self {
        let timestamp = jiff::Timestamp::from_millisecond(time.0).unwrap_or_default();
        Date(zone.to_datetime(timestamp).date())
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From one day to another, both included; without one, open-ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Days {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
}

impl Days {
    /// Reads two texts; an empty one stands for none.
    ///
    /// # Errors
    /// [`Error::Invalid`] on `from` or `until`, also where the last day is before the first.
    pub fn parse(from: Option<&str>, until: Option<&str>) -> Result<Self> {
        let day = |field, text: Option<&str>| {
            let text = text.filter(|text| !text.trim().is_empty());
            text.map(|text| Date::parse_field(field, text)).transpose()
        };
        let days = Days {
            from: day("from", from)?,
            until: day("until", until)?,
        };
        match (days.from, days.until) {
            (Some(from), Some(until)) if until < from => {
                Err(Error::invalid("until", rule::before_it_begins()))
            }
            _ => Ok(days),
        }
    }

    pub fn contains(self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day <= until)
    }

    /// The days that are in both; none, where that cannot be.
    pub fn and(self, other: Days) -> Option<Days> {
        let until = match (self.until, other.until) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        let both = Days {
            from: self.from.max(other.from),
            until,
        };
        let is_empty = matches!((both.from, both.until), (Some(from), Some(until)) if until < from);
        (!is_empty).then_some(both)
    }

    pub fn are_over(self, today: Date) -> bool {
        self.until.is_some_and(|until| until < today)
    }
}

/// A zone by its name. Browsers give old names, too, which the system's database may lack: the one that comes with the program has
/// them.
pub fn zone(name: &str) -> Option<TimeZone> {
    static BUNDLED: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
    TimeZone::get(name).or_else(|_| BUNDLED.get(name)).ok()
}

/// Which day it is at the school.
pub struct Calendar {
    clock: Arc<dyn Clock>,
    zone: RwLock<TimeZone>,
}

impl Calendar {
    /// In UTC, until it is told where.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Calendar {
            clock,
            zone: RwLock::new(TimeZone::UTC),
        }
    }

    pub fn today(&self) -> Date {
        let zone = self.zone.read().unwrap_or_else(PoisonError::into_inner);
        Date::at(self.clock.now(), &zone)
    }

    /// Date and time at the school, for people to read: `2026-11-23 14:05`.
    pub fn date_time(&self, at: Time) -> String {
        let zone = self.zone.read().unwrap_or_else(PoisonError::into_inner);
        let instant = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
        instant
            .to_zoned(zone.clone())
            .strftime("%Y-%m-%d %H:%M")
            .to_string()
    }

    /// From now on the school is there.
    pub fn move_to(&self, zone: TimeZone) {
        *self.zone.write().unwrap_or_else(PoisonError::into_inner) = zone;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_a_full_date() {
        for text in [
            "2026-02-30",
            "2026-2-3",
            "20260203",
            "2026-02-03T10:00",
            "",
            "today",
        ] {
            assert_eq!(Date::parse(text), None, "{text}");
        }
        assert_eq!(Date::parse("2028-02-29").unwrap().to_string(), "2028-02-29");
    }

    #[test]
    fn both_ends_are_included() {
        let day = |text| Date::parse(text).unwrap();
        let days = Days::parse(Some("2026-09-01"), Some("2027-07-31")).unwrap();
        for (text, expected) in [
            ("2026-08-31", false),
            ("2026-09-01", true),
            ("2027-07-31", true),
            ("2027-08-01", false),
        ] {
            assert_eq!(days.contains(day(text)), expected, "{text}");
        }
        assert!(Days::default().contains(day("1970-01-01")));
        let refused = Days::parse(Some("2026-09-02"), Some("2026-09-01"));
        assert_eq!(refused.unwrap_err().details()[0].field, "until");
    }

    #[test]
    fn a_day_begins_where_the_school_is() {
        let at = |zone: &str| {
            // 2026-11-22T23:30:00Z
            let zone = TimeZone::get(zone).unwrap();
            Date::at(Time(1_795_390_200_000), &zone).to_string()
        };
        assert_eq!(at("UTC"), "2026-11-22");
        assert_eq!(at("Europe/Berlin"), "2026-11-23");
    }
}
