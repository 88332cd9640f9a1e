//! Pushes: the server's key, a test, and what an administrator sees.

use serde::Serialize;
use utoipa::ToSchema;

use super::http::call::Call;
use super::http::input::Nothing;
use super::http::reply::Data;
use crate::error::Result;
use crate::model::pushes::PushReport;
use crate::service::pushes;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VapidPublicKey {
    /// The uncompressed P-256 point in base64url, as `pushManager.subscribe` takes it.
    public_key: String,
}

pub async fn key(call: Call, _: Nothing) -> Result<Data<VapidPublicKey>> {
    let public_key = call.app.vapid.public.clone();
    Ok(Data(VapidPublicKey { public_key }))
}

#[derive(Serialize, ToSchema)]
pub struct Queued {
    /// How many devices it goes to.
    queued: usize,
}

pub async fn test(call: Call, _: Nothing) -> Result<Data<Queued>> {
    let queued = pushes::test(&call.app, call.me()?).await?;
    Ok(Data(Queued { queued }))
}

pub async fn report(call: Call, _: Nothing) -> Result<Data<PushReport>> {
    pushes::report(&call.app).await.map(Data)
}
