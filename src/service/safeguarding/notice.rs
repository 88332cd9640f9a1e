//! What stands above every chat with a lead, and answers outside of their hours.

use std::sync::Arc;

use rusqlite::Connection;

use crate::app::App;
use crate::error::Result;
use crate::model::events::{Event, Publication};
use crate::model::messages::Content;
use crate::model::pushes::Pushable;
use crate::model::time::Time;
use crate::model::users::User;
use crate::service::pushes;
use crate::store::conversations::Members;
use crate::store::safeguarding::{duties, notices};
use crate::store::{WriteTx, messages};

/// What stands above a chat with `partner`; nothing where they are no lead.
///
/// # Errors
/// As those of a read.
pub fn above(app: &App, c: &Connection, partner: &User) -> Result<Option<String>> {
    let text = &app.config.safeguarding.notice.text;
    let is_shown = !text.is_empty() && duties::is_lead(c, partner.key)?;
    Ok(is_shown.then(|| text.clone()))
}

/// Answers what somebody writes to a lead outside of the hours, once a day. Call it in the write of the message.
///
/// # Errors
/// As those of a write.
pub fn answer(
    tx: &WriteTx,
    app: &App,
    members: &Members,
    (sender, lead): (&User, &User),
) -> Result<()> {
    let notice = &app.config.safeguarding.notice;
    if notice.text.is_empty()
        || is_open(app, tx.now)
        || !duties::is_lead(tx, lead.key)?
        || duties::is_lead(tx, sender.key)?
        || !notices::take(tx, lead.key, sender.key)?
    {
        return Ok(());
    }
    let content = Content::parse(&notice.text, notice.text.len())?;
    let answer = messages::insert(tx, members, (lead, sender), content, None, false)?;
    let seq = answer.seq;
    tx.emit(Publication {
        to: members.all().to_vec(),
        except: None,
        event: Event::NewMessage(Arc::new(answer)),
    });
    let to = members.recipients(lead.key);
    pushes::queue(tx, &app.hub, &to, Pushable::Message, seq)
}

/// Whether leads read what is written to them now.
fn is_open(app: &App, now: Time) -> bool {
    let zone = app.school.get().time_zone.clone();
    let hours = app.config.safeguarding.notice.hours();
    hours.until(now, &zone).is_some()
}
