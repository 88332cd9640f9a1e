//! What a user wants pushed, and when.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::ids::UserId;
use super::language;
use super::notifications::{Type, Urgency};
pub use super::quiet_hours::{Day, QuietHours, Window};
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
    /// Whether others see when the person is online, and when they were last seen; null: as the school has it for their role.
    pub show_online: Option<bool>,
}

impl Default for Preferences {
    fn default() -> Self {
        Preferences {
            enabled: true,
            muted_types: Vec::new(),
            quiet_hours: None,
            language: None,
            show_online: None,
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
    /// `null`: as the school has it for their role.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<bool>)]
    show_online: Option<Option<bool>>,
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
            show_online: self.show_online.unwrap_or(to.show_online),
        }
        .checked()
    }
}

/// How a page in the background shows what arrives, so that it does what a push would do.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Display {
    /// Whether it shows anything now: not in quiet hours, and not for a user who wants no pushes.
    pub shows: bool,
    /// Types that it does not show; `message` stands for chat messages.
    pub muted_types: Vec<String>,
    /// Users whose messages it does not show.
    pub muted_partners: Vec<UserId>,
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

/// What preferences say about one push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    Now,
    /// Not before this.
    Later(Time),
    Never,
}

impl Preferences {
    const MUTED_MAX: usize = 100;

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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

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
