//! The configuration, to be looked at, and what administrators set on the dashboard.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::http::call::Call;
use crate::api::http::input::{Json, Nothing};
use crate::api::http::reply::Data;
use crate::config::settings::Setting;
use crate::error::Result;
use crate::service::settings;

/// Every key of the configuration, in the order of `config.toml`.
#[derive(Serialize, ToSchema)]
pub struct Settings(Vec<Setting>);

pub async fn list(call: Call, _: Nothing) -> Result<Data<Settings>> {
    settings::list(&call.app).await.map(Settings).map(Data)
}

/// Values by `section.key`, of keys that are `settable`; an empty one takes it away. What is left out stays.
#[derive(Deserialize, ToSchema)]
pub struct SettingsChange {
    settings: BTreeMap<String, String>,
}

pub async fn change(call: Call, Json(body): Json<SettingsChange>) -> Result<Data<Settings>> {
    // Who finds the page open must not take the second factor away from all.
    let key = "auth.second_factor_required";
    let now = call.app.school.get().second_factor_required;
    if body
        .settings
        .get(key)
        .is_some_and(|wanted| wanted != if now { "true" } else { "false" })
    {
        call.check_confirmed()?;
    }
    let changed = settings::set(&call.app, call.by()?, body.settings).await?;
    Ok(Data(Settings(changed)))
}
