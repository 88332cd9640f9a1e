//! What a user wants pushed, and when.

use std::sync::LazyLock;

use jiff::civil::{Date, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::language;
use super::notifications::{Type, Urgency};
use super::time::Time;
use crate::error::{Error, Result};
use crate::rule;

/// A person's preferences. `Default` is what stands for those who never set any: everything, at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Preferences {
    /// Whether anything is pushed.
    pub enabled: bool,
    /// Types of notification that are not pushed; `message` stands for chat messages.
    pub muted_types: Vec<String>,
    /// When all but what is urgent waits.
    pub quiet_hours: Option<QuietHours>,
    /// In which language the server writes to the person, as a tag (BCP 47); null: English.
    #[schema(example = "de")]
    pub language: Option<String>,
}

impl Default for Preferences {
    fn default() -> Self {
        Preferences {
            enabled: true,
            muted_types: Vec::new(),
            quiet_hours: None,
            language: None,
        }
    }
}

/// Preferences that change; what is left out stays as it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreferencesChange {
    enabled: Option<bool>,
    muted_types: Option<Vec<String>>,
    /// `null`: none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<QuietHours>)]
    quiet_hours: Option<Option<QuietHours>>,
    /// `null`: English.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    language: Option<Option<String>>,
}

/// A field that is there, be it `null`.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(de: D) -> Result<Option<T>, D::Error> {
    T::deserialize(de).map(Some)
}

impl PreferencesChange {
    /// # Errors
    /// [`Error::Invalid`] that names the field.
    pub fn apply(self, to: Preferences) -> Result<Preferences> {
        Preferences {
            enabled: self.enabled.unwrap_or(to.enabled),
            muted_types: self.muted_types.unwrap_or(to.muted_types),
            quiet_hours: self.quiet_hours.unwrap_or(to.quiet_hours),
            language: self.language.unwrap_or(to.language),
        }
        .checked()
    }
}

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

/// How a page in the background shows what arrives, so that it does what a push would do.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Display {
    /// Whether it shows anything now: not in quiet hours, and not for who wants no pushes.
    pub shows: bool,
    /// Types that it does not show; `message` stands for chat messages.
    pub muted_types: Vec<String>,
    /// Where a chat message leads; `{userId}` is its sender's id.
    pub message_link: String,
    /// What it says in place of every title and text; null: what arrived.
    pub instead: Option<Instead>,
}

/// What is shown where the content is not to be.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Instead {
    /// The title of a chat message.
    pub message: &'static str,
    /// The title of a notification.
    pub notification: &'static str,
    pub text: &'static str,
}

/// What preferences say of one push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    Now,
    /// Not before this.
    Later(Time),
    Never,
}

impl Preferences {
    const MUTED_MAX: usize = 100;
    const WINDOWS_MAX: usize = 20;

    /// # Errors
    /// [`Error::Invalid`] that names the field.
    pub fn checked(self) -> Result<Self> {
        if self.muted_types.len() > Self::MUTED_MAX {
            return Err(Error::invalid("mutedTypes", rule::too_many(100)));
        }
        for kind in &self.muted_types {
            Type::parse(kind).map_err(|_| Error::invalid("mutedTypes", rule::not_types()))?;
        }
        if let Some(quiet) = &self.quiet_hours {
            quiet.check()?;
        }
        if let Some(tag) = &self.language {
            language::check_tag(tag)?;
        }
        Ok(self)
    }

    /// Whether something of this type and urgency is to be pushed now.
    pub fn wish(&self, kind: &str, urgency: Urgency, now: Time) -> Wish {
        if !self.enabled || self.muted_types.iter().any(|muted| muted == kind) {
            return Wish::Never;
        }
        let quiet = self.quiet_hours.as_ref().and_then(|q| q.until(now));
        match quiet {
            Some(end) if urgency != Urgency::High => Wish::Later(end),
            _ => Wish::Now,
        }
    }
}

/// A zone by its name. Browsers give old names, too, which the system's database may lack: the one that comes with the program has
/// them.
fn zone(name: &str) -> Option<TimeZone> {
    static BUNDLED: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
    TimeZone::get(name).or_else(|_| BUNDLED.get(name)).ok()
}

impl QuietHours {
    fn check(&self) -> Result<()> {
        if zone(&self.time_zone).is_none() {
            let why = rule::not_a_time_zone();
            return Err(Error::invalid("quietHours.timeZone", why));
        }
        if self.windows.len() > Preferences::WINDOWS_MAX {
            return Err(Error::invalid("quietHours.windows", rule::too_many(20)));
        }
        for window in &self.windows {
            window.check()?;
        }
        Ok(())
    }

    /// The end of the window that `now` is in: the latest, where there are several.
    fn until(&self, now: Time) -> Option<Time> {
        let zone = zone(&self.time_zone)?;
        let instant = Timestamp::from_millisecond(now.0).ok()?;
        let today = instant.to_zoned(zone.clone()).date();
        let started = [Some(today), today.yesterday().ok()];
        let ends = started.into_iter().flatten().flat_map(|date| {
            let zone = &zone;
            self.windows
                .iter()
                .filter_map(move |window| window.on(date, zone))
                .filter(|(from, to)| (*from..*to).contains(&instant))
                .map(|(_, to)| Time(to.as_millisecond()))
        });
        ends.max()
    }
}

impl Window {
    fn check(&self) -> Result<()> {
        let (Some(from), Some(to)) = (minutes(&self.from), minutes(&self.to)) else {
            let why = rule::not_a_window();
            return Err(Error::invalid("quietHours.windows", why));
        };
        if from == to || from == 24 * 60 {
            let why = rule::empty_window();
            return Err(Error::invalid("quietHours.windows", why));
        }
        if self.days.is_empty() || self.days.len() > 7 {
            return Err(Error::invalid("quietHours.windows", rule::no_days()));
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        Time(text.parse::<Timestamp>().unwrap().as_millisecond())
    }

    fn nights(zone: &str, days: &[Day]) -> Preferences {
        Preferences {
            quiet_hours: Some(QuietHours {
                time_zone: zone.into(),
                windows: vec![Window {
                    days: days.into(),
                    from: "21:00".into(),
                    to: "07:00".into(),
                }],
            }),
            ..Default::default()
        }
        .checked()
        .unwrap()
    }

    const ALL: [Day; 7] = [
        Day::Mon,
        Day::Tue,
        Day::Wed,
        Day::Thu,
        Day::Fri,
        Day::Sat,
        Day::Sun,
    ];

    #[test]
    fn a_night_lasts_over_midnight_in_the_persons_own_time() {
        let p = nights("Europe/Berlin", &ALL);
        let wish = |at| p.wish("x", Urgency::Normal, time(at));
        assert_eq!(wish("2026-11-22T19:59:59Z"), Wish::Now);
        let morning = Wish::Later(time("2026-11-23T06:00:00Z"));
        assert_eq!(wish("2026-11-22T20:00:00Z"), morning);
        assert_eq!(wish("2026-11-23T05:59:59Z"), morning);
        assert_eq!(wish("2026-11-23T06:00:00Z"), Wish::Now);
        assert_eq!(
            p.wish("x", Urgency::High, time("2026-11-22T22:00:00Z")),
            Wish::Now
        );
    }

    #[test]
    fn a_window_belongs_to_the_day_on_which_it_begins() {
        // 2026-11-21 is a Saturday.
        let p = nights("UTC", &[Day::Sat]);
        let wish = |at| p.wish("x", Urgency::Normal, time(at));
        assert_eq!(wish("2026-11-21T03:00:00Z"), Wish::Now);
        assert_ne!(wish("2026-11-22T03:00:00Z"), Wish::Now);
        assert_eq!(wish("2026-11-22T23:00:00Z"), Wish::Now);
    }

    #[test]
    fn the_night_of_a_clock_change_ends_at_seven_all_the_same() {
        let p = nights("Europe/Berlin", &ALL);
        // Clocks go forward on 2026-03-29 and back on 2026-10-25.
        let wish = |at| p.wish("x", Urgency::Low, time(at));
        assert_eq!(
            wish("2026-03-29T00:30:00Z"),
            Wish::Later(time("2026-03-29T05:00:00Z"))
        );
        assert_eq!(
            wish("2026-10-25T00:30:00Z"),
            Wish::Later(time("2026-10-25T06:00:00Z"))
        );
    }

    #[test]
    fn a_whole_day_can_be_quiet() {
        let mut p = nights("UTC", &[Day::Sun]);
        let window = &mut p.quiet_hours.as_mut().unwrap().windows[0];
        (window.from, window.to) = ("00:00".into(), "24:00".into());
        let p = p.checked().unwrap();
        let wish = p.wish("x", Urgency::Normal, time("2026-11-22T12:00:00Z"));
        assert_eq!(wish, Wish::Later(time("2026-11-23T00:00:00Z")));
    }

    #[test]
    fn what_is_off_is_never_pushed_however_urgent() {
        let off = Preferences {
            enabled: false,
            ..Default::default()
        };
        let muted = Preferences {
            muted_types: vec!["message".into()],
            ..Default::default()
        };
        let now = time("2026-11-22T12:00:00Z");
        assert_eq!(off.wish("x", Urgency::High, now), Wish::Never);
        assert_eq!(muted.wish("message", Urgency::High, now), Wish::Never);
        assert_eq!(muted.wish("x", Urgency::Low, now), Wish::Now);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let with = |zone: &str, days: &[Day], from: &str, to: &str| {
            let windows = vec![Window {
                days: days.into(),
                from: from.into(),
                to: to.into(),
            }];
            let quiet_hours = Some(QuietHours {
                time_zone: zone.into(),
                windows,
            });
            Preferences {
                quiet_hours,
                ..Default::default()
            }
            .checked()
        };
        assert!(with("Europe/Berlin", &ALL, "21:00", "07:00").is_ok());
        for (zone, days, from, to) in [
            ("Mars/Olympus", &ALL[..], "21:00", "07:00"),
            ("../../etc/passwd", &ALL, "21:00", "07:00"),
            ("", &ALL, "21:00", "07:00"),
            ("UTC", &[], "21:00", "07:00"),
            ("UTC", &ALL, "21:00", "21:00"),
            ("UTC", &ALL, "24:00", "07:00"),
            ("UTC", &ALL, "9:00", "07:00"),
            ("UTC", &ALL, "21:60", "07:00"),
            ("UTC", &ALL, "21:00", "24:01"),
            ("UTC", &ALL, "-1:00", "+7:00"),
            ("UTC", &ALL, "ä:00", "07:00"),
        ] {
            assert!(with(zone, days, from, to).is_err(), "{zone} {from} {to}");
        }
    }
}
