//! Mail: how it stands, and a test.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::http::call::Call;
use crate::api::http::input::{Json, Nothing};
use crate::api::http::reply::Data;
use crate::error::Result;
use crate::model::language::Language;
use crate::model::mails::{MailReport, MailTest};
use crate::service::{mails, preferences};

pub async fn report(call: Call, _: Nothing) -> Result<Data<MailReport>> {
    mails::report(&call.app).await.map(Data)
}

#[derive(Deserialize, ToSchema)]
pub struct TestMail {
    /// The address that it goes to.
    to: String,
}

pub async fn test(call: Call, Json(body): Json<TestMail>) -> Result<Data<MailTest>> {
    let own = preferences::of(&call.app, call.me()?).await?.language;
    let language = Language::of(own.as_deref());
    let outcome = mails::test(&call.app, call.by()?, &body.to, language).await?;
    Ok(Data(outcome))
}
