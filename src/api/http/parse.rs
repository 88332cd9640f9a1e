//! JSON and queries into the types of handlers; what serde says, in the words of the API.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_path_to_error::Track;

use crate::error::{Error, FieldError, Result};
use crate::model::object::Object;
use crate::rule::{self, Rule};

/// The value, and what it has no field for; else the error with the path of its place.
pub fn deserialize<'de, T, D>(de: D) -> Result<(T, Unknown), (String, D::Error)>
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

/// The parameters or fields of a request that its route does not know.
#[derive(Default)]
pub struct Unknown {
    pub count: u64,
    /// The first few.
    pub names: Vec<String>,
}

impl Unknown {
    const MAX_NAMES_SHOWN: usize = 8;

    pub fn note(&mut self, name: impl ToString) {
        self.count += 1;
        if self.names.len() < Self::MAX_NAMES_SHOWN {
            // In a path, an optional field's own place shows as a question mark.
            self.names.push(cut(name.to_string().replace(".?", "")));
        }
    }
}

/// # Errors
/// [`Error::Malformed`] for what is not JSON, [`Error::Invalid`] with the field for what is not of the shape.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, Unknown)> {
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

fn malformed(error: &serde_json::Error) -> Error {
    let place = format!("line {}, column {}", error.line(), error.column());
    Error::Malformed(if error.is_eof() {
        format!("it ends too early at {place}")
    } else {
        format!("at {place}")
    })
}

/// What serde says, as a sentence about a field, without the names of our types.
pub fn field_error(path: &str, message: &str) -> FieldError {
    let quoted = message.split('`').nth(1);
    let parent = match path {
        "." | "?" => String::new(),
        path => format!("{path}."),
    };
    // serde's path ends at the parent for these two, and at the field itself for the others.
    let (field, what) = match quoted {
        Some(name) if message.starts_with("missing field") => {
            (join(&parent, name), rule::required())
        }
        Some(name) if message.starts_with("duplicate field") => {
            (join_once(path, &parent, name), rule::given_twice())
        }
        _ => {
            let field = if parent.is_empty() { "body" } else { path };
            (field.to_owned(), wrong(message))
        }
    };
    FieldError::new(cut(field), what)
}

/// How much of a name that a client chose is shown and logged, in characters.
const MAX_NAME_CHARS: usize = 64;

fn cut(mut name: String) -> String {
    if let Some((end, _)) = name.char_indices().nth(MAX_NAME_CHARS) {
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
fn wrong(message: &str) -> Rule {
    if message.starts_with("unknown variant") {
        return rule::not_a_value();
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
        _ => return rule::wrong_type(),
    };
    rule::not_of_type(what)
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
            let error = parse::<serde_json::Map<String, serde_json::Value>>(body)
                .err()
                .unwrap();
            assert!(matches!(error, Error::Malformed(_)), "{error:?}");
        }
    }
}
