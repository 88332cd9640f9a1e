//! Notifications: sending them, and a person's own list.

use std::collections::BTreeSet;

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::http::call::Call;
use super::http::input::{Json, Nothing, Query};
use super::http::reply::{Data, Empty, Repeatable};
use super::messages::{Count, Updated};
use crate::error::{Error, Noun, Result};
use crate::model::audience::Audience;
use crate::model::ids::{IdText, UserId};
use crate::model::notifications::{Link, NewNotification, Notification, Sent, Type, Urgency};
use crate::model::object::Object;
use crate::model::page::{Asked, List, Page, Range};
use crate::model::users::Role;
use crate::rule;
use crate::service::notifications;
use crate::store;
use crate::store::notifications::Filter;

/// Exactly one of `userId`, `userIds` and `audience` says who gets it.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SendNotification {
    #[schema(value_type = Option<String>)]
    user_id: Option<IdText>,
    #[schema(value_type = Option<Vec<String>>)]
    user_ids: Option<Vec<IdText>>,
    #[schema(value_type = Option<AudienceBody>)]
    audience: Option<Object<AudienceBody>>,
    /// What it is about, for example `assignment.graded`: letters, digits and `. _ : -`.
    #[serde(rename = "type")]
    #[schema(max_length = 64)]
    kind: String,
    #[schema(max_length = 200)]
    title: String,
    #[schema(max_length = 4000)]
    message: String,
    /// A path on the same site, or an `https:` URL.
    link: Option<String>,
    urgency: Option<Urgency>,
    /// Seconds for which a push service may keep it; a day unless given.
    #[schema(maximum = 2_419_200)]
    ttl: Option<u32>,
    /// A name of the sender's own: the same one again gives the first answer back and sends nothing.
    #[schema(max_length = 128)]
    idempotency_key: Option<String>,
}

/// The union of the named sets, less `except`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Audience)]
pub struct AudienceBody {
    #[serde(default)]
    all: bool,
    #[serde(default)]
    roles: Vec<Role>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    user_ids: Vec<IdText>,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    except: Vec<IdText>,
}

impl SendNotification {
    fn parse(self) -> Result<(NewNotification, Audience)> {
        let new = NewNotification {
            kind: Type::parse(&self.kind)?,
            title: NewNotification::parse_title(&self.title)?,
            message: NewNotification::parse_message(&self.message)?,
            link: self.link.as_deref().map(Link::parse).transpose()?,
            urgency: self.urgency.unwrap_or_default(),
            ttl: NewNotification::parse_ttl(self.ttl.unwrap_or(NewNotification::TTL_DEFAULT))?,
            idempotency_key: NewNotification::parse_idempotency_key(self.idempotency_key)?,
        };
        let audience = match (self.user_id, self.user_ids, self.audience) {
            (Some(one), None, None) => Audience {
                users: ids("userId", vec![one])?,
                ..Audience::default()
            },
            (None, Some(many), None) => Audience {
                users: ids("userIds", many)?,
                ..Audience::default()
            },
            (None, None, Some(Object(audience))) => audience.parse()?,
            _ => {
                let why = rule::one_audience();
                return Err(Error::invalid("userId", why));
            }
        };
        Ok((new, audience.checked()?))
    }
}

impl AudienceBody {
    pub fn parse(self) -> Result<Audience> {
        let groups = self.groups.iter();
        Ok(Audience {
            all: self.all,
            roles: self.roles.into_iter().collect(),
            groups: groups
                .map(|id| UserId::parse_field("audience.groups", id))
                .collect::<Result<_>>()?,
            users: ids("audience.userIds", self.user_ids)?,
            except: ids("audience.except", self.except)?,
        })
    }
}

fn ids(field: &str, given: Vec<IdText>) -> Result<BTreeSet<String>> {
    given
        .into_iter()
        .map(|IdText(id)| UserId::parse_field(field, &id).map(|_| id))
        .collect()
}

pub async fn send(call: Call, Json(body): Json<SendNotification>) -> Result<Repeatable<Sent>> {
    let (new, audience) = body.parse()?;
    notifications::send(&call.app, call.by()?, new, audience)
        .await
        .map(Repeatable)
}

#[derive(Deserialize, IntoParams)]
pub struct ListQuery {
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
    /// Only unread ones (`true`), or only read ones (`false`).
    unread: Option<bool>,
    /// Only those of this type.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    kind: Option<String>,
}

pub async fn list(call: Call, Query(query): Query<ListQuery>) -> Result<Page<Notification>> {
    let asked = Asked {
        limit: query.limit,
        before: query.before.as_deref(),
        page: query.page,
        offset: query.offset,
    };
    let range = Range::parse(asked, 50, 100, List::Notifications)?;
    let filter = Filter {
        unread: query.unread,
        kind: query.kind.as_deref().map(Type::parse).transpose()?,
    };
    let me = call.me()?.key;
    let found = call
        .app
        .store
        .read(move |c| store::notifications::list(c, me, &filter, range))
        .await?;
    Ok(Page::newest_first(
        found,
        range.limit(),
        List::Notifications,
        |n| n.seq,
    ))
}

pub async fn unread_count(call: Call, _: Nothing) -> Result<Data<Count>> {
    let unread = notifications::unread(&call.app, call.me()?).await?;
    Ok(Data(Count::of(unread.notifications)))
}

pub async fn read(call: Call, _: Nothing) -> Result<Data<Notification>> {
    let id = call.param(0, Noun::Notification)?;
    notifications::read(&call.app, call.me()?, id, call.connection())
        .await
        .map(Data)
}

pub async fn read_all(call: Call, _: Nothing) -> Result<Data<Updated>> {
    let updated = notifications::read_all(&call.app, call.me()?, call.connection()).await?;
    Ok(Data(Updated { updated }))
}

pub async fn remove(call: Call, _: Nothing) -> Result<Data<Empty>> {
    let id = call.param(0, Noun::Notification)?;
    notifications::delete(&call.app, call.me()?, id).await?;
    Ok(Data(Empty {}))
}
