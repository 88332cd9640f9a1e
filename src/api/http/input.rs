//! What a handler takes beside the caller: nothing, a query, or a JSON body. Each reads itself and describes itself.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use utoipa::openapi::path::ParameterIn;
use utoipa::{IntoParams, ToSchema};
use warp::http::header;

use super::call::Call;
use super::compat;
use super::parse::{Unknown, deserialize, field_error, parse};
use super::request::MAX_BODY_BYTES;
use super::schema::{Components, schema_ref};
use crate::error::{Error, FieldError, Result};
use crate::rule;

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
        refuse_query(call)?;
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

pub fn query_spec<T: IntoParams>() -> Value {
    let params = T::into_params(|| Some(ParameterIn::Query));
    serde_json::to_value(params).unwrap_or_default()
}

pub fn parse_query<T: DeserializeOwned>(call: &Call) -> Result<T> {
    let decoded = percent_encoding::percent_decode_str(&call.query).decode_utf8();
    if decoded.is_err() {
        return Err(Error::invalid("query", rule::not_utf8()));
    }
    let query = match call.access.is_strict() {
        true => Cow::from(&call.query),
        false => compat::query(&call.query),
    };
    let de = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
    let (value, unknown) = deserialize(de)
        .map_err(|(path, e)| Error::Invalid(vec![field_error(&path, &e.to_string())]))?;
    refuse_unknown(unknown, call)?;
    Ok(value)
}

/// Of a route without a query, every parameter is unknown.
fn refuse_query(call: &Call) -> Result<()> {
    let mut unknown = Unknown::default();
    for (name, _) in form_urlencoded::parse(call.query.as_bytes()) {
        unknown.note(name.into_owned());
    }
    refuse_unknown(unknown, call)
}

/// # Errors
/// [`Error::Invalid`] where the route is strict.
fn refuse_unknown(unknown: Unknown, call: &Call) -> Result<()> {
    if unknown.count == 0 {
        return Ok(());
    }
    if call.access.is_strict() {
        let names = unknown
            .names
            .into_iter()
            .map(|field| FieldError::new(field, rule::unknown_field()));
        return Err(Error::Invalid(names.collect()));
    }
    call.app.metrics.unknown_parameters.inc_by(unknown.count);
    tracing::debug!(count = unknown.count, names = ?unknown.names, "ignored unknown parameters");
    Ok(())
}

/// A number in the query that has a maximum: one that is too long counts as the maximum.
pub fn saturating<'de, D: Deserializer<'de>>(de: D) -> Result<Option<u32>, D::Error> {
    let text = String::deserialize(de)?;
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) if digits => Ok(Some(u32::MAX)),
        Err(error) => Err(serde::de::Error::custom(error)),
    }
}

/// The largest file, in bytes.
pub const MAX_FILE_BYTES: usize = 16 << 20;

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
        refuse_query(call)?;
        require_json(call)?;
        let bytes = call.read_body(MAX_BODY_BYTES).await?;
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
        refuse_query(call)?;
        let bytes = call.read_body(MAX_BODY_BYTES).await?;
        if bytes.is_empty() {
            return Ok(OptionalJson(T::default()));
        }
        require_json(call)?;
        read_json(call, &bytes).map(OptionalJson)
    }
}

/// The media type without its parameters.
pub fn essence(call: &Call) -> Option<&str> {
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
    refuse_unknown(unknown, call)?;
    Ok(value)
}

/// A field that existing front ends call by several names.
///
/// # Errors
/// [`Error::Invalid`] on `field` where it is missing, and where two of the names hold different values.
pub fn one_of<T: PartialEq, const N: usize>(field: &str, given: [Option<T>; N]) -> Result<T> {
    let mut given = given.into_iter().flatten();
    let first = given
        .next()
        .ok_or_else(|| Error::invalid(field, rule::required()))?;
    if given.any(|other| other != first) {
        let why = rule::two_names();
        return Err(Error::invalid(field, why));
    }
    Ok(first)
}
