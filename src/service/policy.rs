//! The one door: whether one person may do something to another. A write asks it inside its transaction, where the facts cannot
//! change any more; what is not stored may go by what is cached.

use std::sync::Arc;

use super::users::known;
use crate::app::App;
use crate::error::{Error, Noun, Result};
use crate::model::ids::{UserId, UserKey};
use crate::model::users::User;
use crate::rule;
use crate::store::policy::PairFacts;

/// What one person wants of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Write a message, or show that one is being typed.
    Write,
    /// See who they are.
    Find,
    /// See whether they are online.
    SeePresence,
}

/// Why something is allowed or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// Anybody may, with anybody else.
    Anyone,
    /// They are the same person.
    Oneself,
    /// The other one is disabled.
    Disabled,
}

/// The answer of the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    pub allowed: bool,
    pub because: Because,
}

impl Decision {
    /// # Errors
    /// [`Noun::User`] not found: a user who may not be written to looks as if they did not exist.
    pub fn check(self) -> Result<()> {
        self.allowed.then_some(()).ok_or(Noun::User.into())
    }
}

/// All that a decision looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    is_same: bool,
    is_disabled: bool,
}

impl Facts {
    /// As they are stored. Read in a write, they cannot change before its commit.
    pub fn stored(from: UserKey, to: UserKey, stored: &PairFacts) -> Self {
        Facts {
            is_same: from == to,
            is_disabled: stored.is_receiver_disabled,
        }
    }

    /// As they stood a moment ago.
    pub fn cached(from: &User, to: &User) -> Self {
        Facts {
            is_same: from.key == to.key,
            is_disabled: to.disabled,
        }
    }
}

/// The one rule: anybody with anybody else who is not disabled; and everybody sees who they are themselves.
pub fn decide(facts: Facts, act: Act) -> Decision {
    let (allowed, because) = match facts {
        Facts { is_same: true, .. } => (act == Act::Find, Because::Oneself),
        Facts {
            is_disabled: true, ..
        } => (false, Because::Disabled),
        Facts { .. } => (true, Because::Anyone),
    };
    Decision { allowed, because }
}

/// Whether `from` may do this to `to`, by what is cached: for what is not stored.
pub fn decide_now(from: &User, act: Act, to: &User) -> Decision {
    decide(Facts::cached(from, to), act)
}

/// A user to whom `from` may show that they type.
///
/// # Errors
/// [`Error::Invalid`] on `field` for oneself; [`Noun::User`] not found for an unknown user and for a disabled one.
pub async fn writable(app: &App, from: &User, to: &UserId, field: &str) -> Result<Arc<User>> {
    check_not_self(from, to, field)?;
    let user = known(app, to).await?;
    decide_now(from, Act::Write, &user).check()?;
    Ok(user)
}

/// # Errors
/// [`Error::Invalid`] on `field`.
pub fn check_not_self(from: &User, to: &UserId, field: &str) -> Result<()> {
    if from.id() == to {
        return Err(Error::invalid(field, rule::oneself()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_by_hand() {
        let facts = |is_same, is_disabled| Facts {
            is_same,
            is_disabled,
        };
        for act in [Act::Write, Act::Find, Act::SeePresence] {
            let may = |facts| decide(facts, act);
            assert_eq!(may(facts(false, false)).because, Because::Anyone, "{act:?}");
            assert!(may(facts(false, false)).allowed, "{act:?}");
            assert!(!may(facts(false, true)).allowed, "{act:?}");
            assert_eq!(may(facts(true, false)).allowed, act == Act::Find);
        }
    }
}
