//! Hours in which pushes and mails to some roles wait.

use jiff::tz::TimeZone;

use super::facts::Roles;
use super::rules::Policy;
use crate::model::time::Time;

impl Policy {
    /// Until when what comes for somebody with these roles waits: the latest end of the quiet hours that `now` is in, by the clock of
    /// the school.
    pub fn quiet_until(&self, roles: Roles, now: Time, zone: &TimeZone) -> Option<Time> {
        let quiet = self.quiet.iter().filter(|quiet| roles.meets(&quiet.to));
        quiet
            .filter_map(|quiet| quiet.window.until(now, zone))
            .max()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::Preset;
    use super::*;
    use crate::model::users::Role;

    #[test]
    fn pupils_are_left_in_peace_at_night() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text: &str| Time(text.parse::<Timestamp>().unwrap().as_millisecond());
        let policy = Preset::TeacherLed.policy();
        let until = |role, text| policy.quiet_until(Roles::of(&[role]), at(text), &zone);
        // 20:30 in Berlin, in winter.
        let morning = at("2026-11-24T06:00:00Z");
        assert_eq!(until(Role::Student, "2026-11-23T19:30:00Z"), Some(morning));
        assert_eq!(until(Role::Student, "2026-11-24T05:59:00Z"), Some(morning));
        assert_eq!(until(Role::Student, "2026-11-24T06:00:00Z"), None);
        assert_eq!(until(Role::Guardian, "2026-11-23T19:30:00Z"), None);
        let both = Roles::of(&[Role::Student, Role::Guardian]);
        assert_eq!(
            policy.quiet_until(both, at("2026-11-23T19:30:00Z"), &zone),
            Some(morning)
        );
    }
}
