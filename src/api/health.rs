//! What a supervisor asks.

use serde::Serialize;
use utoipa::ToSchema;

use super::http::call::Call;
use super::http::input::Nothing;
use super::http::reply::{Bare, OpenMetrics};
use crate::error::Result;
use crate::ops::health;

#[derive(Serialize, ToSchema)]
pub struct Health {
    status: &'static str,
    version: &'static str,
}

pub async fn health(call: Call, _: Nothing) -> Result<Bare<Health>> {
    health::check(&call.app).await?;
    Ok(Bare(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
    }))
}

pub async fn metrics(call: Call, _: Nothing) -> Result<OpenMetrics> {
    Ok(OpenMetrics(health::metrics(&call.app)))
}
