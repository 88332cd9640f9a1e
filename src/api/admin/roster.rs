//! Imports and exports people as CSV files.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::files::RosterFiles;
use crate::api::http::call::Call;
use crate::api::http::download::{Csv, Zip};
use crate::api::http::input::Nothing;
use crate::api::http::reply::Data;
use crate::error::{Noun, Result};
use crate::model::roster::{ImportPreview, Imported, ProgressView};
use crate::service::roster::{self, Wishes};

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(rename_all = "camelCase")]
pub struct PreviewQuery {
    /// Disable the people who log in here and are not in the file, administrators aside.
    #[serde(default)]
    disable_missing: bool,
    /// Give people who were added here without an id of the school the id that the file has for them.
    #[serde(default)]
    adopt_ids: bool,
}

pub async fn preview(
    call: Call,
    RosterFiles { query, files }: RosterFiles<PreviewQuery>,
) -> Result<Data<ImportPreview>> {
    let wishes = Wishes {
        disable_missing: query.disable_missing,
        adopt_ids: query.adopt_ids,
    };
    let preview = roster::preview(&call.app, files, wishes).await?;
    Ok(Data(preview))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(rename_all = "camelCase")]
pub struct ImportQuery {
    /// As in the preview.
    #[serde(default)]
    disable_missing: bool,
    /// As in the preview.
    #[serde(default)]
    adopt_ids: bool,
    /// The preview's.
    digest: String,
}

pub async fn import(
    call: Call,
    RosterFiles { query, files }: RosterFiles<ImportQuery>,
) -> Result<Data<Imported>> {
    let wishes = Wishes {
        disable_missing: query.disable_missing,
        adopt_ids: query.adopt_ids,
    };
    let done = roster::import(&call.app, call.by()?, files, wishes, &query.digest).await?;
    Ok(Data(done))
}

pub async fn progress(call: Call, _: Nothing) -> Result<Data<ProgressView>> {
    let digest: String = call.param(0, Noun::Route)?;
    roster::progress(&call.app, &digest).map(Data)
}

pub async fn export_all(call: Call, _: Nothing) -> Result<Zip> {
    let bytes = roster::export_all(&call.app, call.by()?).await?;
    Ok(Zip {
        name: "school.zip",
        bytes,
    })
}

pub async fn export(call: Call, _: Nothing) -> Result<Csv> {
    let file = roster::export(&call.app, call.by()?).await?;
    Ok(Csv {
        name: "people.csv",
        bytes: file,
    })
}
