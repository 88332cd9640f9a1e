//! Getting the server's certificate from a certificate authority (ACME, RFC 8555), by TLS-ALPN-01 (RFC 8737): the authority
//! connects to port 443 of each name and asks for a certificate that proves that the name leads here.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, BodyWrapper, BytesResponse, ChallengeType,
    HttpClient, Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;

use super::{keyfile, roots};
use crate::config::Acme;
use crate::error::root_cause;

/// The protocol by which the authority asks (RFC 8737 section 6.2).
pub const ALPN: &[u8] = b"acme-tls/1";

/// <https://letsencrypt.org/getting-started/>
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// How long one request to the authority may take.
const REQUEST_TIME: Duration = Duration::from_secs(30);
/// How often an order is tried whose requests come with a nonce that is no longer valid.
const TRIES: usize = 4;
/// How long the authority may take to check the names, and then to issue the certificate.
const ORDER_TIME: Duration = Duration::from_secs(120);

/// The certificates that answer the authority's questions, by name.
#[derive(Debug, Default)]
pub struct Challenges(Mutex<HashMap<String, Arc<CertifiedKey>>>);

impl Challenges {
    pub fn find(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.lock().get(name).cloned()
    }

    fn put(&self, name: String, key: CertifiedKey) {
        self.lock().insert(name, Arc::new(key));
    }

    fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<CertifiedKey>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the account, the certificate and its key are kept: beside the database.
#[derive(Debug, Clone)]
pub struct Files {
    pub account: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Files {
    pub fn beside(database: &Path) -> Self {
        Files {
            account: keyfile::beside(database, "acme-account.json"),
            certificate: keyfile::beside(database, "acme-certificate.pem"),
            key: keyfile::beside(database, "acme-certificate.key"),
        }
    }
}

/// Gets a certificate for the names of `config`, and puts it and its key into the files. Meanwhile `challenges` answers the
/// authority.
///
/// # Errors
/// A sentence: what the authority, the network or the disk said. The files are as they were.
pub async fn obtain(config: &Acme, files: &Files, challenges: &Challenges) -> Result<(), String> {
    let mut made = order(config, files, challenges).await;
    for _ in 1..TRIES {
        // RFC 8555 section 6.5: a nonce that has become invalid is no failure.
        if made.as_ref().is_err_and(|why| why.contains("badNonce")) {
            made = order(config, files, challenges).await;
        }
    }
    challenges.clear();
    let (certificate, key) = made?;
    // The key first: whoever reads the pair meanwhile finds that it does not fit, and reads again.
    keyfile::replace(&files.key, &key)?;
    keyfile::replace(&files.certificate, &certificate)
}

async fn order(
    config: &Acme,
    files: &Files,
    challenges: &Challenges,
) -> Result<(String, String), String> {
    let directory = config
        .directory
        .as_ref()
        .map_or(LETS_ENCRYPT, |url| url.as_str());
    let account = account(config, directory, files)
        .await
        .map_err(|why| format!("{directory}: {why}"))?;
    let names = config.domains.iter();
    let names: Vec<Identifier> = names
        .map(|name| Identifier::Dns(name.as_str().to_owned()))
        .collect();
    let mut order = account
        .new_order(&NewOrder::new(&names))
        .await
        .map_err(said)?;
    answer(&mut order, challenges).await?;
    let patience = RetryPolicy::new().timeout(ORDER_TIME);
    match order.poll_ready(&patience).await.map_err(said)? {
        OrderStatus::Ready => {}
        _ => return Err(reason(&mut order).await),
    }
    let key = order.finalize().await.map_err(said)?;
    let certificate = order.poll_certificate(&patience).await.map_err(said)?;
    Ok((certificate, key))
}

/// Makes the certificate that answers for each name, and tells the authority to ask.
async fn answer(order: &mut Order, challenges: &Challenges) -> Result<(), String> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(said)?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let name = authorization.identifier().to_string();
        let mut challenge = authorization
            .challenge(ChallengeType::TlsAlpn01)
            .ok_or("the certificate authority does not offer TLS-ALPN-01")?;
        let digest = challenge.key_authorization().digest();
        let key = proof(&name, digest.as_ref()).map_err(|e| format!("{name}: {e}"))?;
        challenges.put(name, key);
        challenge.set_ready().await.map_err(said)?;
    }
    Ok(())
}

/// A self-signed certificate for the name with the digest of the authority's token (RFC 8737 section 3).
fn proof(name: &str, digest: &[u8]) -> Result<CertifiedKey, Box<dyn std::error::Error>> {
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let private = PrivateKeyDer::try_from(key.serialize_der())?;
    let signing = any_supported_type(&private)?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], signing))
}

/// What the authority found wrong with the names.
async fn reason(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    while let Some(Ok(authorization)) = authorizations.next().await {
        let name = authorization.identifier().to_string();
        let mut errors = authorization.challenges.iter();
        if let Some(error) = errors.find_map(|challenge| challenge.error.as_ref()) {
            return format!("{name}: {error}");
        }
    }
    "the certificate authority refused the order and gave no reason".into()
}

/// The account that is kept, or a new one.
async fn account(config: &Acme, directory: &str, files: &Files) -> Result<Account, String> {
    let http = Http::new(&config.directory_ca)?;
    if let Some(kept) = kept(&files.account, directory)? {
        let builder = Account::builder_with_http(Box::new(http));
        return builder.from_credentials(kept).await.map_err(said);
    }
    let contact = (!config.email.is_empty()).then(|| format!("mailto:{}", config.email));
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let new = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let builder = Account::builder_with_http(Box::new(http));
    let made = builder.create(&new, directory.to_owned(), None).await;
    let (account, credentials) = made.map_err(said)?;
    let record = serde_json::json!({ "directory": directory, "credentials": credentials });
    keyfile::replace(&files.account, &record.to_string())?;
    Ok(account)
}

/// The account of this directory, if there is one: those of others mean nothing to it.
fn kept(file: &Path, directory: &str) -> Result<Option<AccountCredentials>, String> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(format!("{}: {e}", file.display())),
    };
    let damaged = |e: serde_json::Error| format!("{}: {e}; remove it", file.display());
    let mut record: serde_json::Value = serde_json::from_str(&text).map_err(damaged)?;
    if record["directory"] != directory {
        return Ok(None);
    }
    let credentials = serde_json::from_value(record["credentials"].take());
    credentials.map(Some).map_err(damaged)
}

/// An error of the library's, in words.
fn said(error: instant_acme::Error) -> String {
    match error {
        instant_acme::Error::Other(inner) => root_cause(&*inner),
        instant_acme::Error::Json(inner) => {
            format!("this is not the answer of an ACME server: {inner}")
        }
        error => error.to_string(),
    }
}

/// The client of the rest of the server, as the library asks for it.
struct Http(reqwest::Client);

impl Http {
    fn new(ca: &Path) -> Result<Self, String> {
        let mut builder = roots::https_client().timeout(REQUEST_TIME);
        if !ca.as_os_str().is_empty() {
            let fail = |why: String| format!("server.acme.directory_ca: {}: {why}", ca.display());
            let pem = std::fs::read(ca).map_err(|e| fail(e.to_string()))?;
            let authority =
                reqwest::Certificate::from_pem(&pem).map_err(|e| fail(e.to_string()))?;
            builder = builder.tls_certs_merge([authority]);
        }
        let client = builder.build();
        client.map(Http).map_err(|e| e.to_string())
    }
}

impl HttpClient for Http {
    fn request(
        &self,
        request: http::Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let client = self.0.clone();
        Box::pin(async move {
            let other = |e: Box<dyn std::error::Error + Send + Sync>| instant_acme::Error::Other(e);
            let (parts, body) = request.into_parts();
            let body = body
                .collect()
                .await
                .map_err(|e| other(e.into()))?
                .to_bytes();
            let request = http::Request::from_parts(parts, body);
            let request = reqwest::Request::try_from(request).map_err(|e| other(e.into()))?;
            let response = client.execute(request).await;
            let response = response.map_err(|e| other(e.without_url().into()))?;
            Ok(BytesResponse::from(http::Response::<reqwest::Body>::from(
                response,
            )))
        })
    }
}
