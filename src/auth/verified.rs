//! Verified tokens, so that a token that comes with every request is verified once.
//!
//! Only those whose key cannot change while the process runs are kept: a key of a JWKS may be withdrawn. What can change
//! meanwhile, expiry and the user's own state, is checked each time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::claims::Profile;
use crate::model::ids::UserId;
use crate::model::time::Time;

/// A valid token: signature, expiry, and issuer and audience where they are configured.
#[derive(Debug)]
pub struct Verified {
    /// Whom it names, as it says so.
    pub subject: String,
    /// The same, where it can be a user's id.
    pub id: Option<UserId>,
    pub expires_at: Time,
    pub issue: Issue,
    pub profile: Profile,
    /// When its use was last noted, in Unix milliseconds.
    pub noted_at: AtomicI64,
}

impl Verified {
    /// How often the use of a token is noted, in milliseconds.
    const NOTE_EVERY: i64 = 5 * 60 * 1_000;

    /// Whether it is time to note that the token is in use. Says so once.
    pub fn is_use_to_be_noted(&self, now: Time) -> bool {
        let before = self.noted_at.load(Ordering::Relaxed);
        now.0 - before >= Self::NOTE_EVERY
            && self
                .noted_at
                .compare_exchange(before, now.0, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

/// Who issued a token, and what tells whether it is older than a log-out-everywhere.
#[derive(Debug, Clone)]
pub enum Issue {
    /// We did: the user's token version at that time.
    Own { version: i64, session: Session },
    /// Another issuer: `iat` in seconds, where it has one, and `iss`.
    Foreign { iat: Option<i64>, issuer: String },
}

/// What all tokens of one login have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: Arc<str>,
    pub started: Time,
    /// When it ends, however often its token is renewed.
    pub until: Time,
    pub by: SessionBy,
}

/// What a session was begun with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionBy {
    Login,
    /// A token of the school's own app, with which it ends.
    App,
    /// The same, of an identity that an administrator linked to the person.
    LinkedApp,
}

/// Past this many tokens the cache is cleared.
const MAX_TOKENS: usize = 10_000;

/// The cache, by the whole token.
#[derive(Default)]
pub struct VerifiedTokens(RwLock<HashMap<Box<str>, Arc<Verified>>>);

impl VerifiedTokens {
    pub fn get(&self, token: &str) -> Option<Arc<Verified>> {
        let tokens = self.0.read().unwrap_or_else(PoisonError::into_inner);
        tokens.get(token).cloned()
    }

    pub fn keep(&self, token: &str, verified: &Arc<Verified>) {
        let mut tokens = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= MAX_TOKENS {
            tokens.clear();
        }
        tokens.insert(token.into(), verified.clone());
    }
}
