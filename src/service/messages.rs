//! Sending and reading messages.

use std::sync::Arc;

use super::policy::{self, Act, Facts};
use crate::app::App;
use crate::error::{Error, Noun, Result};
use crate::limits::rates::is_bounded;
use crate::model::events::{Event, Publication, UnreadNow};
use crate::model::ids::{ConnectionId, Id, UserId};
use crate::model::messages::{ClientId, Content, Message};
use crate::model::outcome::Outcome;
use crate::model::pushes::Pushable;
use crate::model::users::User;
use crate::store::messages::{self, Marked};
use crate::store::{WriteTx, conversations, groups, users};

/// A message to be sent.
#[derive(Debug)]
pub struct NewMessage {
    pub receiver: UserId,
    pub content: Content,
    pub client_id: Option<ClientId>,
    /// The sender's socket, which needs no event: it has the answer.
    pub from: Option<ConnectionId>,
}

/// Stores a message and tells both people's sockets. A client id that the sender has used before gives the first
/// message back and publishes nothing.
///
/// # Errors
/// [`Error::Invalid`] for a message to oneself, [`Noun::User`] not found for an unknown user and for a disabled one; [`Error::TooMany`] for
/// more text, or more new partners, than a day has.
pub async fn send(app: &App, sender: &Arc<User>, new: NewMessage) -> Result<Outcome<Arc<Message>>> {
    policy::check_not_self(sender, &new.receiver, "receiverId")?;
    let receiver = super::users::known(app, &new.receiver).await?;
    app.limits.rates.text(sender, new.content.as_str().len())?;
    let (sender, app_in) = (sender.clone(), app.clone());
    app.store
        .write(move |tx| {
            if let Some(client_id) = &new.client_id
                && let Some(first) = messages::by_client_id(tx, sender.key, client_id)?
            {
                return Ok(Outcome::repeated(Arc::new(first)));
            }
            // After the look-up: a repeated request is answered even if the receiver is disabled by now.
            let facts = Facts::stored(tx, sender.key, receiver.key)?;
            policy::decide(facts, Act::Write).check()?;
            check_new_partner(tx, &app_in, &sender, &receiver)?;
            let message = messages::insert(tx, &sender, &receiver, new.content, new.client_id)?;
            let message = Arc::new(message);
            tx.emit(Publication {
                to: vec![receiver.key, sender.key],
                except: new.from.map(|socket| (sender.key, socket)),
                event: Event::NewMessage(message.clone()),
            });
            let (to, what) = ([receiver.key], Pushable::Message);
            super::pushes::queue(tx, &app_in.hub, &to, what, message.seq)?;
            Ok(Outcome::fresh(message))
        })
        .await
}

/// Pupils and guardians write to few people a day for the first time: a sender who wants to reach everybody is to be slowed down. People of one's
/// own groups are free.
fn check_new_partner(tx: &WriteTx, app: &App, sender: &User, receiver: &User) -> Result<()> {
    let known = !is_bounded(sender.role)
        || conversations::of_pair(tx, sender.key, receiver.key)?.is_some()
        || groups::share(tx, sender.key, receiver.key)?;
    if known {
        return Ok(());
    }
    app.limits.rates.partner(sender.key)
}

/// Marks what `partner` wrote as read, up to a message or to the newest, and returns how many messages that were.
///
/// # Errors
/// [`Noun::User`] or [`Noun::Message`] not found.
pub async fn mark_read(
    app: &App,
    reader: &Arc<User>,
    partner: &UserId,
    up_to: Option<Id>,
    from: Option<ConnectionId>,
) -> Result<i64> {
    let partner = super::users::known(app, partner).await?;
    let reader = reader.clone();
    app.store
        .write(move |tx| {
            let (updated, event) = match messages::mark_read(tx, &reader, &partner, up_to)? {
                Marked::UnknownMessage => return Err(Error::NotFound(Noun::Message)),
                Marked::Nothing => return Ok(0),
                Marked::Read { updated, event } => (updated, event),
            };
            tx.emit(Publication {
                to: vec![partner.key, reader.key],
                except: from.map(|socket| (reader.key, socket)),
                event: Event::MessageRead(event),
            });
            emit_unread(tx, &reader)?;
            Ok(updated)
        })
        .await
}

/// Tells all sockets of a user who has just read their counts.
pub(super) fn emit_unread(tx: &WriteTx, reader: &User) -> Result<()> {
    // A seq of its own orders it with the snapshots of those who join.
    let now = UnreadNow {
        counts: users::unread(tx, reader.key)?,
        as_of: tx.next_seq(),
    };
    tx.emit(Publication {
        to: vec![reader.key],
        except: None,
        event: Event::Unread(now),
    });
    Ok(())
}
