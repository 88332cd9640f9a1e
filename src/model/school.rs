//! What is known of the school itself.

use jiff::tz::TimeZone;

use super::days::zone;
use super::text;
use crate::error::{Error, Result};
use crate::rule;

/// What administrators may set on the dashboard, as the configuration names it.
pub const SETTABLE: [&str; 4] = [
    "school.name",
    "school.short_address",
    "school.time_zone",
    "auth.second_factor_required",
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
}

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
            _ => return Err(Error::invalid(key, rule::unknown_field())),
        }
        Ok(())
    }
}
