//! One error type, by meaning. It knows nothing of HTTP or of frames: `api::http::failure` and `realtime` render it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::rule::Rule;

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
    /// The policy of who may write to whom does not allow it: the field that names the other one, and why.
    PolicyDenied(Vec<FieldError>),
    /// The request must say which version it changes (RFC 6585 section 3).
    NoVersion,
    /// It was changed since the version that the request names (RFC 9110 section 13.1.1).
    OtherVersion,
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
    /// The id of the rule that is broken: stable, also when the sentence is reworded.
    pub rule: &'static str,
    /// What the rule's sentence names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub params: BTreeMap<&'static str, Value>,
    /// A sentence for a person.
    pub message: String,
}

impl FieldError {
    pub fn new(field: impl Into<String>, rule: Rule) -> Self {
        FieldError {
            field: field.into(),
            rule: rule.id,
            params: rule.params,
            message: rule.sentence.into_owned(),
        }
    }
}

/// Reasons of one kind, each with its stable code and its sentence for people. An [`Error`] is made of each.
macro_rules! reasons {
    ($(#[$about:meta])* $kind:ident of $error:ident {
        $($(#[$doc:meta])* $reason:ident = $code:literal: $sentence:literal,)*
    }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $kind {
            $($(#[$doc])* $reason,)*
        }

        impl $kind {
            const CODES: &[&str] = &[$($code),*];

            fn code(self) -> &'static str {
                match self {
                    $(Self::$reason => $code,)*
                }
            }

            fn sentence(self) -> &'static str {
                match self {
                    $(Self::$reason => $sentence,)*
                }
            }
        }

        impl From<$kind> for Error {
            fn from(reason: $kind) -> Self {
                Error::$error(reason)
            }
        }
    };
}

reasons! {
    /// Why a caller is not known.
    Unauthorized of Unauthorized {
        Missing = "token_missing": "A token is required.",
        BadToken = "token_invalid": "The token is not valid.",
        Expired = "token_expired": "The token has expired.",
        Revoked = "token_revoked": "The token was revoked. Log in again.",
        UnknownUser = "user_unknown": "The token's user is not known here.",
        NotLinked = "not_linked": "This token may not act for this person: an administrator must link them.",
        Disabled = "user_disabled": "This account is disabled.",
        BadCredentials = "credentials_invalid": "The username or the password is wrong.",
        /// The password is right.
        SecondFactorRequired = "second_factor_required": "A code of your authenticator app is required, or a recovery code.",
        BadSecondFactor = "second_factor_invalid": "This code is wrong, or was used already.",
        Oidc = "oidc_failed": "Logging in with the school's provider failed. Try again.",
        OidcUnknown = "oidc_unknown": "This login belongs to nobody here: an administrator must link it.",
        BadSetupCode = "setup_code_invalid": "The set-up code is wrong or too old. Restart the server for a fresh one.",
        BadPasswordLink = "password_link_invalid": "This link was used already, or is too old. Ask for another one.",
    }
}

reasons! {
    /// Why a known caller is refused.
    Forbidden of Forbidden {
        Role = "role_not_allowed": "Your role does not allow this.",
        ApiKey = "api_key_not_allowed": "This takes a person's token, not an API key.",
        CannotBlock = "cannot_block": "Pupils and guardians can block each other, but not along a guardian link.",
        Scope = "scope_missing": "This API key lacks the scope for this.",
        NeedsAdministrator = "needs_administrator": "More than a fifth of the people who log in here would be disabled: an administrator must do that.",
        NotOfAge = "not_of_age": "Your guardians hold until you are of age by the school's records.",
        Confirmation = "confirmation_required": "Confirm that it is you, by your password or a code.",
        SecondFactor = "second_factor_missing": "Administrators must have a second factor: set one up first.",
        Origin = "origin_not_allowed": "This origin is not allowed to connect.",
        /// Two keys are two people.
        SamePerson = "same_person": "This takes another person: neither the one who asked, nor somebody who made or changed the other's account in the last 30 days.",
        /// A lead who is one of the two people.
        Involved = "involved": "You are one of these people: another safeguarding lead must do this.",
        ReviewClosed = "review_not_open": "This conversation can be read by the lead who asked for it, once it is approved, until its time is over.",
        TooLate = "too_late": "This message is too old to be taken back.",
        SetupDone = "setup_done": "An administrator exists already.",
        Remote = "remote_not_allowed": "Only this machine, or a caller with the metrics token, may read this.",
    }
}

reasons! {
    /// What was not found.
    Noun of NotFound {
        Route = "route_not_found": "There is nothing at this path.",
        User = "user_not_found": "There is no such person.",
        Group = "group_not_found": "There is no such group.",
        Message = "message_not_found": "There is no such message.",
        Notification = "notification_not_found": "There is no such notification.",
        Subscription = "subscription_not_found": "There is no such device.",
        Announcement = "announcement_not_found": "There is no such announcement.",
        Session = "session_not_found": "There is no such session.",
        Key = "api_key_not_found": "There is no such API key.",
        Report = "report_not_found": "There is no such report.",
        Review = "review_not_found": "There is no such review.",
        Hold = "hold_not_found": "There is no such hold.",
        Order = "no_contact_not_found": "There is no such order.",
        Backup = "backup_not_found": "There is no such backup.",
    }
}

reasons! {
    /// What a write contradicts.
    Conflict of Conflict {
        Username = "username_taken": "This username is taken.",
        UserId = "user_id_taken": "A user with this id exists already.",
        GroupId = "group_id_taken": "A group with this id exists already.",
        Idempotency = "idempotency_conflict": "This idempotencyKey was used for a different request.",
        NotEmpty = "not_empty": "The database holds data already.",
        /// A token of another issuer's acts for another user already.
        Identity = "identity_taken": "This identity is linked to another person.",
        SecondFactor = "second_factor_set": "There is a second factor already: turn it off first.",
        NoSecondFactor = "second_factor_not_set": "There is no second factor.",
        /// A subscription of a device that its person has removed.
        DeviceRemoved = "device_removed": "This device was removed. It must subscribe again.",
        /// A page of a user whose cookie is another's by now.
        OtherPerson = "other_person": "Another person has logged in with this browser.",
        Approved = "already_approved": "This review is approved already.",
        /// An announcement that was to be cancelled is sent.
        Sent = "already_sent": "This announcement is sent already.",
        ImportRunning = "import_running": "Another import is still running. Wait until it is done.",
        /// A setting of the dashboard that the configuration has.
        SetInConfig = "set_in_config": "This is set in the configuration of the server, which wins.",
        /// People have changed since an import was previewed.
        Stale = "preview_stale": "People have changed since the preview: look at it again.",
    }
}

/// Every stable `code` that an answer or an `error` event can carry.
pub fn codes() -> Vec<&'static str> {
    let plain = |errors: &[Error]| errors.iter().map(Error::code).collect::<Vec<_>>();
    let body = plain(&[Error::Invalid(Vec::new()), Error::Malformed(String::new())]);
    let other = plain(&[
        Error::PolicyDenied(Vec::new()),
        Error::NoVersion,
        Error::OtherVersion,
        Error::MethodNotAllowed,
        Error::TooLarge(0),
        Error::NotJson,
        Error::NotCsv,
        Error::TooMany(Duration::ZERO),
        Error::unavailable(""),
        Error::Internal(String::new()),
    ]);
    let reasons = [
        Unauthorized::CODES,
        Forbidden::CODES,
        Noun::CODES,
        Conflict::CODES,
    ];
    [body, reasons.concat(), other].concat()
}

impl Error {
    /// A single invalid field.
    pub fn invalid(field: impl Into<String>, rule: Rule) -> Self {
        Error::Invalid(vec![FieldError::new(field, rule)])
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

    /// The stable code; one of [`codes`].
    pub fn code(&self) -> &'static str {
        match self {
            Error::Invalid(_) => "validation_failed",
            Error::Malformed(_) => "malformed_json",
            Error::Unauthorized(why) => why.code(),
            Error::Forbidden(why) => why.code(),
            Error::PolicyDenied(_) => "policy_denied",
            Error::NoVersion => "version_required",
            Error::OtherVersion => "stale",
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
            Error::Invalid(details) | Error::PolicyDenied(details) => details,
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
            Error::PolicyDenied(_) => {
                f.write_str("The school's rules of who may write to whom do not allow this.")
            }
            Error::NoVersion => f.write_str(
                "Say which version this changes: send If-Match with the ETag that you read.",
            ),
            Error::OtherVersion => f.write_str("This was changed meanwhile. Read it again."),
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

/// What the innermost cause of an error says: those around it repeat the address, or say nothing.
pub fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
