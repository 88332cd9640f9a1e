//! Everybody as a CSV file, in and out.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::call::Call;
use crate::api::download::Download;
use crate::api::input::{CsvFile, Nothing};
use crate::api::reply::Data;
use crate::error::{Noun, Result};
use crate::model::roster::{ImportPreview, Imported, ProgressView};
use crate::service::roster;

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(rename_all = "camelCase")]
pub struct PreviewQuery {
    /// Shut out whoever logs in here and is not in the file, administrators aside.
    #[serde(default)]
    disable_missing: bool,
}

pub async fn preview(
    call: Call,
    CsvFile { query, bytes }: CsvFile<PreviewQuery>,
) -> Result<Data<ImportPreview>> {
    let preview = roster::preview(&call.app, bytes, query.disable_missing).await?;
    Ok(Data(preview))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(rename_all = "camelCase")]
pub struct ImportQuery {
    /// As in the preview.
    #[serde(default)]
    disable_missing: bool,
    /// The preview's.
    digest: String,
}

pub async fn import(
    call: Call,
    CsvFile { query, bytes }: CsvFile<ImportQuery>,
) -> Result<Data<Imported>> {
    let (disable_missing, digest) = (query.disable_missing, query.digest);
    let done = roster::import(&call.app, call.by()?, bytes, disable_missing, &digest).await?;
    Ok(Data(done))
}

pub async fn progress(call: Call, _: Nothing) -> Result<Data<ProgressView>> {
    let digest: String = call.param(0, Noun::Route)?;
    roster::progress(&call.app, &digest).map(Data)
}

pub async fn export(call: Call, _: Nothing) -> Result<Download> {
    let file = roster::export(&call.app, call.by()?).await?;
    Ok(Download::csv("people.csv", file))
}
