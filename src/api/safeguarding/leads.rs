//! Who is a safeguarding lead.

use crate::api::http::call::Call;
use crate::api::http::input::Nothing;
use crate::api::http::reply::Data;
use crate::error::{Noun, Result};
use crate::model::page::Page;
use crate::model::safeguarding::duties::LeadView;
use crate::service::safeguarding::duties;

pub async fn list(call: Call, _: Nothing) -> Result<Page<LeadView>> {
    let found = duties::list(&call.app).await?;
    let count = found.len();
    Ok(Page::only(found, count))
}

pub async fn confirm(call: Call, _: Nothing) -> Result<Data<LeadView>> {
    let id = call.param(0, Noun::User)?;
    let me = call.me()?.clone();
    duties::confirm(&call.app, &me, call.by()?, id)
        .await
        .map(Data)
}
