//! Messages and conversations.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::http::call::Call;
use super::http::input::{Nothing, OptionalJson, Query, one_of};
use super::http::reply::{Data, Empty, Repeatable};
use super::http::schema::Shared;
use crate::api::http::input::Json;
use crate::config::count;
use crate::error::{Error, Noun, Result};
use crate::model::ids::{IdText, UserId};
use crate::model::messages::{ClientId, Content, Conversation, Message};
use crate::model::page::{Asked, Cursor, Limit, List, Page, Paging, Range};
use crate::rule;
use crate::service::messages::{self, NewMessage};
use crate::service::{notifications, search, users};
use crate::store::messages::Window;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SendMessage {
    /// compat: `recipientId` and `to` are the same; a whole number below 2^53 is its decimal text.
    #[schema(required = true, value_type = String)]
    receiver_id: Option<IdText>,
    #[schema(ignore)]
    recipient_id: Option<IdText>,
    #[schema(ignore)]
    to: Option<IdText>,
    /// Trimmed; 1 to `messages.max_length` characters. compat: `message` and `text` are the same.
    #[schema(required = true, value_type = String)]
    content: Option<String>,
    #[schema(ignore)]
    message: Option<String>,
    #[schema(ignore)]
    text: Option<String>,
    /// A name of the sender's own: the same one again gives the first message back and sends nothing.
    #[schema(max_length = 128)]
    client_id: Option<String>,
}

pub async fn send(
    call: Call,
    Json(body): Json<SendMessage>,
) -> Result<Repeatable<Shared<Message>>> {
    let to = one_of("receiverId", [body.receiver_id, body.recipient_id, body.to])?;
    let content = one_of("content", [body.content, body.message, body.text])?;
    let new = NewMessage {
        receiver: UserId::parse(&to.0).ok_or(Error::NotFound(Noun::User))?,
        content: Content::parse(&content, count(call.app.config.messages.max_length))?,
        client_id: body.client_id.as_deref().map(ClientId::parse).transpose()?,
        from: call.connection(),
    };
    let sent = messages::send(&call.app, call.me()?, new).await?;
    Ok(Repeatable(sent.map(Shared)))
}

#[derive(Deserialize, IntoParams)]
pub struct Paged {
    #[param(minimum = 1, maximum = 100, default = 50)]
    #[serde(default, deserialize_with = "crate::api::http::input::saturating")]
    limit: Option<u32>,
    /// `paging.before` of the page before.
    before: Option<String>,
    /// From 1, within the newest 1,000; not beside `before`.
    #[param(minimum = 1)]
    page: Option<u32>,
    /// How many of the newest 1,000 to leave out; not beside `before` or `page`.
    offset: Option<u32>,
}

pub async fn conversations(call: Call, Query(query): Query<Paged>) -> Result<Page<Conversation>> {
    let asked = Asked {
        limit: query.limit,
        before: query.before.as_deref(),
        page: query.page,
        offset: query.offset,
    };
    let range = Range::parse(asked, 50, 100, List::Conversations)?;
    let found = messages::conversations(&call.app, call.me()?, range).await?;
    let limit = range.limit_of(&found, |c| bytes(&c.last_message));
    Ok(Page::newest_first(found, limit, List::Conversations, |c| {
        c.last_message.seq
    }))
}

#[derive(Deserialize, IntoParams)]
pub struct HistoryQuery {
    #[param(minimum = 1, maximum = 100, default = 50)]
    #[serde(default, deserialize_with = "crate::api::http::input::saturating")]
    limit: Option<u32>,
    /// `paging.before` of another page: the messages before it.
    before: Option<String>,
    /// `paging.after` of another page: the messages after it.
    after: Option<String>,
    /// From 1, the newest, within the newest 1,000; not beside `before` or `after`.
    #[param(minimum = 1)]
    page: Option<u32>,
    /// How many of the newest 1,000 to leave out; not beside `before`, `after` or `page`.
    offset: Option<u32>,
}

pub async fn history(call: Call, Query(query): Query<HistoryQuery>) -> Result<Page<Message>> {
    let asked = Asked {
        limit: query.limit,
        before: query.before.as_deref(),
        page: query.page,
        offset: query.offset,
    };
    let range = Range::parse(asked, 50, 100, List::Messages)?;
    let window = match query.after.as_deref() {
        None => Window::Before(range),
        Some(_) if query.before.is_some() || query.page.or(query.offset).is_some() => {
            let why = rule::contradicts("before, page or offset");
            return Err(Error::invalid("after", why));
        }
        Some(after) => {
            let Cursor(seq) = Cursor::decode("after", after, List::Messages)?;
            Window::After(seq, Limit::parse(query.limit, 50, 100)?)
        }
    };
    let partner = users::known(&call.app, &call.param(0, Noun::User)?).await?;
    let mut items = messages::history(&call.app, call.me()?, partner, window).await?;
    let limit = range.limit_of(&items, bytes);
    let has_more = items.len() > limit;
    items.truncate(limit);
    let forward = matches!(window, Window::After(..));
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
#[serde(rename_all = "camelCase")]
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
#[serde(rename_all = "camelCase")]
pub struct Count {
    pub count: i64,
    /// The same.
    pub unread_count: i64,
}

impl Count {
    pub fn of(count: i64) -> Self {
        Count {
            count,
            unread_count: count,
        }
    }
}

pub async fn unread_count(call: Call, _: Nothing) -> Result<Data<Count>> {
    let count = notifications::unread(&call.app, call.me()?).await?.messages;
    Ok(Data(Count::of(count)))
}

#[derive(Deserialize, IntoParams)]
pub struct SearchQuery {
    /// Words, of which each must begin a word of the message. At most 200 characters.
    q: String,
    #[param(minimum = 1, maximum = 50, default = 20)]
    #[serde(default, deserialize_with = "crate::api::http::input::saturating")]
    limit: Option<u32>,
    /// `paging.before` of the page before.
    before: Option<String>,
    /// From 1, within the newest 1,000; not beside `before`.
    #[param(minimum = 1)]
    page: Option<u32>,
    /// How many of the newest 1,000 to leave out; not beside `before` or `page`.
    offset: Option<u32>,
}

pub async fn search(call: Call, Query(query): Query<SearchQuery>) -> Result<Page<Message>> {
    let asked = Asked {
        limit: query.limit,
        before: query.before.as_deref(),
        page: query.page,
        offset: query.offset,
    };
    let range = Range::parse(asked, 20, 50, List::Found)?;
    let found = search::messages(&call.app, call.me()?, &query.q, range).await?;
    let limit = range.limit_of(&found, bytes);
    Ok(Page::newest_first(found, limit, List::Found, |message| {
        message.seq
    }))
}

/// What makes a message long.
fn bytes(message: &Message) -> usize {
    message.content.len()
}

pub async fn remove(call: Call, _: Nothing) -> Result<Data<Empty>> {
    let id = call.param(0, Noun::Message)?;
    let me = call.me()?.clone();
    messages::remove(&call.app, &me, call.by()?, id).await?;
    Ok(Data(Empty {}))
}
