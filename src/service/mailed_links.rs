//! One-time links that come by mail: for who forgot the password, and from the office for many.
//!
//! What must stay true: no link goes to an address that several people have, so none of a pupil goes to a guardian's.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use crate::app::App;
use crate::error::{Error, Result};
use crate::limits::site;
use crate::mail::link_code;
use crate::model::audit::{Action, AuditActor};
use crate::model::events::Effect;
use crate::model::ids::{UserId, UserKey};
use crate::model::mails::Kind;
use crate::model::password_links::{Addressee, LinkOrigin, LinksFilter, LinksMailed};
use crate::model::time::Time;
use crate::model::users::User;
use crate::rule;
use crate::store::{WriteTx, audit, mails, password_links, users};

/// How long a link that its owner asked for is valid, and until when it may be sent, in seconds.
const FORGOTTEN_LIFETIME: i64 = 2 * 3_600;
const FORGOTTEN_SENT_WITHIN: i64 = 3_600;
/// How long one must wait between two, and how many there are in a day.
const FORGOTTEN_EVERY: i64 = 5 * 60;
const FORGOTTEN_PER_DAY: u32 = 5;
const DAY: i64 = 24 * 3_600;
/// How much of a name is looked at, in characters.
const MAX_LOGIN_CHARS: usize = 254;
/// How many mails one write stores: it should not be longer than a few commits.
const SLICE: usize = 200;

/// A mail's id, and the hash of the code in it.
type Made = (String, [u8; 32]);

fn make(app: &App) -> Made {
    let id = uuid::Uuid::now_v7().to_string();
    let hash = Sha256::digest(link_code(&app.auth.tokens, &id)).into();
    (id, hash)
}

fn queue(
    tx: &WriteTx,
    (id, hash): &Made,
    origin: LinkOrigin,
    user: UserKey,
    (link_ends_at, sent_by): (Time, Time),
) -> Result<()> {
    let kind = match origin {
        LinkOrigin::Office => Kind::PasswordLink,
        LinkOrigin::Forgotten => Kind::ForgottenPassword,
    };
    password_links::put(tx, user, origin, (hash, true), link_ends_at)?;
    mails::put(tx, id, kind, user, sent_by)?;
    tx.emit(Effect::MailDue);
    Ok(())
}

/// Who is to get a link, by name or address, if anybody is.
fn addressee(connection: &rusqlite::Connection, login: &str, now: Time) -> Result<Option<UserKey>> {
    let Some(user) = users::by_login_or_link(connection, login)? else {
        return Ok(None);
    };
    Ok(may_be_mailed(connection, user, now)?.map(|user| user.key))
}

/// A user who logs in here, has an address of their own and has not asked too often.
fn may_be_mailed(connection: &rusqlite::Connection, user: User, now: Time) -> Result<Option<User>> {
    let count = |seconds: i64| {
        let since = now.plus_seconds(-seconds);
        mails::count_since(connection, user.key, Kind::ForgottenPassword, since)
    };
    let may = !user.disabled
        && user.had_login
        && user.username.is_some()
        && mails::has_own_address(connection, user.key)?
        && count(FORGOTTEN_EVERY)? == 0
        && count(DAY)? < FORGOTTEN_PER_DAY;
    Ok(may.then_some(user))
}

/// Mails a link to the user of this name or address, if there is one who logs in here and has an address of their own. The caller is
/// not told: it would tell who is here.
///
/// # Errors
/// As those of a write.
pub async fn forgot(app: &App, login: String, from: Option<IpAddr>) -> Result<()> {
    if app.config.mail.url.is_none() {
        return Ok(());
    }
    // Silently: it must not tell either.
    let asked = &app.limits.forgotten;
    if from.is_some_and(|from| asked.begin(&site(from)).is_err()) {
        return Ok(());
    }
    let login: String = login.trim().chars().take(MAX_LOGIN_CHARS).collect();
    let now = app.now();
    let found = app.store.read(move |c| addressee(c, &login, now)).await?;
    let Some(key) = found else {
        return Ok(());
    };
    let made = make(app);
    app.store
        .write(move |tx| {
            let user = users::by_key(tx, key)?;
            let Some(user) = user
                .map(|user| may_be_mailed(tx, user, tx.now))
                .transpose()?
                .flatten()
            else {
                return Ok(());
            };
            let ends_at = tx.now.plus_seconds(FORGOTTEN_LIFETIME);
            let sent_by = tx.now.plus_seconds(FORGOTTEN_SENT_WITHIN);
            let origin = LinkOrigin::Forgotten;
            queue(tx, &made, origin, user.key, (ends_at, sent_by))?;
            let by = AuditActor {
                address: from,
                ..AuditActor::server()
            };
            let detail = "by mail, asked for at the login";
            audit::note(
                tx,
                &by,
                Action::PasswordLinkMade,
                user.id().as_str(),
                detail,
            )
        })
        .await
}

/// Mails links to everybody who fits the filter and has an address of their own. Earlier links of theirs are no longer valid.
///
/// # Errors
/// [`Error::Unavailable`] where no mail server is configured; [`Error::Invalid`] where nobody fits.
pub async fn mail_many(
    app: &App,
    by: AuditActor,
    filter: LinksFilter,
    days: u32,
) -> Result<LinksMailed> {
    if app.config.mail.url.is_none() {
        return Err(Error::unavailable("No mail server is configured."));
    }
    let read = app
        .store
        .read_long(move |c| password_links::addressees(c, &filter));
    let addressees = read.await?;
    if addressees.is_empty() {
        return Err(Error::invalid("filter", rule::nobody_fits()));
    }
    let (mailed, without): (Vec<Addressee>, Vec<Addressee>) =
        addressees.into_iter().partition(|one| one.has_own_address);
    let ends_at = app.now().plus_seconds(i64::from(days) * DAY);
    let detail = format!("{} links by mail, for {days} days", mailed.len());
    app.store
        .write(move |tx| audit::note(tx, &by, Action::PasswordLinksMade, "", &detail))
        .await?;
    let queued = mailed.len();
    for slice in mailed.chunks(SLICE) {
        let slice: Vec<(UserKey, UserId, Made)> = slice
            .iter()
            .map(|one| (one.key, one.id.clone(), make(app)))
            .collect();
        app.store
            .write(move |tx| {
                for (user, id, made) in &slice {
                    queue(tx, made, LinkOrigin::Office, *user, (ends_at, ends_at))?;
                    tx.emit(Effect::UserChanged(id.clone()));
                }
                Ok(())
            })
            .await?;
    }
    Ok(LinksMailed {
        queued,
        no_address: without.into_iter().map(|one| one.name).collect(),
    })
}
