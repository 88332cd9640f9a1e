//! Mails: what is to be sent, and what came of it.

use serde::Serialize;
use utoipa::ToSchema;

use super::ids::{UserId, UserKey};
use super::safeguarding::news::News;
use super::time::Time;

/// What a mail is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MailKind)]
pub enum Kind {
    /// A one-time link from the office.
    PasswordLink,
    /// A one-time link that its owner asked for.
    ForgottenPassword,
    /// What safeguarding leads are told, or the address outside of the school.
    Safeguarding,
}

impl Kind {
    pub const ALL: [Kind; 3] = [
        Kind::PasswordLink,
        Kind::ForgottenPassword,
        Kind::Safeguarding,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Kind::PasswordLink => "password_link",
            Kind::ForgottenPassword => "forgotten_password",
            Kind::Safeguarding => "safeguarding",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Where the sending of a mail failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = MailStage)]
pub enum Stage {
    /// The SMTP server cannot be reached, or the connection was lost.
    Connection,
    /// Its certificate is not trusted, or it has no TLS.
    Tls,
    /// It does not let this server in.
    Login,
    /// It takes nothing from `mail.from`.
    Sender,
    /// It does not take the recipient's address, or there is none that can be used.
    Recipient,
    /// It does not take the text.
    Content,
}

impl Stage {
    const ALL: [Stage; 6] = [
        Stage::Connection,
        Stage::Tls,
        Stage::Login,
        Stage::Sender,
        Stage::Recipient,
        Stage::Content,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Connection => "connection",
            Stage::Tls => "tls",
            Stage::Login => "login",
            Stage::Sender => "sender",
            Stage::Recipient => "recipient",
            Stage::Content => "content",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == text)
    }
}

/// Why a mail was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = MailFailure)]
pub struct Failure {
    pub stage: Stage,
    /// The SMTP reply code (RFC 5321 section 4.2), if there was a reply.
    pub code: Option<u16>,
    /// What the server said, or what went wrong.
    pub said: String,
    /// Whether the server had taken the sender before: what came then may have to do with this mail.
    #[serde(skip)]
    pub had_begun: bool,
}

/// The longest text of a failure that is kept, in characters.
const MAX_SAID: usize = 300;

impl Failure {
    pub fn new(stage: Stage, code: Option<u16>, said: &str) -> Self {
        let said = said.trim().chars();
        let said = said.map(|c| if c.is_control() { ' ' } else { c });
        Failure {
            stage,
            code,
            said: said.take(MAX_SAID).collect(),
            had_begun: false,
        }
    }

    /// As one that came once the server had taken the sender.
    pub fn begun(self) -> Self {
        Failure {
            had_begun: true,
            ..self
        }
    }

    /// Whether it has to do with this mail alone: the server takes others.
    pub fn is_of_mail(&self) -> bool {
        // 421: the server is going down, whatever it was asked (RFC 5321 section 3.8).
        matches!(self.stage, Stage::Recipient | Stage::Content) && self.code != Some(421)
    }

    /// Whether another attempt would end the same way (RFC 5321 section 4.2.1).
    pub fn is_permanent(&self) -> bool {
        self.code.is_none_or(|code| code >= 500)
    }
}

/// A mail whose time has come.
#[derive(Debug, Clone)]
pub struct DueMail {
    pub key: i64,
    pub id: String,
    pub kind: Kind,
    /// `None`: the address outside of the school.
    pub user: Option<UserKey>,
    /// Of [`Kind::Safeguarding`].
    pub news: Option<News>,
    /// How often it was tried before.
    pub attempts: u32,
    pub expires_at: Time,
}

/// To whom a mail goes, as they are now.
#[derive(Debug, Clone)]
pub struct Recipient {
    pub name: String,
    pub username: String,
    pub email: String,
    /// A tag (BCP 47), where they have chosen one.
    pub language: Option<String>,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Sent,
    /// To be tried again then.
    Later(Time, Failure),
    /// Given up.
    Dead(Failure),
    /// There is nothing to be sent any more: the link is used or replaced, or the address is somebody else's too.
    Dropped,
}

/// A mail that was given up.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DeadMail {
    pub kind: Kind,
    /// `null`: `safeguarding.external`.
    pub user: Option<MailUser>,
    pub at: Time,
    pub failure: Failure,
}

/// A mail to a user, for a copy of their data.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MailRecord {
    pub kind: Kind,
    pub created_at: Time,
    /// `waiting`, `sent`, `dead` or `dropped`.
    pub state: String,
    /// What the mail server said to the last attempt that failed.
    pub said: Option<String>,
}

/// The user a mail was for.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MailUser {
    pub id: UserId,
    pub name: String,
}

/// That nothing is sent for now, since the server takes nothing.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = MailPause)]
pub struct Pause {
    /// When it is tried again.
    pub until: Time,
    pub failure: Failure,
}

/// How mail stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MailReport {
    /// The SMTP server; `null` where none is configured.
    pub server: Option<String>,
    pub from: Option<String>,
    pub waiting: u32,
    /// In the last two weeks.
    pub sent: u32,
    pub pause: Option<Pause>,
    /// Mails that were given up in the last two weeks, the newest first, at most 200.
    pub dead: Vec<DeadMail>,
}

/// What came of a test.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MailTest {
    /// Whether the SMTP server took the mail.
    pub sent: bool,
    pub failure: Option<Failure>,
}
