//! The configuration, to be looked at.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::http::call::Call;
use crate::api::http::input::Nothing;
use crate::api::http::reply::Data;
use crate::config::settings::Setting;
use crate::error::Result;

/// Every key of the configuration, in the order of `config.toml`.
#[derive(Serialize, ToSchema)]
pub struct Settings(Vec<Setting>);

pub async fn list(call: Call, _: Nothing) -> Result<Data<Settings>> {
    Ok(Data(Settings(call.app.config.settings())))
}
