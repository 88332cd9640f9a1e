//! Logging in with the school's own provider: OpenID Connect Core 1.0 by the authorization code flow, with PKCE (RFC 7636).

use std::time::{Duration, Instant};

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClientAuthMethod,
    CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AuthType, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, IdTokenFields, IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, Scope, StandardErrorResponse, StandardTokenResponse,
    TokenResponse as _, UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::claims::{Profile, Reader};
use super::roots;
use crate::config;

/// How long the provider may take for one answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// How long what the provider says of itself, its keys too, is taken for current.
const METADATA_LIFETIME: Duration = Duration::from_secs(3_600);
/// How long it is remembered that the provider could not be reached.
const FAILURE_LIFETIME: Duration = Duration::from_secs(30);
/// How far clocks may differ, in seconds.
const LEEWAY_SECONDS: i64 = 60;
/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// All claims, those of the standard and others.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct All {
    #[serde(flatten)]
    claims: Map<String, Value>,
}

impl AdditionalClaims for All {}

type Fields = IdTokenFields<
    All,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

type Provider = Client<
    All,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What the provider says of itself, and when it did or failed to.
#[derive(Default)]
struct Known {
    metadata: Option<(CoreProviderMetadata, Instant)>,
    failure: Option<(String, Instant)>,
}

/// The provider of the configuration.
pub struct Oidc {
    issuer: IssuerUrl,
    client_id: ClientId,
    secret: Option<ClientSecret>,
    redirect: RedirectUrl,
    http: reqwest::Client,
    reader: Reader,
    known: Mutex<Known>,
}

/// What a browser keeps between leaving for the provider and coming back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub state: String,
    pub nonce: String,
    /// Of PKCE.
    pub verifier: String,
    /// Where the provider was asked to make sure again who it is: since when, in Unix seconds.
    pub asked_since: Option<i64>,
}

/// Whom the provider vouches for.
#[derive(Debug, Clone)]
pub struct Vouched {
    pub issuer: String,
    pub subject: String,
    /// Only one that the provider has verified.
    pub email: Option<String>,
    pub username: Option<String>,
    pub profile: Profile,
}

impl Oidc {
    /// `None`, where no provider is configured.
    ///
    /// # Errors
    /// A sentence that names the key at fault.
    pub fn of(
        config: &config::Auth,
        public_url: Option<&config::PublicUrl>,
    ) -> Result<Option<Self>, String> {
        let oidc = &config.oidc;
        let (Some(issuer), Some(public)) = (&oidc.issuer, public_url) else {
            return Ok(None);
        };
        let redirect = format!("{}/api/auth/oidc/callback", public.site());
        let http = roots::https_client()
            .timeout(ANSWER_TIME)
            .redirect(reqwest::redirect::Policy::none())
            .build();
        let named = |key: &'static str| move |e: url::ParseError| format!("{key}: {e}");
        let secret = oidc.client_secret.expose();
        Ok(Some(Oidc {
            issuer: IssuerUrl::new(issuer.as_str().to_owned())
                .map_err(named("auth.oidc.issuer"))?,
            client_id: ClientId::new(oidc.client_id.clone()),
            secret: (!secret.is_empty()).then(|| ClientSecret::new(secret.to_owned())),
            redirect: RedirectUrl::new(redirect).map_err(named("server.public_url"))?,
            http: http.map_err(|e| format!("auth.oidc: {e}"))?,
            reader: Reader::new(config),
            known: Mutex::default(),
        }))
    }

    /// Where to send the browser, and what it must bring back.
    ///
    /// # Errors
    /// Why the provider cannot be used.
    pub async fn begin(&self, asked_since: Option<i64>) -> Result<(url::Url, Attempt), String> {
        let provider = self.provider(false).await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let mut request = provider
            .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
            .add_scope(Scope::new("profile".into()))
            .add_scope(Scope::new("email".into()))
            .set_pkce_challenge(challenge);
        if asked_since.is_some() {
            request = request
                .add_prompt(CoreAuthPrompt::Login)
                .set_max_age(Duration::ZERO);
        }
        let (url, state, nonce) = request.url();
        let attempt = Attempt {
            state: state.into_secret(),
            nonce: nonce.secret().clone(),
            verifier: verifier.into_secret(),
            asked_since,
        };
        Ok((url, attempt))
    }

    /// Takes the code that the browser came back with to the provider, and checks what it answers.
    ///
    /// # Errors
    /// Why nobody is vouched for, for the log.
    pub async fn finish(&self, code: String, attempt: Attempt) -> Result<Vouched, String> {
        let provider = self.provider(false).await?;
        let client = self.http.clone();
        let http = move |request| ask(client.clone(), request);
        let answer = provider
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|e| e.to_string())?
            .set_pkce_verifier(PkceCodeVerifier::new(attempt.verifier))
            .request_async(&http)
            .await
            .map_err(|e| format!("the code is not accepted: {}", causes(&e)))?;
        let nonce = Nonce::new(attempt.nonce);
        let token = answer.id_token().ok_or("there is no ID token")?;
        let mut checked = token.claims(&verifier(&provider), &nonce).cloned();
        if checked.is_err() {
            // Its keys may be new.
            let provider = self.provider(true).await?;
            checked = token.claims(&verifier(&provider), &nonce).cloned();
        }
        let claims = checked.map_err(|e| format!("the ID token is refused: {}", causes(&e)))?;
        // OpenID Connect Core 3.1.2.1: with `max_age` the time is in the ID token.
        let at = claims.auth_time().map(|time| time.timestamp());
        if attempt
            .asked_since
            .is_some_and(|since| at.is_none_or(|at| at < since - LEEWAY_SECONDS))
        {
            return Err("the provider did not make sure again who it is".into());
        }
        let subject = claims.subject().clone();
        let mut all = as_map(&claims);
        // Some providers keep all but the subject for the UserInfo endpoint (OpenID Connect Core 5.4).
        if !all.contains_key("email")
            && let Ok(request) =
                provider.user_info(answer.access_token().clone(), Some(subject.clone()))
        {
            let more: Result<UserInfoClaims<All, CoreGenderClaim>, _> =
                request.request_async(&http).await;
            let more = more.map_err(|e| format!("UserInfo: {}", causes(&e)))?;
            all.extend(as_map(&more));
        }
        Ok(self.vouched(&subject, &all))
    }

    fn vouched(&self, subject: &str, all: &Map<String, Value>) -> Vouched {
        let text = |name: &str| all.get(name).and_then(Value::as_str).map(str::to_owned);
        let is_verified = all.get("email_verified").is_some_and(|verified| {
            // Some providers send it as text.
            verified == &Value::Bool(true) || verified == "true"
        });
        let mut profile = self.reader.profile(all);
        profile.email = profile.email.filter(|_| is_verified);
        profile.avatar = profile.avatar.or_else(|| text("picture"));
        Vouched {
            issuer: self.issuer.to_string(),
            subject: subject.to_owned(),
            email: profile.email.clone(),
            username: text("preferred_username"),
            profile,
        }
    }

    /// The provider as it describes itself (OpenID Connect Discovery 1.0).
    async fn provider(&self, fresh: bool) -> Result<Provider, String> {
        let metadata = self.metadata(fresh).await?;
        let methods = metadata.token_endpoint_auth_methods_supported();
        // The default is the first (OpenID Connect Discovery section 3).
        let by_body = methods.is_some_and(|methods| {
            !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
                && methods.contains(&CoreClientAuthMethod::ClientSecretPost)
        });
        let client =
            Client::from_provider_metadata(metadata, self.client_id.clone(), self.secret.clone());
        let client = client.set_redirect_uri(self.redirect.clone());
        Ok(match by_body {
            true => client.set_auth_type(AuthType::RequestBody),
            false => client,
        })
    }

    async fn metadata(&self, fresh: bool) -> Result<CoreProviderMetadata, String> {
        let mut known = self.known.lock().await;
        let lately = |failed: &&(String, Instant)| failed.1.elapsed() < FAILURE_LIFETIME;
        let failed = known
            .failure
            .as_ref()
            .filter(lately)
            .map(|(why, _)| why.clone());
        if let Some((metadata, at)) = &known.metadata
            && (failed.is_some() || !fresh && at.elapsed() < METADATA_LIFETIME)
        {
            return Ok(metadata.clone());
        }
        // Whoever waited while it could not be reached does not try it in turn.
        if let Some(why) = failed {
            return Err(why);
        }
        let client = self.http.clone();
        let http = move |request| ask(client.clone(), request);
        let found = CoreProviderMetadata::discover_async(self.issuer.clone(), &http).await;
        match found {
            Ok(found) => {
                known.failure = None;
                known.metadata = Some((found.clone(), Instant::now()));
                Ok(found)
            }
            Err(error) => {
                let why = format!("{}: {}", self.issuer.as_str(), causes(&error));
                known.failure = Some((why.clone(), Instant::now()));
                let stale = known
                    .metadata
                    .as_ref()
                    .map(|(metadata, _)| metadata.clone());
                stale.ok_or(why)
            }
        }
    }

    /// Asks the provider to describe itself.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub async fn probe(&self) -> Result<(), String> {
        self.provider(true).await.map(drop)
    }
}

async fn ask(client: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, Failed> {
    let failed = |e: reqwest::Error| Failed(e.without_url().to_string());
    let request = reqwest::Request::try_from(request).map_err(failed)?;
    let answer = client.execute(request).await.map_err(failed)?;
    let mut response = http::Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        response = response.header(name, value);
    }
    let body = answer.bytes().await.map_err(failed)?;
    if body.len() > MAX_ANSWER {
        return Err(Failed("the answer is too long".into()));
    }
    let response = response.body(body.to_vec());
    response.map_err(|e| Failed(e.to_string()))
}

/// Only signatures of keys that the provider publishes count: its secret is known to others than it.
fn verifier(provider: &Provider) -> openidconnect::core::CoreIdTokenVerifier<'_> {
    provider.id_token_verifier().set_allowed_algs([
        CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
        CoreJwsSigningAlgorithm::RsaSsaPssSha256,
        CoreJwsSigningAlgorithm::EcdsaP256Sha256,
        CoreJwsSigningAlgorithm::EdDsa,
    ])
}

fn as_map(claims: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(claims) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// A request to the provider that failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(String);

/// An error with all that it was caused by.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
