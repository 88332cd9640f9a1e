//! Which route serves a request, however its client spells the path.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use warp::http::Method;
use warp::http::header::{self, HeaderValue};

use super::failure::failure;
use super::request::{Request, Response};
use crate::error::{Error, Noun};

/// Answers a request. The parameters of the path are decoded, and in the order of the pattern.
pub type Serve = Arc<
    dyn Fn(Request, Vec<String>) -> Pin<Box<dyn Future<Output = Response> + Send>> + Send + Sync,
>;

/// A pattern's routes.
#[derive(Default)]
struct Place {
    methods: Vec<(Method, Serve)>,
    /// Serves the other methods, OPTIONS aside, to refuse them in its own protocol.
    others: Option<Serve>,
}

/// The routes that are to be in a [`Router`], by pattern: `/literal/{parameter}`.
#[derive(Default)]
pub struct Routes(BTreeMap<String, Place>);

impl Routes {
    /// A GET route answers HEAD too (RFC 9110 section 9.3.2); hyper leaves the body out.
    pub fn add(&mut self, method: Method, pattern: &str, serve: Serve) {
        let place = self.0.entry(pattern.to_owned()).or_default();
        place.methods.push((method.clone(), serve.clone()));
        if method == Method::GET {
            place.methods.push((Method::HEAD, serve));
        }
    }

    /// Without HEAD.
    pub fn add_bare(&mut self, method: Method, pattern: &str, serve: Serve) {
        let place = self.0.entry(pattern.to_owned()).or_default();
        place.methods.push((method, serve));
    }

    pub fn add_others(&mut self, pattern: &str, serve: Serve) {
        self.0.entry(pattern.to_owned()).or_default().others = Some(serve);
    }
}

/// Finds the route of a path.
pub struct Router(matchit::Router<Place>);

/// Why there is no route.
#[derive(Debug, PartialEq, Eq)]
pub enum NoRoute {
    Path,
    /// There are routes for these methods only, listed as in `Allow` (RFC 9110 section 10.2.1).
    Method(String),
}

impl NoRoute {
    /// The answer that says so.
    pub fn into_response(self) -> Response {
        match self {
            NoRoute::Path => failure(Error::NotFound(Noun::Route)),
            NoRoute::Method(allow) => {
                let mut response = failure(Error::MethodNotAllowed);
                if let Ok(allow) = HeaderValue::from_str(&allow) {
                    response.headers_mut().insert(header::ALLOW, allow);
                }
                response
            }
        }
    }
}

impl Router {
    pub fn new(routes: Routes) -> Self {
        let mut router = matchit::Router::new();
        for (pattern, place) in routes.0 {
            // The pattern conflicts with one already added, so no request could reach it.
            if let Err(error) = router.insert(pattern, place) {
                tracing::error!(%error, "cannot add a route");
            }
        }
        Router(router)
    }

    /// The route, and the parameters of the path.
    ///
    /// # Errors
    /// [`NoRoute`].
    pub fn find(&self, method: &Method, path: &str) -> Result<(Serve, Vec<String>), NoRoute> {
        let path = canonical(path);
        let found = self.0.at(&path).map_err(|_| NoRoute::Path)?;
        let decoded = found.params.iter().map(|(_, value)| {
            let decoded = percent_decode_str(value).decode_utf8().ok()?;
            Some(decoded.into_owned())
        });
        let params = decoded.collect::<Option<_>>().ok_or(NoRoute::Path)?;
        let place = found.value;
        let mut methods = place.methods.iter();
        let serve = methods.find(|(of, _)| of == method).map(|(_, serve)| serve);
        let others = place.others.as_ref().filter(|_| *method != Method::OPTIONS);
        if let Some(serve) = serve.or(others) {
            Ok((serve.clone(), params))
        } else {
            let names: Vec<&str> = place.methods.iter().map(|(m, _)| m.as_str()).collect();
            Err(NoRoute::Method(names.join(", ")))
        }
    }
}

/// The path as the patterns have it: without a version, and without a slash at the end.
fn canonical(path: &str) -> std::borrow::Cow<'_, str> {
    let path = match path.strip_suffix('/') {
        Some(rest) if !rest.is_empty() => rest,
        _ => path,
    };
    match path.strip_prefix("/api/v1/") {
        Some(rest) => format!("/api/{rest}").into(),
        None => path.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(routes: &[(Method, &str)]) -> Router {
        let mut all = Routes::default();
        for (method, pattern) in routes {
            let serve: Serve = Arc::new(|_, _| Box::pin(async { Response::default() }));
            all.add(method.clone(), pattern, serve);
        }
        Router::new(all)
    }

    #[test]
    fn patterns_match_whole_segments_and_decode_parameters() {
        let router = router(&[
            (Method::PUT, "/api/messages/read/{partnerId}"),
            (Method::GET, "/api/messages/search"),
        ]);
        let params = |path| router.find(&Method::PUT, path).map(|(_, params)| params);
        let ann = Ok(vec!["a@b".to_owned()]);
        assert_eq!(params("/api/messages/read/a%40b"), ann);
        assert_eq!(params("/api/messages/read/a%40b/"), ann);
        assert_eq!(params("/api/v1/messages/read/a%40b"), ann);
        for path in [
            "/api/messages/read",
            "/api/messages/read/",
            "/api/messages/read//",
            "/api/messages/read/a/b",
            "/api/messages/read/%FF",
            "/api/v1",
            "/api/v2/messages/read/a",
            "/v1/messages/read/a",
            "/",
        ] {
            assert_eq!(params(path), Err(NoRoute::Path), "{path}");
        }
        assert_eq!(
            params("/api/messages/search"),
            Err(NoRoute::Method("GET, HEAD".into()))
        );
    }
}
