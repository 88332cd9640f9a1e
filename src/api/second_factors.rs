//! The caller's second factor.

use serde::Deserialize;
use utoipa::ToSchema;

use super::http::call::Call;
use super::http::input::{Json, Nothing};
use super::http::reply::{Created, Data, Empty};
use crate::error::Result;
use crate::model::second_factors::{NewSecondFactor, RecoveryCodes, SecondFactorState};
use crate::service::second_factors;

pub async fn get(call: Call, _: Nothing) -> Result<Data<SecondFactorState>> {
    second_factors::state(&call.app, call.me()?).await.map(Data)
}

pub async fn begin(call: Call, _: Nothing) -> Result<Created<NewSecondFactor>> {
    second_factors::begin(&call.app, call.me()?)
        .await
        .map(Created)
}

#[derive(Deserialize, ToSchema)]
pub struct Code {
    /// Of the authenticator app.
    code: String,
}

pub async fn turn_on(call: Call, Json(body): Json<Code>) -> Result<Data<RecoveryCodes>> {
    let (me, by) = (call.me()?, call.by()?);
    second_factors::turn_on(&call.app, by, me, &body.code)
        .await
        .map(Data)
}

pub async fn renew_recovery_codes(call: Call, _: Nothing) -> Result<Created<RecoveryCodes>> {
    let (me, by) = (call.me()?, call.by()?);
    second_factors::renew_recovery_codes(&call.app, by, me)
        .await
        .map(Created)
}

pub async fn remove(call: Call, _: Nothing) -> Result<Data<Empty>> {
    let id = call.me()?.id().clone();
    second_factors::remove(&call.app, call.by()?, id).await?;
    Ok(Data(Empty {}))
}
