//! The configuration, to be looked at.

use crate::api::http::call::Call;
use crate::api::http::input::Nothing;
use crate::api::http::reply::Data;
use crate::config::settings::Setting;
use crate::error::Result;

pub async fn list(call: Call, _: Nothing) -> Result<Data<Vec<Setting>>> {
    Ok(Data(call.app.config.settings()))
}
