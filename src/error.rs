//! One error type, by meaning. It knows nothing of HTTP or of frames: `api::http::failure` and `realtime` render it.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// What every fallible function here returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was not done. The text of each variant is safe to show to a stranger, except
/// that of [`Error::Internal`], which is for the log alone.
#[derive(Debug)]
pub enum Error {
    /// One or more fields hold what they may not hold.
    Invalid(Vec<FieldError>),
    /// Not JSON, or not JSON of the right shape.
    Malformed(String),
    /// Who is asking could not be established.
    Unauthorized(Unauthorized),
    /// Known, and not allowed.
    Forbidden(Forbidden),
    /// Does not exist, or belongs to someone else.
    NotFound(Noun),
    /// Contradicts what is already stored.
    Conflict(Conflict),
    /// The path exists, for other methods.
    MethodNotAllowed,
    /// The body is over the limit, in bytes.
    TooLarge(usize),
    /// The body is not `application/json`.
    NotJson,
    /// The body is not `text/csv`.
    NotCsv,
    /// Too much at once: come back later.
    TooMany(Duration),
    /// Cannot serve now, through no fault of the caller.
    Unavailable(Cow<'static, str>, Duration),
    /// A fault of our own or of the machine.
    Internal(String),
}

/// One field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// The field's path in the body or its name in the query, as the client wrote it.
    pub field: String,
    /// A sentence for a person.
    pub message: String,
}

/// Why a caller is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unauthorized {
    Missing,
    BadToken,
    Expired,
    Revoked,
    UnknownUser,
    NotLinked,
    Disabled,
    BadCredentials,
    BadSetupCode,
    BadPasswordLink,
}

/// Why a known caller is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forbidden {
    Role,
    ApiKey,
    Scope,
    NeedsAdministrator,
    Origin,
    SetupDone,
    Remote,
}

/// What was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    Route,
    User,
    Group,
    Message,
    Notification,
    Subscription,
    Announcement,
    Key,
    Backup,
}

/// What a write contradicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    Username,
    UserId,
    GroupId,
    Idempotency,
    NotEmpty,
    /// A token of another issuer's acts for somebody else already.
    Identity,
    /// An announcement that was to be cancelled is sent.
    Sent,
    /// People have changed since an import was previewed.
    Stale,
    /// A subscription of a device that its person has removed.
    DeviceRemoved,
    /// A page of somebody whose cookie is another's by now.
    OtherPerson,
}

/// Every stable `code` that an answer or an `error` event can carry.
pub const CODES: &[&str] = &[
    "validation_failed",
    "malformed_json",
    "token_missing",
    "token_invalid",
    "token_expired",
    "token_revoked",
    "user_unknown",
    "not_linked",
    "user_disabled",
    "credentials_invalid",
    "setup_code_invalid",
    "password_link_invalid",
    "role_not_allowed",
    "api_key_not_allowed",
    "scope_missing",
    "needs_administrator",
    "origin_not_allowed",
    "setup_done",
    "remote_not_allowed",
    "route_not_found",
    "user_not_found",
    "group_not_found",
    "message_not_found",
    "notification_not_found",
    "subscription_not_found",
    "announcement_not_found",
    "api_key_not_found",
    "backup_not_found",
    "username_taken",
    "user_id_taken",
    "group_id_taken",
    "idempotency_conflict",
    "not_empty",
    "identity_taken",
    "device_removed",
    "other_person",
    "already_sent",
    "preview_stale",
    "method_not_allowed",
    "body_too_large",
    "not_json",
    "not_csv",
    "too_many_requests",
    "unavailable",
    "internal_error",
];

impl Error {
    /// A single invalid field.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Error::Invalid(vec![FieldError {
            field: field.into(),
            message: message.into(),
        }])
    }

    /// The same for fields of an object that is itself the field `parent`.
    pub fn within(mut self, parent: &str) -> Self {
        if let Error::Invalid(details) = &mut self {
            for detail in details {
                detail.field = format!("{parent}.{}", detail.field);
            }
        }
        self
    }

    /// Overloaded or shutting down; `why` is shown to the client.
    pub fn unavailable(why: impl Into<Cow<'static, str>>) -> Self {
        Error::Unavailable(why.into(), Duration::from_secs(1))
    }

    /// The stable code; one of [`CODES`].
    pub fn code(&self) -> &'static str {
        match self {
            Error::Invalid(_) => "validation_failed",
            Error::Malformed(_) => "malformed_json",
            Error::Unauthorized(why) => why.code(),
            Error::Forbidden(why) => why.code(),
            Error::NotFound(noun) => noun.code(),
            Error::Conflict(what) => what.code(),
            Error::MethodNotAllowed => "method_not_allowed",
            Error::TooLarge(_) => "body_too_large",
            Error::NotJson => "not_json",
            Error::NotCsv => "not_csv",
            Error::TooMany(_) => "too_many_requests",
            Error::Unavailable(..) => "unavailable",
            Error::Internal(_) => "internal_error",
        }
    }

    /// The fields at fault, where the error names any.
    pub fn details(&self) -> &[FieldError] {
        match self {
            Error::Invalid(details) => details,
            _ => &[],
        }
    }

    /// A sentence that a stranger may read.
    pub fn public_message(&self) -> Cow<'_, str> {
        match self {
            Error::Internal(_) => "Something went wrong on the server.".into(),
            other => other.to_string().into(),
        }
    }
}

impl From<Unauthorized> for Error {
    fn from(why: Unauthorized) -> Self {
        Error::Unauthorized(why)
    }
}

impl From<Forbidden> for Error {
    fn from(why: Forbidden) -> Self {
        Error::Forbidden(why)
    }
}

impl From<Noun> for Error {
    fn from(noun: Noun) -> Self {
        Error::NotFound(noun)
    }
}

impl From<Conflict> for Error {
    fn from(what: Conflict) -> Self {
        Error::Conflict(what)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Invalid(details) => match details.first() {
                Some(first) => write!(f, "{} {}", first.field, first.message),
                None => f.write_str("The request is not valid."),
            },
            Error::Malformed(why) => write!(f, "The body is not valid JSON: {why}"),
            Error::Unauthorized(why) => f.write_str(why.sentence()),
            Error::Forbidden(why) => f.write_str(why.sentence()),
            Error::NotFound(noun) => f.write_str(noun.sentence()),
            Error::Conflict(what) => f.write_str(what.sentence()),
            Error::MethodNotAllowed => f.write_str("This path does not take this method."),
            Error::TooLarge(limit) => write!(f, "The body is larger than {limit} bytes."),
            Error::NotJson => f.write_str("The body must be application/json."),
            Error::NotCsv => {
                f.write_str("The body must be text/csv, application/zip or multipart/form-data.")
            }
            Error::TooMany(_) => f.write_str("Too many requests. Try again later."),
            Error::Unavailable(why, _) => f.write_str(why),
            Error::Internal(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Error {}

impl Unauthorized {
    fn code(self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::BadToken => "token_invalid",
            Self::Expired => "token_expired",
            Self::Revoked => "token_revoked",
            Self::UnknownUser => "user_unknown",
            Self::NotLinked => "not_linked",
            Self::Disabled => "user_disabled",
            Self::BadCredentials => "credentials_invalid",
            Self::BadSetupCode => "setup_code_invalid",
            Self::BadPasswordLink => "password_link_invalid",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Missing => "A token is required.",
            Self::BadToken => "The token is not valid.",
            Self::Expired => "The token has expired.",
            Self::Revoked => "The token was revoked. Log in again.",
            Self::UnknownUser => "The token's user is not known here.",
            Self::NotLinked => {
                "This token may not act for this person: an administrator must link them."
            }
            Self::Disabled => "This account is disabled.",
            Self::BadCredentials => "The username or the password is wrong.",
            Self::BadSetupCode => {
                "The set-up code is wrong or too old. Restart the server for a fresh one."
            }
            Self::BadPasswordLink => {
                "This link was used already, or is too old. Ask for another one."
            }
        }
    }
}

impl Forbidden {
    fn code(self) -> &'static str {
        match self {
            Self::Role => "role_not_allowed",
            Self::ApiKey => "api_key_not_allowed",
            Self::Scope => "scope_missing",
            Self::NeedsAdministrator => "needs_administrator",
            Self::Origin => "origin_not_allowed",
            Self::SetupDone => "setup_done",
            Self::Remote => "remote_not_allowed",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Role => "Your role does not allow this.",
            Self::ApiKey => "This takes a person's token, not an API key.",
            Self::Scope => "This API key lacks the scope for this.",
            Self::NeedsAdministrator => {
                "More than a fifth of those who log in here would be shut out: an administrator must do that."
            }
            Self::Origin => "This origin is not allowed to connect.",
            Self::SetupDone => "An administrator exists already.",
            Self::Remote => "Only this machine, or a caller with the metrics token, may read this.",
        }
    }
}

impl Noun {
    fn code(self) -> &'static str {
        match self {
            Self::Route => "route_not_found",
            Self::User => "user_not_found",
            Self::Group => "group_not_found",
            Self::Message => "message_not_found",
            Self::Notification => "notification_not_found",
            Self::Subscription => "subscription_not_found",
            Self::Announcement => "announcement_not_found",
            Self::Key => "api_key_not_found",
            Self::Backup => "backup_not_found",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Route => "There is nothing at this path.",
            Self::User => "There is no such person.",
            Self::Group => "There is no such group.",
            Self::Message => "There is no such message.",
            Self::Notification => "There is no such notification.",
            Self::Subscription => "There is no such device.",
            Self::Announcement => "There is no such announcement.",
            Self::Key => "There is no such API key.",
            Self::Backup => "There is no such backup.",
        }
    }
}

impl Conflict {
    fn code(self) -> &'static str {
        match self {
            Self::Username => "username_taken",
            Self::UserId => "user_id_taken",
            Self::GroupId => "group_id_taken",
            Self::Idempotency => "idempotency_conflict",
            Self::NotEmpty => "not_empty",
            Self::Identity => "identity_taken",
            Self::DeviceRemoved => "device_removed",
            Self::OtherPerson => "other_person",
            Self::Sent => "already_sent",
            Self::Stale => "preview_stale",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Username => "This username is taken.",
            Self::UserId => "A user with this id exists already.",
            Self::GroupId => "A group with this id exists already.",
            Self::Idempotency => "This idempotencyKey was used for a different request.",
            Self::NotEmpty => "The database holds data already.",
            Self::DeviceRemoved => "This device was removed: it must subscribe anew.",
            Self::OtherPerson => "Somebody else has logged in with this browser.",
            Self::Identity => "This identity is linked to somebody else.",
            Self::Sent => "This announcement is sent already.",
            Self::Stale => "People have changed since the preview: look at it again.",
        }
    }
}
