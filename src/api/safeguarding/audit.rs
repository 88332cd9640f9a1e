//! The audit log, as leads see it: with the texts that stand apart.

use super::Paged;
use crate::api::http::call::Call;
use crate::api::http::input::Query;
use crate::error::Result;
use crate::model::audit::SafeguardingEntry;
use crate::model::page::{List, Page};
use crate::store;

pub async fn list(call: Call, Query(query): Query<Paged>) -> Result<Page<SafeguardingEntry>> {
    let range = query.range(List::Audit)?;
    let me = call.me()?.key;
    let read = move |c: &_| store::audit::of_safeguarding(c, me, range);
    let found = call.app.store.read(read).await?;
    let limit = range.limit();
    Ok(Page::newest_first(found, limit, List::Audit, |one| {
        one.entry.line
    }))
}
