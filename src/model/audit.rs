//! The audit log: who did what, when, from where.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::ids::UserId;
use super::keys::ApiKey;
use super::text::hex;
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
    ErasureDeferred,
    DutyGranted,
    DutyConfirmed,
    DutySuspended,
    DutyRevoked,
    MessageRemoved,
    ReportMade,
    ReportLooked,
    ReportChanged,
    ReportExported,
    ReviewAsked,
    ReviewApproved,
    ReviewLooked,
    ReviewTold,
    HoldMade,
    HoldEnded,
    OrderMade,
    OrderRemoved,
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
            Action::ErasureDeferred => "person.erase_later",
            Action::DutyGranted => "duty.grant",
            Action::DutyConfirmed => "duty.confirm",
            Action::DutySuspended => "duty.suspend",
            Action::DutyRevoked => "duty.revoke",
            Action::MessageRemoved => "message.remove",
            Action::ReportMade => "report.make",
            Action::ReportLooked => "report.look",
            Action::ReportChanged => "report.change",
            Action::ReportExported => "report.export",
            Action::ReviewAsked => "review.ask",
            Action::ReviewApproved => "review.approve",
            Action::ReviewLooked => "review.look",
            Action::ReviewTold => "review.tell",
            Action::HoldMade => "hold.make",
            Action::HoldEnded => "hold.end",
            Action::OrderMade => "no_contact.make",
            Action::OrderRemoved => "no_contact.remove",
        }
    }
}

/// The hash of a line and of all lines before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChainHash([u8; 32]);

impl ChainHash {
    /// What stands before the first line.
    pub const START: ChainHash = ChainHash([0; 32]);

    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        ChainHash(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// In hexadecimal.
impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is hashed of a line.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    pub key: i64,
    pub at: Time,
    pub actor: &'a str,
    pub address: Option<&'a str>,
    pub action: &'a str,
    pub target: &'a str,
    pub detail: &'a str,
}

impl Line<'_> {
    /// SHA-256 of eight netstrings (D. J. Bernstein: the length in bytes, a colon, the bytes, a comma): the hash of the line before in
    /// hexadecimal, the line's number, its time in Unix milliseconds, actor, address (empty where there is none), action, target and
    /// detail.
    pub fn hash(&self, previous: &ChainHash) -> ChainHash {
        let mut hash = Sha256::new();
        for part in [
            &previous.to_string(),
            &self.key.to_string(),
            &self.at.0.to_string(),
            self.actor,
            self.address.unwrap_or_default(),
            self.action,
            self.target,
            self.detail,
        ] {
            hash.update(format!("{}:{part},", part.len()));
        }
        ChainHash(hash.finalize().into())
    }
}

/// A line's number and its hash: a later look at the log shows whether it is still there, with all that came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Anchor {
    pub line: i64,
    /// In hexadecimal.
    #[schema(value_type = String)]
    #[serde(serialize_with = "as_text")]
    pub hash: ChainHash,
}

fn as_text<S: serde::Serializer>(hash: &ChainHash, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(hash)
}

/// `<line>:<hash>`.
impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.hash)
    }
}

impl FromStr for Anchor {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (line, hash) = text.split_once(':')?;
            let mut bytes = [0; 32];
            let is_hex = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
            for (at, byte) in bytes.iter_mut().enumerate().filter(|_| is_hex) {
                *byte = u8::from_str_radix(hash.get(at * 2..at * 2 + 2)?, 16).ok()?;
            }
            is_hex.then_some(Anchor {
                line: line.parse().ok()?,
                hash: ChainHash(bytes),
            })
        };
        parse().ok_or_else(|| "this is no anchor: LINE:HASH, as the log has it".to_owned())
    }
}

/// What a walk along the chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditChain)]
pub struct Chain {
    /// Lines that were looked at.
    pub lines: i64,
    /// The line before the first one: retention has removed it and those before.
    pub begins_after: Anchor,
    /// The newest line.
    pub ends_with: Anchor,
    /// The first line that is not as it was written.
    pub broken: Option<Broken>,
}

/// Where the chain breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AuditBreak)]
pub struct Broken {
    pub line: i64,
    pub why: BreakKind,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakKind {
    /// It, or the one before it, was changed, put in or moved.
    Changed,
    /// It is gone.
    Missing,
}

impl fmt::Display for BreakKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BreakKind::Changed => "was changed, put in or moved",
            BreakKind::Missing => "is missing",
        })
    }
}

/// A line of the log, as leads see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = SafeguardingAuditEntry)]
pub struct SafeguardingEntry {
    #[serde(flatten)]
    pub entry: Entry,
    /// The text whose salted hash stands in `detail`, unless it was erased.
    pub text: Option<String>,
    /// The salt of that hash, in hexadecimal.
    pub salt: Option<String>,
    /// The hash of the line before, in hexadecimal.
    #[schema(value_type = String)]
    #[serde(serialize_with = "as_text")]
    pub previous: ChainHash,
}

/// A line of the log.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditEntry)]
pub struct Entry {
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
    /// The hash of this line and the one before, in hexadecimal.
    #[schema(value_type = String)]
    #[serde(serialize_with = "as_text")]
    pub hash: ChainHash,
    /// The line's number.
    pub line: i64,
}
