//! How many pushes a device gets in an hour: a phone must not ring all day, and push services throttle those who send more (FCM
//! documents 240 a minute for one device).

use std::collections::HashMap;

use crate::model::subscriptions::SubscriptionKey;
use crate::model::time::Time;

/// Pushes to one device within an hour; what is urgent is not counted.
const MAX_PER_HOUR: u32 = 60;
/// Milliseconds.
pub const HOUR_MS: i64 = 3_600_000;

/// What each device has had.
#[derive(Default)]
pub struct Budget {
    hours: HashMap<SubscriptionKey, Hour>,
    tidied: Option<Time>,
}

struct Hour {
    began: Time,
    sent: u32,
}

impl Budget {
    /// Counts one push.
    ///
    /// # Errors
    /// When the device's next hour begins, if it has had all of this one.
    pub fn take(&mut self, device: SubscriptionKey, now: Time) -> Result<(), Time> {
        // A clock that was set back ends the hour, too.
        let over = |hour: &Hour| !(0..HOUR_MS).contains(&(now.0 - hour.began.0));
        if self.tidied.is_none_or(|at| now.0 - at.0 >= HOUR_MS) {
            self.hours.retain(|_, hour| !over(hour));
            self.tidied = Some(now);
        }
        let fresh = || Hour {
            began: now,
            sent: 0,
        };
        let hour = self.hours.entry(device).or_insert_with(fresh);
        if over(hour) {
            *hour = fresh();
        }
        if hour.sent == MAX_PER_HOUR {
            return Err(Time(hour.began.0 + HOUR_MS));
        }
        hour.sent += 1;
        Ok(())
    }

    /// The last push that was counted did not reach the push service.
    pub fn give_back(&mut self, device: SubscriptionKey) {
        if let Some(hour) = self.hours.get_mut(&device) {
            hour.sent = hour.sent.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_gets_so_many_in_an_hour_and_others_are_not_asked() {
        let mut budget = Budget::default();
        let (phone, laptop) = (SubscriptionKey(1), SubscriptionKey(2));
        let began = Time(5_000);
        for _ in 0..MAX_PER_HOUR {
            assert_eq!(budget.take(phone, began), Ok(()));
        }
        let next = Time(began.0 + HOUR_MS);
        assert_eq!(budget.take(phone, Time(next.0 - 1)), Err(next));
        assert_eq!(budget.take(laptop, began), Ok(()));
        budget.give_back(phone);
        assert_eq!(budget.take(phone, began), Ok(()));
        assert_eq!(budget.take(phone, next), Ok(()));
        assert_eq!(budget.hours.len(), 1, "the others' hours are forgotten");
        assert_eq!(budget.take(phone, Time(0)), Ok(()), "a clock set back");
    }
}
