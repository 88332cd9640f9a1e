//! A push, encrypted and signed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use web_push::{
    ContentEncoding, SubscriptionInfo, Urgency as WebPushUrgency, VapidSignature, WebPushMessage,
    WebPushMessageBuilder,
};

use crate::model::notifications::Urgency;
use crate::model::subscriptions::PushKeys;

/// Encrypts `payload` for the subscription's keys.
///
/// # Errors
/// A sentence: the keys, which were checked when they came, are no keys after all.
pub fn build(
    endpoint: &str,
    keys: &PushKeys,
    payload: &[u8],
    urgency: Urgency,
    ttl: u32,
    signature: VapidSignature,
) -> Result<WebPushMessage, String> {
    let base64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let subscription = SubscriptionInfo::new(
        endpoint.to_owned(),
        base64(&keys.p256dh),
        base64(&keys.auth),
    );
    let mut builder = WebPushMessageBuilder::new(&subscription);
    builder.set_ttl(ttl);
    builder.set_urgency(match urgency {
        Urgency::VeryLow => WebPushUrgency::VeryLow,
        Urgency::Low => WebPushUrgency::Low,
        Urgency::Normal => WebPushUrgency::Normal,
        Urgency::High => WebPushUrgency::High,
    });
    // No topic: Google hands collapsible messages out once in three minutes.
    builder.set_payload(ContentEncoding::Aes128Gcm, payload);
    builder.set_vapid_signature(signature);
    builder.build().map_err(|e| e.to_string())
}
