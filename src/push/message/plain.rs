//! Built here.

use super::{Message, Parts};

/// # Errors
/// As [`super::build`].
pub fn encrypt_and_sign(parts: Parts<'_>) -> Result<Message, String> {
    let keys = parts.keys;
    let body = ece::encrypt(&keys.p256dh, &keys.auth, parts.payload).map_err(|e| e.to_string())?;
    let signature = parts.signature;
    let authorization = format!("vapid t={}, k={}", signature.token, signature.key);
    Ok(Message {
        headers: vec![("authorization", authorization)],
        body,
    })
}
