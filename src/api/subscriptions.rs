//! The devices that get pushes.

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::http::call::Call;
use super::http::input::{Json, Nothing, Query};
use super::http::reply::{Created, Data, Empty};
use crate::error::{Noun, Result};
use crate::model::object::Object;
use crate::model::page::{Limit, Page};
use crate::model::subscriptions::{Device, Endpoint, NewSubscription, PushKeys};
use crate::model::time::Time;
use crate::service::subscriptions::{self, Renewal};
use crate::store::subscriptions::MAX_PER_PERSON;

/// A browser's `PushSubscription`, as its `toJSON()` gives it. What browsers may add one day is ignored.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Where its push service takes pushes.
    #[schema(max_length = 2048)]
    endpoint: String,
    /// Unix milliseconds.
    expiration_time: Option<f64>,
    #[schema(value_type = SubscriptionKeys)]
    keys: Object<SubscriptionKeys>,
}

/// Both in base64url.
#[derive(Deserialize, ToSchema)]
pub struct SubscriptionKeys {
    /// 65 bytes: an uncompressed point of P-256.
    p256dh: String,
    /// 16 bytes.
    auth: String,
}

impl Subscription {
    fn parse(self, call: &Call) -> Result<NewSubscription> {
        Ok(NewSubscription {
            endpoint: Endpoint::parse(&self.endpoint)?,
            keys: PushKeys::parse(&self.keys.0.p256dh, &self.keys.0.auth)?,
            // One that has passed is the mistake of a clock; the push service knows better.
            expires_at: self
                .expiration_time
                .map(|ms| Time(ms as i64))
                .filter(|end| *end > call.app.now()),
            browser: call.client().browser,
        })
    }
}

pub async fn subscribe(call: Call, Json(body): Json<Subscription>) -> Result<Created<Device>> {
    let new = body.parse(&call)?;
    let device = subscriptions::put(&call.app, call.me()?, new).await?;
    Ok(Created(device))
}

/// The subscription that ends, with its secret, and the one that takes its place.
#[derive(Deserialize, ToSchema)]
pub struct RenewSubscription {
    #[schema(value_type = Subscription)]
    old: Object<Subscription>,
    #[schema(value_type = Subscription)]
    new: Object<Subscription>,
}

pub async fn renew(call: Call, Json(body): Json<RenewSubscription>) -> Result<Data<Device>> {
    let old = body.old.0.parse(&call).map_err(|e| e.within("old"))?;
    let renewal = Renewal {
        endpoint: old.endpoint.as_str().to_owned(),
        keys: old.keys,
        new: body.new.0.parse(&call).map_err(|e| e.within("new"))?,
    };
    subscriptions::renew(&call.app, renewal).await.map(Data)
}

#[derive(Deserialize, ToSchema)]
pub struct Unsubscribe {
    endpoint: String,
}

pub async fn unsubscribe(call: Call, Json(body): Json<Unsubscribe>) -> Result<Data<Empty>> {
    // Stored as the URL standard writes it.
    let endpoint = Endpoint::parse(&body.endpoint)?.as_str().to_owned();
    subscriptions::remove_endpoint(&call.app, call.me()?, endpoint).await?;
    Ok(Data(Empty {}))
}

#[derive(Deserialize, IntoParams)]
pub struct ListQuery {
    #[param(minimum = 1, maximum = 20, default = 20)]
    #[serde(default, deserialize_with = "crate::api::http::input::saturating")]
    limit: Option<u32>,
}

/// All that there can be fit into one page, so there is no cursor.
pub async fn list(call: Call, Query(query): Query<ListQuery>) -> Result<Page<Device>> {
    let limit = Limit::parse(
        query.limit,
        MAX_PER_PERSON as usize,
        MAX_PER_PERSON as usize,
    )?;
    let found = subscriptions::list(&call.app, call.me()?, limit.plus_one()).await?;
    Ok(Page::only(found, limit.get()))
}

pub async fn remove(call: Call, _: Nothing) -> Result<Data<Empty>> {
    let id = call.param(0, Noun::Subscription)?;
    subscriptions::remove(&call.app, call.me()?, id).await?;
    Ok(Data(Empty {}))
}
