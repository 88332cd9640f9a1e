//! No-contact orders.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::http::call::Call;
use crate::api::http::input::{Json, Nothing};
use crate::api::http::reply::{Data, Empty, Repeatable};
use crate::error::{Error, Noun, Result};
use crate::model::days::Date;
use crate::model::ids::UserId;
use crate::model::page::Page;
use crate::model::safeguarding::no_contact::{From, NewOrder, OrderView};
use crate::model::safeguarding::parse_reason;
use crate::model::users::Role;
use crate::rule;
use crate::service::safeguarding::no_contact;

pub async fn list(call: Call, _: Nothing) -> Result<Page<OrderView>> {
    let found = no_contact::list(&call.app, call.me()?).await?;
    let count = found.len();
    Ok(Page::only(found, count))
}

/// `b` or `role`: one of the two.
#[derive(Deserialize, ToSchema)]
pub struct NewOrderBody {
    /// A user's id.
    a: String,
    /// The id of the other one.
    b: Option<String>,
    /// In place of one other: everybody of this role.
    role: Option<Role>,
    /// The last day on which it holds: `2026-11-30`. Left out: until it is taken back.
    until: Option<String>,
    /// For leads.
    #[schema(max_length = 2000)]
    reason: String,
}

pub async fn make(call: Call, Json(body): Json<NewOrderBody>) -> Result<Repeatable<OrderView>> {
    let until = body.until.as_deref().filter(|day| !day.trim().is_empty());
    let new = NewOrder {
        a: UserId::parse_field("a", &body.a)?,
        from: match (body.b, body.role) {
            (Some(b), None) => From::User(UserId::parse_field("b", &b)?),
            (None, Some(role)) => From::Role(role),
            (Some(_), Some(_)) => return Err(Error::invalid("b", rule::contradicts("role"))),
            (None, None) => return Err(Error::invalid("b", rule::required())),
        },
        until: until
            .map(|day| Date::parse_field("until", day))
            .transpose()?,
        reason: parse_reason(&body.reason)?,
    };
    let me = call.me()?.clone();
    let made = no_contact::make(&call.app, &me, call.by()?, new).await?;
    Ok(Repeatable(made))
}

pub async fn remove(call: Call, _: Nothing) -> Result<Data<Empty>> {
    let id: UserId = call.param(0, Noun::Order)?;
    let me = call.me()?.clone();
    no_contact::remove(&call.app, &me, call.by()?, id.as_str().to_owned()).await?;
    Ok(Data(Empty {}))
}
