//! Copies of the database, and what the machine has to say.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::http::call::Call;
use crate::api::http::download::Download;
use crate::api::http::input::{Nothing, Query};
use crate::api::http::reply::{Created, Data, Empty};
use crate::error::{Noun, Result};
use crate::model::backup::{Backup, Checks};
use crate::model::page::{Limit, Page};
use crate::ops::backup;

#[derive(Deserialize, IntoParams)]
pub struct ListQuery {
    #[param(minimum = 1, maximum = 500, default = 100)]
    #[serde(default, deserialize_with = "crate::api::http::input::saturating")]
    limit: Option<u32>,
}

pub async fn list(call: Call, Query(query): Query<ListQuery>) -> Result<Page<Backup>> {
    let limit = Limit::parse(query.limit, 100, 500)?;
    Ok(Page::only(backup::list(&call.app).await?, limit.get()))
}

pub async fn make(call: Call, _: Nothing) -> Result<Created<Backup>> {
    let made = backup::keep(&call.app, call.by()?).await?;
    Ok(Created(made))
}

pub async fn fetch(call: Call, _: Nothing) -> Result<Download> {
    let name: String = call.param(0, Noun::Backup)?;
    let path = backup::fetch(&call.app, call.by()?, name.clone()).await?;
    Download::open(name, &path).await
}

pub async fn remove(call: Call, _: Nothing) -> Result<Data<Empty>> {
    let name: String = call.param(0, Noun::Backup)?;
    backup::remove(&call.app, call.by()?, name).await?;
    Ok(Data(Empty {}))
}

pub async fn checks(call: Call, _: Nothing) -> Result<Data<Checks>> {
    backup::checks(&call.app).await.map(Data)
}
