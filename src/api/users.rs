//! People and their presence.

use serde::Deserialize;
use utoipa::IntoParams;

use super::http::call::Call;
use super::http::input::{Nothing, Query};
use super::http::reply::Data;
use crate::error::{Error, Noun, Result};
use crate::model::ids::UserId;
use crate::model::page::{Asked, Limit, List, Page, Range};
use crate::model::users::{Presence, UserView};
use crate::rule;
use crate::service::{presence, users};

#[derive(Deserialize, IntoParams)]
pub struct Search {
    /// A part of the name or the username; without it, everybody.
    search: Option<String>,
    #[param(minimum = 1, maximum = 100, default = 20)]
    #[serde(default, deserialize_with = "crate::api::http::input::saturating")]
    limit: Option<u32>,
    /// `paging.before` of the page before.
    before: Option<String>,
    /// From 1, within the first 1,000 people; not beside `before`.
    #[param(minimum = 1)]
    page: Option<u32>,
    /// How many of the first 1,000 people to leave out; not beside `before` or `page`.
    offset: Option<u32>,
}

/// What is searched for; empty for everybody.
///
/// # Errors
/// [`Error::Invalid`] on `search`.
pub fn searched(given: Option<String>) -> Result<String> {
    let text = given.unwrap_or_default();
    if text.chars().count() > 128 {
        let why = rule::too_long(128);
        return Err(Error::invalid("search", why));
    }
    Ok(text)
}

pub async fn search(call: Call, Query(query): Query<Search>) -> Result<Page<UserView>> {
    let asked = Asked {
        limit: query.limit,
        before: query.before.as_deref(),
        page: query.page,
        offset: query.offset,
    };
    let range = Range::parse(asked, 20, 100, List::Directory)?;
    let text = searched(query.search)?;
    users::search(&call.app, call.me()?, &text, range).await
}

pub async fn one(call: Call, _: Nothing) -> Result<Data<UserView>> {
    let id = call.param(0, Noun::User)?;
    let user = users::known(&call.app, &id).await?;
    users::seen(&call.app, call.me()?, &user).await.map(Data)
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(rename_all = "camelCase")]
pub struct Of {
    /// At most 100 ids, separated by commas.
    user_ids: String,
    #[param(minimum = 1, maximum = 100, default = 100)]
    #[serde(default, deserialize_with = "crate::api::http::input::saturating")]
    limit: Option<u32>,
}

pub async fn presence(call: Call, Query(query): Query<Of>) -> Result<Page<Presence>> {
    let ids = query.user_ids.split(',').filter(|id| !id.is_empty());
    let ids: Vec<UserId> = ids
        .map(|id| UserId::parse_field("userIds", id))
        .collect::<Result<_>>()?;
    if ids.is_empty() || ids.len() > 100 {
        return Err(Error::invalid("userIds", rule::people_range(1, 100)));
    }
    let limit = Limit::parse(query.limit, 100, 100)?;
    let found = presence::of(&call.app, call.me()?, ids).await?;
    Ok(Page::only(found, limit.get()))
}
