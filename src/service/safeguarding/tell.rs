//! Telling leads, and the address outside of the school.

use crate::app::App;
use crate::error::Result;
use crate::hub::Hub;
use crate::model::ids::{Id, UserKey};
use crate::model::language::Language;
use crate::model::notifications::{Link, NewNotification, Type, Urgency};
use crate::model::safeguarding::news::News;
use crate::service::notifications;
use crate::store::safeguarding::duties;
use crate::store::{WriteTx, mails, preferences};

/// The page that what leads are told leads to.
const PAGE: &str = "/safeguarding/";
/// Seconds for which a push service may keep it.
const TTL_SECONDS: u32 = 3 * 24 * 3_600;
/// Seconds after which a mail is of no use any more.
const MAIL_SECONDS: i64 = 2 * 24 * 3_600;

/// Tells all leads in force but these.
///
/// # Errors
/// As those of a write.
pub fn leads(tx: &WriteTx, app: &App, but: &[UserKey], news: &News) -> Result<()> {
    for lead in duties::leads(tx)? {
        if !but.contains(&lead) {
            person(tx, &app.hub, lead, news)?;
        }
    }
    Ok(())
}

/// Tells one person, in their language.
///
/// # Errors
/// As those of a write.
pub fn person(tx: &WriteTx, hub: &Hub, to: UserKey, news: &News) -> Result<()> {
    let preferences = preferences::of(tx, to)?;
    let language = Language::of(preferences.language.as_deref());
    let (text, link) = match news.is_for_leads() {
        true => ("safeguarding.look", Some(Link::parse(PAGE)?)),
        false => ("safeguarding.ask", None),
    };
    let new = NewNotification {
        kind: Type::parse(news.key())?,
        title: news.title(language),
        message: language.text(text).to_owned(),
        link,
        urgency: match news.is_emergency() {
            true => Urgency::High,
            false => Urgency::Normal,
        },
        ttl: TTL_SECONDS,
        idempotency_key: None,
    };
    notifications::tell(tx, hub, to, &new, news.is_emergency())
}

/// Mails all leads in force but these, where mail is set up.
///
/// # Errors
/// As those of a write.
pub fn mail_leads(tx: &WriteTx, app: &App, but: &[UserKey], news: &News) -> Result<()> {
    if app.config.mail.url.is_none() {
        return Ok(());
    }
    for lead in duties::leads(tx)? {
        if !but.contains(&lead) {
            mails::put_news(tx, &mail_id(), Some(lead), news, MAIL_SECONDS)?;
        }
    }
    Ok(())
}

/// Mails `safeguarding.external`, where it is set and mail is set up.
///
/// # Errors
/// As those of a write.
pub fn external(tx: &WriteTx, app: &App, news: &News) -> Result<()> {
    let config = &app.config;
    if config.mail.url.is_none() || config.safeguarding.external.is_none() {
        return Ok(());
    }
    mails::put_news(tx, &mail_id(), None, news, MAIL_SECONDS)
}

fn mail_id() -> String {
    Id::generate().to_string()
}
