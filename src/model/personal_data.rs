//! All that is stored of one person.

use serde::{Deserialize, Serialize};

use super::accounts::Account;
use super::audit::Entry;
use super::guardians::LinkView;
use super::mails::MailRecord;
use super::notifications::Notification;
use super::preferences::Preferences;
use super::sessions::SessionInfo;
use super::subscriptions::Device;
use super::time::Time;

/// What a user who asks for their data gets (GDPR, article 15), except for their messages, of which there may be many.
#[derive(Debug, Serialize)]
pub struct PersonalData {
    pub account: Option<Account>,
    /// Whose guardian they are, and who their guardians are.
    pub family: Family,
    pub push: Push,
    /// Where they are logged in.
    pub sessions: Vec<SessionInfo>,
    /// Mails to them in the last two weeks.
    pub mails: Vec<MailRecord>,
    /// Also those that they removed from their list.
    pub notifications: Vec<Notification>,
    /// Notifications and announcements that they sent.
    pub sent: Vec<Outgoing>,
    /// Lines of the audit log that name them.
    pub audit: Vec<Entry>,
}

/// Links between guardians and children.
#[derive(Debug, Serialize)]
pub struct Family {
    pub guardians: Vec<LinkView>,
    pub children: Vec<LinkView>,
}

/// What is pushed to them, and whereto.
#[derive(Debug, Serialize)]
pub struct Push {
    pub preferences: Preferences,
    pub devices: Vec<Device>,
}

/// Something that was sent to others.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outgoing {
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub message: String,
    pub link: Option<String>,
    pub created_at: Time,
}

/// What happens to the messages of a user whose data is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Messages {
    /// They stay with their recipients, without a name.
    #[default]
    Keep,
    Remove,
}
