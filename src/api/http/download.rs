//! Files to be kept: a CSV, a backup.

use std::path::Path;

use tokio_util::io::ReaderStream;
use warp::Reply as _;
use warp::http::header::{self, HeaderValue};

use super::reply::{BodySpec, Output, OutputSpec};
use super::request::Response;
use crate::error::{Error, Noun};

/// Files that are made for one answer.
macro_rules! files {
    ($($(#[$about:meta])* $file:ident = $media_type:literal;)+) => {$(
        $(#[$about])*
        pub struct $file {
            pub name: &'static str,
            pub bytes: Vec<u8>,
        }

        impl Output for $file {
            fn spec() -> OutputSpec {
                OutputSpec::ok(BodySpec::Raw($media_type))
            }

            fn into_response(self) -> Response {
                attachment(Response::new(self.bytes.into()), self.name, $media_type)
            }
        }
    )+};
}

files! {
    /// 200 with a CSV file.
    Csv = "text/csv; charset=utf-8";
    /// 200 with a TOML file.
    Toml = "application/toml";
    /// 200 with a zip file.
    Zip = "application/zip";
}

/// 200 with a file of the disk, which is not read into memory as a whole.
pub struct Download {
    name: String,
    body: Response,
}

impl Download {
    const MEDIA_TYPE: &'static str = "application/octet-stream";

    /// # Errors
    /// [`Noun::Backup`] not found.
    pub async fn open(name: String, path: &Path) -> Result<Self, Error> {
        let gone = |_| Error::NotFound(Noun::Backup);
        let file = tokio::fs::File::open(path).await.map_err(gone)?;
        let length = file.metadata().await.map_err(gone)?.len();
        let mut body = warp::reply::stream(ReaderStream::new(file)).into_response();
        body.headers_mut()
            .insert(header::CONTENT_LENGTH, length.into());
        Ok(Download { name, body })
    }
}

impl Output for Download {
    fn spec() -> OutputSpec {
        OutputSpec::ok(BodySpec::Raw(Self::MEDIA_TYPE))
    }

    fn into_response(self) -> Response {
        attachment(self.body, &self.name, Self::MEDIA_TYPE)
    }
}

fn attachment(mut response: Response, name: &str, media_type: &'static str) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    // Names are of our own making: letters, digits, hyphens and dots.
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}
