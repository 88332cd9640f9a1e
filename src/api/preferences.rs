//! What a user wants pushed.

use super::http::call::Call;
use super::http::input::{Json, Nothing};
use super::http::reply::Data;
use crate::error::Result;
use crate::model::preferences::{Display, Preferences, PreferencesChange};
use crate::service::preferences;

pub async fn get(call: Call, _: Nothing) -> Result<Data<Preferences>> {
    preferences::of(&call.app, call.me()?).await.map(Data)
}

pub async fn put(call: Call, Json(body): Json<PreferencesChange>) -> Result<Data<Preferences>> {
    preferences::change(&call.app, call.me()?, body)
        .await
        .map(Data)
}

pub async fn display(call: Call, _: Nothing) -> Result<Data<Display>> {
    preferences::display(&call.app, call.me()?).await.map(Data)
}
