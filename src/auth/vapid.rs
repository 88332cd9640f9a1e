//! VAPID keys (RFC 8292): the P-256 key pair by which push services know this server.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::SecretKey;
use p256::elliptic_curve::rand_core::OsRng;
use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::pkcs8::EncodePrivateKey as _;

use super::keyfile;
use crate::config::{self, Secret};

/// A pair as `npx web-push generate-vapid-keys` prints it: base64url without padding.
#[derive(Debug, Clone)]
pub struct VapidKeys {
    /// The uncompressed point, 65 bytes.
    pub public: String,
    /// The scalar, 32 bytes.
    pub private: Secret,
}

impl VapidKeys {
    /// A fresh pair.
    pub fn generate() -> Self {
        Self::of(&SecretKey::random(&mut OsRng))
    }

    fn of(key: &SecretKey) -> Self {
        let point = key.public_key().to_encoded_point(false);
        VapidKeys {
            public: URL_SAFE_NO_PAD.encode(point.as_bytes()),
            private: Secret::new(URL_SAFE_NO_PAD.encode(key.to_bytes())),
        }
    }

    /// The configured pair; without one, the pair kept beside the database, made at first start.
    ///
    /// # Errors
    /// A sentence that names the key at fault.
    pub fn open(config: &config::Push, database: &Path) -> Result<Self, String> {
        if config.vapid_private_key.is_empty() {
            let path = keyfile::beside(database, "vapid.key");
            let private =
                keyfile::read_or_make(&path, || Ok(Self::generate().private.expose().to_owned()))?;
            return Self::from_private(&private)
                .ok_or_else(|| format!("{}: {}", path.display(), why_not(&private)));
        }
        let private = config.vapid_private_key.expose();
        let keys = Self::from_private(private)
            .ok_or_else(|| format!("push.vapid_private_key: {}", why_not(private)))?;
        if keys.public != config.vapid_public_key.trim().trim_end_matches('=') {
            return Err("push.vapid_public_key: does not belong to push.vapid_private_key".into());
        }
        Ok(keys)
    }

    /// A token that tells the push service at `audience` (an origin) who sends, good until `expires_at` (Unix seconds):
    /// RFC 8292 section 2.
    ///
    /// # Errors
    /// A sentence, if the key cannot sign.
    pub fn sign(&self, audience: &str, expires_at: i64, subject: &str) -> Result<String, String> {
        let bytes = URL_SAFE_NO_PAD.decode(self.private.expose());
        let key = bytes.ok().and_then(|b| SecretKey::from_slice(&b).ok());
        let der = key.and_then(|key| key.to_pkcs8_der().ok());
        let der = der.ok_or("the VAPID private key is not a key")?;
        let claims = serde_json::json!({ "aud": audience, "exp": expires_at, "sub": subject });
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
        let key = jsonwebtoken::EncodingKey::from_ec_der(der.as_bytes());
        jsonwebtoken::encode(&header, &claims, &key).map_err(|e| e.to_string())
    }

    fn from_private(text: &str) -> Option<Self> {
        let text = text.trim().trim_end_matches('=');
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        SecretKey::from_slice(&bytes).ok().map(|key| Self::of(&key))
    }
}

/// Why a text is no private key, for the person who configured it.
fn why_not(text: &str) -> &'static str {
    let text = text.trim();
    let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
    match bytes.as_deref() {
        _ if text.contains("-----BEGIN") => {
            "is a PEM file: the raw key is needed, 32 bytes in base64url, as `schoolbell vapid generate` prints it"
        }
        Ok([4, rest @ ..]) if rest.len() == 64 => {
            "is the public key: the private one is needed; they may be swapped"
        }
        Ok([0x30, ..]) => {
            "is a key in DER: the raw key is needed, 32 bytes in base64url, as `schoolbell vapid generate` prints it"
        }
        _ => {
            "is not a VAPID private key: 32 bytes in base64url, as `schoolbell vapid generate` prints it"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_has_the_form_that_browsers_take() {
        let keys = VapidKeys::generate();
        assert_eq!(keys.public.len(), 87);
        assert!(keys.public.starts_with('B'), "0x04 first: uncompressed");
        assert_eq!(keys.private.expose().len(), 43);
    }

    #[test]
    fn a_given_pair_must_match() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (VapidKeys::generate(), VapidKeys::generate());
        let open = |public: &str, private: &str| {
            let config = config::Push {
                vapid_public_key: public.into(),
                vapid_private_key: Secret::new(private),
                ..Default::default()
            };
            VapidKeys::open(&config, &dir.path().join("x.db"))
        };
        assert_eq!(
            open(&a.public, a.private.expose()).unwrap().public,
            a.public
        );
        assert!(open(&b.public, a.private.expose()).is_err());
        assert!(open(&a.public, "nonsense").is_err());
        let padded = |key: &str| format!("{key}\n");
        let trimmed = open(&padded(&a.public), &padded(a.private.expose()));
        assert_eq!(trimmed.unwrap().public, a.public);
        let swapped = open(a.private.expose(), &a.public).unwrap_err();
        assert!(swapped.contains("is the public key"), "{swapped}");
        let pem = open(&a.public, "-----BEGIN PRIVATE KEY-----").unwrap_err();
        assert!(pem.contains("is a PEM file"), "{pem}");
    }

    #[test]
    fn a_pair_that_was_made_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("x.db");
        let first = VapidKeys::open(&config::Push::default(), &database).unwrap();
        let second = VapidKeys::open(&config::Push::default(), &database).unwrap();
        assert_eq!(first.public, second.public);
    }
}
