//! The pages: files of `static/`, embedded in the binary, or of the folder that `server.static_dir` names.

use std::path::{Component, Path};

use include_dir::{Dir, include_dir};
use percent_encoding::percent_decode_str;
use warp::Filter;
use warp::http::{Method, StatusCode, header};
use warp::path::FullPath;

use super::Route;
use super::reply::Response;
use crate::app::App;

static EMBEDDED: Dir = include_dir!("$CARGO_MANIFEST_DIR/static");

/// What the pages may load and do.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Serves a file for GET and HEAD; rejects where there is none.
pub fn route(app: &App) -> Route {
    let app = app.clone();
    warp::path::full()
        .and(warp::method())
        .and_then(move |path: FullPath, method: Method| {
            let found = matches!(method, Method::GET | Method::HEAD)
                .then(|| find(&app, path.as_str()))
                .flatten();
            std::future::ready(found.ok_or_else(warp::reject::not_found))
        })
        .boxed()
}

fn find(app: &App, path: &str) -> Option<Response> {
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
    // A folder without its slash: relative links of its page would lead astray.
    if EMBEDDED.get_file(format!("{name}/index.html")).is_some() {
        return redirect(&format!("/{name}/"));
    }
    let folder = &app.config.server.static_dir;
    let overridden = (!folder.as_os_str().is_empty())
        .then(|| std::fs::read(folder.join(&name)).ok())
        .flatten();
    let body = match overridden {
        Some(bytes) => bytes.into(),
        None => bytes::Bytes::from_static(EMBEDDED.get_file(&name)?.contents()),
    };
    let media_type = mime_guess::from_path(&name).first_or_octet_stream();
    let media_type = if media_type.type_() == "text" {
        format!("{media_type}; charset=utf-8")
    } else {
        media_type.to_string()
    };
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type.parse().ok()?);
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.parse().ok()?);
    headers.insert(header::CACHE_CONTROL, "no-cache".parse().ok()?);
    Some(response)
}

fn redirect(to: &str) -> Option<Response> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response
        .headers_mut()
        .insert(header::LOCATION, to.parse().ok()?);
    Some(response)
}
