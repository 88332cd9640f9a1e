//! The pages: files of `static/`, embedded in the binary, or of the folder that `server.static_dir` names.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Component, Path};
use std::sync::LazyLock;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use include_dir::{Dir, include_dir};
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};
use warp::http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::http::request::{Request, Response};
use crate::app::App;
use crate::config::Origin;
use crate::model::text;

static EMBEDDED: Dir = include_dir!("$CARGO_MANIFEST_DIR/static");

/// What everybody may read.
#[derive(Clone)]
pub struct Asset {
    plain: Bytes,
    /// Where it is worth it.
    gzip: Option<Bytes>,
    /// RFC 9110 section 8.8.3.
    etag: HeaderValue,
}

/// The embedded files, compressed once, at the first request.
static ASSETS: LazyLock<HashMap<&'static Path, Asset>> = LazyLock::new(|| {
    let mut assets = HashMap::new();
    let mut folders = vec![&EMBEDDED];
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs());
        for file in folder.files() {
            let plain = Bytes::from_static(file.contents());
            assets.insert(file.path(), Asset::new(plain));
        }
    }
    assets
});

impl Asset {
    pub fn new(plain: Bytes) -> Self {
        let digest = Sha256::digest(&plain);
        let etag = format!("\"{}\"", text::hex(&digest[..8]));
        Asset {
            gzip: gzip(&plain).filter(|gzip| gzip.len() < plain.len()),
            etag: HeaderValue::from_str(&etag).unwrap_or(HeaderValue::from_static("\"\"")),
            plain,
        }
    }
}

impl Asset {
    /// A file on disk. Its ETag is made of its time and size, and it is not compressed, so that a large one costs no more than
    /// reading it.
    fn of_file(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        let etag = format!("\"{:x}-{:x}\"", modified.as_nanos(), metadata.len());
        Some(Asset {
            plain: std::fs::read(path).ok()?.into(),
            gzip: None,
            etag: HeaderValue::from_str(&etag).ok()?,
        })
    }
}

fn gzip(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// A file, for GET and HEAD, if there is one.
pub fn serve(app: &App, request: &Request, path: &str) -> Option<Response> {
    matches!(request.method, Method::GET | Method::HEAD)
        .then(|| find(app, path, &request.headers))
        .flatten()
}

/// Whether a file or folder of this name is at the root of the pages.
pub fn is_top_level(name: &str) -> bool {
    EMBEDDED.get_entry(name).is_some()
}

fn find(app: &App, path: &str, asked: &HeaderMap) -> Option<Response> {
    let decoded = percent_decode_str(path).decode_utf8().ok()?;
    let mut name = decoded.trim_start_matches('/').to_owned();
    if name.is_empty() || name.ends_with('/') {
        name.push_str("index.html");
    }
    let plain =
        |c| matches!(c, Component::Normal(part) if !part.as_encoded_bytes().starts_with(b"."));
    if name.contains(['\\', '\0']) || !Path::new(&name).components().all(plain) {
        return None;
    }
    // A folder without its slash: relative links of its page would lead elsewhere.
    if EMBEDDED.get_file(format!("{name}/index.html")).is_some() {
        return Some(redirect(path));
    }
    let folder = &app.config.server.static_dir;
    let overridden = (!folder.as_os_str().is_empty())
        .then(|| Asset::of_file(&folder.join(&name)))
        .flatten();
    let asset = overridden.or_else(|| ASSETS.get(Path::new(&name)).cloned())?;
    Some(answer(app, &name, asset, asked))
}

fn answer(app: &App, name: &str, asset: Asset, asked: &HeaderMap) -> Response {
    let mut response = asset.answer(&media_type(name), asked);
    protect(app, response.headers_mut());
    response
}

impl Asset {
    /// The whole asset, or 304 if the client's copy is current (RFC 9110 section 13.1.2). Compressed if the client accepts gzip.
    pub fn answer(self, media_type: &str, asked: &HeaderMap) -> Response {
        let given = |name| asked.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
        let known = given(header::IF_NONE_MATCH).is_some_and(|tags| {
            let etag = self.etag.to_str().unwrap_or_default();
            tags.split(',')
                .any(|tag| tag.trim().trim_start_matches("W/") == etag)
        });
        let takes_gzip = given(header::ACCEPT_ENCODING).is_some_and(|codings| {
            let codings = codings.split(',');
            codings.map(str::trim).any(|coding| {
                let (name, quality) = coding.split_once(";q=").unwrap_or((coding, "1"));
                name == "gzip" && quality.trim() != "0"
            })
        });
        let gzip = self.gzip.filter(|_| takes_gzip);
        let compressed = gzip.is_some();
        let mut response = match known {
            true => Response::default(),
            false => Response::new(gzip.unwrap_or(self.plain).into()),
        };
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        if compressed && !known {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Ok(media_type) = HeaderValue::from_str(media_type) {
            headers.insert(header::CONTENT_TYPE, media_type);
        }
        headers.insert(header::ETAG, self.etag);
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}

fn media_type(name: &str) -> String {
    let media_type = mime_guess::from_path(name).first_or_octet_stream();
    if media_type.type_() == "text" {
        format!("{media_type}; charset=utf-8")
    } else {
        media_type.to_string()
    }
}

/// What the pages may load and do, and who may show them in a frame.
fn protect(app: &App, headers: &mut HeaderMap) {
    let origins = &app.config.server.frame_ancestors;
    let ancestors = match origins.as_slice() {
        [] => "'none'".to_owned(),
        origins => {
            let origins: Vec<_> = origins.iter().map(Origin::as_str).collect();
            format!("'self' {}", origins.join(" "))
        }
    };
    let policy = format!(
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors {ancestors}"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::REFERRER_POLICY, "same-origin"),
        (
            header::HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if origins.is_empty() {
        let name = header::HeaderName::from_static("cross-origin-opener-policy");
        headers.insert(name, HeaderValue::from_static("same-origin"));
    }
}

/// To the same path with a slash at its end; relative, so that it holds below whatever path the client sees.
pub fn redirect(path: &str) -> Response {
    let (_, last) = path.rsplit_once('/').unwrap_or(("", path));
    let mut response = Response::default();
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    if let Ok(to) = format!("{last}/").parse() {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}
