//! Reviews of conversations.

use serde::Deserialize;
use utoipa::ToSchema;

use super::Paged;
use crate::api::http::call::Call;
use crate::api::http::input::{Json, Nothing, Query};
use crate::api::http::reply::{Created, Data};
use crate::error::{Error, Noun, Result};
use crate::model::ids::UserId;
use crate::model::page::{List, Page};
use crate::model::safeguarding::parse_reason;
use crate::model::safeguarding::reviews::{NewReview, ReviewView, ReviewedMessage};
use crate::rule;
use crate::service::safeguarding::reviews;

/// The ids of two people.
///
/// # Errors
/// [`Error::Invalid`] on `userIds`.
pub fn two(ids: &[String]) -> Result<[UserId; 2]> {
    match ids {
        [a, b] => Ok([
            UserId::parse_field("userIds", a)?,
            UserId::parse_field("userIds", b)?,
        ]),
        _ => Err(Error::invalid("userIds", rule::two_people())),
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewReviewBody {
    /// The ids of the two people.
    #[schema(min_items = 2, max_items = 2)]
    user_ids: Vec<String>,
    #[schema(max_length = 2000)]
    reason: String,
    /// It can be read at once, for 24 hours, and is approved afterwards.
    #[serde(default)]
    urgent: bool,
}

pub async fn ask(call: Call, Json(body): Json<NewReviewBody>) -> Result<Created<ReviewView>> {
    let new = NewReview {
        users: two(&body.user_ids)?,
        reason: parse_reason(&body.reason)?,
        urgent: body.urgent,
    };
    let me = call.me()?.clone();
    reviews::ask(&call.app, &me, call.by()?, new)
        .await
        .map(Created)
}

pub async fn list(call: Call, Query(query): Query<Paged>) -> Result<Page<ReviewView>> {
    let range = query.range(List::Reviews)?;
    let found = reviews::list(&call.app, call.me()?, range).await?;
    let limit = range.limit();
    Ok(Page::newest_first(found, limit, List::Reviews, |one| {
        one.key
    }))
}

pub async fn approve(call: Call, _: Nothing) -> Result<Data<ReviewView>> {
    let id = call.param(0, Noun::Review)?;
    let me = call.me()?.clone();
    reviews::approve(&call.app, &me, call.by()?, id)
        .await
        .map(Data)
}

pub async fn messages(call: Call, Query(query): Query<Paged>) -> Result<Page<ReviewedMessage>> {
    let id = call.param(0, Noun::Review)?;
    let range = query.range(List::Reviewed)?;
    let me = call.me()?.clone();
    let found = reviews::messages(&call.app, &me, call.by()?, id, range).await?;
    let limit = range.limit_of(&found, |message| message.content.len());
    Ok(Page::newest_first(found, limit, List::Reviewed, |one| {
        one.seq
    }))
}

pub async fn tell(call: Call, _: Nothing) -> Result<Data<ReviewView>> {
    let id = call.param(0, Noun::Review)?;
    let me = call.me()?.clone();
    reviews::tell(&call.app, &me, call.by()?, id)
        .await
        .map(Data)
}
