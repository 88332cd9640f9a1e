//! Serves the OpenAPI document.

use std::sync::LazyLock;

use super::assets::Asset;
use super::http::call::Call;
use super::http::input::Nothing;
use super::http::reply::{BodySpec, Output, OutputSpec};
use super::http::request::Response;
use crate::error::Result;

/// Made once: it costs milliseconds, and anybody may ask for it.
static DOCUMENT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new(super::document().to_string().into_bytes().into()));

/// The document for one request.
pub struct Document(Response);

impl Output for Document {
    fn spec() -> OutputSpec {
        OutputSpec::ok(BodySpec::Raw("application/json"))
    }

    fn into_response(self) -> Response {
        self.0
    }
}

pub async fn serve(call: Call, _: Nothing) -> Result<Document> {
    let document = DOCUMENT.clone();
    Ok(Document(document.answer("application/json", &call.headers)))
}
