//! The audit log: who did what, when, from where.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::ids::UserId;
use super::keys::ApiKey;
use super::time::Time;

/// Who does something that is written down, and from where.
#[derive(Debug, Clone)]
pub struct AuditActor {
    /// `user:<id>`, `key:<id>` or `command line`.
    pub actor: String,
    pub address: Option<IpAddr>,
    /// The key, if it is a program of the school's.
    pub key: Option<Arc<ApiKey>>,
}

impl AuditActor {
    /// A user, by a request from this address.
    pub fn person(id: &UserId, address: Option<IpAddr>) -> Self {
        AuditActor {
            actor: format!("user:{id}"),
            address,
            key: None,
        }
    }

    /// Whether a person did it, on a page or the command line, and not a program with an API key.
    pub fn is_by_hand(&self) -> bool {
        self.key.is_none()
    }

    /// An actor by its label alone; the address is not known any more.
    pub fn label(actor: String) -> Self {
        AuditActor {
            actor,
            address: None,
            key: None,
        }
    }

    /// The server itself, of what came to it.
    pub fn server() -> Self {
        AuditActor {
            actor: "server".into(),
            address: None,
            key: None,
        }
    }

    /// The server itself, by the clock.
    pub fn schedule() -> Self {
        AuditActor {
            actor: "schedule".into(),
            address: None,
            key: None,
        }
    }

    /// A person with a shell on the server.
    pub fn command_line() -> Self {
        AuditActor {
            actor: "command line".into(),
            address: None,
            key: None,
        }
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    SetUp,
    LogIn,
    PersonAdded,
    PersonChanged,
    PersonDisabled,
    PersonEnabled,
    PersonLoggedOut,
    PasswordLinkMade,
    PasswordLinksMade,
    PasswordSet,
    SecondFactorSet,
    SecondFactorRemoved,
    IdentitiesSet,
    GuardiansSet,
    ChildrenSet,
    LogInFailed,
    LimitReached,
    NotificationSent,
    RosterImported,
    RosterExported,
    GroupAdded,
    GroupChanged,
    GroupRemoved,
    MembersChanged,
    AnnouncementMade,
    AnnouncementCancelled,
    KeyMade,
    KeyRevoked,
    BackupMade,
    BackupFetched,
    BackupRemoved,
    BackupRestored,
    DataImported,
    SettingsChanged,
    PolicyChanged,
    MailTested,
    PersonExported,
    PersonErased,
}

impl Action {
    pub fn as_str(self) -> &'static str {
        match self {
            Action::SetUp => "setup",
            Action::LogIn => "login",
            Action::PersonAdded => "person.add",
            Action::PersonChanged => "person.change",
            Action::PersonDisabled => "person.disable",
            Action::PersonEnabled => "person.enable",
            Action::PersonLoggedOut => "person.logout",
            Action::PasswordLinkMade => "password.link",
            Action::PasswordLinksMade => "password.links",
            Action::PasswordSet => "password.set",
            Action::SecondFactorSet => "second_factor.set",
            Action::SecondFactorRemoved => "second_factor.remove",
            Action::IdentitiesSet => "person.identities",
            Action::GuardiansSet => "person.guardians",
            Action::ChildrenSet => "person.children",
            Action::LogInFailed => "login.failed",
            Action::LimitReached => "limit.reached",
            Action::NotificationSent => "notification.send",
            Action::RosterImported => "roster.import",
            Action::RosterExported => "roster.export",
            Action::GroupAdded => "group.add",
            Action::GroupChanged => "group.change",
            Action::GroupRemoved => "group.remove",
            Action::MembersChanged => "group.members",
            Action::AnnouncementMade => "announcement.make",
            Action::AnnouncementCancelled => "announcement.cancel",
            Action::KeyMade => "key.make",
            Action::KeyRevoked => "key.revoke",
            Action::BackupMade => "backup.make",
            Action::BackupFetched => "backup.fetch",
            Action::BackupRemoved => "backup.remove",
            Action::BackupRestored => "backup.restore",
            Action::DataImported => "data.import",
            Action::SettingsChanged => "settings.change",
            Action::PolicyChanged => "policy.change",
            Action::MailTested => "mail.test",
            Action::PersonExported => "person.export",
            Action::PersonErased => "person.erase",
        }
    }
}

/// A line of the log.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditEntry)]
pub struct Entry {
    #[serde(skip)]
    pub key: i64,
    pub at: Time,
    /// `user:<id>`, `key:<id>` or `command line`.
    pub actor: String,
    /// The name that goes with it today.
    pub actor_name: Option<String>,
    /// The address that the request came from.
    pub address: Option<String>,
    /// What was done, `person.add` for instance.
    pub action: String,
    /// The id of what it was done to; empty where there is none.
    pub target: String,
    /// The name that goes with it today, of a person or a group.
    pub target_name: Option<String>,
    /// What else is to be known, for people to read.
    pub detail: String,
}
