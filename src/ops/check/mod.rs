//! What an operator wants to know before calling for help: one finding a line, with what to do.

mod files;
mod live;
pub mod mail;
pub mod token;

pub use live::ask;

use std::sync::Arc;

use crate::auth::certificate::Pair;
use crate::auth::jwks::Jwks;
use crate::auth::keyfile;
use crate::auth::oidc::Oidc;
use crate::auth::tokens::Tokens;
use crate::auth::vapid::VapidKeys;
use crate::config::{Config, HttpUrl, LinkBy};
use crate::decisions;
use crate::model::policy::warnings;
use crate::model::time::{Clock as _, SystemClock, Time};
use crate::ops::certificate;
use crate::push::contact;
use crate::store::{backup, check as store, migrate, open};

/// One thing that was looked at.
#[derive(Debug)]
pub struct Finding {
    pub what: &'static str,
    /// What is wrong and what to do about it; `Ok` says what is right.
    pub outcome: Outcome,
    /// Nothing is wrong, but an optional setting is missing.
    pub incomplete: bool,
}

/// A sentence: what is right, or what is wrong and what to do.
type Outcome = Result<String, String>;

const DAY_MS: i64 = 86_400_000;
/// Before a certificate ends there must be time to get another.
const CERTIFICATE_DAYS: i64 = 14;
/// A clock that is behind the newest write by more than this was put back.
const CLOCK_SLACK_MS: i64 = 5 * 60_000;
/// When this was written: a clock before it is wrong.
const EARLIEST: Time = Time(1_790_000_000_000);

/// Looks at the configuration, the files, the database and the server, where one runs. A test write is all that it
/// changes.
pub async fn run(config: &Config) -> Vec<Finding> {
    let path = config.database.path.as_path();
    let now = SystemClock.now();
    // A user who may not read the files would be told that all of them are broken.
    if let Err(stranger) = files::user(path) {
        return vec![finding("user", Err(stranger))];
    }
    let mut findings = vec![
        finding("folder", files::folder(path)),
        finding("permissions", files::permissions(config)),
        finding("space", files::space(path)),
        finding("keys", keys(config)),
        finding("tokens", tokens(config)),
        Finding {
            incomplete: config.push.subject.is_empty() && contact::problem(config).is_some(),
            ..finding("push contact", subject(config))
        },
    ];
    if let Some(url) = &config.auth.jwks_url {
        findings.push(finding("jwks", jwks(url).await));
    }
    if let Some(pair) = Pair::of(config) {
        findings.push(finding("certificate", tls(config, &pair, now)));
    }
    if let Some(finding) = provider(config).await {
        findings.push(finding);
    }
    findings.extend(mail::look(config).await);
    findings.push(finding("proxy in front", proxy(config)));
    if !path.exists() {
        let hint = "no database yet: the first start makes it".to_owned();
        findings.push(finding("database", Ok(hint)));
        return findings;
    }
    let sound = backup::check(path)
        .map(|()| "passes SQLite's quick check".to_owned())
        .map_err(|e| format!("{e}; put a backup in its place with `schoolbell restore FILE`"));
    findings.push(finding("database", sound));
    findings.push(finding("usernames", usernames(config)));
    findings.push(who_may_write(config));
    findings.push(safeguarding(config));
    findings.push(finding("audit log", audit_log(config)));
    findings.push(finding("clock", clock(config, now)));
    findings.push(finding("write", write(config, now)));
    findings.push(finding("backup", files::newest_backup(config, now)));
    findings.extend(live::look(config).await);
    findings
}

fn finding(what: &'static str, outcome: Outcome) -> Finding {
    Finding {
        what,
        outcome,
        incomplete: false,
    }
}

/// Looks at the keys that are there; what is missing is made at the next start.
fn keys(config: &Config) -> Outcome {
    let database = config.database.path.as_path();
    let made = |name: &str| keyfile::beside(database, name).exists();
    if !config.push.vapid_private_key.is_empty() || made("vapid.key") {
        VapidKeys::open(&config.push, database)
            .map_err(|e| format!("{e}; make a pair with `schoolbell vapid generate`"))?;
    }
    Tokens::keys_of_app(&config.auth)?;
    if made("session.key") {
        Tokens::open(&config.auth, database)?;
    }
    Ok("those that are there fit; others are made at the next start".to_owned())
}

/// Whether the keys of the school's app can be fetched.
async fn jwks(url: &HttpUrl) -> Outcome {
    let count = Jwks::new(url.url().clone())?.probe().await;
    match count.map_err(|why| format!("{url} cannot be fetched: {why}"))? {
        0 => Err(format!("{url} has no key of RSA, P-256 or Ed25519")),
        count => Ok(format!("{url} has {count} usable keys")),
    }
}

/// Whether the provider that people log in with describes itself.
async fn provider(config: &Config) -> Option<Finding> {
    let issuer = config.auth.oidc.issuer.as_ref()?;
    let outcome = match Oidc::of(&config.auth, config.server.public_url.as_ref()) {
        Ok(Some(oidc)) => oidc.probe().await,
        Ok(None) => Ok(()),
        Err(why) => Err(why),
    };
    let said = outcome.map(|()| format!("{issuer} describes itself"));
    Some(finding("login provider", said))
}

/// What lets more people in than an operator may think of.
fn tokens(config: &Config) -> Outcome {
    let auth = &config.auth;
    let foreign = !auth.public_key.is_empty() || auth.jwks_url.is_some();
    let mut wrong = Vec::new();
    if auth.jwks_url.as_ref().is_some_and(|url| !url.is_https()) {
        wrong.push(
            "auth.jwks_url is http: anybody on the network path can put their own keys into it"
                .to_owned(),
        );
    }
    if foreign && auth.issuer.is_empty() && auth.audience.is_empty() {
        wrong.push(
            "tokens of auth.public_key or auth.jwks_url are taken from any app that it signs for: set auth.issuer and auth.audience"
                .to_owned(),
        );
    }
    let secret = auth.jwt_secret.expose();
    if !secret.is_empty() && zxcvbn::zxcvbn(secret, &[]).score() < zxcvbn::Score::Four {
        wrong.push(
            "auth.jwt_secret can be guessed: `openssl rand -base64 48` makes a good one".to_owned(),
        );
    }
    if auth.trust_admin_claim {
        wrong.push("auth.trust_admin_claim lets the app make administrators".to_owned());
    }
    let issuer = auth.oidc.issuer.as_ref();
    if issuer.is_some_and(|issuer| !issuer.is_https()) {
        wrong.push(
            "auth.oidc.issuer is http: anybody on the network path can log in as anybody"
                .to_owned(),
        );
    }
    if auth.link_by == LinkBy::Id {
        wrong.push(
            "auth.link_by = \"id\" lets the app act for everybody but administrators".to_owned(),
        );
    }
    if config.push.allow_private_endpoints {
        wrong.push(
            "push.allow_private_endpoints is for tests: pushes may go to this machine's own services".to_owned(),
        );
    }
    if wrong.is_empty() {
        return Ok("only those whom the configuration names are let in".to_owned());
    }
    Err(wrong.join("; "))
}

/// Names both people where two names to log in with have become one.
fn usernames(config: &Config) -> Outcome {
    let pairs = store::shadowed_usernames(&config.database.path).map_err(|e| e.to_string())?;
    if pairs.is_empty() {
        return Ok("each is one person's".to_owned());
    }
    let said: Vec<String> = pairs
        .iter()
        .map(|(older, other)| format!("{older} and {other}"))
        .collect();
    Err(format!(
        "are the same in all but case or how letters are composed: {}; the second logs in by exact spelling: change one",
        said.join(", ")
    ))
}

/// Who may write to whom: what lets more people write than an operator may think of, and what never holds.
fn who_may_write(config: &Config) -> Finding {
    let found = match store::policy(&config.database.path) {
        Ok(Some(found)) => found,
        Ok(None) => {
            return finding(
                "policy",
                Ok("not there yet: the next start makes it".into()),
            );
        }
        Err(error) => return finding("policy", Err(error.to_string())),
    };
    let (pupils, stored) = found;
    let policy = match config.policy.read() {
        Ok(fixed) => fixed.unwrap_or_else(|| Arc::new(decisions::stored(stored.as_deref()))),
        Err(why) => return finding("policy", Err(why)),
    };
    if policy.is_open() && pupils > 0 {
        let why = format!(
            "everybody may write to everybody, {pupils} pupils among them: choose another policy on the dashboard"
        );
        return Finding {
            incomplete: true,
            ..finding("policy", Ok(why))
        };
    }
    let idle = warnings(&policy);
    let said = match policy.preset {
        Some(preset) => preset.to_string(),
        None => format!("{} rules of the school's own", policy.rules.len()),
    };
    match idle.first() {
        None => finding("policy", Ok(said)),
        Some(first) => finding("policy", Err(format!("{} {}", first.field, first.message))),
    }
}

/// Whether somebody sees what is reported.
fn safeguarding(config: &Config) -> Finding {
    let (pupils, leads) = match store::leads(&config.database.path) {
        Ok(found) => found.unwrap_or_default(),
        Err(error) => return finding("safeguarding", Err(error.to_string())),
    };
    let (said, incomplete) = match leads {
        _ if pupils == 0 => ("no pupils yet", false),
        0 => (
            "there is no safeguarding lead: nobody sees what is reported; an administrator makes a teacher or a member of staff one",
            true,
        ),
        1 => (
            "there is only one safeguarding lead: nobody sees a report about them; make another",
            true,
        ),
        _ => ("there are leads who see what is reported", false),
    };
    Finding {
        incomplete,
        ..finding("safeguarding", Ok(said.to_owned()))
    }
}

/// Whether the audit log is as it was written.
fn audit_log(config: &Config) -> Outcome {
    let chain = store::audit_chain(&config.database.path).map_err(|e| e.to_string())?;
    let Some(chain) = chain else {
        return Ok("not chained yet: the next start does it".to_owned());
    };
    match chain.broken {
        None => Ok(format!(
            "its {} lines are as they were written, newest {}",
            chain.lines, chain.ends_with
        )),
        Some(broken) => Err(format!(
            "line {} {}: somebody has changed the database; keep a copy of it, and compare with a backup",
            broken.line, broken.why
        )),
    }
}

fn subject(config: &Config) -> Outcome {
    match contact::problem(config) {
        None => Ok(contact::subject(config)),
        // Without devices a missing contact does no harm.
        Some(problem) if config.push.subject.is_empty() => Ok(problem),
        Some(problem) => Err(problem),
    }
}

fn tls(config: &Config, pair: &Pair, now: Time) -> Outcome {
    let has_acme = config.server.has_acme();
    if let Some(why) = certificate::problem(config) {
        return Err(format!("cannot be renewed: {why}"));
    }
    if has_acme && !pair.exists() {
        return Ok("none yet: the server gets it when it runs, for which its names must lead to it at port 443".into());
    }
    pair.load()?;
    let validity = pair.validity()?;
    if now < validity.begins_at {
        return Err("is not valid yet by this machine's clock: is the clock right?".into());
    }
    let left = (validity.ends_at.0 - now.0).div_euclid(DAY_MS);
    if left < 0 {
        return Err("has expired: get a new one".into());
    }
    let text = format!("ends in {left} days");
    if has_acme {
        return Ok(format!("{text}; the server renews it by itself"));
    }
    if left < CERTIFICATE_DAYS {
        return Err(format!(
            "{text}: renew it; the server reads the files again by itself"
        ));
    }
    Ok(text)
}

/// Whether a proxy must be in front, and is believed.
fn proxy(config: &Config) -> Outcome {
    let server = &config.server;
    let mut proxies = server.trusted_proxies.iter();
    if let Some(proxy) = proxies.find(|proxy| proxy.is_everyone()) {
        return Err(format!(
            "server.trusted_proxies has {proxy}, which is everybody: anybody could say that they call from elsewhere; \
             name the proxy's address"
        ));
    }
    let in_front = server.is_public_https() && !server.tls();
    match (in_front, server.trusted_proxies.as_slice()) {
        (true, []) => Err(
            "server.public_url is https and there is no certificate here, so a proxy must be in front; \
             name it in server.trusted_proxies, or everybody counts as one address"
                .into(),
        ),
        (true, proxies) => {
            let names: Vec<String> = proxies.iter().map(ToString::to_string).collect();
            Ok(format!("X-Forwarded-For is believed from {}", names.join(", ")))
        }
        (false, _) => Ok("none is needed".into()),
    }
}

/// Compares the clock with the newest that the database knows.
fn clock(config: &Config, now: Time) -> Outcome {
    let newest = store::newest_time(&config.database.path).map_err(|e| e.to_string())?;
    if now < EARLIEST || newest.0 - now.0 > CLOCK_SLACK_MS {
        return Err(format!(
            "says {now}, and the newest write is of {newest}: set the clock, and keep it set by NTP"
        ));
    }
    Ok(now.to_string())
}

fn write(config: &Config, now: Time) -> Outcome {
    let version = open::probe(&config.database.path).map_err(|e| e.to_string())?;
    store::test_write(&config.database.path, now)
        .map_err(|e| format!("{e}; look at the disk and at who owns the files"))?;
    Ok(if version < migrate::latest() {
        format!("takes writes; schema {version}, which the next start brings up to date")
    } else {
        format!("takes writes, schema {version}")
    })
}
