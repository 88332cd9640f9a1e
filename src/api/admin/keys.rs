//! API keys of the school's own back end.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::http::call::Call;
use crate::api::http::input::{Json, Nothing, Query};
use crate::api::http::reply::{Created, Data, Empty};
use crate::error::{Noun, Result};
use crate::model::keys::{ApiKeyView, Scope};
use crate::model::page::{Limit, Page};
use crate::service::keys;
use crate::store;

#[derive(Deserialize, IntoParams)]
pub struct ListQuery {
    #[param(minimum = 1, maximum = 500, default = 100)]
    #[serde(default, deserialize_with = "crate::api::http::input::saturating")]
    limit: Option<u32>,
}

pub async fn list(call: Call, Query(query): Query<ListQuery>) -> Result<Page<ApiKeyView>> {
    let limit = Limit::parse(query.limit, 100, 500)?;
    let read = move |c: &_| store::keys::list(c, limit.plus_one());
    let keys = call.app.store.read(read).await?;
    Ok(Page::only(keys, limit.get()))
}

#[derive(Deserialize, ToSchema)]
pub struct NewKey {
    /// A name for people to read.
    #[schema(max_length = 64)]
    name: String,
    scopes: Vec<Scope>,
}

#[derive(Serialize, ToSchema)]
pub struct MadeKey {
    id: String,
    /// Shown only this once.
    key: String,
}

pub async fn add(call: Call, Json(body): Json<NewKey>) -> Result<Created<MadeKey>> {
    let made = keys::create(&call.app, call.by()?, &body.name, &body.scopes).await?;
    Ok(Created(MadeKey {
        key: made.secret.expose().to_owned(),
        id: made.id,
    }))
}

pub async fn revoke(call: Call, _: Nothing) -> Result<Data<Empty>> {
    let id: String = call.param(0, Noun::Key)?;
    keys::revoke(&call.app, call.by()?, id).await?;
    Ok(Data(Empty {}))
}
