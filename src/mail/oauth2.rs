//! Tokens for an SMTP server that wants no password: by client credentials (RFC 6749 section 4.4).

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::auth::roots;
use crate::config::MailOauth2;

const ANSWER_TIME: Duration = Duration::from_secs(20);
/// How long before its end a token is not used any more.
const MARGIN: Duration = Duration::from_secs(60);
/// How long a token is used that does not say how long it is valid.
const LIFETIME_SECONDS: u64 = 300;

/// The newest token.
#[derive(Default)]
pub struct Token(Option<(String, Instant)>);

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: Option<u64>,
}

/// RFC 6749 section 5.2.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    error_description: Option<String>,
}

impl Token {
    /// A token that is still valid.
    ///
    /// # Errors
    /// What the provider said.
    pub async fn get(&mut self, config: &MailOauth2) -> Result<String, String> {
        if let Some((token, until)) = &self.0
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let answer = fetch(config).await?;
        let valid = Duration::from_secs(answer.expires_in.unwrap_or(LIFETIME_SECONDS));
        let until = Instant::now() + valid.saturating_sub(MARGIN);
        self.0 = Some((answer.access_token.clone(), until));
        Ok(answer.access_token)
    }

    /// The SMTP server refused it.
    pub fn forget(&mut self) {
        self.0 = None;
    }
}

async fn fetch(config: &MailOauth2) -> Result<Answer, String> {
    let url = config.token_url.as_ref();
    let url = url.ok_or("mail.oauth2.token_url is not set")?;
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_id", config.client_id.as_str()),
        ("client_secret", config.client_secret.expose()),
    ];
    if !config.scope.is_empty() {
        form.push(("scope", &config.scope));
    }
    let form = serde_urlencoded::to_string(form).map_err(|e| e.to_string())?;
    let client = roots::https_client().timeout(ANSWER_TIME);
    let client = client.redirect(reqwest::redirect::Policy::none()).build();
    let request = client.map_err(|e| e.to_string())?.post(url.url().clone());
    let answer = request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await
        .map_err(|e| format!("{url} cannot be reached: {}", e.without_url()))?;
    let status = answer.status();
    let body = answer
        .bytes()
        .await
        .map_err(|e| e.without_url().to_string())?;
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|_| format!("{url} answers without a token"));
    }
    let said = serde_json::from_slice::<Refusal>(&body).map(|refusal| {
        let description = refusal.error_description.unwrap_or_default();
        format!("{} {description}", refusal.error)
    });
    Err(format!(
        "{url} answers {status}: {}",
        said.unwrap_or_default()
    ))
}
