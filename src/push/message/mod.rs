//! A push, encrypted and signed, as the request that carries it (RFC 8030 section 5, RFC 8291, RFC 8292).
//!
//! The crate `web-push` builds it. Without the feature of that name it is built here, on the same encryption: a crate that
//! depends on schoolbell cannot take over our `[patch]`, without which `web-push` needs the system's OpenSSL.

use crate::model::notifications::Urgency;
use crate::model::subscriptions::PushKeys;

#[cfg(any(test, not(feature = "web-push")))]
mod plain;
#[cfg(feature = "web-push")]
mod web_push;

#[cfg(not(feature = "web-push"))]
use self::plain::encrypt_and_sign;
#[cfg(feature = "web-push")]
use self::web_push::encrypt_and_sign;

/// A VAPID token and the public key that it is signed with, in base64url (RFC 8292 section 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    pub token: String,
    pub key: String,
}

/// What a push is made of.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    pub endpoint: &'a str,
    pub keys: &'a PushKeys,
    pub payload: &'a [u8],
    pub urgency: Urgency,
    /// Seconds for which the push service may keep it.
    pub ttl: u32,
    pub signature: &'a Signature,
}

/// Headers and body of the request.
#[derive(Debug)]
pub struct Message {
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// Encrypts the payload for the subscription's keys, and signs.
///
/// # Errors
/// A sentence: the keys, which were checked when they came, are no keys after all.
pub fn build(parts: Parts<'_>) -> Result<Message, String> {
    let mut message = encrypt_and_sign(parts)?;
    // No topic: Google hands collapsible messages out once in three minutes.
    message.headers.extend([
        ("ttl", parts.ttl.to_string()),
        ("urgency", parts.urgency.as_str().to_owned()),
        ("content-type", "application/octet-stream".into()),
        ("content-encoding", "aes128gcm".into()),
    ]);
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::elliptic_curve::sec1::ToEncodedPoint as _;

    /// What a browser does with a body (RFC 8291 section 3.4, RFC 8188 section 2).
    fn decrypt(private: &p256::SecretKey, auth: &[u8], body: &[u8]) -> Vec<u8> {
        use aes_gcm::aead::{Aead as _, KeyInit as _};
        let (salt, rest) = body.split_at(16);
        let (point, sealed) = rest[5..].split_at(65);
        let server = p256::PublicKey::from_sec1_bytes(point).unwrap();
        let shared = p256::ecdh::diffie_hellman(private.to_nonzero_scalar(), server.as_affine());
        let own = private.public_key().to_encoded_point(false);
        let derive = |salt: &[u8], secret: &[u8], info: &[u8], length: usize| {
            let mut out = vec![0; length];
            let hkdf = hkdf::Hkdf::<sha2::Sha256>::new(Some(salt), secret);
            hkdf.expand(info, &mut out).unwrap();
            out
        };
        let info = [b"WebPush: info\0", own.as_bytes(), point].concat();
        let ikm = derive(auth, shared.raw_secret_bytes(), &info, 32);
        let key = derive(salt, &ikm, b"Content-Encoding: aes128gcm\0", 16);
        let nonce = derive(salt, &ikm, b"Content-Encoding: nonce\0", 12);
        let cipher = aes_gcm::Aes128Gcm::new_from_slice(&key).unwrap();
        let mut text = cipher.decrypt(nonce.as_slice().into(), sealed).unwrap();
        while text.pop() == Some(0) {}
        text
    }

    #[test]
    fn both_builders_make_what_a_browser_reads() {
        let private = p256::SecretKey::random(&mut p256::elliptic_curve::rand_core::OsRng);
        let point = private.public_key().to_encoded_point(false);
        let keys = PushKeys {
            p256dh: point.as_bytes().to_vec(),
            auth: vec![7; 16],
        };
        let server = crate::auth::vapid::VapidKeys::generate();
        let signature = Signature {
            token: "a.b.c".into(),
            key: server.public.clone(),
        };
        let parts = Parts {
            endpoint: "https://push.example/x",
            keys: &keys,
            payload: b"{\"a\":1}",
            urgency: Urgency::High,
            ttl: 60,
            signature: &signature,
        };
        let authorization = format!("vapid t=a.b.c, k={}", server.public);
        let builders = [
            plain::encrypt_and_sign,
            #[cfg(feature = "web-push")]
            super::web_push::encrypt_and_sign,
        ];
        for encrypt_and_sign in builders {
            let message = encrypt_and_sign(parts).unwrap();
            assert_eq!(decrypt(&private, &keys.auth, &message.body), parts.payload);
            let [(name, value)] = message.headers.as_slice() else {
                panic!("{:?}", message.headers);
            };
            assert_eq!(name.to_lowercase(), "authorization");
            assert_eq!(*value, authorization);
        }
        assert_eq!(build(parts).unwrap().headers.len(), 5);
    }
}
