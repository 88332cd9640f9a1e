//! Files to be kept: a CSV, a backup.

use std::path::Path;

use tokio_util::io::ReaderStream;
use warp::Reply as _;
use warp::http::header::{self, HeaderValue};

use super::reply::{BodySpec, Output, OutputSpec};
use super::request::Response;
use crate::error::{Error, Noun};

/// 200 with a file to be kept.
pub struct Download {
    name: String,
    media_type: &'static str,
    body: Response,
}

impl Download {
    pub fn csv(name: &str, bytes: Vec<u8>) -> Self {
        Download {
            name: name.to_owned(),
            media_type: "text/csv; charset=utf-8",
            body: Response::new(bytes.into()),
        }
    }

    /// A file of the disk, which is not read into memory as a whole.
    ///
    /// # Errors
    /// [`Noun::Backup`] not found.
    pub async fn file(name: String, path: &Path) -> Result<Self, Error> {
        let gone = |_| Error::NotFound(Noun::Backup);
        let file = tokio::fs::File::open(path).await.map_err(gone)?;
        let length = file.metadata().await.map_err(gone)?.len();
        let mut body = warp::reply::stream(ReaderStream::new(file)).into_response();
        body.headers_mut()
            .insert(header::CONTENT_LENGTH, length.into());
        Ok(Download {
            name,
            media_type: "application/octet-stream",
            body,
        })
    }
}

impl Output for Download {
    fn spec() -> OutputSpec {
        OutputSpec::ok(BodySpec::Text)
    }

    fn into_response(self) -> Response {
        let mut response = self.body;
        let headers = response.headers_mut();
        let media_type = HeaderValue::from_static(self.media_type);
        headers.insert(header::CONTENT_TYPE, media_type);
        // Names are of our own making: letters, digits, hyphens and dots.
        let attachment = format!("attachment; filename=\"{}\"", self.name);
        if let Ok(value) = HeaderValue::from_str(&attachment) {
            headers.insert(header::CONTENT_DISPOSITION, value);
        }
        response
    }
}
