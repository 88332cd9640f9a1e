//! Announcements: what an administrator tells many people, now or at a time, and how far it got.

use serde::Serialize;
use utoipa::ToSchema;

use super::audience::Audience;
use super::ids::{Id, UserId, UserKey};
use super::notifications::{Link, NotificationKey, Urgency};
use super::time::Time;
use super::users::Role;

/// An announcement to be made.
#[derive(Debug, Clone)]
pub struct NewAnnouncement {
    pub title: String,
    pub message: String,
    pub link: Option<Link>,
    pub urgency: Urgency,
    pub audience: Audience,
    /// `None`: now.
    pub send_at: Option<Time>,
    /// A name of the sender's own: the same one again makes no second announcement.
    pub idempotency_key: Option<String>,
}

/// Where an announcement is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its time has not come.
    Scheduled,
    /// Its recipients are being told.
    Sending,
    Sent,
    Cancelled,
}

/// An announcement as administrators see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Announcement {
    #[serde(skip)]
    pub key: i64,
    #[serde(skip)]
    pub notification: Option<NotificationKey>,
    pub id: Id,
    pub title: String,
    pub message: String,
    pub link: Option<String>,
    pub urgency: Urgency,
    /// Empty for a reminder: that goes to the people who have not read what it reminds of.
    pub audience: Audience,
    pub state: State,
    pub sender_name: Option<String>,
    pub created_at: Time,
    pub send_at: Time,
    pub reminder_of: Option<Id>,
    /// How many people it went to, once it is sent.
    pub recipients: Option<i64>,
}

/// How far a notification got with a user: the furthest stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "stage", rename_all = "lowercase")]
pub enum Stage {
    Read,
    /// A page of theirs, or an app, has it.
    Live {
        /// Left out where it is not known: delivered by an earlier version.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<LiveBy>,
    },
    /// A push service has taken it for one of their devices.
    Pushed,
    /// On its way: a page or a push service is still to confirm it.
    Waiting,
    /// No push service took it.
    Failed {
        why: Failed,
        /// Whose push service, `Apple` for instance.
        service: Option<String>,
    },
    /// There was nowhere to send it to.
    Nobody {
        why: Nobody,
    },
}

/// How a live delivery was confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LiveBy {
    /// The page, or the app, has confirmed it.
    Page,
    /// The connection was alive for ten minutes after it; the page itself never confirms anything.
    Link,
}

impl LiveBy {
    pub fn as_str(self) -> &'static str {
        match self {
            LiveBy::Page => "page",
            LiveBy::Link => "link",
        }
    }
}

/// Why a push failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Failed {
    /// The device does not exist any more.
    DeviceGone,
    /// The push service does not take this server's pushes, or not this one.
    Refused,
    /// It could not be delivered in its time.
    Expired,
}

/// Why there is nowhere to send it to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Nobody {
    /// No page open, no device that gets pushes.
    NoDevice,
    /// They do not want this pushed.
    NotificationsOff,
}

impl Failed {
    pub fn as_str(self) -> &'static str {
        match self {
            Failed::DeviceGone => "device_gone",
            Failed::Refused => "refused",
            Failed::Expired => "expired",
        }
    }
}

impl Nobody {
    pub fn as_str(self) -> &'static str {
        match self {
            Nobody::NoDevice => "no_device",
            Nobody::NotificationsOff => "notifications_off",
        }
    }
}

/// What is stored of a recipient.
#[derive(Debug, Clone)]
pub struct DeliveryFacts {
    pub user: UserKey,
    pub read_at: Option<Time>,
    pub delivered_at: Option<Time>,
    /// Whether the page confirmed that, and not just its connection.
    pub delivered_to_page: Option<bool>,
    pub pushed_at: Option<Time>,
    /// `gone`, `refused`, `expired`, `off`, `none`.
    pub failure: Option<String>,
    /// The origin of the push service that it failed at.
    pub failed_at: Option<String>,
    pub has_device: bool,
    /// A push is in the outbox.
    pub waiting: bool,
    /// The origin of a push service that it waits for and that refuses this server.
    pub refused_by: Option<String>,
}

impl DeliveryFacts {
    /// The furthest stage. `connected`: an open socket of theirs has it and did not confirm it yet. `recent`: it may yet be
    /// pushed, when what a socket was left turns out to be in doubt. `owner` says whose push service an origin is.
    pub fn stage(&self, connected: bool, recent: bool, owner: impl Fn(&str) -> String) -> Stage {
        let failed = |why, origin: &Option<String>| Stage::Failed {
            why,
            service: origin.as_deref().map(&owner),
        };
        if self.read_at.is_some() {
            return Stage::Read;
        }
        if self.delivered_at.is_some() {
            let by = self.delivered_to_page.map(|to_page| match to_page {
                true => LiveBy::Page,
                false => LiveBy::Link,
            });
            return Stage::Live { by };
        }
        if self.pushed_at.is_some() {
            return Stage::Pushed;
        }
        if connected {
            return Stage::Waiting;
        }
        if self.refused_by.is_some() {
            return failed(Failed::Refused, &self.refused_by);
        }
        match self.failure.as_deref() {
            _ if self.waiting => Stage::Waiting,
            Some("gone") => failed(Failed::DeviceGone, &self.failed_at),
            Some("refused") => failed(Failed::Refused, &self.failed_at),
            Some("expired") => failed(Failed::Expired, &self.failed_at),
            Some("off") => Stage::Nobody {
                why: Nobody::NotificationsOff,
            },
            None if recent && self.has_device => Stage::Waiting,
            _ => Stage::Nobody {
                why: Nobody::NoDevice,
            },
        }
    }
}

/// A recipient and how far it got with them.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recipient {
    #[serde(skip)]
    pub key: UserKey,
    pub user_id: UserId,
    pub name: String,
    pub role: Role,
    pub username: Option<String>,
    #[serde(flatten)]
    pub stage: Stage,
    pub read_at: Option<Time>,
    pub delivered_at: Option<Time>,
    pub pushed_at: Option<Time>,
}

/// How many recipients are at each stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct StageCounts {
    pub read: i64,
    pub live: i64,
    pub pushed: i64,
    pub waiting: i64,
    pub failed: i64,
    pub nobody: i64,
}

impl StageCounts {
    pub fn add(&mut self, stage: &Stage) {
        *match stage {
            Stage::Read => &mut self.read,
            Stage::Live { .. } => &mut self.live,
            Stage::Pushed => &mut self.pushed,
            Stage::Waiting => &mut self.waiting,
            Stage::Failed { .. } => &mut self.failed,
            Stage::Nobody { .. } => &mut self.nobody,
        } += 1;
    }
}

/// Which recipients to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StageFilter {
    Read,
    /// Everybody who has not read it.
    Unread,
    Live,
    Pushed,
    Waiting,
    Failed,
    Nobody,
}

impl StageFilter {
    pub fn takes(self, stage: &Stage) -> bool {
        match self {
            StageFilter::Read => matches!(stage, Stage::Read),
            StageFilter::Unread => !matches!(stage, Stage::Read),
            StageFilter::Live => matches!(stage, Stage::Live { .. }),
            StageFilter::Pushed => matches!(stage, Stage::Pushed),
            StageFilter::Waiting => matches!(stage, Stage::Waiting),
            StageFilter::Failed => matches!(stage, Stage::Failed { .. }),
            StageFilter::Nobody => matches!(stage, Stage::Nobody { .. }),
        }
    }
}

/// An announcement and how far it got.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Report {
    #[serde(flatten)]
    pub announcement: Announcement,
    pub stages: StageCounts,
}

/// The people of an audience.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AudiencePreview {
    pub count: usize,
    /// Some of them, by name.
    pub names: Vec<String>,
    /// Unknown ids.
    pub unknown: Vec<String>,
}
