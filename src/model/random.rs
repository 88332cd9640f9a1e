//! Secrets that cannot be guessed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{Error, Result};

/// This many random bytes as base64url (RFC 4648 section 5), without padding.
///
/// # Errors
/// [`Error::Internal`] where the system has no random numbers.
pub fn base64url<const BYTES: usize>() -> Result<String> {
    let mut random = [0; BYTES];
    getrandom::fill(&mut random).map_err(|e| Error::Internal(format!("no random numbers: {e}")))?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}
