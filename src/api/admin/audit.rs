//! The audit log.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::http::call::Call;
use crate::api::http::input::{Nothing, Query};
use crate::api::http::reply::Data;
use crate::error::Result;
use crate::model::audit::{Chain, Entry};
use crate::model::page::{Cursor, Limit, List, Page};
use crate::{ops, store};

#[derive(Deserialize, IntoParams)]
pub struct ListQuery {
    #[param(minimum = 1, maximum = 200, default = 50)]
    #[serde(default, deserialize_with = "crate::api::http::input::saturating")]
    limit: Option<u32>,
    /// `paging.before` of the page before.
    before: Option<String>,
    /// Only this, `person.add` for instance.
    action: Option<String>,
}

pub async fn list(call: Call, Query(query): Query<ListQuery>) -> Result<Page<Entry>> {
    let limit = Limit::parse(query.limit, 50, 200)?;
    let before = Cursor::before(query.before.as_deref(), List::Audit)?;
    let me = call.me()?.key;
    let read =
        move |c: &_| store::audit::list(c, me, before, query.action.as_deref(), limit.plus_one());
    let found = call.app.store.read(read).await?;
    Ok(Page::newest_first(
        found,
        limit.get(),
        List::Audit,
        |entry| entry.line,
    ))
}

pub async fn verify(call: Call, _: Nothing) -> Result<Data<Chain>> {
    ops::audit::verify(&call.app, None).await.map(Data)
}
