//! JSON Web Tokens (RFC 7519): our own, HS256, and those of the school's existing app.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::claims::{Claims, OwnClaims, Profile, Reader, check_expiry, check_times};
use super::jwks::Jwks;
use super::keyfile;
use super::token_refused::{TokenRefused, refused};
use super::verified::{Issue, Session, SessionBy, Verified, VerifiedTokens};
use crate::config;
use crate::error::{Error, Result};
use crate::model::ids::UserId;
use crate::model::random;
use crate::model::time::Time;
use crate::model::users::User;

/// The longest token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 8 << 10;
/// The shortest secret, in bytes: an empty file would let anybody sign.
const MIN_SECRET_BYTES: usize = 16;
/// `iss` of our own tokens.
const ISSUER: &str = "schoolbell";
/// `kid` of our own tokens.
const KEY_ID: &str = "schoolbell";

/// A key that checks signatures, and its algorithm.
type PublicKey = (Algorithm, DecodingKey);

/// Issues and verifies.
pub struct Tokens {
    /// Our own, with which no other program signs.
    encoding: EncodingKey,
    own: DecodingKey,
    /// The school's app's.
    app: EncodingKey,
    shared: DecodingKey,
    public: Option<PublicKey>,
    jwks: Option<Jwks>,
    allowed: Vec<Algorithm>,
    issuer: String,
    audience: String,
    claims: Reader,
    lifetime: i64,
    session: i64,
    verified: VerifiedTokens,
}

impl Tokens {
    /// # Errors
    /// A sentence that names the key at fault.
    pub fn open(config: &config::Auth, database: &Path) -> Result<Self, String> {
        let secret = if config.jwt_secret.is_empty() {
            keyfile::read_or_make(&keyfile::beside(database, "jwt.secret"), || {
                random::base64url::<48>().map_err(|e| e.to_string())
            })?
        } else {
            config.jwt_secret.expose().to_owned()
        };
        if secret.len() < MIN_SECRET_BYTES {
            let path = keyfile::beside(database, "jwt.secret");
            return Err(format!(
                "{}: holds no secret of {MIN_SECRET_BYTES} bytes or more",
                path.display()
            ));
        }
        let key = keyfile::read_or_make(&keyfile::beside(database, "session.key"), || {
            random::base64url::<48>().map_err(|e| e.to_string())
        })?;
        if key.len() < MIN_SECRET_BYTES {
            let path = keyfile::beside(database, "session.key");
            return Err(format!(
                "{}: holds no key of {MIN_SECRET_BYTES} bytes or more",
                path.display()
            ));
        }
        let (public, jwks) = Self::keys_of_app(config)?;
        let configured = match config.algorithms.as_slice() {
            [] => &config::Algorithm::ALL,
            some => some,
        };
        Ok(Tokens {
            encoding: EncodingKey::from_secret(key.as_bytes()),
            own: DecodingKey::from_secret(key.as_bytes()),
            app: EncodingKey::from_secret(secret.as_bytes()),
            shared: DecodingKey::from_secret(secret.as_bytes()),
            public,
            jwks,
            allowed: configured.iter().copied().map(of_library).collect(),
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            claims: Reader::new(config),
            lifetime: i64::from(config.token_ttl.get()),
            session: i64::from(config.session_ttl.get()),
            verified: VerifiedTokens::default(),
        })
    }

    /// The public keys of the school's app, where it has any.
    ///
    /// # Errors
    /// As [`Tokens::open`].
    pub fn keys_of_app(config: &config::Auth) -> Result<(Option<PublicKey>, Option<Jwks>), String> {
        let public = match config.public_key.as_str() {
            "" => None,
            key => Some(public_key(key).map_err(|e| format!("auth.public_key: {e}"))?),
        };
        let jwks = match &config.jwks_url {
            None => None,
            Some(url) => {
                Some(Jwks::new(url.url().clone()).map_err(|e| format!("auth.jwks_url: {e}"))?)
            }
        };
        Ok((public, jwks))
    }

    /// The JWKS of the school's app, if one is configured.
    pub fn jwks(&self) -> Option<&Jwks> {
        self.jwks.as_ref()
    }

    /// An HMAC (SHA-256, base64url) by our key over a text that is no token: it has a space in it, which no token has.
    pub fn mac(&self, text: &str) -> String {
        mac(text, &self.encoding)
    }

    /// The same, by the secret that also signed our tokens before they had a key of their own.
    pub fn previous_mac(&self, text: &str) -> String {
        mac(text, &self.app)
    }

    /// A session that begins now, with a login.
    pub fn begin(&self, now: Time) -> Session {
        Session {
            id: uuid::Uuid::now_v7().to_string().into(),
            started: now,
            until: now.plus_seconds(self.session),
            by: SessionBy::Login,
        }
    }

    /// A token of our own for `user` in this session, and when it expires: with the session at the latest.
    pub fn issue(&self, user: &User, session: &Session, now: Time) -> Result<(String, Time)> {
        let expires_at = now.plus_seconds(self.lifetime).min(session.until);
        let claims = OwnClaims {
            user_id: user.id().to_string(),
            sub: user.id().to_string(),
            exp: expires_at.seconds(),
            iat: now.seconds(),
            iss: ISSUER.to_owned(),
            name: user.person.name.to_string(),
            role: user.role.as_str().to_owned(),
            ver: user.token_version,
            sid: session.id.to_string(),
            auth_time: session.started.seconds(),
            until: session.until.seconds(),
            app: session.by != SessionBy::Login,
            linked: session.by == SessionBy::LinkedApp,
        };
        let header = Header {
            kid: Some(KEY_ID.to_owned()),
            ..Header::new(Algorithm::HS256)
        };
        let token = encode(&header, &claims, &self.encoding)
            .map_err(|e| Error::Internal(format!("token: {e}")))?;
        Ok((token, Time(expires_at.seconds() * 1000)))
    }

    /// Checks a token. Waits at most two seconds, for a JWKS, and only when its key is not known.
    ///
    /// # Errors
    /// [`TokenRefused`].
    pub async fn verify(&self, token: &str, now: Time) -> Result<Arc<Verified>, TokenRefused> {
        if let Some(known) = self.verified.get(token) {
            check_expiry(known.expires_at, now)?;
            return Ok(known);
        }
        if token.is_empty() || token.len() > MAX_TOKEN_BYTES {
            return Err(refused("it is empty or too long"));
        }
        let header = decode_header(token).map_err(|_| refused("it is no JWT"))?;
        // RFC 7515 section 4.1.11: an extension that must be understood, and is not.
        if header.crit.is_some() {
            return Err(refused("it has an extension that is not known"));
        }
        let verified = if header.alg == Algorithm::HS256 && header.kid.as_deref() == Some(KEY_ID) {
            self.own(token, now)?
        } else {
            self.foreign(token, header.alg, header.kid.as_deref(), now)
                .await?
        };
        let verified = Arc::new(verified);
        if header.alg == Algorithm::HS256 {
            self.verified.keep(token, &verified);
        }
        Ok(verified)
    }

    /// One of ours.
    fn own(&self, token: &str, now: Time) -> Result<Verified, TokenRefused> {
        let claims: OwnClaims = decode_with(token, Algorithm::HS256, &self.own)
            .ok_or_else(|| refused("signature does not fit our own key"))?;
        let expires_at = Time(claims.exp.saturating_mul(1000));
        check_expiry(expires_at, now)?;
        Ok(Verified {
            id: UserId::parse(&claims.user_id),
            subject: claims.user_id,
            expires_at,
            issue: Issue::Own {
                version: claims.ver,
                session: Session {
                    id: claims.sid.into(),
                    started: Time(claims.auth_time.saturating_mul(1000)),
                    until: Time(claims.until.saturating_mul(1000)),
                    by: match (claims.app, claims.linked) {
                        (false, _) => SessionBy::Login,
                        (true, false) => SessionBy::App,
                        (true, true) => SessionBy::LinkedApp,
                    },
                },
            },
            profile: Profile::default(),
            noted_at: AtomicI64::default(),
        })
    }

    async fn foreign(
        &self,
        token: &str,
        alg: Algorithm,
        kid: Option<&str>,
        now: Time,
    ) -> Result<Verified, TokenRefused> {
        if !self.allowed.contains(&alg) {
            return Err(refused(format!(
                "alg {alg:?} is not allowed by auth.algorithms"
            )));
        }
        let claims: Claims = match alg {
            Algorithm::HS256 => decode_with(token, alg, &self.shared)
                .ok_or_else(|| refused("signature does not fit auth.jwt_secret"))?,
            alg => self.decode_public(token, alg, kid).await?,
        };
        self.check_issuer(&claims)?;
        let (expires_at, iat) = check_times(&claims, now)?;
        let subject = self.claims.subject(&claims)?;
        let issuer = claims.get("iss").and_then(Value::as_str);
        Ok(Verified {
            id: UserId::parse(&subject),
            subject,
            expires_at,
            issue: Issue::Foreign {
                iat,
                issuer: issuer.unwrap_or_default().to_owned(),
            },
            profile: self.claims.profile(&claims),
            noted_at: AtomicI64::default(),
        })
    }

    async fn decode_public(
        &self,
        token: &str,
        alg: Algorithm,
        kid: Option<&str>,
    ) -> Result<Claims, TokenRefused> {
        if let Some((own_alg, key)) = &self.public
            && *own_alg == alg
            && let Some(claims) = decode_with(token, alg, key)
        {
            return Ok(claims);
        }
        let Some(jwks) = &self.jwks else {
            let why = match &self.public {
                Some((own, _)) if *own == alg => {
                    "signature does not fit auth.public_key".to_owned()
                }
                Some((own, _)) => format!("alg {alg:?}, only HS256 and {own:?} have a key"),
                None => format!("alg {alg:?}, only HS256 has a key"),
            };
            return Err(refused(why));
        };
        let wait = Duration::from_secs(2);
        let key = tokio::time::timeout(wait, jwks.key(kid, alg)).await;
        let unknown = || {
            refused(format!(
                "auth.jwks_url has no key for alg {alg:?} and this kid"
            ))
        };
        let key = key.ok().flatten().ok_or_else(unknown)?;
        let fits = decode_with(token, alg, &key);
        fits.ok_or_else(|| refused("signature does not fit the key of auth.jwks_url"))
    }

    /// What is checked of other issuers' tokens apart from the signature.
    fn check_issuer(&self, claims: &Claims) -> Result<(), TokenRefused> {
        let none = Value::Null;
        let claim = |name| claims.get(name).unwrap_or(&none);
        if !self.issuer.is_empty() && claim("iss") != self.issuer.as_str() {
            return Err(refused("iss is not auth.issuer"));
        }
        let audience = self.audience.is_empty()
            || match claim("aud") {
                Value::Array(all) => all.iter().any(|one| one == self.audience.as_str()),
                one => one == self.audience.as_str(),
            };
        if !audience {
            return Err(refused("aud does not hold auth.audience"));
        }
        Ok(())
    }
}

fn mac(text: &str, key: &EncodingKey) -> String {
    // HS256 with its own key: it does not fail.
    jsonwebtoken::crypto::sign(text.as_bytes(), key, Algorithm::HS256).unwrap_or_default()
}

fn of_library(algorithm: config::Algorithm) -> Algorithm {
    match algorithm {
        config::Algorithm::Hs256 => Algorithm::HS256,
        config::Algorithm::Rs256 => Algorithm::RS256,
        config::Algorithm::Es256 => Algorithm::ES256,
        config::Algorithm::EdDsa => Algorithm::EdDSA,
    }
}

/// Signature only: times are checked against our own clock, the rest by rules of our own.
fn decode_with<T: DeserializeOwned + Clone>(
    token: &str,
    alg: Algorithm,
    key: &DecodingKey,
) -> Option<T> {
    let mut validation = Validation::new(alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    decode(token, key, &validation).ok().map(|data| data.claims)
}

/// Reads a PEM, given as text or as the path of its file.
fn public_key(text: &str) -> Result<PublicKey, String> {
    let read;
    let pem = if text.contains("-----BEGIN") {
        text
    } else {
        read = std::fs::read_to_string(text).map_err(|e| format!("{text}: {e}"))?;
        &read
    };
    let bytes = pem.as_bytes();
    DecodingKey::from_rsa_pem(bytes)
        .map(|key| (Algorithm::RS256, key))
        .or_else(|_| DecodingKey::from_ec_pem(bytes).map(|key| (Algorithm::ES256, key)))
        .or_else(|_| DecodingKey::from_ed_pem(bytes).map(|key| (Algorithm::EdDSA, key)))
        .map_err(|_| "is not a PEM of an RSA, P-256 or Ed25519 public key".to_owned())
}
