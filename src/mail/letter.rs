//! The text of a mail: plain and HTML (RFC 2046 section 5.1.4), in its reader's language.

use std::time::{Duration, SystemTime};

use lettre::Address;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart};
use maud::{DOCTYPE, html};

use crate::app::App;
use crate::auth::tokens::Tokens;
use crate::model::language::Language;
use crate::model::mails::{DueMail, Kind, Recipient};
use crate::model::password_links;
use crate::model::time::Time;

/// That no person wrote it, so that nothing answers it by itself (RFC 3834 section 5).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(AutoSubmitted)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".into())
    }
}

/// The code of a one-time link that a mail brings. It is derived, so that the outbox need not hold it.
pub fn link_code(tokens: &Tokens, id: &str) -> String {
    tokens.mac(&format!("mailed link {id}"))
}

/// What stands in a mail.
struct Letter {
    language: Language,
    footer: String,
    subject: String,
    before: Vec<String>,
    /// What it says, and where it leads.
    link: Option<(String, String)>,
    after: Vec<String>,
}

/// A mail with a one-time link.
///
/// # Errors
/// A sentence, where the address cannot be used.
pub fn link(
    app: &App,
    mail: &DueMail,
    to: &Recipient,
    code: &str,
    link_ends_at: Time,
) -> Result<(Address, Vec<u8>), String> {
    let language = Language::of(to.language.as_deref());
    let school = school_name(app);
    let text = |key: &str| language.text(key).replace("{school}", &school);
    let (subject, about, note) = match mail.kind {
        Kind::PasswordLink | Kind::Safeguarding => ("mail.link.subject", "mail.link.about", None),
        Kind::ForgottenPassword => (
            "mail.forgotten.subject",
            "mail.forgotten.about",
            Some("mail.forgotten.note"),
        ),
    };
    let until = app.calendar.date_time(link_ends_at);
    let mut after = vec![
        text("mail.username").replace("{username}", &to.username),
        text("mail.until").replace("{time}", &until),
    ];
    after.extend(note.map(text));
    let letter = Letter {
        language,
        footer: text("mail.footer"),
        subject: text(subject),
        before: vec![text("mail.hello").replace("{name}", &to.name), text(about)],
        link: Some((text("mail.choose"), password_links::path(site(app), code))),
        after,
    };
    let address: Address = to
        .email
        .parse()
        .map_err(|_| "this is not an e-mail address".to_owned())?;
    let bytes = message(app, &mail.id, &address, Some(&to.name), &letter)?;
    Ok((address, bytes))
}

/// A mail that tells a lead, or the address outside of the school, what has happened. Nothing, where there is nobody to tell any more.
pub fn news(
    app: &App,
    mail: &DueMail,
    to: Option<&Recipient>,
) -> Option<Result<(Address, Vec<u8>), String>> {
    let news = mail.news.as_ref()?;
    let (language, address, name) = match (mail.user, to) {
        (Some(_), Some(to)) => {
            let address = to.email.parse();
            let address = address.map_err(|_| "this is not an e-mail address".to_owned());
            let language = Language::of(to.language.as_deref());
            (language, address, Some(to.name.as_str()))
        }
        (Some(_), None) => return None,
        (None, _) => {
            let address = app.config.safeguarding.external.clone()?;
            (Language::default(), Ok(address), None)
        }
    };
    let school = school_name(app);
    let text = |key: &str| language.text(key).replace("{school}", &school);
    let title = news.title(language);
    let page = name.map(|_| {
        let link = format!("{}/safeguarding/", site(app));
        (text("safeguarding.open"), link)
    });
    let letter = Letter {
        language,
        footer: text("mail.footer"),
        subject: format!("{school}: {title}"),
        before: vec![title],
        link: page.filter(|_| !site(app).is_empty()),
        after: Vec::new(),
    };
    let bytes = |address: Address| {
        let bytes = message(app, &mail.id, &address, name, &letter)?;
        Ok((address, bytes))
    };
    Some(address.and_then(bytes))
}

/// A mail that says that mail works.
///
/// # Errors
/// A sentence.
pub fn test(app: &App, to: &Address, language: Language) -> Result<Vec<u8>, String> {
    let school = school_name(app);
    let text = |key: &str| language.text(key).replace("{school}", &school);
    let letter = Letter {
        language,
        footer: text("mail.footer"),
        subject: text("mail.test.subject"),
        before: vec![text("mail.test.about")],
        link: None,
        after: Vec::new(),
    };
    let id = uuid::Uuid::now_v7().to_string();
    message(app, &id, to, None, &letter)
}

fn message(
    app: &App,
    id: &str,
    to: &Address,
    name: Option<&str>,
    letter: &Letter,
) -> Result<Vec<u8>, String> {
    let config = &app.config.mail;
    let from = config.from.as_ref().ok_or("mail.from is not set")?;
    let since_1970 = Duration::from_millis(app.now().0.max(0).unsigned_abs());
    let mut builder = Message::builder()
        .from(from.parsed().clone())
        .to(Mailbox::new(name.map(str::to_owned), to.clone()))
        .subject(&letter.subject)
        .date(SystemTime::UNIX_EPOCH + since_1970)
        .message_id(Some(format!("<{id}@{}>", from.domain())))
        .header(AutoSubmitted);
    if let Some(reply_to) = &config.reply_to {
        builder = builder.reply_to(reply_to.parsed().clone());
    }
    let body = MultiPart::alternative_plain_html(plain(letter), page(letter));
    let message = builder.multipart(body).map_err(|e| e.to_string())?;
    Ok(message.formatted())
}

fn plain(letter: &Letter) -> String {
    let mut parts = letter.before.clone();
    parts.extend(letter.link.iter().map(|(_, url)| url.clone()));
    parts.extend(letter.after.clone());
    parts.push(format!("-- \n{}", letter.footer));
    parts.join("\n\n") + "\n"
}

/// No pictures, nothing that is loaded: a mail that is read tells nobody so.
fn page(letter: &Letter) -> String {
    let language = letter.language;
    html! {
        (DOCTYPE)
        html lang=(language.tag()) dir=(language.direction()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                meta name="color-scheme" content="light dark";
                title { (letter.subject) }
            }
            body style="font:16px/1.5 sans-serif;max-width:36em;margin:auto;padding:1em" {
                @for paragraph in &letter.before { p { (paragraph) } }
                @if let Some((label, url)) = &letter.link {
                    p {
                        a href=(url) style="display:inline-block;padding:.6em 1.2em;border-radius:.5em;background:#14539a;color:#fff;text-decoration:none;font-weight:bold" {
                            (label)
                        }
                    }
                    p style="font-size:14px;overflow-wrap:anywhere" dir="ltr" { (url) }
                }
                @for paragraph in &letter.after { p { (paragraph) } }
                hr;
                p style="font-size:14px" { (letter.footer) }
            }
        }
    }
    .into_string()
}

/// Where people reach the server.
fn site(app: &App) -> &str {
    app.config
        .server
        .public_url
        .as_ref()
        .map_or("", |url| url.site())
}

/// The school's name, or where it is.
fn school_name(app: &App) -> String {
    let school = app.school.get();
    if !school.name.is_empty() {
        return school.name.clone();
    }
    let public = app.config.server.public_url.as_ref();
    let host = public.and_then(|public| public.url().host_str());
    host.unwrap_or("schoolbell").to_owned()
}
