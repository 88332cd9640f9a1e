//! Holds.

use serde::Deserialize;
use utoipa::ToSchema;

use super::reviews::two;
use crate::api::http::call::Call;
use crate::api::http::input::{Json, Nothing};
use crate::api::http::reply::{Created, Data, Empty};
use crate::error::{Error, Noun, Result};
use crate::model::ids::UserId;
use crate::model::page::Page;
use crate::model::safeguarding::holds::{Held, HoldView};
use crate::model::safeguarding::parse_reason;
use crate::rule;
use crate::service::safeguarding::holds;

pub async fn list(call: Call, _: Nothing) -> Result<Page<HoldView>> {
    let found = holds::list(&call.app, call.me()?).await?;
    let count = found.len();
    Ok(Page::only(found, count))
}

/// `userId` or `userIds`: one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewHoldBody {
    /// A person: all that is theirs.
    user_id: Option<String>,
    /// Two people: their conversation.
    #[schema(min_items = 2, max_items = 2)]
    user_ids: Option<Vec<String>>,
    #[schema(max_length = 2000)]
    reason: String,
}

pub async fn make(call: Call, Json(body): Json<NewHoldBody>) -> Result<Created<HoldView>> {
    let held = match (body.user_id, body.user_ids) {
        (Some(id), None) => Held::User(UserId::parse_field("userId", &id)?),
        (None, Some(ids)) => Held::Conversation(two(&ids)?),
        (Some(_), Some(_)) => {
            return Err(Error::invalid("userId", rule::contradicts("userIds")));
        }
        (None, None) => return Err(Error::invalid("userId", rule::required())),
    };
    let reason = parse_reason(&body.reason)?;
    let me = call.me()?.clone();
    holds::make(&call.app, &me, call.by()?, held, reason)
        .await
        .map(Created)
}

pub async fn end(call: Call, _: Nothing) -> Result<Data<Empty>> {
    let id = call.param(0, Noun::Hold)?;
    let me = call.me()?.clone();
    holds::end(&call.app, &me, call.by()?, id).await?;
    Ok(Data(Empty {}))
}
