//! A JSON Web Key Set (RFC 7517) behind a URL: cached, and fetched again for a key id that is not known.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Unknown key ids do not make us ask more often than this.
const MIN_AGE: Duration = Duration::from_secs(10);
/// A set older than this is fetched again while the old one still serves, so that a withdrawn key goes.
const MAX_AGE: Duration = Duration::from_secs(600);
/// The largest set that is read, in bytes.
const MAX_SET_BYTES: usize = 256 << 10;

type Keys = HashMap<String, (Algorithm, DecodingKey)>;

/// The set; cloning shares it.
#[derive(Clone)]
pub struct Jwks(Arc<Shared>);

struct Shared {
    url: url::Url,
    client: reqwest::Client,
    keys: RwLock<Arc<Keys>>,
    /// When the set was last asked for. Held while asking: there is one request at a time.
    asked: Mutex<Option<Instant>>,
}

impl Jwks {
    /// Nothing is fetched before the first key is asked for.
    ///
    /// # Errors
    /// A sentence, if there is no HTTP client to be had.
    pub fn new(url: url::Url) -> Result<Self, String> {
        let client = super::roots::https_client()
            .timeout(Duration::from_secs(2))
            .redirect(reqwest::redirect::Policy::limited(2))
            .build()
            .map_err(|e| e.to_string())?;
        Ok(Jwks(Arc::new(Shared {
            url,
            client,
            keys: RwLock::default(),
            asked: Mutex::new(None),
        })))
    }

    /// The key of this id; without an id, the only key for the algorithm.
    pub async fn key(&self, kid: Option<&str>, alg: Algorithm) -> Option<DecodingKey> {
        if let Some(found) = self.cached(kid, alg) {
            self.refresh_if_old();
            return Some(found);
        }
        self.refresh(MIN_AGE).await;
        self.cached(kid, alg)
    }

    fn cached(&self, kid: Option<&str>, alg: Algorithm) -> Option<DecodingKey> {
        let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(kid) = kid {
            keys.get(kid).filter(|(a, _)| *a == alg)
        } else {
            let mut fitting = keys.values().filter(|(a, _)| *a == alg);
            fitting.next().filter(|_| fitting.next().is_none())
        }
        .map(|(_, key)| key.clone())
    }

    /// Fetches the set and returns how many usable keys it has.
    ///
    /// # Errors
    /// A sentence: why it cannot be fetched.
    pub async fn probe(&self) -> Result<usize, String> {
        let keys = Arc::new(fetch(&self.0).await?);
        let count = keys.len();
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(count)
    }

    fn refresh_if_old(&self) {
        let old = self
            .0
            .asked
            .try_lock()
            .is_ok_and(|asked| asked.is_none_or(|at| at.elapsed() > MAX_AGE));
        if old {
            let jwks = self.clone();
            tokio::spawn(async move { jwks.refresh(MAX_AGE).await });
        }
    }

    /// Fetches the set, unless that was done less than `min_age` ago. Runs to its end even when no caller is left.
    async fn refresh(&self, min_age: Duration) {
        let jwks = self.clone();
        let task = tokio::spawn(async move {
            let mut asked = jwks.0.asked.lock().await;
            if asked.is_some_and(|at| at.elapsed() < min_age) {
                return;
            }
            *asked = Some(Instant::now());
            if let Err(error) = jwks.probe().await {
                tracing::warn!(url = %jwks.0.url, error, "cannot fetch the JWKS");
            }
        });
        let _ = task.await;
    }
}

async fn fetch(shared: &Shared) -> Result<Keys, String> {
    let text = |e: reqwest::Error| e.without_url().to_string();
    let mut response = shared
        .client
        .get(shared.url.clone())
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(text)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(text)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_SET_BYTES {
            return Err(format!("larger than {MAX_SET_BYTES} bytes"));
        }
    }
    let set: JwkSet = serde_json::from_slice(&body).map_err(|e| e.to_string())?;
    let keys = set.keys.iter().enumerate();
    Ok(keys
        .filter_map(|(at, jwk)| {
            let alg = algorithm(jwk)?;
            let kid = jwk.common.key_id.clone();
            let key = DecodingKey::from_jwk(jwk).ok()?;
            Some((kid.unwrap_or_else(|| format!("#{at}")), (alg, key)))
        })
        .collect())
}

/// The algorithm that a key of this type is for; a symmetric key in a public set is ignored.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Some(Algorithm::RS256),
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            Some(Algorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(_) => Some(Algorithm::EdDSA),
        _ => None,
    }
}
