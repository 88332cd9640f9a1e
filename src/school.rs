//! The school as it is now: what the configuration says, and else what administrators set on the dashboard.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::tz::TimeZone;

use crate::config::Config;
use crate::model::days::Calendar;
use crate::model::school::{RetentionDays, SETTABLE, School};
use crate::store::policy;

/// Told when settings change, before the write is answered.
pub struct CurrentSchool {
    /// What the configuration says.
    configured: School,
    /// The keys that it sets: these are not the dashboard's to change.
    fixed: Vec<&'static str>,
    now: RwLock<Arc<School>>,
    calendar: Arc<Calendar>,
}

impl CurrentSchool {
    pub fn new(config: &Config, calendar: Arc<Calendar>) -> Self {
        let zone = config.school.time_zone.clone();
        let configured = School {
            name: config.school.name.clone(),
            short_address: config.school.short_address.clone(),
            time_zone: zone.map_or(TimeZone::UTC, |zone| zone.0),
            second_factor_required: config.auth.second_factor_required,
            retention: RetentionDays {
                messages: config.retention.messages,
                notifications: config.retention.notifications,
                audit: config.retention.audit,
            },
        };
        let is_set = |key: &&str| match *key {
            key if config.sources.contains_key(key) => true,
            "school.name" => !config.school.name.is_empty(),
            "school.short_address" => !config.school.short_address.is_empty(),
            "school.time_zone" => config.school.time_zone.is_some(),
            "retention.messages" => config.retention.messages > 0,
            "retention.notifications" => config.retention.notifications > 0,
            "retention.audit" => config.retention.audit > 0,
            _ => config.auth.second_factor_required,
        };
        CurrentSchool {
            fixed: SETTABLE.into_iter().filter(is_set).collect(),
            now: RwLock::new(Arc::new(configured.clone())),
            configured,
            calendar,
        }
    }

    pub fn get(&self) -> Arc<School> {
        self.now
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether the configuration sets a key.
    pub fn is_fixed(&self, key: &str) -> bool {
        self.fixed.contains(&key)
    }

    /// Takes the stored settings, all of them.
    pub fn apply(&self, settings: &BTreeMap<String, String>) {
        let mut school = self.configured.clone();
        for (key, value) in settings {
            // The policy is read where decisions are taken.
            if self.is_fixed(key) || key == policy::SETTING {
                continue;
            }
            // Parsed before it was stored; another version may know more keys.
            if let Err(error) = school.set(key, value) {
                tracing::warn!(key, %error, "setting ignored");
            }
        }
        self.calendar.move_to(school.time_zone.clone());
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(school);
    }
}
