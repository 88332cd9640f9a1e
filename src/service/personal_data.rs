//! A person's data, for them to have or to be erased (GDPR, articles 15 and 17).

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::slices;
use crate::app::App;
use crate::error::{Error, Noun, Result};
use crate::model::audit::{Action, By};
use crate::model::events::{CloseCode, Effect};
use crate::model::ids::{UserId, UserKey};
use crate::model::personal_data::{Messages, PersonalData};
use crate::model::time::Time;
use crate::model::users::User;
use crate::store::retention::{self, Walk};
use crate::store::{accounts, audit, personal_data, users};

/// What others see in the place of the name.
const NOBODY: &str = "Former member";

/// Somebody by username or id.
///
/// # Errors
/// [`Noun::User`] not found.
pub async fn find(app: &App, name: &str) -> Result<User> {
    let name = name.to_owned();
    let found = app.store.read(move |c| {
        if let Some(user) = users::by_username(c, &name)? {
            return Ok(Some(user));
        }
        UserId::parse(&name).map_or(Ok(None), |id| users::by_id(c, &id))
    });
    found.await?.ok_or(Error::NotFound(Noun::User))
}

/// Writes all that is stored of somebody into a new folder: JSON for programs, and a page for people.
///
/// # Errors
/// When the folder exists already or cannot be written.
pub async fn export(app: &App, by: By, user: User, folder: &Path) -> Result<()> {
    let id = user.id().clone();
    let data = app.store.read(move |c| personal_data::of(c, &user)).await?;
    let fail = |e: std::io::Error| Error::Internal(format!("{}: {e}", folder.display()));
    if folder.exists() {
        let why = "exists already: choose another folder";
        return Err(Error::Internal(format!("{} {why}", folder.display())));
    }
    make_private_folder(folder).map_err(fail)?;
    for (name, text) in files(&data)? {
        fs::write(folder.join(name), text).map_err(fail)?;
    }
    app.store
        .write(move |tx| {
            audit::note(tx, &by, Action::PersonExported, id.as_str(), "")?;
            Ok(((), Vec::new()))
        })
        .await
}

fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn files(data: &PersonalData) -> Result<[(&'static str, String); 7]> {
    Ok([
        ("account.json", json(&data.account)?),
        ("push.json", json(&data.push)?),
        ("messages.json", json(&data.messages)?),
        ("notifications.json", json(&data.notifications)?),
        ("sent.json", json(&data.sent)?),
        ("audit.json", json(&data.audit)?),
        ("index.html", page(data)),
    ])
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(|e| Error::Internal(format!("export: {e}")))
}

/// The page: no script, nothing from elsewhere, and every text shown as text.
fn page(data: &PersonalData) -> String {
    let name = data.account.as_ref().map_or("", |account| &account.name);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{name}</title>\n\
         <style>body{{font:1rem/1.5 sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}}\
         td,th{{text-align:start;vertical-align:top;padding:.2rem .6rem .2rem 0}}\
         p{{white-space:pre-wrap;unicode-bidi:isolate;margin:0}}</style>\n<h1><bdi>{name}</bdi></h1>\n",
        name = escape(name),
    );
    let rows = data.account.iter().flat_map(|account| {
        [
            ("Id", account.id.to_string()),
            ("Username", account.username.clone().unwrap_or_default()),
            ("E-mail", account.email.clone().unwrap_or_default()),
            ("Role", account.role.to_string()),
            ("Since", account.created_at.to_string()),
        ]
    });
    table(
        &mut html,
        "Account",
        rows.map(|(k, v)| [k.to_owned(), v, String::new()]),
    );
    let messages = data.messages.iter().map(|message| {
        let people = format!("{} to {}", message.sender.name, message.receiver.name);
        [
            message.created_at.to_string(),
            people,
            message.content.clone(),
        ]
    });
    table(&mut html, "Messages", messages);
    let notifications = data.notifications.iter().map(|one| {
        let text = format!("{}\n{}", one.title, one.message);
        [one.created_at.to_string(), one.kind.clone(), text]
    });
    table(&mut html, "Notifications", notifications);
    let sent = data.sent.iter().map(|one| {
        let text = format!("{}\n{}", one.title, one.message);
        [one.created_at.to_string(), one.kind.clone(), text]
    });
    table(&mut html, "Notifications that they sent", sent);
    let devices = data.push.devices.iter().map(|device| {
        [
            device.created_at.to_string(),
            device.browser.clone(),
            device.service.clone(),
        ]
    });
    table(&mut html, "Devices that get pushes", devices);
    let audit = data.audit.iter().map(|line| {
        [
            line.at.to_string(),
            line.actor.clone(),
            format!("{} {}", line.action, line.detail),
        ]
    });
    table(&mut html, "Audit log", audit);
    html
}

fn table(html: &mut String, title: &str, rows: impl Iterator<Item = [String; 3]>) {
    // Writing to a string does not fail.
    let _ = write!(html, "<h2>{title}</h2>\n<table>\n");
    for row in rows {
        let cells: String = row
            .iter()
            .map(|cell| format!("<td><p>{}</p>", escape(cell)))
            .collect();
        let _ = writeln!(html, "<tr>{cells}");
    }
    html.push_str("</table>\n");
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Erases somebody. Cut short, it is done by asking again.
///
/// # Errors
/// [`Error::Invalid`] for the last administrator.
pub async fn erase(app: &App, by: By, user: User, messages: Messages) -> Result<()> {
    let key = user.key;
    let checked = user.clone();
    let last = app
        .store
        .read(move |c| accounts::is_last_admin(c, &checked));
    if last.await? {
        let why = "is the last administrator: make another one first";
        return Err(Error::invalid(&*user.person.name, why));
    }
    // Shut out first: nothing new is to come while what is there goes.
    super::users::set_disabled(app, &user, true).await?;
    let removed = match messages {
        Messages::Keep => 0,
        Messages::Remove => remove_messages(app, key).await?,
    };
    let alias = UserId::parse(&format!("erased-{}", UserId::generate()));
    let alias = alias.ok_or_else(|| Error::Internal("an alias is no id".into()))?;
    let detail = match messages {
        Messages::Keep => "messages kept without a name".to_owned(),
        Messages::Remove => format!("{removed} messages removed"),
    };
    let [mac, _] = erased_macs(app, user.id());
    app.store
        .write(move |tx| {
            personal_data::erase(tx, &user, &alias, NOBODY)?;
            personal_data::remember_erased(tx, &mac)?;
            audit::note(tx, &by, Action::PersonErased, alias.as_str(), &detail)?;
            let effects = vec![
                Effect::UserChanged(user.id().clone()),
                Effect::Disconnect(user.key, CloseCode::Revoked),
            ];
            Ok(((), effects))
        })
        .await
}

/// By which an erased id is known again, and nobody else can tell which it was: ours, and that of versions before.
fn erased_macs(app: &App, id: &UserId) -> [String; 2] {
    let text = format!("erased {id}");
    let tokens = &app.auth.tokens;
    [tokens.mac(&text), tokens.mac_of_before(&text)]
}

/// When somebody of this id was erased, if anybody was. A token of before that makes no new account.
pub async fn erased_at(app: &App, id: &UserId) -> Result<Option<Time>> {
    let macs = erased_macs(app, id);
    app.store
        .read(move |c| {
            let found = macs.map(|mac| personal_data::erased_at(c, &mac));
            let [now, before] = found;
            Ok(now?.max(before?))
        })
        .await
}

/// Removes what somebody wrote, a little at a time: a server that runs has its turns in between. Returns how much it was.
async fn remove_messages(app: &App, sender: UserKey) -> Result<usize> {
    let (mut removed, mut at) = (0, Walk::default());
    loop {
        let (some, next) = slices::write(app, move |tx, slice| {
            retention::messages_of(tx, sender, at, slice)
        })
        .await?;
        removed += some;
        match next {
            Some(next) => at = next,
            None => return Ok(removed),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn text_is_shown_as_text() {
        let text = "<script>alert(\"a\")</script> & more";
        let shown = "&lt;script&gt;alert(&quot;a&quot;)&lt;/script&gt; &amp; more";
        assert_eq!(super::escape(text), shown);
    }
}
