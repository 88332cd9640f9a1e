//! Who may call a route, and how that fails.

use crate::error::{Conflict, Error, Forbidden, Unauthorized};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// No token needed.
    Anyone,
    /// A person's token.
    Person,
    /// An administrator's token.
    Admin,
    /// An administrator's token, or an API key with the scope `roster`.
    Roster,
    /// An administrator's token, or an API key with the scope `read`.
    Reader,
    /// An administrator's token, or a safeguarding lead's.
    Oversight,
    /// A safeguarding lead's token.
    Lead,
    /// A person who may announce, or an API key with the scope for it.
    Sender,
    /// This machine, or the metrics token.
    Local,
}

const TOKEN: &[Error] = &[
    Error::Unauthorized(Unauthorized::Missing),
    Error::Unauthorized(Unauthorized::BadToken),
    Error::Unauthorized(Unauthorized::Expired),
    Error::Unauthorized(Unauthorized::Revoked),
    Error::Unauthorized(Unauthorized::UnknownUser),
    Error::Unauthorized(Unauthorized::NotLinked),
    Error::Unauthorized(Unauthorized::Disabled),
    // Of a session cookie.
    Error::Forbidden(Forbidden::Origin),
    Error::Conflict(Conflict::OtherPerson),
];
const ROLE: Error = Error::Forbidden(Forbidden::Role);
const SECOND_FACTOR: Error = Error::Forbidden(Forbidden::SecondFactor);
const API_KEY: Error = Error::Forbidden(Forbidden::ApiKey);
const SCOPE: Error = Error::Forbidden(Forbidden::Scope);

impl Access {
    /// Whether the caller needs a token, or the cookie of a session.
    pub fn takes_token(self) -> bool {
        !matches!(self, Access::Anyone | Access::Local)
    }

    /// Whether a parameter or field that the route does not know is an error: where a slip of the pen changes who may do what.
    pub fn is_strict(self) -> bool {
        matches!(
            self,
            Access::Admin | Access::Roster | Access::Reader | Access::Oversight | Access::Lead
        )
    }

    /// How a caller can fail to be let in.
    pub fn failures(self) -> impl Iterator<Item = &'static Error> {
        let (token, own): (&[Error], &'static [Error]) = match self {
            Access::Anyone => (&[], &[]),
            Access::Person => (TOKEN, &[API_KEY]),
            Access::Lead => (TOKEN, &[API_KEY, ROLE]),
            Access::Admin | Access::Oversight => (TOKEN, &[API_KEY, ROLE, SECOND_FACTOR]),
            Access::Roster | Access::Reader | Access::Sender => {
                (TOKEN, &[SCOPE, ROLE, SECOND_FACTOR])
            }
            Access::Local => (&[], &[Error::Forbidden(Forbidden::Remote)]),
        };
        token.iter().chain(own)
    }
}
