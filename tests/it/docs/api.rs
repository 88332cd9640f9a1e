//! The page of the API, made from the OpenAPI document.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::{is_up_to_date, root};
use crate::helpers::TestApp;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
const HEAD: &str = "\
# The API

<!-- Generated from the OpenAPI document: UPDATE_DOCS=1 cargo test --test it docs -->

Every route, as `GET /api/openapi.json` has it: [clients for other languages](clients.md) are generated from that. Requests and answers are
JSON; an answer is `{\"success\": true, \"data\": …}`, with `paging` where there are pages. [Live events](events.md) have a page of their own.

Send `authorization: Bearer TOKEN`, with a person's JWT or, where a route names a scope, an API key.

## Errors

An error is an [`Error`](#error). `code`, and the `rule` of a field, stay; messages are for people.
";

#[tokio::test]
async fn the_page_of_the_api_is_what_the_document_says() {
    let t = TestApp::new();
    let served = t.call("GET", "/api/openapi.json", "", None).await;
    let document: Value = serde_json::from_str(&served.text).unwrap();
    is_up_to_date(&root().join("docs/api.md"), &render(&document));
}

struct Operation<'a> {
    method: &'static str,
    path: &'a str,
    value: &'a Value,
}

fn render(document: &Value) -> String {
    let paths = document["paths"].as_object().unwrap();
    let operations: Vec<Operation> = paths
        .iter()
        .flat_map(|(path, item)| {
            METHODS.into_iter().filter_map(move |method| {
                let value = item.get(method)?;
                Some(Operation {
                    method,
                    path,
                    value,
                })
            })
        })
        .collect();
    let usual = Usual::of(&operations);
    let mut page = HEAD.to_owned();
    for (whose, codes) in [
        ("Most routes", &usual.of_all),
        ("Most that take a body", &usual.of_bodies),
    ] {
        let _ = writeln!(
            page,
            "\n{whose} also have these, which are not repeated below:\n\n| status | codes |\n|---|---|"
        );
        for (status, codes) in codes {
            let _ = writeln!(page, "| {status} | {} |", quoted(codes));
        }
    }
    for tag in document["tags"].as_array().unwrap() {
        let name = tag["name"].as_str().unwrap();
        let (title, text) = (capitalized(name), tag["description"].as_str().unwrap());
        let _ = writeln!(page, "\n## {title}\n\n{text}");
        for operation in operations.iter().filter(|o| o.value["tags"][0] == name) {
            page += &of_operation(operation, &usual);
        }
    }
    page += "\n## Types\n";
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let _ = write!(page, "\n### {name}\n\n{}", of_schema(schema));
    }
    page
}

type Codes = BTreeMap<String, Vec<String>>;

/// The codes of an operation, by status.
fn codes(operation: &Operation) -> Codes {
    let responses = operation.value["responses"].as_object().unwrap();
    let failures = responses
        .iter()
        .filter(|(status, _)| status.as_str() >= "400");
    failures
        .map(|(status, response)| {
            let text = response["description"].as_str().unwrap();
            let codes = text.split('`').skip(1).step_by(2).map(str::to_owned);
            (status.clone(), codes.collect())
        })
        .collect()
}

/// Codes that are told once.
struct Usual {
    of_all: Codes,
    of_bodies: Codes,
}

impl Usual {
    fn of(operations: &[Operation]) -> Self {
        let of_all = shared(operations.iter().map(codes).collect());
        let with_body = operations
            .iter()
            .filter(|o| o.value["requestBody"].is_object());
        let mut of_bodies = shared(with_body.map(codes).collect());
        for (status, codes) in &mut of_bodies {
            codes.retain(|code| !contains(&of_all, status, code));
        }
        of_bodies.retain(|_, codes| !codes.is_empty());
        Usual { of_all, of_bodies }
    }

    fn contains(&self, status: &str, code: &String) -> bool {
        contains(&self.of_all, status, code) || contains(&self.of_bodies, status, code)
    }
}

fn contains(codes: &Codes, status: &str, code: &String) -> bool {
    codes.get(status).is_some_and(|codes| codes.contains(code))
}

/// Those of seven operations in ten.
fn shared(all: Vec<Codes>) -> Codes {
    let mut counts: BTreeMap<(&String, &String), usize> = BTreeMap::new();
    for (status, codes) in all.iter().flatten() {
        for code in codes {
            *counts.entry((status, code)).or_default() += 1;
        }
    }
    let mut shared = Codes::new();
    for ((status, code), count) in counts {
        if count * 10 > all.len() * 7 {
            shared.entry(status.clone()).or_default().push(code.clone());
        }
    }
    shared
}

fn of_operation(operation: &Operation, usual: &Usual) -> String {
    let Operation {
        method,
        path,
        value,
    } = operation;
    let mut text = format!("\n### {} {path}\n\n", method.to_uppercase());
    let summary = value["summary"].as_str().unwrap();
    let _ = writeln!(
        text,
        "**{summary}.** {}",
        value["description"].as_str().unwrap_or_default()
    );
    if let Some(parameters) = value["parameters"].as_array() {
        text += "\n| parameter | type | |\n|---|---|---|\n";
        for parameter in parameters {
            let name = parameter["name"].as_str().unwrap();
            let place = match parameter["in"].as_str().unwrap() {
                "path" => "in the path",
                "query" if parameter["required"] == true => "query, required",
                other => other,
            };
            let about = about(place, &parameter["schema"], &parameter["description"]);
            let _ = writeln!(
                text,
                "| `{name}` | {} | {about} |",
                kind(&parameter["schema"])
            );
        }
    }
    let mut facts = Vec::new();
    if let Some(content) = value["requestBody"]["content"].as_object() {
        facts.push(format!("Body: {}.", bodies(content)));
    }
    let responses = value["responses"].as_object().unwrap();
    for (status, response) in responses
        .iter()
        .filter(|(status, _)| status.as_str() < "400")
    {
        let content = response["content"].as_object();
        let what = content.map_or_else(|| "nothing".into(), bodies);
        let note = match response["description"].as_str().unwrap() {
            "Success" => String::new(),
            note => format!(" ({})", note.to_lowercase()),
        };
        facts.push(format!("{status}: {what}{note}."));
    }
    for (status, mut codes) in codes(operation) {
        codes.retain(|code| !usual.contains(&status, code));
        if !codes.is_empty() {
            facts.push(format!("{status}: {}.", quoted(&codes)));
        }
    }
    let _ = writeln!(text, "\n{}", facts.join("\\\n"));
    text
}

/// What a body may be; of JSON, its `data`.
fn bodies(content: &serde_json::Map<String, Value>) -> String {
    let bodies = content.iter().map(|(media, body)| {
        if media != "application/json" {
            return format!("`{media}`");
        }
        let schema = &body["schema"];
        let data = &schema["properties"]["data"];
        let page = if schema["properties"]["paging"].is_null() {
            ""
        } else {
            ", in pages"
        };
        match data.is_null() {
            true => kind(schema),
            false => kind(data) + page,
        }
    });
    bodies.collect::<Vec<_>>().join(" or ")
}

fn of_schema(schema: &Value) -> String {
    let mut text = String::new();
    if let Some(about) = schema["description"].as_str() {
        let _ = writeln!(text, "{about}\n");
    }
    let parts: Vec<&Value> = match &schema["allOf"] {
        Value::Array(parts) => parts.iter().collect(),
        _ => vec![schema],
    };
    for part in parts {
        if let Some(choices) = part["oneOf"].as_array() {
            for choice in choices {
                let about = match choice["properties"].is_object() {
                    true => fields(choice),
                    false => kind(choice) + ".\n",
                };
                let _ = writeln!(text, "One of:\n\n{about}");
            }
        } else if part["properties"].is_object() {
            let _ = writeln!(text, "{}", fields(part));
        } else if part["$ref"].is_string() {
            let _ = writeln!(text, "What {} has, and:\n", kind(part));
        } else if kind(part) != "object" {
            let _ = writeln!(
                text,
                "{}{}",
                capitalized(&kind(part)),
                prefixed(&limits(part))
            );
        }
    }
    text.trim_end().to_owned() + "\n"
}

fn fields(schema: &Value) -> String {
    let mut text = "| field | type | |\n|---|---|---|\n".to_owned();
    let required = schema["required"].as_array();
    for (name, field) in schema["properties"].as_object().unwrap() {
        let is_required = required.is_some_and(|names| names.iter().any(|n| n == name));
        let optional = if is_required { "" } else { "optional" };
        let about = about(optional, field, &field["description"]);
        let _ = writeln!(text, "| `{name}` | {} | {about} |", kind(field));
    }
    text
}

/// What a cell of a table says beside the type, each as a sentence.
fn about(place: &str, schema: &Value, description: &Value) -> String {
    // Of what may be null, the description stands inside.
    let inner = schema["oneOf"].as_array().into_iter().flatten();
    let inner = inner.map(|choice| &choice["description"]);
    let mut descriptions = [description].into_iter().chain(inner);
    let text = descriptions.find_map(Value::as_str).unwrap_or_default();
    let text = text.replace('\n', " ").replace('|', "\\|");
    let parts = [place.to_owned(), limits(schema), text];
    let sentences = parts.iter().filter(|part| !part.is_empty());
    let sentences = sentences.map(|part| capitalized(part.trim_end_matches('.')) + ".");
    sentences.collect::<Vec<_>>().join(" ")
}

fn limits(schema: &Value) -> String {
    let named = [
        ("minLength", "at least", " characters"),
        ("maxLength", "at most", " characters"),
        ("minimum", "from", ""),
        ("maximum", "to", ""),
        ("default", "default", ""),
        ("pattern", "matches", ""),
    ];
    let parts = named
        .iter()
        .filter_map(|(key, word, unit)| match schema.get(key)? {
            // What an unsigned number says anyway.
            Value::Number(zero) if *key == "minimum" && zero.as_f64() == Some(0.0) => None,
            Value::Number(number) => Some(format!("{word} {}{unit}", number.as_f64()?)),
            Value::String(text) => Some(format!("{word} `{text}`")),
            other => Some(format!("{word} `{other}`")),
        });
    parts
        .collect::<Vec<_>>()
        .join(", ")
        .replace(", to ", " to ")
}

fn prefixed(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("; {text}")
    }
}

/// A type in words, with a link where it has a name.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(constant) = schema.get("const") {
        return format!("`{constant}`");
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values
            .iter()
            .map(|v| v.as_str().unwrap().to_owned())
            .collect();
        return quoted(&values);
    }
    if let Some(choices) = schema["oneOf"].as_array().or(schema["allOf"].as_array()) {
        return choices.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    let names = match &schema["type"] {
        Value::Array(names) => names.iter().map(|n| n.as_str().unwrap()).collect(),
        Value::String(name) => vec![name.as_str()],
        _ => return "any".into(),
    };
    let names = names.into_iter().map(|name| match name {
        "array" => format!("list of {}", kind(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("object of {}", kind(&schema["additionalProperties"]))
        }
        name => name.to_owned(),
    });
    let text = names.collect::<Vec<_>>().join(" or ");
    match schema["format"].as_str() {
        Some(format @ ("date-time" | "uuid")) => format!("{text} ({format})"),
        _ => text,
    }
}

fn quoted(codes: &[String]) -> String {
    let codes: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
    codes.join(", ")
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().collect::<String>());
    first.unwrap_or_default() + letters.as_str()
}
