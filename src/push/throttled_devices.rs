//! Whether a push service that throttles devices means this server.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::answers;
use crate::model::pushes::{FinishedPush, PushOutcome, ServiceKey};
use crate::model::subscriptions::SubscriptionKey;
use crate::model::time::Time;

/// With this many devices throttled within this time, a service means all of ours.
const THROTTLED_DEVICES: usize = 3;
const THROTTLED_WITHIN: Duration = Duration::from_secs(60);

/// The devices that each service has lately throttled, and when.
#[derive(Default)]
pub struct ThrottledDevices(HashMap<ServiceKey, HashMap<SubscriptionKey, Instant>>);

impl ThrottledDevices {
    /// A service that throttles several devices within a minute means us: then it is left alone as a whole.
    pub fn judge(&mut self, finished: FinishedPush, now: Time) -> FinishedPush {
        let PushOutcome::DeviceThrottled(asked, failure) = finished.outcome else {
            return finished;
        };
        let at = Instant::now();
        let throttled = self.0.entry(finished.service).or_default();
        throttled.retain(|_, since| at.duration_since(*since) < THROTTLED_WITHIN);
        throttled.insert(finished.key.subscription, at);
        let outcome = if throttled.len() < THROTTLED_DEVICES {
            PushOutcome::DeviceThrottled(asked, failure)
        } else {
            let until = Time(now.0 + answers::rest(asked).as_millis() as i64);
            PushOutcome::Throttled(until, failure)
        };
        FinishedPush {
            outcome,
            ..finished
        }
    }
}
