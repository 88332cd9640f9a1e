//! Why a token is refused.

use crate::error::{Error, Unauthorized};

/// Why a token is refused. The reason goes to the log, for the developer of the app; the caller learns only that the token is invalid.
#[derive(Debug)]
pub enum TokenRefused {
    Because(String),
    /// A reason that the caller is told as well, or one that is not about the token.
    Error(Error),
}

impl From<Error> for TokenRefused {
    fn from(error: Error) -> Self {
        TokenRefused::Error(error)
    }
}

impl TokenRefused {
    /// For the owner of the token.
    pub fn why(&self) -> String {
        match self {
            TokenRefused::Because(why) => why.clone(),
            TokenRefused::Error(error) => error.public_message().into_owned(),
        }
    }

    /// What the caller is told; the reason goes to the log.
    pub fn noted(self) -> Error {
        match self {
            TokenRefused::Because(why) => {
                tracing::info!(why, "token refused");
                Error::Unauthorized(Unauthorized::BadToken)
            }
            TokenRefused::Error(error) => error,
        }
    }
}

pub fn refused(why: impl Into<String>) -> TokenRefused {
    TokenRefused::Because(why.into())
}
