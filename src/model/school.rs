//! What is known of the school itself.

use jiff::tz::TimeZone;

use super::days::zone;
use super::text;
use crate::error::{Error, Result};
use crate::rule;

/// What administrators may set on the dashboard, as the configuration names it.
pub const SETTABLE: [&str; 7] = [
    "school.name",
    "school.short_address",
    "school.time_zone",
    "auth.second_factor_required",
    "retention.messages",
    "retention.notifications",
    "retention.audit",
];

/// The longest name, and the longest address, in characters.
const MAX_TEXT: usize = 200;

/// The school.
#[derive(Debug, Clone)]
pub struct School {
    /// Its name, for slips and mails; may be empty.
    pub name: String,
    /// Where people log in, as it is printed; may be empty.
    pub short_address: String,
    pub time_zone: TimeZone,
    /// Whether administrators must have a second factor.
    pub second_factor_required: bool,
    pub retention: RetentionDays,
}

/// Days after which things are removed; 0: never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetentionDays {
    pub messages: u32,
    pub notifications: u32,
    pub audit: u32,
}

/// The longest retention, in days: a hundred years.
const MAX_DAYS: u32 = 36_500;
/// The shortest of the audit log that the dashboard takes: nobody is to remove what they did there by a setting.
const MIN_AUDIT_DAYS: u32 = 365;

impl School {
    /// Takes a value for one of [`SETTABLE`]; an empty one is that there is none.
    ///
    /// # Errors
    /// [`Error::Invalid`] on the key.
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let line = || match value.trim() {
            "" => Ok(String::new()),
            given => text::line(key, given, MAX_TEXT),
        };
        match key {
            "school.name" => self.name = line()?,
            "school.short_address" => self.short_address = line()?,
            "school.time_zone" if value.trim().is_empty() => self.time_zone = TimeZone::UTC,
            "school.time_zone" => {
                let unknown = || Error::invalid(key, rule::not_a_time_zone());
                self.time_zone = zone(value.trim()).ok_or_else(unknown)?;
            }
            "auth.second_factor_required" => {
                self.second_factor_required = match value.trim() {
                    "" | "false" => false,
                    "true" => true,
                    _ => return Err(Error::invalid(key, rule::not_a_value())),
                }
            }
            "retention.messages" => self.retention.messages = days(key, value, 1)?,
            "retention.notifications" => self.retention.notifications = days(key, value, 1)?,
            "retention.audit" => self.retention.audit = days(key, value, MIN_AUDIT_DAYS)?,
            _ => return Err(Error::invalid(key, rule::unknown_field())),
        }
        Ok(())
    }
}

/// A number of days, `min` or more; 0 or nothing is for ever.
fn days(key: &str, value: &str, min: u32) -> Result<u32> {
    match value.trim() {
        "" => Ok(0),
        text => match text.parse() {
            Ok(0) => Ok(0),
            Ok(days) if (min..=MAX_DAYS).contains(&days) => Ok(days),
            Ok(days) if days < min => Err(Error::invalid(key, rule::too_small(min as usize))),
            _ => Err(Error::invalid(key, rule::too_many(MAX_DAYS as usize))),
        },
    }
}
