//! Imports and exports people as CSV files.

use serde::Deserialize;
use utoipa::IntoParams;
use warp::http::StatusCode;

use crate::api::files::RosterFiles;
use crate::api::http::call::Call;
use crate::api::http::download::{Csv, Zip};
use crate::api::http::input::Nothing;
use crate::api::http::reply::{BodySpec, Data, Output, OutputSpec};
use crate::api::http::request::Response;
use crate::api::http::schema::schema_ref;
use crate::error::{Noun, Result};
use crate::model::roster::{FileColumns, ImportPreview, ImportProgress, Imported, Mapping};
use crate::service::roster::{self, Started, Wishes};

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
    /// What the columns are, as JSON: `{"columns": {"First name": "givenName"}, "role": "student"}`. Where it is left out, it is as
    /// the last time for a file with these columns; `{}` goes by the columns' names.
    mapping: Option<String>,
    /// Of a OneRoster set of many schools, the `sourcedId` of the one whose people are taken.
    org: Option<String>,
}

pub async fn preview(
    call: Call,
    RosterFiles { query, mut files }: RosterFiles<PreviewQuery>,
) -> Result<Data<ImportPreview>> {
    files.mapping = query.mapping.as_deref().map(Mapping::parse).transpose()?;
    files.org.clone_from(&query.org);
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
    /// As in the preview.
    mapping: Option<String>,
    /// As in the preview.
    org: Option<String>,
    /// The preview's.
    digest: String,
}

pub async fn columns(
    call: Call,
    RosterFiles {
        query: NoQuery {},
        files,
    }: RosterFiles<NoQuery>,
) -> Result<Data<FileColumns>> {
    roster::columns(&call.app, files).await.map(Data)
}

/// Nothing is asked beside the file.
#[derive(Deserialize, IntoParams)]
pub struct NoQuery {}

pub async fn import(
    call: Call,
    RosterFiles { query, mut files }: RosterFiles<ImportQuery>,
) -> Result<ImportAnswer> {
    files.mapping = query.mapping.as_deref().map(Mapping::parse).transpose()?;
    files.org.clone_from(&query.org);
    let wishes = Wishes {
        disable_missing: query.disable_missing,
        adopt_ids: query.adopt_ids,
    };
    let started = roster::import(&call.app, call.by()?, files, wishes, &query.digest).await?;
    Ok(ImportAnswer(started))
}

/// 200 with what an import did, or 202 with how far it is.
pub struct ImportAnswer(Started);

impl Output for ImportAnswer {
    fn spec() -> OutputSpec {
        OutputSpec {
            accepted: Some(BodySpec::Data(schema_ref::<ImportProgress>)),
            ..Data::<Imported>::spec()
        }
    }

    fn into_response(self) -> Response {
        match self.0 {
            Started::Done(imported) => Data(imported).into_response(),
            Started::Running(progress) => {
                let mut response = Data(progress).into_response();
                *response.status_mut() = StatusCode::ACCEPTED;
                response
            }
        }
    }
}

pub async fn progress(call: Call, _: Nothing) -> Result<Data<ImportProgress>> {
    let digest: String = call.param(0, Noun::Route)?;
    roster::progress(&call.app, &digest).await.map(Data)
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
