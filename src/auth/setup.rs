//! The one-time code by which the first admin is made in a browser. It lives in memory: each start has a fresh one.

use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result, Unauthorized};
use crate::model::random;
use crate::model::time::Time;

/// How long a code is good, in seconds.
pub const LIFETIME_SECONDS: i64 = 30 * 60;

/// At most one code at a time.
#[derive(Default)]
pub struct SetupCode(Mutex<Option<([u8; 32], Time)>>);

impl SetupCode {
    /// Makes a code that replaces any earlier one.
    ///
    /// # Errors
    /// [`Error::Internal`] without random numbers.
    pub fn issue(&self, now: Time) -> Result<String> {
        let code = random::base64url::<18>()?;
        let entry = (
            Sha256::digest(&code).into(),
            now.plus_seconds(LIFETIME_SECONDS),
        );
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(entry);
        Ok(code)
    }

    /// # Errors
    /// [`Error::Unauthorized`] when this is not the code or it is too old.
    pub fn check(&self, code: &str, now: Time) -> Result<()> {
        let presented: [u8; 32] = Sha256::digest(code).into();
        let entry = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Hashes are compared, so the time taken tells nothing of the code.
        match entry {
            Some((hash, until)) if hash == presented && now <= until => Ok(()),
            _ => Err(Error::Unauthorized(Unauthorized::BadSetupCode)),
        }
    }

    /// After use.
    pub fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
