//! All that is stored of one person.

use serde::Serialize;

use super::accounts::Account;
use super::audit::Entry;
use super::messages::Message;
use super::notifications::Notification;
use super::preferences::Preferences;
use super::subscriptions::Device;

/// What somebody gets who asks for their data (GDPR, article 15).
#[derive(Debug, Serialize)]
pub struct PersonalData {
    pub account: Option<Account>,
    pub preferences: Preferences,
    pub devices: Vec<Device>,
    /// By them and to them, the oldest first.
    pub messages: Vec<Message>,
    pub notifications: Vec<Notification>,
    /// Lines of the audit log that name them.
    pub audit: Vec<Entry>,
}

/// What becomes of the messages that somebody wrote whose data is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Messages {
    /// They stay with those who got them, without a name.
    #[default]
    Keep,
    Remove,
}
