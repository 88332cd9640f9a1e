//! A person's data: exported or erased (GDPR, articles 15 and 17).

use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zip::write::SimpleFileOptions;

use super::slices;
use crate::app::App;
use crate::error::{Error, Noun, Result};
use crate::model::audit::{Action, AuditActor};
use crate::model::events::{CloseCode, Effect};
use crate::model::ids::{ConversationId, UserId, UserKey};
use crate::model::journal::{Entry, Erasure};
use crate::model::messages::Message;
use crate::model::personal_data::{Messages, PersonalData};
use crate::model::safeguarding::news::News;
use crate::model::users::{NOBODY, User};
use crate::rule;
use crate::service::identity::erased_macs;
use crate::service::safeguarding::tell;
use crate::store::retention::{self, Walk};
use crate::store::safeguarding::holds::{self, PendingErasure};
use crate::store::{accounts, audit, journal, personal_data, users};

/// A user by username or id.
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

/// Writes all that is stored of a user into a new folder: JSON for programs, and a page for people. Messages are written as they
/// are read: there may be more of them than memory.
///
/// # Errors
/// When the folder exists already or cannot be written.
pub async fn export(app: &App, by: AuditActor, user: User, folder: &Path) -> Result<()> {
    let id = user.id().clone();
    let (place, app_in) = (folder.to_owned(), app.clone());
    if folder.exists() {
        let why = "exists already: choose another folder";
        return Err(Error::Internal(format!("{} {why}", folder.display())));
    }
    app.store
        .read_long(move |c| {
            let data = personal_data::of(c, &user)?;
            make_private_folder(&place)
                .and_then(|()| write_files(&place, &data))
                .map_err(|e| unwritable(&place, &e))?;
            // Of some roles nobody is told that they have read something.
            let roles = &app_in.config.messages.hidden_receipts;
            let mut silent = personal_data::of_roles(c, roles)?;
            silent.remove(user.id());
            write_messages(&place, &data, |take| {
                personal_data::messages(c, user.key, &silent, take)
            })
        })
        .await?;
    app.store
        .write(move |tx| {
            audit::note(tx, &by, Action::PersonExported, id.as_str(), "")?;
            Ok(())
        })
        .await
}

/// As [`export`], as one zip beside the database, which the caller removes.
///
/// # Errors
/// [`Noun::User`] not found; when the disk refuses.
pub async fn archive(app: &App, by: AuditActor, id: &UserId) -> Result<PathBuf> {
    let user = crate::service::users::known(app, id).await?;
    tell(app, &user).await?;
    let name = format!(".export-{}", UserId::generate());
    let folder = app.store.path().with_file_name(name);
    let exported = export(app, by, (*user).clone(), &folder).await;
    let target = folder.with_extension("zip");
    let (from, to) = (folder.clone(), target.clone());
    let packed = tokio::task::spawn_blocking(move || {
        let packed = exported.and_then(|()| pack(&from, &to).map_err(|e| unwritable(&to, &e)));
        let _ = fs::remove_dir_all(&from);
        packed.inspect_err(|_| {
            let _ = fs::remove_file(&to);
        })
    });
    packed
        .await
        .map_err(|e| Error::Internal(format!("export: {e}")))??;
    Ok(target)
}

/// An administrator reads no chat, but for handing somebody what is stored of them: so they are told, and the leads and the address outside of
/// the school.
async fn tell(app: &App, user: &User) -> Result<()> {
    let (user, app_in) = (user.clone(), app.clone());
    app.store
        .write(move |tx| {
            let name = user.person.name.to_string();
            let news = News::PersonExported { name };
            tell::leads(tx, &app_in, &[], &news)?;
            tell::external(tx, &app_in, &news)?;
            tell::person(tx, &app_in.hub, user.key, &News::YouWereExported)
        })
        .await
}

/// Packs the files of a folder.
fn pack(folder: &Path, target: &Path) -> std::io::Result<()> {
    let mut zip = zip::ZipWriter::new(private_file(target)?);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        zip.start_file(
            entry.file_name().to_string_lossy(),
            SimpleFileOptions::default().large_file(true),
        )?;
        std::io::copy(&mut fs::File::open(entry.path())?, &mut zip)?;
    }
    zip.finish()?.flush()
}

fn unwritable(folder: &Path, error: &std::io::Error) -> Error {
    Error::Internal(format!("{}: {error}", folder.display()))
}

fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn private_file(path: &Path) -> std::io::Result<BufWriter<fs::File>> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(BufWriter::new)
}

fn write_files(folder: &Path, data: &PersonalData) -> std::io::Result<()> {
    let write = |name: &str, value: serde_json::Result<String>| {
        let mut file = private_file(&folder.join(name))?;
        file.write_all(value?.as_bytes())?;
        file.flush()
    };
    write("account.json", serde_json::to_string_pretty(&data.account))?;
    write("family.json", serde_json::to_string_pretty(&data.family))?;
    write("push.json", serde_json::to_string_pretty(&data.push))?;
    write("mails.json", serde_json::to_string_pretty(&data.mails))?;
    write(
        "sessions.json",
        serde_json::to_string_pretty(&data.sessions),
    )?;
    write(
        "notifications.json",
        serde_json::to_string_pretty(&data.notifications),
    )?;
    write("sent.json", serde_json::to_string_pretty(&data.sent))?;
    write("audit.json", serde_json::to_string_pretty(&data.audit))
}

/// Takes each message in turn.
type Take<'t> = &'t mut dyn FnMut(Message) -> Result<()>;

/// The two files that messages are in, written side by side.
fn write_messages(
    folder: &Path,
    data: &PersonalData,
    messages: impl FnOnce(Take) -> Result<()>,
) -> Result<()> {
    let fail = |e: std::io::Error| unwritable(folder, &e);
    let mut json = private_file(&folder.join("messages.json")).map_err(fail)?;
    let mut page = private_file(&folder.join("index.html")).map_err(fail)?;
    write!(page, "{}", page_before(data)).map_err(fail)?;
    let mut separator = "[\n";
    messages(&mut |message| {
        let mut one = || {
            write!(json, "{separator}{}", serde_json::to_string(&message)?)?;
            separator = ",\n";
            let people = format!("{} to {}", message.sender.name, message.receiver.name);
            page.write_all(
                row(&[&message.created_at.to_string(), &people, &message.content]).as_bytes(),
            )
        };
        one().map_err(fail)
    })?;
    let end = if separator == "[\n" { "[]" } else { "\n]" };
    write!(json, "{end}")
        .and_then(|()| json.flush())
        .map_err(fail)?;
    write!(page, "</table>\n{}", page_after(data))
        .and_then(|()| page.flush())
        .map_err(fail)
}

/// The page up to the rows of messages: no script, nothing from elsewhere, and every text shown as text.
fn page_before(data: &PersonalData) -> String {
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
    html.push_str(&heading("Messages"));
    html
}

/// The page behind the rows of messages.
fn page_after(data: &PersonalData) -> String {
    let mut html = String::new();
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
    let sessions = data.sessions.iter().map(|session| {
        [
            session.created_at.to_string(),
            session.device.clone(),
            session.last_seen_at.to_string(),
        ]
    });
    table(&mut html, "Logins", sessions);
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

fn heading(title: &str) -> String {
    format!("<h2>{title}</h2>\n<table>\n")
}

fn row(cells: &[&str; 3]) -> String {
    let cells: String = cells
        .iter()
        .map(|cell| format!("<td><p>{}</p>", escape(cell)))
        .collect();
    format!("<tr>{cells}\n")
}

fn table(html: &mut String, title: &str, rows: impl Iterator<Item = [String; 3]>) {
    html.push_str(&heading(title));
    for cells in rows {
        html.push_str(&row(&cells.each_ref().map(String::as_str)));
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

/// What came of asking for an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erased {
    Done,
    /// A hold is in the way: it is done within a minute of its end. Until then the user is shut out.
    Deferred,
}

/// Erases a user. If it is cut short, repeating it finishes it.
///
/// # Errors
/// [`Error::Invalid`] for the last administrator.
pub async fn erase(app: &App, by: AuditActor, user: User, messages: Messages) -> Result<Erased> {
    let key = user.key;
    let checked = user.clone();
    let last = app
        .store
        .read(move |c| accounts::is_last_admin(c, &checked));
    if last.await? {
        let why = rule::only_administrator();
        return Err(Error::invalid(&*user.person.name, why));
    }
    // Disabled first: nothing new may come while the old is removed.
    crate::service::users::set_disabled(app, &user, true).await?;
    let removed = match messages {
        Messages::Keep => Some(0),
        Messages::Remove => remove_messages(app, key).await?,
    };
    let Some(removed) = removed else {
        return defer(app, by, &user, messages).await;
    };
    let alias = UserId::parse(&format!("erased-{}", UserId::generate()));
    let alias = alias.ok_or_else(|| Error::Internal("an alias is no id".into()))?;
    let detail = match messages {
        Messages::Keep => "messages kept without a name".to_owned(),
        Messages::Remove => format!("{removed} messages removed"),
    };
    let [mac, _] = erased_macs(&app.auth.tokens, user.id());
    let (held_by, held_user) = (by.clone(), user.clone());
    let erased = app
        .store
        .write(move |tx| {
            if holds::forbids_erasure(tx, user.key, messages)? {
                return Ok(Erased::Deferred);
            }
            let entry = Erasure::new(user.id(), alias.clone(), mac.clone(), messages, tx.now);
            personal_data::erase(tx, &user, &alias, NOBODY)?;
            personal_data::remember_erased(tx, &mac)?;
            holds::forget_erasure(tx, user.key)?;
            journal::add(tx, &Entry::Erased(entry))?;
            journal::forget(tx, user.id(), &alias)?;
            audit::note(tx, &by, Action::PersonErased, alias.as_str(), &detail)?;
            tx.emit(Effect::UserChanged(user.id().clone()));
            tx.emit(Effect::Disconnect(user.key, CloseCode::Revoked));
            Ok(Erased::Done)
        })
        .await?;
    match erased {
        Erased::Done => Ok(Erased::Done),
        Erased::Deferred => defer(app, held_by, &held_user, messages).await,
    }
}

/// Remembers an erasure that a hold is in the way of.
async fn defer(app: &App, by: AuditActor, user: &User, messages: Messages) -> Result<Erased> {
    let (user, actor) = (user.clone(), by.actor.clone());
    app.store
        .write(move |tx| {
            let pending = PendingErasure {
                user: user.key,
                actor,
                messages,
            };
            holds::defer_erasure(tx, &pending)?;
            audit::note(tx, &by, Action::ErasureDeferred, user.id().as_str(), "")?;
            Ok(Erased::Deferred)
        })
        .await
}

/// Does the erasures that no hold is in the way of any more.
///
/// # Errors
/// As those of a write.
pub async fn erase_pending(app: &App) -> Result<()> {
    for pending in app.store.read(holds::due_erasures).await? {
        let key = pending.user;
        let Some(user) = app.store.read(move |c| users::by_key(c, key)).await? else {
            continue;
        };
        let by = AuditActor::label(pending.actor);
        erase(app, by, user, pending.messages).await?;
    }
    Ok(())
}

/// Removes what a user wrote, a little at a time, so that a running server can write in between. Returns how many messages it
/// was; nothing, where a hold is in the way.
async fn remove_messages(app: &App, sender: UserKey) -> Result<Option<usize>> {
    let conversations = move |c: &_| retention::conversations_of(c, sender);
    let conversations: Arc<[ConversationId]> = app.store.read(conversations).await?.into();
    let (mut removed, mut at) = (0, Walk::default());
    loop {
        let conversations = conversations.clone();
        let slice = slices::write(app, move |tx, slice| {
            if holds::forbids_erasure(tx, sender, Messages::Remove)? {
                return Ok(None);
            }
            retention::messages_of(tx, sender, &conversations, at, slice).map(Some)
        });
        let Some((some, next)) = slice.await? else {
            return Ok(None);
        };
        removed += some;
        match next {
            Some(next) => at = next,
            None => return Ok(Some(removed)),
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
