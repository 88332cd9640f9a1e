//! People.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::{UserId, UserKey};
use super::policy::Can;
use super::safeguarding::duty::Duty;
use super::text;
use super::time::Time;
use crate::error::{Error, Result};
use crate::rule;

/// What a user is in the school.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Student,
    Teacher,
    Guardian,
    Staff,
    Admin,
}

impl Role {
    pub const ALL: [Role; 5] = [
        Role::Student,
        Role::Teacher,
        Role::Guardian,
        Role::Staff,
        Role::Admin,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Role::Student => "student",
            Role::Teacher => "teacher",
            Role::Guardian => "guardian",
            Role::Staff => "staff",
            Role::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The three fields of a person that stand in every message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Person {
    pub id: UserId,
    pub name: Arc<str>,
    pub avatar: Option<Arc<str>>,
}

/// A person as the store knows them. Never serialised: see [`UserView`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub key: UserKey,
    pub person: Arc<Person>,
    pub username: Option<String>,
    pub email: Option<String>,
    pub role: Role,
    pub disabled: bool,
    /// Our own tokens carry the version at which they were issued; an older one is refused.
    pub token_version: i64,
    /// `iat` of the token that name, e-mail and avatar were last taken from, in seconds.
    pub profile_at: i64,
    /// Tokens of other issuers must have been issued after this.
    pub tokens_after: Time,
    pub last_seen_at: Option<Time>,
    pub origin: Origin,
    /// Whether there ever was a password, or a link to set one.
    pub had_login: bool,
    /// Whether logging in takes a code beside the password.
    pub second_factor: bool,
    /// Whether others see when they are online; `None`: as the configuration has it for their role.
    pub show_online: Option<bool>,
    /// Whether they have a duty, in force or not: then no token of the school's app acts for them.
    pub has_duty: bool,
    /// Whether the role was set by an import or an administrator: then no token changes it.
    pub role_set: bool,
}

/// What others see in the place of the name of somebody who was erased.
pub const NOBODY: &str = "Former member";

/// How a user came to be here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// By a token of the school's own app.
    Token,
    /// By an import, or an API key.
    Import,
    /// By an administrator, or the command line.
    Hand,
}

impl Origin {
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Token => "token",
            Origin::Import => "import",
            Origin::Hand => "hand",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let all = [Origin::Token, Origin::Import, Origin::Hand];
        all.into_iter().find(|origin| origin.as_str() == text)
    }
}

/// A user as another issuer of tokens names them (RFC 7519 section 4.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ExternalIdentity {
    /// `iss` of their tokens; empty where these have none.
    pub issuer: String,
    /// The subject, as the token has it.
    pub subject: String,
}

impl User {
    pub fn id(&self) -> &UserId {
        &self.person.id
    }
}

/// A child, as others see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = Child)]
pub struct ChildView {
    pub id: UserId,
    pub name: String,
    /// Names of the classes that it is in.
    pub classes: Vec<String>,
}

/// Where somebody belongs, as far as the viewer may see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Affiliation {
    /// Names of the classes that they are in, or lead.
    pub classes: Vec<String>,
    /// Telephone numbers, which only the office sees.
    pub phones: Vec<String>,
    /// Whose guardian they are.
    pub children: Vec<ChildView>,
}

/// A person as clients see them.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = User)]
pub struct UserView {
    pub id: UserId,
    /// Only in one's own record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    pub name: Arc<str>,
    pub avatar: Option<Arc<str>>,
    pub role: Role,
    pub online: bool,
    pub last_seen_at: Option<Time>,
    /// What the caller may do with them now; not in one's own record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can: Option<Can>,
    /// Names of the classes that they are in, or lead; where the caller may see it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Whose guardian they are; where the caller may see it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<ChildView>,
    /// Telephone numbers; for administrators and staff alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phones: Vec<String>,
    /// What they do beside their role, as far as it is in force; only in one's own record.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub duties: Vec<Duty>,
    /// Of a safeguarding lead: what stands above a chat with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
}

impl UserView {
    /// As other people see `user`.
    pub fn new(user: &User, (online, last_seen_at): (bool, Option<Time>)) -> Self {
        UserView {
            id: user.person.id.clone(),
            username: None,
            name: user.person.name.clone(),
            avatar: user.person.avatar.clone(),
            role: user.role,
            online,
            last_seen_at,
            can: None,
            classes: Vec::new(),
            children: Vec::new(),
            phones: Vec::new(),
            duties: Vec::new(),
            notice: None,
        }
    }

    /// With where they belong, as far as it may be seen.
    pub fn with(mut self, affiliation: Option<Affiliation>) -> Self {
        let Affiliation {
            classes,
            children,
            phones,
        } = affiliation.unwrap_or_default();
        (self.classes, self.children, self.phones) = (classes, children, phones);
        self
    }

    /// As `user` sees themselves.
    pub fn own(user: &User, online: bool, duties: Vec<Duty>) -> Self {
        UserView {
            duties,
            username: user.username.clone(),
            ..Self::new(user, (online, user.last_seen_at))
        }
    }
}

/// What a user has not read yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Unread {
    pub messages: i64,
    pub notifications: i64,
}

/// The name that a user logs in with: 1–64 characters, no white space, compared by [`Username::key`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    pub const MAX: usize = 64;

    pub fn parse(text: &str) -> Result<Self> {
        let name = text::name("username", text, Self::MAX)?;
        if name.contains(char::is_whitespace) {
            return Err(Error::invalid("username", rule::no_spaces()));
        }
        if name.contains(text::is_ignorable) {
            let why = rule::no_invisible_characters();
            return Err(Error::invalid("username", why));
        }
        Ok(Self(name))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Two that differ in case alone, or in how their letters are composed, are one.
    pub fn key(&self) -> String {
        text::case_key(&self.0)
    }
}

/// The name that others see: one line of 1–128 characters, none of them invisible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    pub const MAX: usize = 128;

    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self(text::name("name", text, Self::MAX)?))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A person to be added.
#[derive(Debug, Clone)]
pub struct NewUser {
    pub id: UserId,
    pub username: Option<Username>,
    pub name: DisplayName,
    pub email: Option<String>,
    pub avatar: Option<String>,
    pub role: Role,
    /// A PHC string; `None` for a user who logs in elsewhere.
    pub password_hash: Option<String>,
    pub origin: Origin,
}

/// A user's presence, as told to those who may write to them.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Presence {
    pub user_id: UserId,
    pub online: bool,
    pub last_seen_at: Option<Time>,
}
