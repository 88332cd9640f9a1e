//! Secrets that cannot be guessed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{Error, Result};

/// This many random bytes as base64url (RFC 4648 section 5), without padding.
///
/// # Errors
/// [`Error::Internal`] where the system has no random numbers.
pub fn base64url<const BYTES: usize>() -> Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(bytes::<BYTES>()?))
}

/// Letters and digits that nobody mistakes for one another: five random bits each.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// This many letters and digits, to be typed by a person.
///
/// # Errors
/// As [`base64url`].
pub fn letters<const COUNT: usize>() -> Result<String> {
    let random = bytes::<COUNT>()?;
    let letter = |byte: u8| char::from(LETTERS[usize::from(byte) % LETTERS.len()]);
    Ok(random.map(letter).iter().collect())
}

fn bytes<const COUNT: usize>() -> Result<[u8; COUNT]> {
    let mut random = [0; COUNT];
    getrandom::fill(&mut random).map_err(|e| Error::Internal(format!("no random numbers: {e}")))?;
    Ok(random)
}
