//! VAPID tokens, one for each push service, kept until they are about to expire: a signature costs more than the rest of a
//! push together.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::message::Signature;
use crate::auth::vapid::VapidKeys;
use crate::model::time::Time;

/// For how long a token is good, in seconds; RFC 8292 section 2 allows a day.
const LIFETIME_SECONDS: i64 = 12 * 3_600;
/// A token with less left than this, in seconds, is replaced.
const RENEW_SECONDS: i64 = 3_600;
/// More tokens than this are not kept: there are a handful of push services, and a client that makes up more of them.
const MAX_TOKENS: usize = 1_000;

/// Signs for every push service.
pub struct Signer {
    keys: VapidKeys,
    subject: String,
    tokens: Mutex<HashMap<String, Token>>,
}

struct Token {
    signature: Signature,
    expires_at: i64,
}

impl Signer {
    pub fn new(keys: VapidKeys, subject: String) -> Self {
        Signer {
            keys,
            subject,
            tokens: Mutex::default(),
        }
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<String, Token>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token for an origin at this time.
    ///
    /// # Errors
    /// A sentence, if the key cannot sign.
    pub fn signature(&self, origin: &str, now: Time) -> Result<Signature, String> {
        let mut tokens = self.tokens();
        let left = |token: &Token| token.expires_at - now.seconds();
        // A clock that was set back leaves tokens of too far a future, which services refuse.
        if let Some(token) = tokens.get(origin)
            && (RENEW_SECONDS..=LIFETIME_SECONDS).contains(&left(token))
        {
            return Ok(token.signature.clone());
        }
        self.sign(&mut tokens, origin, now.seconds() + LIFETIME_SECONDS)
    }

    /// Another token than the one that the service has refused.
    ///
    /// # Errors
    /// As [`Signer::signature`].
    pub fn renew(&self, origin: &str, now: Time) -> Result<(), String> {
        // A service whose clock is behind ours may have found the former to end too far ahead.
        let expires_at = now.seconds() + LIFETIME_SECONDS / 2;
        self.sign(&mut self.tokens(), origin, expires_at).map(drop)
    }

    fn sign(
        &self,
        tokens: &mut HashMap<String, Token>,
        origin: &str,
        expires_at: i64,
    ) -> Result<Signature, String> {
        let signature = Signature {
            token: self.keys.sign(origin, expires_at, &self.subject)?,
            key: self.keys.public.clone(),
        };
        let token = Token {
            signature: signature.clone(),
            expires_at,
        };
        if tokens.len() >= MAX_TOKENS {
            tokens.clear();
        }
        tokens.insert(origin.to_owned(), token);
        Ok(signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_again_until_an_hour_before_its_end() {
        let signer = Signer::new(VapidKeys::generate(), "mailto:a@school.edu".into());
        let token = |origin, hours: i64| {
            let time = Time(1_800_000_000_000).plus_seconds(hours * 3_600);
            signer.signature(origin, time).unwrap().token
        };
        let first = token("https://a.example", 0);
        assert_eq!(token("https://a.example", 11), first);
        assert_ne!(token("https://b.example", 0), first);
        let second = token("https://a.example", 12);
        assert_ne!(second, first);
        assert_ne!(
            token("https://a.example", -24),
            second,
            "the clock was set back"
        );
        let third = token("https://a.example", 24);
        let day = Time(1_800_000_000_000).plus_seconds(24 * 3_600);
        signer.renew("https://a.example", day).unwrap();
        assert_ne!(token("https://a.example", 24), third, "it was refused");
    }
}
