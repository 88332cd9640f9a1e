//! One-time links that come by mail: for who forgot the password, and from the office for many.
//!
//! What must stay true: no link goes to an address that several people have, so none of a pupil goes to a guardian's.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use crate::app::App;
use crate::error::{Error, Result};
use crate::mail::link_code;
use crate::model::audit::{Action, AuditActor};
use crate::model::events::Effect;
use crate::model::ids::{UserId, UserKey};
use crate::model::mails::Kind;
use crate::model::password_links::{LinkOrigin, LinksFilter, LinksMailed};
use crate::model::time::Time;
use crate::rule;
use crate::store::{WriteTx, audit, mails, password_links, users};

/// How long a link that its owner asked for is valid, and until when it may be sent, in seconds.
const FORGOTTEN_LIFETIME: i64 = 2 * 3_600;
const FORGOTTEN_SENT_WITHIN: i64 = 3_600;
/// How long one must wait between two, and how many there are in a day.
const FORGOTTEN_EVERY: i64 = 5 * 60;
const FORGOTTEN_PER_DAY: u32 = 5;
const DAY: i64 = 24 * 3_600;
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
    kind: Kind,
    user: UserKey,
    (link_ends_at, sent_by): (Time, Time),
) -> Result<()> {
    let origin = match kind {
        Kind::PasswordLink => LinkOrigin::Office,
        Kind::ForgottenPassword => LinkOrigin::Forgotten,
    };
    password_links::put(tx, user, origin, hash, link_ends_at)?;
    mails::put(tx, id, kind, user, sent_by)?;
    tx.emit(Effect::MailDue);
    Ok(())
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
    let made = make(app);
    app.store
        .write(move |tx| {
            let Some(user) = users::by_login_or_link(tx, login.trim())? else {
                return Ok(());
            };
            let since = |seconds: i64| tx.now.plus_seconds(-seconds);
            let count = |since| mails::count_since(tx, user.key, Kind::ForgottenPassword, since);
            if user.disabled
                || !user.had_login
                || user.username.is_none()
                || !mails::has_own_address(tx, user.key)?
                || count(since(FORGOTTEN_EVERY))? > 0
                || count(since(DAY))? >= FORGOTTEN_PER_DAY
            {
                return Ok(());
            }
            let ends_at = tx.now.plus_seconds(FORGOTTEN_LIFETIME);
            let sent_by = tx.now.plus_seconds(FORGOTTEN_SENT_WITHIN);
            let kind = Kind::ForgottenPassword;
            queue(tx, &made, kind, user.key, (ends_at, sent_by))?;
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
    let read = app.store.read_long(move |c| {
        let all = password_links::addressees(c, &filter)?;
        let mut mailed = Vec::new();
        let mut without = Vec::new();
        for one in all {
            match mails::has_own_address(c, one.key)? {
                true => mailed.push((one.key, one.id)),
                false => without.push(one.name),
            }
        }
        Ok((mailed, without))
    });
    let (mailed, without) = read.await?;
    if mailed.is_empty() && without.is_empty() {
        return Err(Error::invalid("filter", rule::nobody_fits()));
    }
    let ends_at = app.now().plus_seconds(i64::from(days) * DAY);
    let detail = format!("{} links by mail, for {days} days", mailed.len());
    app.store
        .write(move |tx| audit::note(tx, &by, Action::PasswordLinksMade, "", &detail))
        .await?;
    let queued = mailed.len();
    for slice in mailed.chunks(SLICE) {
        let slice: Vec<(UserKey, UserId, Made)> = slice
            .iter()
            .map(|(key, id)| (*key, id.clone(), make(app)))
            .collect();
        app.store
            .write(move |tx| {
                for (user, id, made) in &slice {
                    queue(tx, made, Kind::PasswordLink, *user, (ends_at, ends_at))?;
                    tx.emit(Effect::UserChanged(id.clone()));
                }
                Ok(())
            })
            .await?;
    }
    Ok(LinksMailed {
        queued,
        no_address: without,
    })
}
