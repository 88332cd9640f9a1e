//! JSON Web Tokens (RFC 7519): our own, HS256, and those of the school's existing app.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
};
use serde_json::Value;

use super::claims::{Claims, OwnClaims, check_expiry, check_times, expiry, profile, subject};
use super::jwks::Jwks;
use super::keyfile;
use super::verified::VerifiedTokens;
use crate::config::{self, ALGORITHMS};
use crate::error::{Error, Result, Unauthorized};
use crate::model::ids::UserId;
use crate::model::random;
use crate::model::time::Time;
use crate::model::users::User;

/// The longest token that is looked at, in bytes.
const MAX: usize = 8 << 10;
/// The shortest secret, in bytes: an empty file would let anybody sign.
const MIN_SECRET: usize = 16;
/// `iss` of our own tokens.
const ISSUER: &str = "schoolbell";

/// A token that holds: signature, expiry, and issuer and audience where they are configured.
#[derive(Debug, Clone)]
pub struct Verified {
    pub subject: UserId,
    pub expires_at: Time,
    pub issue: Issue,
    pub profile: Profile,
}

/// By what a token can be told to be older than a log-out-everywhere.
#[derive(Debug, Clone, Copy)]
pub enum Issue {
    /// Ours: the user's token version at that time.
    Version(i64),
    /// Another issuer's: `iat` in seconds, where it has one.
    At(Option<i64>),
}

/// What another issuer says of its subject.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    pub name: Option<String>,
    pub email: Option<String>,
    pub avatar: Option<String>,
    pub role: Option<String>,
}

/// Issues and verifies.
pub struct Tokens {
    encoding: EncodingKey,
    shared: DecodingKey,
    public: Option<(Algorithm, DecodingKey)>,
    jwks: Option<Jwks>,
    allowed: Vec<Algorithm>,
    issuer: String,
    audience: String,
    lifetime: i64,
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
        if secret.len() < MIN_SECRET {
            let path = keyfile::beside(database, "jwt.secret");
            return Err(format!(
                "{}: holds no secret of {MIN_SECRET} bytes or more",
                path.display()
            ));
        }
        let public = match config.public_key.as_str() {
            "" => None,
            key => Some(public_key(key).map_err(|e| format!("auth.public_key: {e}"))?),
        };
        let jwks = match config.jwks_url.as_str() {
            "" => None,
            url => Some(Jwks::new(url).map_err(|e| format!("auth.jwks_url: {e}"))?),
        };
        let configured: Vec<&str> = if config.algorithms.is_empty() {
            ALGORITHMS.to_vec()
        } else {
            config.algorithms.iter().map(String::as_str).collect()
        };
        Ok(Tokens {
            encoding: EncodingKey::from_secret(secret.as_bytes()),
            shared: DecodingKey::from_secret(secret.as_bytes()),
            public,
            jwks,
            allowed: configured.iter().filter_map(|n| n.parse().ok()).collect(),
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            lifetime: i64::from(config.token_ttl),
            verified: VerifiedTokens::default(),
        })
    }

    /// An HMAC (SHA-256, base64url) by our secret over a text that is no token: it must not hold a dot.
    pub fn mac(&self, text: &str) -> String {
        // HS256 with its own key: it does not fail.
        jsonwebtoken::crypto::sign(text.as_bytes(), &self.encoding, Algorithm::HS256)
            .unwrap_or_default()
    }

    /// A token of our own for `user`, and when it expires.
    pub fn issue(&self, user: &User, now: Time) -> Result<(String, Time)> {
        let expires_at = Time((now.seconds() + self.lifetime) * 1000);
        let claims = OwnClaims {
            user_id: user.id().as_str(),
            sub: user.id().as_str(),
            exp: expires_at.seconds(),
            iat: now.seconds(),
            iss: ISSUER,
            name: &user.person.name,
            role: user.role.as_str(),
            ver: user.token_version,
        };
        let token = encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .map_err(|e| Error::Internal(format!("token: {e}")))?;
        Ok((token, expires_at))
    }

    /// Checks a token. Waits at most two seconds, for a JWKS, and only when its key is not known.
    ///
    /// # Errors
    /// [`Error::Unauthorized`].
    pub async fn verify(&self, token: &str, now: Time) -> Result<Arc<Verified>> {
        if let Some(known) = self.verified.get(token) {
            check_expiry(known.expires_at, now)?;
            return Ok(known);
        }
        if token.is_empty() || token.len() > MAX {
            return Err(bad());
        }
        let header = decode_header(token).map_err(|_| bad())?;
        // RFC 7515 section 4.1.11: an extension that must be understood, and is not.
        if header.crit.is_some() {
            return Err(bad());
        }
        let claims = match header.alg {
            Algorithm::HS256 => decode_with(token, header.alg, &self.shared)?,
            _ if !self.allowed.contains(&header.alg) => return Err(bad()),
            alg => {
                self.decode_public(token, alg, header.kid.as_deref())
                    .await?
            }
        };
        // By our own secret only: what a public key of others signs is theirs, whatever it says.
        let version = claims
            .ver
            .as_i64()
            .filter(|_| header.alg == Algorithm::HS256);
        let own = version.is_some() && claims.iss == ISSUER;
        if !own && !self.foreign_holds(&claims, header.alg) {
            return Err(bad());
        }
        check_times(&claims, now)?;
        let subject = subject(&claims).ok_or_else(bad)?;
        let verified = Arc::new(Verified {
            subject,
            expires_at: expiry(&claims),
            issue: match version {
                Some(version) if own => Issue::Version(version),
                _ => Issue::At(claims.iat.as_f64().map(|iat| iat as i64)),
            },
            profile: if own {
                Profile::default()
            } else {
                profile(&claims)
            },
        });
        if header.alg == Algorithm::HS256 {
            self.verified.keep(token, &verified);
        }
        Ok(verified)
    }

    async fn decode_public(
        &self,
        token: &str,
        alg: Algorithm,
        kid: Option<&str>,
    ) -> Result<Claims> {
        if let Some((own_alg, key)) = &self.public
            && *own_alg == alg
            && let Ok(claims) = decode_with(token, alg, key)
        {
            return Ok(claims);
        }
        let Some(jwks) = &self.jwks else {
            return Err(bad());
        };
        let wait = Duration::from_secs(2);
        let key = tokio::time::timeout(wait, jwks.key(kid, alg)).await;
        let key = key.ok().flatten().ok_or_else(bad)?;
        decode_with(token, alg, &key)
    }

    /// What is asked of other issuers' tokens beside the signature.
    fn foreign_holds(&self, claims: &Claims, alg: Algorithm) -> bool {
        let issuer = self.issuer.is_empty() || claims.iss == self.issuer.as_str();
        let audience = self.audience.is_empty()
            || match &claims.aud {
                Value::Array(all) => all.iter().any(|one| one == self.audience.as_str()),
                one => one == self.audience.as_str(),
            };
        self.allowed.contains(&alg) && issuer && audience
    }
}

pub(super) fn bad() -> Error {
    Error::Unauthorized(Unauthorized::BadToken)
}

/// Signature only: times are checked against our own clock, the rest by rules of our own.
fn decode_with(token: &str, alg: Algorithm, key: &DecodingKey) -> Result<Claims> {
    let mut validation = Validation::new(alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    decode(token, key, &validation)
        .map(|data| data.claims)
        .map_err(|_| bad())
}

/// Reads a PEM, given as text or as the path of its file.
fn public_key(text: &str) -> Result<(Algorithm, DecodingKey), String> {
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
