//! What a handler takes beside the caller: nothing, a query, or a JSON body. Each reads itself and describes itself.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_path_to_error::Track;
use utoipa::openapi::path::ParameterIn;
use utoipa::{IntoParams, ToSchema};
use warp::http::header;

use super::call::Call;
use super::compat;
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

const INVALID: Error = Error::Invalid(Vec::new());
const MALFORMED: Error = Error::Malformed(String::new());
const TOO_LARGE: Error = Error::TooLarge(0);
const QUERY: &[Error] = &[INVALID];
const JSON: &[Error] = &[INVALID, MALFORMED, TOO_LARGE, Error::NotJson];
const FILE: &[Error] = &[INVALID, MALFORMED, TOO_LARGE, Error::NotCsv];

impl InputSpec {
    /// How reading it fails, in a route that refuses what it does not know (`strict`) or ignores it.
    pub fn failures(&self, strict: bool) -> &'static [Error] {
        match self {
            InputSpec::Nothing if !strict => &[],
            InputSpec::Nothing | InputSpec::Query(_) => QUERY,
            InputSpec::Body { .. } => JSON,
            InputSpec::File { .. } => FILE,
        }
    }
}

/// Something that a handler takes.
pub trait Input: Sized + Send {
    fn spec() -> InputSpec;
    fn read(call: &mut Call) -> impl Future<Output = Result<Self>> + Send;
}

/// No input; a body is ignored, and a query is of parameters that are not known.
pub struct Nothing;

impl Input for Nothing {
    fn spec() -> InputSpec {
        InputSpec::Nothing
    }

    async fn read(call: &mut Call) -> Result<Self> {
        settle_query(call)?;
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
        parse_query(call).map(Query)
    }
}

pub(super) fn query_spec<T: IntoParams>() -> Value {
    let params = T::into_params(|| Some(ParameterIn::Query));
    serde_json::to_value(params).unwrap_or_default()
}

pub(super) fn parse_query<T: DeserializeOwned>(call: &Call) -> Result<T> {
    let decoded = percent_encoding::percent_decode_str(&call.query).decode_utf8();
    if decoded.is_err() {
        return Err(Error::invalid("query", "must be UTF-8"));
    }
    let query = match call.access.is_strict() {
        true => Cow::from(&call.query),
        false => compat::query(&call.query),
    };
    let de = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
    let (value, unknown) = deserialize(de)
        .map_err(|(path, e)| Error::Invalid(vec![field_error(&path, &e.to_string())]))?;
    unknown.settle(call)?;
    Ok(value)
}

/// Of a route without a query, every parameter is unknown.
fn settle_query(call: &Call) -> Result<()> {
    let mut unknown = Unknown::default();
    for (name, _) in form_urlencoded::parse(call.query.as_bytes()) {
        unknown.note(name.into_owned());
    }
    unknown.settle(call)
}

/// The value, and what it has no field for; else the error with the path of its place.
fn deserialize<'de, T, D>(de: D) -> Result<(T, Unknown), (String, D::Error)>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let (mut track, mut unknown) = (Track::new(), Unknown::default());
    let tracked = serde_path_to_error::Deserializer::new(de, &mut track);
    let value = serde_ignored::deserialize(tracked, |path| unknown.note(path));
    match value {
        Ok(value) => Ok((value, unknown)),
        Err(error) => Err((track.path().to_string(), error)),
    }
}

/// What a client sent beside what its route knows.
#[derive(Default)]
struct Unknown {
    count: u64,
    /// The first few.
    names: Vec<String>,
}

impl Unknown {
    const NAMES: usize = 8;

    fn note(&mut self, name: impl ToString) {
        self.count += 1;
        if self.names.len() < Self::NAMES {
            // In a path, an optional field's own place shows as a question mark.
            self.names.push(cut(name.to_string().replace(".?", "")));
        }
    }

    /// # Errors
    /// [`Error::Invalid`] where the route is strict.
    fn settle(self, call: &Call) -> Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        if call.access.is_strict() {
            let unknown = self.names.into_iter().map(|field| FieldError {
                field,
                message: "is not a known field".into(),
            });
            return Err(Error::Invalid(unknown.collect()));
        }
        call.app.metrics.unknown_parameters.inc_by(self.count);
        tracing::debug!(count = self.count, names = ?self.names, "ignored unknown parameters");
        Ok(())
    }
}

/// A number of the query that has a maximum: more digits than it can have are the most.
pub(super) fn saturating<'de, D: Deserializer<'de>>(de: D) -> Result<Option<u32>, D::Error> {
    let text = String::deserialize(de)?;
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) if digits => Ok(Some(u32::MAX)),
        Err(error) => Err(serde::de::Error::custom(error)),
    }
}

/// The largest file, in bytes.
pub const MAX_FILE: usize = 16 << 20;

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
        settle_query(call)?;
        require_json(call)?;
        let bytes = read_body(call, MAX_BODY).await?;
        read_json(call, &bytes).map(Json)
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
        settle_query(call)?;
        let bytes = read_body(call, MAX_BODY).await?;
        if bytes.is_empty() {
            return Ok(OptionalJson(T::default()));
        }
        require_json(call)?;
        read_json(call, &bytes).map(OptionalJson)
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

fn read_json<T: DeserializeOwned>(call: &Call, bytes: &[u8]) -> Result<T> {
    let (value, unknown) = parse(bytes)?;
    unknown.settle(call)?;
    Ok(value)
}

/// # Errors
/// [`Error::Malformed`] for what is not JSON, [`Error::Invalid`] with the field for what is not of the shape.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, Unknown)> {
    if std::str::from_utf8(bytes).is_err() {
        return Err(Error::Malformed("it is not UTF-8".into()));
    }
    let mut de = serde_json::Deserializer::from_slice(bytes);
    let (Object(value), unknown) =
        deserialize(&mut de).map_err(|(path, e): (_, serde_json::Error)| match e.classify() {
            serde_json::error::Category::Data => {
                Error::Invalid(vec![field_error(&path, &e.to_string())])
            }
            _ => malformed(&e),
        })?;
    de.end().map_err(|e| malformed(&e))?;
    Ok((value, unknown))
}

/// A field that existing front ends call by several names.
///
/// # Errors
/// [`Error::Invalid`] on `field` where it is missing, and where two of the names hold different values.
pub(super) fn one_of<T: PartialEq, const N: usize>(
    field: &str,
    given: [Option<T>; N],
) -> Result<T> {
    let mut given = given.into_iter().flatten();
    let first = given
        .next()
        .ok_or_else(|| Error::invalid(field, "is required"))?;
    if given.any(|other| other != first) {
        let why = "is given by two names with different values";
        return Err(Error::invalid(field, why));
    }
    Ok(first)
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
        Some(name) if message.starts_with("missing field") => {
            (join(&parent, name), "is required".into())
        }
        Some(name) if message.starts_with("duplicate field") => {
            (join_once(path, &parent, name), "is given twice".into())
        }
        _ => {
            let field = if parent.is_empty() { "body" } else { path };
            (field.to_owned(), wrong(message))
        }
    };
    FieldError {
        field: cut(field),
        message: what,
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

/// What serde expected, in the words of the API.
fn wrong(message: &str) -> String {
    if message.starts_with("unknown variant") {
        return "is not one of the values that are allowed".into();
    }
    let expected = message
        .rsplit_once("expected ")
        .map_or("", |(_, what)| what);
    let expected = expected.split(" at line ").next().unwrap_or_default();
    let what = match expected {
        "a string" | "a borrowed string" | "a character" => "text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "an object" => "an object",
        "f32" | "f64" => "a number",
        id if id.starts_with("an id: ") => id,
        "i64" | "u32" | "u64" | "usize" => "a whole number in range",
        _ if message.contains("`true` or `false`") => "true or false",
        _ if ["digit", "integer", "number"]
            .iter()
            .any(|word| message.contains(word)) =>
        {
            "a whole number in range"
        }
        _ => return "has the wrong type".into(),
    };
    format!("must be {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code)]
    struct Inner {
        a: String,
        n: Option<u32>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code)]
    struct Outer {
        inner: Object<Inner>,
    }

    #[test]
    fn errors_name_the_field_and_no_type_of_ours() {
        for (body, field) in [
            (r#"{}"#, "inner"),
            (r#"{"inner":{}}"#, "inner.a"),
            (r#"{"inner":{"a":"x","a":"y"}}"#, "inner.a"),
            (r#"{"inner":{"a":5}}"#, "inner.a"),
            (r#"{"inner":{"a":"x","n":-1}}"#, "inner.n"),
            (r#"{"inner":[]}"#, "inner"),
            (r#"[]"#, "body"),
            (r#"[{"a":"x"}]"#, "body"),
            (r#"{"inner":["x"]}"#, "inner"),
            (r#""x""#, "body"),
        ] {
            let error = parse::<Outer>(body.as_bytes()).err().unwrap();
            assert_eq!(error.details()[0].field, field, "{body}: {error}");
            let text = error.to_string();
            assert!(!text.contains("struct") && !text.contains("u32"), "{text}");
        }
    }

    #[test]
    fn what_a_value_has_no_field_for_is_noted() {
        let long = "é".repeat(30_000);
        let body = format!(r#"{{"b":1,"inner":{{"a":"x","c":{{"d":1}},"{long}":1}}}}"#);
        let (_, unknown) = parse::<Outer>(body.as_bytes()).unwrap();
        assert_eq!(unknown.count, 3);
        assert_eq!(unknown.names[..2], ["b", "inner.c"]);
        assert!(unknown.names[2].ends_with('…') && unknown.names[2].chars().count() == 65);
    }

    #[test]
    fn what_a_type_should_be_is_said_in_the_words_of_the_api() {
        for (body, says) in [
            (r#"{"inner":{"a":5}}"#, "must be text"),
            (
                r#"{"inner":{"a":"x","n":"5"}}"#,
                "must be a whole number in range",
            ),
            (
                r#"{"inner":{"a":"x","n":5000000000}}"#,
                "must be a whole number in range",
            ),
            (r#"{"inner":[]}"#, "must be an object"),
            (r#"{}"#, "is required"),
        ] {
            let error = parse::<Outer>(body.as_bytes()).err().unwrap();
            assert_eq!(error.details()[0].message, says, "{body}");
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
            let error = parse::<serde_json::Map<String, Value>>(body).err().unwrap();
            assert!(matches!(error, Error::Malformed(_)), "{error:?}");
        }
    }
}
