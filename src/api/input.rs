//! What a handler takes beside the caller: nothing, a query, or a JSON body. Each reads itself and describes itself.

use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::openapi::path::ParameterIn;
use utoipa::{IntoParams, ToSchema};
use warp::http::header;

use super::call::Call;
use super::openapi::{Components, schema_ref};
use super::request::read_body;
use crate::error::{Error, FieldError, Result};
use crate::model::object::Object;

/// The largest body, in bytes.
pub const MAX_BODY: usize = 64 << 10;

/// How an input shows in the OpenAPI document.
#[derive(Clone, Copy)]
pub enum InputSpec {
    Nothing,
    Query(fn() -> Value),
    Body {
        required: bool,
        schema: fn(&mut Components) -> Value,
    },
    /// A file of one of these media types, and a query.
    File {
        media_types: &'static [&'static str],
        query: fn() -> Value,
    },
}

/// Something that a handler takes.
pub trait Input: Sized + Send {
    fn spec() -> InputSpec;
    fn read(call: &mut Call) -> impl Future<Output = Result<Self>> + Send;
}

/// No input; a body is ignored.
pub struct Nothing;

impl Input for Nothing {
    fn spec() -> InputSpec {
        InputSpec::Nothing
    }

    async fn read(_: &mut Call) -> Result<Self> {
        Ok(Nothing)
    }
}

/// The query string.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + IntoParams + Send> Input for Query<T> {
    fn spec() -> InputSpec {
        InputSpec::Query(query_spec::<T>)
    }

    async fn read(call: &mut Call) -> Result<Self> {
        parse_query(&call.query).map(Query)
    }
}

pub(super) fn query_spec<T: IntoParams>() -> Value {
    let params = T::into_params(|| Some(ParameterIn::Query));
    serde_json::to_value(params).unwrap_or_default()
}

pub(super) fn parse_query<T: DeserializeOwned>(query: &str) -> Result<T> {
    let decoded = percent_encoding::percent_decode_str(query).decode_utf8();
    if decoded.is_err() {
        return Err(Error::invalid("query", "must be UTF-8"));
    }
    let de = serde_urlencoded::Deserializer::new(form(query));
    serde_path_to_error::deserialize(de).map_err(|e| {
        let field = e.path().to_string();
        let message = e.inner().to_string();
        Error::Invalid(vec![field_error(&field, &message)])
    })
}

/// The largest file, in bytes.
pub const MAX_FILE: usize = 16 << 20;

fn form(query: &str) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(query.as_bytes())
}

/// A JSON body.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + ToSchema + Send> Input for Json<T> {
    fn spec() -> InputSpec {
        InputSpec::Body {
            required: true,
            schema: schema_ref::<T>,
        }
    }

    async fn read(call: &mut Call) -> Result<Self> {
        require_json(call)?;
        let bytes = read_body(call, MAX_BODY).await?;
        parse(&bytes).map(Json)
    }
}

/// A JSON body that may be left out.
pub struct OptionalJson<T>(pub T);

impl<T: DeserializeOwned + Default + ToSchema + Send> Input for OptionalJson<T> {
    fn spec() -> InputSpec {
        InputSpec::Body {
            required: false,
            schema: schema_ref::<T>,
        }
    }

    async fn read(call: &mut Call) -> Result<Self> {
        let bytes = read_body(call, MAX_BODY).await?;
        if bytes.is_empty() {
            return Ok(OptionalJson(T::default()));
        }
        require_json(call)?;
        parse(&bytes).map(OptionalJson)
    }
}

/// The media type without its parameters.
pub(super) fn essence(call: &Call) -> Option<&str> {
    let value = call.headers.get(header::CONTENT_TYPE)?;
    value.to_str().ok()?.split(';').next().map(str::trim)
}

fn require_json(call: &Call) -> Result<()> {
    match essence(call) {
        Some(essence) if essence.eq_ignore_ascii_case("application/json") => Ok(()),
        _ => Err(Error::NotJson),
    }
}

/// # Errors
/// [`Error::Malformed`] for what is not JSON, [`Error::Invalid`] with the field for what is not of the shape.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    if std::str::from_utf8(bytes).is_err() {
        return Err(Error::Malformed("it is not UTF-8".into()));
    }
    let mut de = serde_json::Deserializer::from_slice(bytes);
    let Object(value) = serde_path_to_error::deserialize(&mut de).map_err(|e| {
        let field = e.path().to_string();
        let inner = e.into_inner();
        match inner.classify() {
            serde_json::error::Category::Data => {
                Error::Invalid(vec![field_error(&field, &inner.to_string())])
            }
            _ => malformed(&inner),
        }
    })?;
    de.end().map_err(|e| malformed(&e))?;
    Ok(value)
}

fn malformed(error: &serde_json::Error) -> Error {
    let place = format!("line {}, column {}", error.line(), error.column());
    Error::Malformed(if error.is_eof() {
        format!("it ends too early at {place}")
    } else {
        format!("at {place}")
    })
}

/// What serde says, as a sentence about a field, without the names of our types.
fn field_error(path: &str, message: &str) -> FieldError {
    let quoted = message.split('`').nth(1);
    let parent = match path {
        "." | "?" => String::new(),
        path => format!("{path}."),
    };
    // serde's path ends at the parent for these two, and at the field itself for the others.
    let (field, what) = match quoted {
        Some(name) if message.starts_with("missing field") => (join(&parent, name), "is required"),
        Some(name) if message.starts_with("unknown field") => {
            (join_once(path, &parent, name), "is not a known field")
        }
        Some(name) if message.starts_with("duplicate field") => {
            (join_once(path, &parent, name), "is given twice")
        }
        _ => {
            let field = if parent.is_empty() { "body" } else { path };
            (field.to_owned(), wrong(message))
        }
    };
    FieldError {
        field: cut(field),
        message: what.into(),
    }
}

/// So much of a name that a stranger chose is shown and logged, in characters.
const LONGEST_NAME: usize = 64;

fn cut(mut name: String) -> String {
    if let Some((end, _)) = name.char_indices().nth(LONGEST_NAME) {
        name.truncate(end);
        name.push('…');
    }
    name
}

fn join(parent: &str, name: &str) -> String {
    format!("{parent}{name}")
}

fn join_once(path: &str, parent: &str, name: &str) -> String {
    if path == name || path.ends_with(&format!(".{name}")) {
        path.to_owned()
    } else {
        join(parent, name)
    }
}

fn wrong(message: &str) -> &'static str {
    if message.starts_with("unknown variant") {
        "is not one of the values that are allowed"
    } else if message.contains("integer") || message.contains("number") || message.contains("digit")
    {
        "must be a whole number in range, or has the wrong type"
    } else {
        "has the wrong type"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Inner {
        a: String,
        n: Option<u32>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Outer {
        inner: Object<Inner>,
    }

    #[test]
    fn errors_name_the_field_and_no_type_of_ours() {
        for (body, field) in [
            (r#"{}"#, "inner"),
            (r#"{"inner":{}}"#, "inner.a"),
            (r#"{"inner":{"a":"x","b":1}}"#, "inner.b"),
            (r#"{"inner":{"a":"x","a":"y"}}"#, "inner.a"),
            (r#"{"inner":{"a":5}}"#, "inner.a"),
            (r#"{"inner":{"a":"x","n":-1}}"#, "inner.n"),
            (r#"{"inner":[]}"#, "inner"),
            (r#"[]"#, "body"),
            (r#"[{"a":"x"}]"#, "body"),
            (r#"{"inner":["x"]}"#, "inner"),
            (r#""x""#, "body"),
        ] {
            let error = parse::<Outer>(body.as_bytes()).unwrap_err();
            assert_eq!(error.details()[0].field, field, "{body}: {error}");
            let text = error.to_string();
            assert!(!text.contains("struct") && !text.contains("u32"), "{text}");
        }
    }

    #[test]
    fn a_long_name_is_cut() {
        let long = "é".repeat(30_000);
        for body in [
            format!("{{\"{long}\":1}}"),
            format!("{{\"inner\":{{\"a\":\"x\",\"{long}\":1}}}}"),
        ] {
            let error = parse::<Outer>(body.as_bytes()).unwrap_err();
            let field = &error.details()[0].field;
            assert!(
                field.ends_with('…') && field.chars().count() == 65,
                "{field}"
            );
            assert!(error.to_string().len() < 300);
        }
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        for body in [
            &b"{"[..],
            b"",
            b"nul",
            b"{\"inner\":\xFF}",
            b"{} {}",
            deep.as_bytes(),
        ] {
            let error = parse::<serde_json::Map<String, Value>>(body).unwrap_err();
            assert!(matches!(error, Error::Malformed(_)), "{error:?}");
        }
    }
}
