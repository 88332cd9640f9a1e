//! Built by the crate `web-push`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use web_push::{ContentEncoding, SubscriptionInfo, VapidSignature, WebPushMessageBuilder};

use super::{Message, Parts};

/// # Errors
/// As [`super::build`].
pub fn encrypt_and_sign(parts: Parts<'_>) -> Result<Message, String> {
    let base64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let subscription = SubscriptionInfo::new(
        parts.endpoint.to_owned(),
        base64(&parts.keys.p256dh),
        base64(&parts.keys.auth),
    );
    let key = URL_SAFE_NO_PAD.decode(&parts.signature.key);
    let mut builder = WebPushMessageBuilder::new(&subscription);
    builder.set_payload(ContentEncoding::Aes128Gcm, parts.payload);
    builder.set_vapid_signature(VapidSignature {
        auth_t: parts.signature.token.clone(),
        auth_k: key.map_err(|e| e.to_string())?,
    });
    let message = builder.build().map_err(|e| e.to_string())?;
    let payload = message.payload.ok_or("no payload")?;
    Ok(Message {
        headers: payload.crypto_headers,
        body: payload.content,
    })
}
