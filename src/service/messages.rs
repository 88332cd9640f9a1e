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
use crate::store::conversations::Members;
use crate::store::messages::{self, Marked};
use crate::store::{self, WriteTx, conversations, groups, users};

/// A message to be sent.
#[derive(Debug)]
pub struct NewMessage {
    pub receiver: UserId,
    pub content: Content,
    pub client_id: Option<ClientId>,
    /// The sender's socket, which gets no event: it has the answer.
    pub from: Option<ConnectionId>,
}

/// Stores a message and publishes it to both people. A client id that the sender has used before returns the first message and
/// publishes nothing.
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
            // After the look-up, so that a repeated request is answered even if the receiver is disabled by now.
            let stored = store::policy::pair_facts(tx, sender.key, receiver.key)?;
            let facts = Facts::stored(sender.key, receiver.key, &stored);
            policy::decide(facts, Act::Write).check()?;
            let members = match stored.members {
                Some(members) => members,
                None => begin(tx, &app_in, &sender, &receiver)?,
            };
            let (content, client_id) = (new.content, new.client_id);
            let message = messages::insert(tx, &members, &sender, &receiver, content, client_id)?;
            let message = Arc::new(message);
            tx.emit(Publication {
                to: members.all().to_vec(),
                except: new.from.map(|socket| (sender.key, socket)),
                event: Event::NewMessage(message.clone()),
            });
            let (to, what) = (members.recipients(sender.key), Pushable::Message);
            super::pushes::queue(tx, &app_in.hub, &to, what, message.seq)?;
            Ok(Outcome::fresh(message))
        })
        .await
}

/// Begins a conversation. Pupils and guardians begin few a day, so that a sender who wants to reach everybody is slowed down; people of
/// one's own groups are free.
fn begin(tx: &WriteTx, app: &App, sender: &User, receiver: &User) -> Result<Members> {
    if is_bounded(sender.role) && !groups::share(tx, sender.key, receiver.key)? {
        app.limits.rates.partner(sender.key)?;
    }
    conversations::insert_pair(tx, sender.key, receiver.key, tx.now)
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
            let Some(members) = conversations::of_pair(tx, reader.key, partner.key)? else {
                return up_to.map_or(Ok(0), |_| Err(Noun::Message.into()));
            };
            let id = members.conversation;
            let (updated, event) = match messages::mark_read(tx, id, &reader, &partner, up_to)? {
                Marked::UnknownMessage => return Err(Error::NotFound(Noun::Message)),
                Marked::Nothing => return Ok(0),
                Marked::Read { updated, event } => (updated, event),
            };
            tx.emit(Publication {
                to: members.all().to_vec(),
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
