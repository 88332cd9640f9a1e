//! Sending and reading messages.

use std::sync::Arc;

use super::policy;
use super::safeguarding::notice;
use crate::app::App;
use crate::error::{Error, Forbidden, Noun, Result};
use crate::limits::rates::is_bounded;
use crate::model::audit::{Action, AuditActor};
use crate::model::events::{Event, Publication, UnreadNow};
use crate::model::ids::{ConnectionId, Id, UserId, UserKey};
use crate::model::journal::{Entry, Removal};
use crate::model::messages::{ClientId, Content, Conversation, Message, RemovedBy};
use crate::model::outcome::Outcome;
use crate::model::page::Range;
use crate::model::pushes::Pushable;
use crate::model::users::{User, UserView};
use crate::store::conversations::Members;
use crate::store::messages::{self, Marked, Window};
use crate::store::safeguarding::duties;
use crate::store::{
    self, WriteTx, affiliations, audit, blocks, conversations, groups, journal, removals, users,
};

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
/// [`Error::Invalid`] for a message to oneself, [`Noun::User`] not found for an unknown user, for a disabled one, and for one to whom the
/// sender may not begin to write; [`Error::PolicyDenied`] for one to whom they may not write any more; [`Error::TooMany`] for more text, or more new partners, than a day has.
pub async fn send(app: &App, sender: &Arc<User>, new: NewMessage) -> Result<Outcome<Arc<Message>>> {
    policy::check_not_self(sender, &new.receiver, "receiverId")?;
    let receiver = super::users::known(app, &new.receiver).await?;
    app.limits.rates.text(sender, new.content.as_str().len())?;
    let (me, app_in) = (sender.clone(), app.clone());
    let sender = sender.clone();
    let mut sent = app
        .store
        .write(move |tx| {
            if let Some(client_id) = &new.client_id
                && let Some(first) = messages::by_client_id(tx, sender.key, client_id)?
            {
                return Ok(Outcome::repeated(Arc::new(first)));
            }
            // After the look-up, so that a repeated request is answered even if the receiver is disabled by now.
            let stored = store::policy::pair(tx, sender.key, receiver.key)?;
            let people = (&*sender, &*receiver);
            let policy::Admitted { hidden } =
                policy::admit(&app_in, tx, people, &stored, "receiverId")?;
            let members = match stored.members {
                Some(members) => members,
                None => begin(tx, &app_in, &sender, &receiver)?,
            };
            let (content, client_id) = (new.content, new.client_id);
            let message = messages::insert(tx, &members, people, content, client_id, hidden)?;
            let message = Arc::new(message);
            tx.emit(Publication {
                to: match hidden {
                    true => vec![sender.key],
                    false => members.all().to_vec(),
                },
                except: new.from.map(|socket| (sender.key, socket)),
                event: Event::NewMessage(message.clone()),
            });
            if !hidden {
                let (to, what) = (members.recipients(sender.key), Pushable::Message);
                super::pushes::queue(tx, &app_in.hub, &to, what, message.seq)?;
                notice::answer(tx, &app_in, &members, people)?;
            }
            Ok(Outcome::fresh(message))
        })
        .await?;
    if !sent.fresh {
        let message = Arc::make_mut(&mut sent.value);
        hide_receipts(app, &me, std::slice::from_mut(message)).await?;
    }
    Ok(sent)
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
    let (reader, app_in) = (reader.clone(), app.clone());
    app.store
        .write(move |tx| {
            let Some(members) = conversations::of_pair(tx, reader.key, partner.key)? else {
                policy::visible(&app_in, tx, &reader, &partner)?;
                return up_to.map_or(Ok(0), |_| Err(Noun::Message.into()));
            };
            let id = members.conversation;
            let (updated, event) = match messages::mark_read(tx, id, &reader, &partner, up_to)? {
                Marked::UnknownMessage => return Err(Error::NotFound(Noun::Message)),
                Marked::Nothing => return Ok(0),
                Marked::Read { updated, event } => (updated, event),
            };
            // Of some roles nobody is told that they have read something.
            let is_told = !app_in
                .config
                .messages
                .hidden_receipts
                .contains(&reader.role);
            tx.emit(Publication {
                to: match is_told {
                    true => members.all().to_vec(),
                    false => vec![reader.key],
                },
                except: from.map(|socket| (reader.key, socket)),
                event: Event::MessageRead(event),
            });
            emit_unread(tx, &reader)?;
            Ok(updated)
        })
        .await
}

/// Takes a message back: its sender, for a while; a safeguarding lead, at any time. Once more changes nothing.
///
/// # Errors
/// [`Noun::Message`] not found, also of a conversation that the caller is not in; [`Forbidden::TooLate`]; [`Forbidden::Role`] for its
/// receiver, [`Forbidden::Involved`] where that is a lead.
pub async fn remove(app: &App, me: &Arc<User>, by: AuditActor, id: Id) -> Result<()> {
    let (me, app_in) = (me.clone(), app.clone());
    app.store
        .write(move |tx| {
            let found = removals::find(tx, id)?.ok_or(Error::NotFound(Noun::Message))?;
            let is_own = found.sender == me.key;
            let allowed = i64::from(app_in.config.messages.retract_seconds);
            let is_young = found.created_at.plus_seconds(allowed) > tx.now;
            let remover = match is_own && is_young {
                true => RemovedBy::Sender,
                false if found.removed && found.is_seen_by(me.key) => return Ok(()),
                false if is_own => return Err(Error::Forbidden(Forbidden::TooLate)),
                false if duties::is_lead(tx, me.key)? => match found.receiver == me.key {
                    true => return Err(Error::Forbidden(Forbidden::Involved)),
                    false => RemovedBy::School,
                },
                false if found.is_seen_by(me.key) => return Err(Error::Forbidden(Forbidden::Role)),
                false => return Err(Error::NotFound(Noun::Message)),
            };
            let Some(removed) = removals::remove(tx, id, remover, me.key)? else {
                return Ok(());
            };
            journal::add(
                tx,
                &Entry::Removed(Removal {
                    message: id,
                    by: remover,
                    remover: (remover == RemovedBy::School).then(|| me.id().clone()),
                    at: tx.now.0,
                }),
            )?;
            if remover == RemovedBy::School {
                audit::note(tx, &by, Action::MessageRemoved, &id.to_string(), "")?;
            }
            let removals::Removed { event, found } = removed;
            let members = Members::pair(found.conversation, found.sender, found.receiver);
            tx.emit(Publication {
                to: match found.hidden {
                    true => vec![found.sender],
                    false => members.all().to_vec(),
                },
                except: None,
                event: Event::MessageRemoved(event),
            });
            if !found.hidden {
                for recipient in members.recipients(found.sender) {
                    emit_unread_of(tx, recipient)?;
                }
            }
            Ok(())
        })
        .await
}

/// Some of the caller's conversations, newest first.
///
/// # Errors
/// As those of a read.
pub async fn conversations(app: &App, me: &User, range: Range) -> Result<Vec<Conversation>> {
    let (me_in, app_in) = (me.clone(), app.clone());
    let read = app.store.read(move |c| {
        let found = messages::conversations(c, &me_in, range)?;
        let keys: Vec<UserKey> = found.iter().map(|one| one.partner.key).collect();
        let mut seen = affiliations::seen_by(c, &me_in, &keys)?;
        let muted = blocks::muted(c, me_in.key)?;
        let each = found.into_iter().map(|one| {
            let can = policy::can(&app_in, c, &me_in, &one.partner)?;
            let shown = match can.why {
                None => super::users::view(&app_in, &one.partner),
                Some(_) => UserView::new(&one.partner, (false, None)),
            };
            Ok(Conversation {
                partner: UserView {
                    notice: notice::above(&app_in, c, &one.partner)?,
                    ..shown.with(seen.remove(&one.partner.key))
                },
                last_message: one.last_message.into(),
                unread_count: one.unread_count,
                can,
                muted: muted.contains(&one.partner.key),
            })
        });
        each.collect::<Result<Vec<_>>>()
    });
    let mut found = read.await?;
    for conversation in &mut found {
        let message = Arc::make_mut(&mut conversation.last_message);
        hide_receipts(app, me, std::slice::from_mut(message)).await?;
    }
    Ok(found)
}

/// Messages with a user, as [`messages::history`] gives them.
///
/// # Errors
/// [`Noun::User`] not found, of somebody with whom the caller has no past and to whom they may not write.
pub async fn history(
    app: &App,
    me: &User,
    partner: Arc<User>,
    window: Window,
) -> Result<Vec<Message>> {
    let (me_in, app_in) = (me.clone(), app.clone());
    let read = app.store.read(move |c| {
        if conversations::of_pair(c, me_in.key, partner.key)?.is_none() {
            policy::visible(&app_in, c, &me_in, &partner)?;
        }
        messages::history(c, &me_in, &partner, window)
    });
    let mut items = read.await?;
    hide_receipts(app, me, &mut items).await?;
    Ok(items)
}

/// Takes from messages that the caller sent whether they were read, where nobody is told of that role.
///
/// # Errors
/// As those of a read.
pub async fn hide_receipts(app: &App, me: &User, messages: &mut [Message]) -> Result<()> {
    let hidden = &app.config.messages.hidden_receipts;
    if hidden.is_empty() {
        return Ok(());
    }
    for message in messages.iter_mut().filter(|m| m.sender_id == *me.id()) {
        let receiver = super::users::find(app, &message.receiver_id).await?;
        if receiver.is_some_and(|receiver| hidden.contains(&receiver.role)) {
            (message.read, message.read_at) = (false, None);
        }
    }
    Ok(())
}

/// As [`hide_receipts`], of events that are sent again: what was told to nobody is left out.
///
/// # Errors
/// As those of a read.
pub async fn hide_receipts_of_events(
    app: &App,
    me: &User,
    events: Vec<Event>,
) -> Result<Vec<Event>> {
    let hidden = &app.config.messages.hidden_receipts;
    if hidden.is_empty() {
        return Ok(events);
    }
    let mut told = Vec::with_capacity(events.len());
    for mut event in events {
        if let Event::NewMessage(message) = &mut event {
            let message = Arc::make_mut(message);
            hide_receipts(app, me, std::slice::from_mut(message)).await?;
        }
        if let Event::MessageRead(read) = &event
            && read.reader_id != *me.id()
            && let Some(reader) = super::users::find(app, &read.reader_id).await?
            && hidden.contains(&reader.role)
        {
            continue;
        }
        told.push(event);
    }
    Ok(told)
}

/// Tells all sockets of a user who has just read their counts.
pub(super) fn emit_unread(tx: &WriteTx, reader: &User) -> Result<()> {
    emit_unread_of(tx, reader.key)
}

fn emit_unread_of(tx: &WriteTx, reader: UserKey) -> Result<()> {
    // A seq of its own orders it with the snapshots of those who join.
    let now = UnreadNow {
        counts: users::unread(tx, reader)?,
        as_of: tx.next_seq(),
    };
    tx.emit(Publication {
        to: vec![reader],
        except: None,
        event: Event::Unread(now),
    });
    Ok(())
}
