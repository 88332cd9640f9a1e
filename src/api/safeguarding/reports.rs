//! Reports of messages.

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::Paged;
use crate::api::http::call::Call;
use crate::api::http::download::Zip;
use crate::api::http::input::{Json, Nothing, Query};
use crate::api::http::reply::{Data, Repeatable};
use crate::error::{Noun, Result};
use crate::model::page::{List, Page};
use crate::model::safeguarding::parse_note;
use crate::model::safeguarding::reports::{
    NewReport, Reason, Receipt, ReportChange, ReportDetail, ReportFilter, ReportView, State,
};
use crate::service::safeguarding::{export, reports};

#[derive(Deserialize, ToSchema)]
pub struct ReportBody {
    #[schema(inline)]
    reason: Reason,
    /// What the leads should know.
    #[schema(max_length = 2000)]
    note: Option<String>,
}

pub async fn make(call: Call, Json(body): Json<ReportBody>) -> Result<Repeatable<Receipt>> {
    let new = NewReport {
        message: call.param(0, Noun::Message)?,
        reason: body.reason,
        note: parse_note("note", body.note.as_deref())?,
    };
    let made = reports::make(&call.app, call.me()?, new).await?;
    Ok(Repeatable(made))
}

#[derive(Deserialize, IntoParams)]
pub struct ReportQuery {
    #[param(minimum = 1, maximum = 100, default = 50)]
    #[serde(default, deserialize_with = "crate::api::http::input::saturating")]
    limit: Option<u32>,
    /// `paging.before` of the page before.
    before: Option<String>,
    #[param(inline)]
    state: Option<State>,
    /// Only those that the caller has taken up.
    #[serde(default)]
    mine: bool,
}

pub async fn list(call: Call, Query(query): Query<ReportQuery>) -> Result<Page<ReportView>> {
    let paged = Paged {
        limit: query.limit,
        before: query.before,
    };
    let range = paged.range(List::Reports)?;
    let filter = ReportFilter {
        state: query.state,
        mine: query.mine,
    };
    let found = reports::list(&call.app, call.me()?, filter, range).await?;
    let limit = range.limit();
    Ok(Page::newest_first(found, limit, List::Reports, |one| {
        one.key
    }))
}

pub async fn one(call: Call, _: Nothing) -> Result<Data<ReportDetail>> {
    let id = call.param(0, Noun::Report)?;
    let me = call.me()?.clone();
    reports::look(&call.app, &me, call.by()?, id)
        .await
        .map(Data)
}

/// What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
pub struct ReportChangeBody {
    #[schema(inline)]
    state: Option<State>,
    /// What came of it.
    #[schema(max_length = 2000)]
    outcome: Option<String>,
    /// For the leads.
    #[schema(max_length = 2000)]
    note: Option<String>,
}

pub async fn change(call: Call, Json(body): Json<ReportChangeBody>) -> Result<Data<ReportDetail>> {
    let id = call.param(0, Noun::Report)?;
    let text = |field: &str, given: Option<String>| {
        given.map(|text| parse_note(field, Some(&text))).transpose()
    };
    let change = ReportChange {
        state: body.state,
        outcome: text("outcome", body.outcome)?,
        note: text("note", body.note)?,
    };
    let me = call.me()?.clone();
    reports::change(&call.app, &me, call.by()?, id, change)
        .await
        .map(Data)
}

pub async fn export(call: Call, _: Nothing) -> Result<Zip> {
    let id = call.param(0, Noun::Report)?;
    let me = call.me()?.clone();
    Ok(Zip {
        name: "report.zip",
        bytes: export::report(&call.app, &me, call.by()?, id).await?,
    })
}
