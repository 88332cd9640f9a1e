//! Pushes: what waits to be sent, its outcome, and what an administrator sees of it.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use super::ids::{Id, Seq, UserId, UserKey};
use super::notifications::{NotificationKey, Urgency};
use super::preferences::Preferences;
use super::subscriptions::{PushKeys, SubscriptionKey};
use super::time::Time;
use super::users::Role;

/// How long a service or a device that asks for fewer pushes waits unless it names a time, and the longest time it may name.
pub const THROTTLE: Duration = Duration::from_secs(60);
pub const LONGEST_THROTTLE: Duration = Duration::from_secs(3_600);

/// A push service's row number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceKey(pub i64);

/// Which push: what a user got at a seq, to one of their subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PushKey {
    pub user: UserKey,
    pub seq: Seq,
    pub subscription: SubscriptionKey,
}

/// What is to be pushed to a user.
#[derive(Debug, Clone, Copy)]
pub enum Pushable {
    /// The chat message with this seq.
    Message,
    Notification(NotificationKey),
    /// That pushes work.
    Test,
}

/// What a push is about, read when it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    Message {
        id: Id,
        sender: UserId,
        sender_name: String,
        content: String,
    },
    Notification {
        id: Id,
        kind: String,
        title: String,
        message: String,
        link: Option<String>,
    },
    /// That more has arrived than a device gets in an hour.
    Summary {
        count: u32,
    },
    Test,
}

/// One push to one subscription whose time has come.
#[derive(Debug, Clone)]
pub struct DuePush {
    pub key: PushKey,
    pub service: ServiceKey,
    pub endpoint: String,
    pub keys: PushKeys,
    pub urgency: Urgency,
    /// Seconds, from `created_at`.
    pub ttl: u32,
    pub created_at: Time,
    /// When the device subscribed.
    pub subscribed_at: Time,
    pub due_at: Time,
    /// How many attempts failed.
    pub tries: u32,
    /// `None` when it has gone meanwhile.
    pub subject: Option<Subject>,
    pub preferences: Option<Preferences>,
    /// Who wrote the message.
    pub sender: Option<UserKey>,
    /// The role of the user.
    pub role: Role,
    /// Whether it goes through all quiet hours.
    pub emergency: bool,
    /// Until when it waits by the policy's quiet hours.
    pub quiet_until: Option<Time>,
    /// When the device gets a summary of what it had no room for.
    pub summary_at: Option<Time>,
    /// How many pushes of this device the summary stands for; 0 while there is none to come.
    pub waiting: u32,
}

impl DuePush {
    /// Seconds for which even something that must come at once or never is tried.
    pub const GRACE_SECONDS: u32 = 60;

    /// After this it is too late.
    pub fn expires_at(&self) -> Time {
        self.created_at
            .plus_seconds(self.ttl.max(Self::GRACE_SECONDS).into())
    }

    pub fn finished(self, outcome: PushOutcome) -> FinishedPush {
        FinishedPush {
            key: self.key,
            service: self.service,
            endpoint: self.endpoint,
            due_at: self.due_at,
            outcome,
        }
    }
}

/// An answer other than success, for people to read: its status, `None` without an answer, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub status: Option<u16>,
    pub text: String,
}

impl Failure {
    /// Of a push that was given up because its time had passed.
    pub fn too_late() -> Self {
        Failure {
            status: None,
            text: "expired".into(),
        }
    }
}

/// The outcome of a due push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushOutcome {
    /// The push service has it.
    Sent,
    /// The subscription does not exist any more.
    Gone,
    /// Try again at this time.
    Retry(Time, Failure),
    /// The service takes nothing before this time; the push does not count as tried.
    Throttled(Time, Failure),
    /// The service wants fewer pushes to this device, and none for this long, if it says.
    DeviceThrottled(Option<Duration>, Failure),
    /// The service knows the device by another key than ours.
    OtherKey(Failure),
    /// The service does not take our key or contact, until this time at least.
    Refused(Time, Failure),
    /// It will never be taken.
    Dead(Failure),
    /// It is too late.
    Expired,
    /// The push service has one push in place of all that waited for the device at this time.
    Summed(Time),
    /// The device has had its pushes of this hour: what waits for it becomes a summary at this time.
    OverBudget(Time),
    /// Its user is not to be disturbed before this time.
    Later(Time),
    /// Its user does not want it, or what it is about has gone.
    Dropped,
}

/// A due push and its outcome.
#[derive(Debug, Clone)]
pub struct FinishedPush {
    pub key: PushKey,
    pub service: ServiceKey,
    pub endpoint: String,
    /// As it was read.
    pub due_at: Time,
    pub outcome: PushOutcome,
}

/// What an admin sees of pushes.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushReport {
    /// The contact that push services are told (`push.subject`).
    pub subject: String,
    /// What is wrong with it, and what to do.
    pub subject_problem: Option<String>,
    pub subscriptions: SubscriptionStates,
    pub services: Vec<ServiceFigures>,
    /// The latest pushes that were given up, newest first.
    pub dead: Vec<DeadLetter>,
}

/// How many subscriptions there are, by what became of the last push to each.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct SubscriptionStates {
    /// The last push was taken.
    pub working: i64,
    /// The last push was not taken.
    pub failing: i64,
    /// None was sent yet.
    pub unused: i64,
}

/// One push service.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceFigures {
    /// `https://fcm.googleapis.com`.
    pub origin: String,
    /// Whose it is, for people.
    pub name: &'static str,
    pub subscriptions: i64,
    /// Pushes in the outbox.
    pub waiting: i64,
    /// Pushes that the service took.
    pub sent: i64,
    /// Attempts that it did not take.
    pub failed: i64,
    /// Pushes that were given up.
    pub dead: i64,
    pub last_success_at: Option<Time>,
    /// Nothing is sent before this.
    pub paused_until: Option<Time>,
    pub last_error: Option<ServiceError>,
}

/// The last answer of a push service other than success.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ServiceError {
    pub at: Time,
    /// HTTP status; null when no answer came.
    pub status: Option<u16>,
    /// What the service said.
    pub text: String,
    /// What it means and what to do.
    pub advice: String,
}

/// A push that was given up.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    pub user_id: UserId,
    pub user_name: String,
    /// Whose push service it was.
    pub service: &'static str,
    /// `message`, `notification` or `test`.
    pub kind: String,
    #[schema(value_type = i64)]
    pub seq: Seq,
    pub tries: i64,
    pub status: Option<u16>,
    /// What the service said.
    pub text: String,
    /// What it means and what to do.
    pub advice: String,
    pub died_at: Time,
}
