//! Sends one push, and returns its outcome.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::answers::{self, Answer, Circumstances};
use super::budget::Budget;
use super::client;
use super::message::{Message, Parts};
use super::signer::Signer;
use super::{budget, contact, guard, message, payload};
use crate::app::App;
use crate::config::Config;
use crate::error::root_cause;
use crate::model::language::Language;
use crate::model::notifications::Urgency;
use crate::model::preferences::Wish;
use crate::model::pushes::{DuePush, Failure, PushOutcome, ServiceKey, Subject};
use crate::model::subscriptions::Endpoint;
use crate::model::time::{Clock, Time};

/// How long a subscription is new, in milliseconds.
const NEW_MS: i64 = 60_000;
/// For how long a push that was taken shows that a service accepts our key and contact, in seconds.
const TRUST_SECONDS: i64 = 3_600;

/// What is shared by all pushes of the process.
pub struct Sender {
    config: Config,
    client: reqwest::Client,
    signer: Signer,
    clock: Arc<dyn Clock>,
    /// When each service last took a push.
    accepted: Mutex<HashMap<ServiceKey, Time>>,
    budget: Mutex<Budget>,
}

impl Sender {
    /// # Errors
    /// A sentence, when there is no HTTP client to be had.
    pub fn new(app: &App) -> Result<Self, String> {
        Ok(Sender {
            config: app.config.clone(),
            client: client::build(&app.config.push)?,
            signer: Signer::new(app.vapid.clone(), contact::subject(&app.config)),
            clock: app.clock.clone(),
            accepted: Mutex::default(),
            budget: Mutex::default(),
        })
    }

    /// Sends it, if its user wants it now and it is not too late.
    pub async fn send(&self, push: &DuePush) -> PushOutcome {
        let now = self.clock.now();
        let Some(subject) = &push.subject else {
            return PushOutcome::Dropped;
        };
        match wish(push, subject, now) {
            Wish::Now => {}
            Wish::Later(time) => return PushOutcome::Later(time),
            Wish::Never => return PushOutcome::Dropped,
        }
        if push.expires_at() <= now {
            return PushOutcome::Expired;
        }
        let summary;
        let subject = match self.portion(push, subject, now) {
            Portion::One => subject,
            Portion::Summary => {
                summary = Subject::Summary {
                    count: push.waiting,
                };
                &summary
            }
            Portion::Later(time) => return PushOutcome::OverBudget(time),
        };
        // Checked when it came; the list of those who may be called may have changed since.
        let endpoint = Endpoint::parse(&push.endpoint)
            .and_then(|endpoint| guard::check(&self.config.push, &endpoint).map(|()| endpoint));
        let endpoint = match endpoint {
            Ok(endpoint) => endpoint,
            Err(error) => return dead(error.to_string()),
        };
        let answer = match self.exchange(push, subject, &endpoint, now).await {
            Ok(answer) => answer,
            Err(why) => return dead(why),
        };
        // The answer may have taken long.
        let began = now;
        let now = self.clock.now();
        let outcome = answers::classify(
            answer,
            Circumstances {
                host: endpoint.url().host_str().unwrap_or_default(),
                now,
                tries: push.tries,
                trusted: self.trusts_us(push.service, now),
                is_new: now.0 - push.subscribed_at.0 < NEW_MS,
                jitter: jitter(),
            },
        );
        if outcome != PushOutcome::Sent {
            if counts(push, subject) {
                self.budget().give_back(push.key.subscription);
            }
            return outcome;
        }
        self.accepted().insert(push.service, now);
        match subject {
            Subject::Summary { .. } => PushOutcome::Summed(began),
            _ => PushOutcome::Sent,
        }
    }

    /// What the device's hourly budget allows.
    fn portion(&self, push: &DuePush, subject: &Subject, now: Time) -> Portion {
        if !counts(push, subject) {
            return Portion::One;
        }
        match push.summary_at {
            Some(at) if at <= now && push.waiting > 1 => return Portion::Summary,
            // One that is further away was made by a clock that has been set since.
            Some(at) if at > now && at.0 - now.0 <= budget::HOUR_MS => return Portion::Later(at),
            _ => {}
        }
        match self.budget().take(push.key.subscription, now) {
            Ok(()) => Portion::One,
            Err(next) => Portion::Later(next),
        }
    }

    /// The service's answer; a payload that is too large is made smaller once, and a token that is refused is replaced once.
    /// `Ok(Err)`: there was no answer. `Err`: there is nothing to send.
    async fn exchange(
        &self,
        push: &DuePush,
        subject: &Subject,
        endpoint: &Endpoint,
        now: Time,
    ) -> Result<Result<Answer, String>, String> {
        let mut max = payload::MAX_BYTES;
        let mut again = true;
        loop {
            let message = self.message(push, subject, endpoint, now, max)?;
            let answer = self.post(endpoint, message, now).await;
            let status = answer.as_ref().map_or(0, |answer| answer.status);
            match status {
                413 if again => max = payload::MAX_SMALL_BYTES,
                401 | 403 if again => self.signer.renew(&endpoint.origin(), now)?,
                _ => return Ok(answer),
            }
            again = false;
        }
    }

    fn message(
        &self,
        push: &DuePush,
        subject: &Subject,
        endpoint: &Endpoint,
        now: Time,
        max: usize,
    ) -> Result<Message, String> {
        let preferences = push.preferences.as_ref();
        let language = Language::of(preferences.and_then(|p| p.language.as_deref()));
        let payload = payload::encode(&self.config, subject, push.key.seq, language, max);
        let signature = self.signer.signature(&endpoint.origin(), now)?;
        let left = (push.expires_at().0 - now.0) / 1_000;
        let ttl = left.clamp(0, push.ttl.into()) as u32;
        let mut message = message::build(Parts {
            endpoint: endpoint.as_str(),
            keys: &push.keys,
            payload: &payload,
            urgency: push.urgency,
            ttl,
            signature: &signature,
        })?;
        // Microsoft takes no push that it may not keep, unless it is told so.
        let host = endpoint.url().host_str().unwrap_or_default();
        if ttl == 0 && guard::owner(host) == "Microsoft" {
            let header = ("x-wns-cache-policy", "no-cache".into());
            message.headers.push(header);
        }
        Ok(message)
    }

    /// # Errors
    /// Why there was no answer.
    async fn post(
        &self,
        endpoint: &Endpoint,
        message: Message,
        now: Time,
    ) -> Result<Answer, String> {
        let mut request = self.client.post(endpoint.url().clone());
        for (name, value) in message.headers {
            request = request.header(name, value);
        }
        let request = request.body(message.body);
        match request.send().await {
            Ok(response) => Ok(client::answer(response, now).await),
            Err(error) => Err(reason(error)),
        }
    }

    fn trusts_us(&self, service: ServiceKey, now: Time) -> bool {
        let accepted = self.accepted().get(&service).copied();
        accepted.is_some_and(|at| now.seconds() - at.seconds() < TRUST_SECONDS)
    }

    fn budget(&self) -> std::sync::MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accepted(&self) -> std::sync::MutexGuard<'_, HashMap<ServiceKey, Time>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a push is counted: what is urgent, what its person asked for, and a summary always come.
fn counts(push: &DuePush, subject: &Subject) -> bool {
    push.urgency != Urgency::High && !matches!(subject, Subject::Test | Subject::Summary { .. })
}

/// What a device gets.
enum Portion {
    One,
    /// One push in place of all that waits.
    Summary,
    Later(Time),
}

/// What its user wants, and what the school's quiet hours want. A user who asks for a test wants it.
fn wish(push: &DuePush, subject: &Subject, now: Time) -> Wish {
    if push.emergency {
        return Wish::Now;
    }
    let kind = match subject {
        Subject::Test | Subject::Summary { .. } => return Wish::Now,
        Subject::Message { .. } => "message",
        Subject::Notification { kind, .. } => kind,
    };
    let own = push.preferences.as_ref();
    let own = own.map_or(Wish::Now, |own| own.wish(kind, push.urgency, now));
    match (own, push.quiet_until.filter(|until| *until > now)) {
        (Wish::Now, Some(until)) => Wish::Later(until),
        (Wish::Later(own), Some(until)) => Wish::Later(own.max(until)),
        (own, _) => own,
    }
}

fn dead(text: String) -> PushOutcome {
    PushOutcome::Dead(Failure { status: None, text })
}

/// The innermost cause: that is what tells an administrator something. Without the URL, which is a secret.
fn reason(error: reqwest::Error) -> String {
    client::printable(&root_cause(&error.without_url()))
}

/// 0 to 1.
fn jitter() -> f64 {
    let mut random = [0; 4];
    // Without random numbers everybody waits equally long.
    let _ = getrandom::fill(&mut random);
    f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX)
}
