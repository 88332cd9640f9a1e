//! Tokens that were found to hold, so that one that comes with every request is verified once.
//!
//! Only those whose key cannot change while the process runs are kept: a key of a JWKS may be withdrawn. What can change
//! meanwhile, expiry and the user's own state, is checked each time.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::tokens::Verified;

/// Past this many tokens the cache starts anew.
const MAX: usize = 10_000;

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
        if tokens.len() >= MAX {
            tokens.clear();
        }
        tokens.insert(token.into(), verified.clone());
    }
}
