//! What an administrator sees at a glance.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::http::call::Call;
use crate::api::http::input::Query;
use crate::api::http::reply::Data;
use crate::error::Result;
use crate::model::page::Limit;
use crate::model::stats::Overview;
use crate::ops::stats;

#[derive(Deserialize, IntoParams)]
pub struct Range {
    /// How far back.
    #[param(minimum = 1, maximum = 9600, default = 24)]
    hours: Option<u32>,
}

pub async fn overview(call: Call, Query(query): Query<Range>) -> Result<Data<Overview>> {
    let hours = Limit::parse_as("hours", query.hours, 24, 9_600)?;
    let overview = stats::overview(&call.app, hours.get() as i64).await?;
    Ok(Data(overview))
}
