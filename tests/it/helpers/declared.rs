//! What the URL table declares of a route, held against every answer that a test gets.

use std::sync::LazyLock;

use schoolbell::api::http::endpoint::Endpoint;
use schoolbell::api::table;

use super::Answer;

static TABLE: LazyLock<Vec<Endpoint>> = LazyLock::new(table);

/// Fails for an answer that its route does not declare. A path that has no route is nobody's.
#[track_caller]
pub fn check(method: &str, path: &str, answer: &Answer) {
    let Some(endpoint) = endpoint(method, path) else {
        return;
    };
    let (status, code) = (answer.status, answer.body["code"].as_str());
    let code = code.unwrap_or_default();
    let output = endpoint.output;
    let declared = match status {
        // Nothing changed (RFC 9110 section 15.4.5).
        304 => true,
        _ if status < 400 => {
            status == output.status.as_u16() || (output.repeatable && status == 200)
        }
        _ => {
            // A path that is not UTF-8 has no route.
            code == "route_not_found"
                || endpoint
                    .failures()
                    .iter()
                    .any(|f| f.status.as_u16() == status && f.code == code)
        }
    };
    let pattern = endpoint.pattern;
    assert!(
        declared,
        "{method} {pattern} does not declare {status} {code}: {}",
        answer.text
    );
}

fn endpoint(method: &str, path: &str) -> Option<&'static Endpoint> {
    let path = path.split('?').next().unwrap();
    let path = path
        .strip_prefix("/api/v1/")
        .map_or(path.to_owned(), |rest| format!("/api/{rest}"));
    let path = path.strip_suffix('/').unwrap_or(&path);
    let fits = |pattern: &str| {
        let (pattern, path) = (pattern.split('/'), path.split('/'));
        pattern.clone().count() == path.clone().count()
            && pattern
                .zip(path)
                .all(|(part, given)| part == given || part.starts_with('{'))
    };
    let served = |endpoint: &&Endpoint| {
        let mut spellings = endpoint.spellings();
        spellings.any(|(of, pattern)| {
            (of == method || (method == "HEAD" && of == "GET")) && fits(pattern)
        })
    };
    // A literal segment goes before a parameter.
    TABLE
        .iter()
        .filter(served)
        .min_by_key(|endpoint| endpoint.pattern.matches('{').count())
}
