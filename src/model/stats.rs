//! What an administrator sees at a glance.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::time::Time;

/// What is counted one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Chat messages.
    Message,
    /// Notifications, one for each recipient.
    Notification,
    /// Sent to an open socket.
    Live,
    /// Handed to push services.
    Pushed,
    /// Neither: no socket, no device.
    Missed,
}

impl Count {
    /// In the order of the variants.
    pub const ALL: [Count; 5] = [
        Count::Message,
        Count::Notification,
        Count::Live,
        Count::Pushed,
        Count::Missed,
    ];

    /// The name under which it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Count::Message => "message",
            Count::Notification => "notification",
            Count::Live => "live",
            Count::Pushed => "pushed",
            Count::Missed => "missed",
        }
    }
}

/// How things stand at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Now {
    pub at: Time,
    /// People with an open socket.
    pub online: i64,
    /// People who are not disabled.
    pub people: i64,
    /// Pushes that wait to be sent.
    pub pushes_waiting: i64,
    /// Of the hour so far, what is not written down yet included.
    pub hour: Hour,
}

/// How the pushes to one service went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ServiceAnswers {
    pub sent: i64,
    pub failed: i64,
}

/// What happened in an hour.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Hour {
    /// Chat messages that were sent.
    pub messages: i64,
    /// Notifications, one for each recipient.
    pub notifications: i64,
    /// Of both: sent to an open socket.
    pub live: i64,
    /// Left to push services.
    pub pushed: i64,
    /// Neither: no socket, no device.
    pub missed: i64,
    /// How many were accepted within so many milliseconds (and more than the class before): `{"5": 12}`.
    pub latency: BTreeMap<u32, i64>,
    /// Answers of push services, by their owner's name.
    pub services: BTreeMap<String, ServiceAnswers>,
}

impl Hour {
    /// Adds a stored figure; a name that is not known, after a downgrade for instance, is left out.
    pub fn add(&mut self, name: &str, value: i64) {
        let counted = Count::ALL.iter().find(|count| count.as_str() == name);
        match counted {
            Some(Count::Message) => self.messages += value,
            Some(Count::Notification) => self.notifications += value,
            Some(Count::Live) => self.live += value,
            Some(Count::Pushed) => self.pushed += value,
            Some(Count::Missed) => self.missed += value,
            None => self.add_class(name, value),
        }
    }

    fn service(&mut self, name: &str) -> &mut ServiceAnswers {
        self.services.entry(name.to_owned()).or_default()
    }

    fn add_class(&mut self, name: &str, value: i64) {
        if let Some(service) = name.strip_prefix("push.sent.") {
            self.service(service).sent += value;
        } else if let Some(service) = name.strip_prefix("push.failed.") {
            self.service(service).failed += value;
        } else if let Some(ms) = name.strip_prefix("latency.").and_then(|ms| ms.parse().ok()) {
            *self.latency.entry(ms).or_default() += value;
        }
    }
}

/// An hour that something happened in.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = HourFigures)]
pub struct HourStats {
    /// Its beginning.
    pub at: Time,
    #[serde(flatten)]
    pub hour: Hour,
}

/// Now, and the previous hours.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Overview {
    pub now: Now,
    /// Oldest first; an hour in which nothing happened is left out.
    pub hours: Vec<HourStats>,
}
