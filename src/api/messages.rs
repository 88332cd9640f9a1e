//! Messages and conversations.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::call::Call;
use super::input::{Nothing, OptionalJson, Query};
use super::reply::{Created, Data};
use crate::api::input::Json;
use crate::error::{Error, Noun, Result};
use crate::model::ids::UserId;
use crate::model::messages::{ClientId, Content, Conversation, Message};
use crate::model::page::{self, Cursor, Limit, List, Page, Paging};
use crate::service::messages::{self, NewMessage};
use crate::service::{notifications, search, users};
use crate::store;
use crate::store::messages::Window;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SendMessage {
    receiver_id: String,
    /// Trimmed; 1 to `messages.max_length` characters.
    content: String,
    /// A name of the sender's own: the same one again gives the first message back and sends nothing.
    #[schema(max_length = 128)]
    client_id: Option<String>,
}

pub async fn send(call: Call, Json(body): Json<SendMessage>) -> Result<Created<Message>> {
    let new = NewMessage {
        receiver: UserId::parse(&body.receiver_id).ok_or(Error::NotFound(Noun::User))?,
        content: Content::parse(&body.content, call.app.config.messages.max_length)?,
        client_id: body.client_id.as_deref().map(ClientId::parse).transpose()?,
        from: call.connection(),
    };
    let sent = messages::send(&call.app, call.me()?, new).await?;
    Ok(Created {
        data: sent.message,
        fresh: sent.fresh,
    })
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Paged {
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u32>,
    /// `paging.before` of the page before.
    before: Option<String>,
}

pub async fn conversations(call: Call, Query(query): Query<Paged>) -> Result<Page<Conversation>> {
    let limit = Limit::parse(query.limit, 50, 100)?;
    let before = cursor("before", query.before.as_deref(), List::Conversations)?;
    let me = call.me()?.clone();
    let mut found = call
        .app
        .store
        .read(move |c| store::conversations::list(c, &me, before, limit.plus_one()))
        .await?;
    for conversation in &mut found {
        let partner = users::find(&call.app, &conversation.partner.id).await?;
        conversation.partner.online = partner.is_some_and(|p| call.app.hub.is_online(p.key));
    }
    let fitting = page::fitting(&found, |c| bytes(&c.last_message));
    Ok(Page::newest_first(
        found,
        limit.get().min(fitting),
        List::Conversations,
        |c| c.last_message.seq,
    ))
}

fn cursor(field: &str, text: Option<&str>, list: List) -> Result<Option<i64>> {
    text.map(|text| Cursor::decode(field, text, list).map(|cursor| cursor.0))
        .transpose()
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct HistoryQuery {
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u32>,
    /// `paging.before` of another page: the messages before it.
    before: Option<String>,
    /// `paging.after` of another page: the messages after it.
    after: Option<String>,
}

pub async fn history(call: Call, Query(query): Query<HistoryQuery>) -> Result<Page<Message>> {
    let limit = Limit::parse(query.limit, 50, 100)?;
    let before = cursor("before", query.before.as_deref(), List::Messages)?;
    let after = cursor("after", query.after.as_deref(), List::Messages)?;
    let window = match (before, after) {
        (None, None) => Window::Newest,
        (Some(seq), None) => Window::Before(seq),
        (None, Some(seq)) => Window::After(seq),
        (Some(_), Some(_)) => {
            return Err(Error::invalid("after", "must not stand beside before"));
        }
    };
    let me = call.me()?.clone();
    let partner = users::known(&call.app, &call.param(0, Noun::User)?).await?;
    let read = move |c: &rusqlite::Connection| {
        store::messages::history(c, &me, &partner, window, limit.plus_one())
    };
    let mut items = call.app.store.read(read).await?;
    let limit = limit.get().min(page::fitting(&items, bytes));
    let has_more = items.len() > limit;
    items.truncate(limit);
    let forward = matches!(window, Window::After(_));
    if !forward {
        items.reverse();
    }
    let at = |message: Option<&Message>| message.map(|m| Cursor(m.seq).encode(List::Messages));
    let paging = Paging {
        has_more,
        before: at(items.first()).filter(|_| has_more || forward),
        // With nothing newer yet, the client comes back with the cursor that it has.
        after: at(items.last()).or(query.after),
    };
    Ok(Page { items, paging })
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadUpTo {
    /// The newest message that was read; without it, all of them.
    up_to: Option<String>,
}

/// How many rows a request changed.
#[derive(Serialize, ToSchema)]
pub struct Updated {
    pub updated: i64,
}

pub async fn read(call: Call, OptionalJson(body): OptionalJson<ReadUpTo>) -> Result<Data<Updated>> {
    let up_to = body
        .up_to
        .map(|id| id.parse().map_err(|()| Error::NotFound(Noun::Message)))
        .transpose()?;
    let partner = call.param(0, Noun::User)?;
    let updated =
        messages::mark_read(&call.app, call.me()?, &partner, up_to, call.connection()).await?;
    Ok(Data(Updated { updated }))
}

#[derive(Serialize, ToSchema)]
pub struct Count {
    pub count: i64,
}

pub async fn unread_count(call: Call, _: Nothing) -> Result<Data<Count>> {
    let count = notifications::unread(&call.app, call.me()?).await?.messages;
    Ok(Data(Count { count }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct SearchQuery {
    /// Words, of which each must begin a word of the message. At most 200 characters.
    q: String,
    #[param(minimum = 1, maximum = 50, default = 20)]
    limit: Option<u32>,
}

pub async fn search(call: Call, Query(query): Query<SearchQuery>) -> Result<Page<Message>> {
    let limit = Limit::parse(query.limit, 20, 50)?;
    let found = search::messages(&call.app, call.me()?, &query.q, limit.get() + 1).await?;
    let fitting = page::fitting(&found, bytes);
    Ok(Page::only(found, limit.get().min(fitting)))
}

/// What makes a message long.
fn bytes(message: &Message) -> usize {
    message.content.len()
}
