//! The caller's own guardians.

use serde::Deserialize;
use utoipa::ToSchema;

use super::http::call::Call;
use super::http::input::{Json, Nothing};
use super::http::reply::{Data, Empty};
use crate::error::{Noun, Result};
use crate::model::guardians::OwnGuardians;
use crate::service::guardians;

pub async fn list(call: Call, _: Nothing) -> Result<Data<OwnGuardians>> {
    guardians::own(&call.app, call.me()?).await.map(Data)
}

#[derive(Deserialize, ToSchema)]
pub struct Agreement {
    /// Whether this guardian may go on to see and be told what concerns the caller.
    agreed: bool,
}

pub async fn agree(call: Call, Json(body): Json<Agreement>) -> Result<Data<Empty>> {
    let id = call.param(0, Noun::User)?;
    guardians::agree(&call.app, call.by()?, call.me()?, id, body.agreed).await?;
    Ok(Data(Empty {}))
}
