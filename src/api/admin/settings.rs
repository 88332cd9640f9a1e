//! The configuration, to be looked at.

use crate::api::call::Call;
use crate::api::input::Nothing;
use crate::api::reply::Data;
use crate::config::settings::Setting;
use crate::error::Result;

pub async fn list(call: Call, _: Nothing) -> Result<Data<Vec<Setting>>> {
    Ok(Data(call.app.config.settings()))
}
