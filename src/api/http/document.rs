//! The OpenAPI 3.1 document, from the URL table and the types that the handlers use.

use serde_json::{Map, Value, json};

use super::access::Access;
use super::compat;
use super::endpoint::Endpoint;
use super::failure::Problem;
use super::input::InputSpec;
use super::reply::BodySpec;
use super::schema::{Components, schema_ref};
use crate::error::codes;
use crate::model::page::Paging;

/// What each group of routes is about: the second part of their paths.
pub const TAGS: &[(&str, &str)] = &[
    (
        "auth",
        "Logging in, sessions, and the caller's own account.",
    ),
    ("users", "People the caller may write to."),
    ("presence", "Who is online."),
    ("messages", "Messages and conversations."),
    (
        "notifications",
        "Notifications, and the devices that get pushes.",
    ),
    ("policy", "Who may write to whom."),
    ("safeguarding", "What safeguarding leads do."),
    ("admin", "What administrators do."),
    (
        "server",
        "The server itself: health, metrics and this document.",
    ),
];

/// The document of these routes.
pub fn document(table: &[Endpoint]) -> Value {
    let mut components = Components::new();
    schema_ref::<Problem>(&mut components);
    schema_ref::<Paging>(&mut components);
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in table {
        let operation = operation(endpoint, &mut components);
        let path = paths.entry(endpoint.pattern).or_insert_with(|| json!({}));
        path[endpoint.method.as_str().to_lowercase()] = operation;
    }
    let mut schemas = serde_json::to_value(&components).unwrap_or_default();
    schemas["Error"]["properties"]["code"] = json!({ "type": "string", "enum": codes() });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "schoolbell",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Real-time notifications and messaging for schools. Live events come over `/ws`.",
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/", "description": "The server that gave this document" }],
        "tags": TAGS.iter().map(|(name, text)| json!({ "name": name, "description": text })).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A person's JWT, or, where a route says so, an API key (`sb_…`).",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": super::cookie::NAME,
                    "description": "The session of the server's own pages; what changes something must come from them (`Origin`). Over https its name begins with `__Host-`, or below a path with `__Secure-`.",
                },
            },
        },
    })
}

fn operation(endpoint: &Endpoint, components: &mut Components) -> Value {
    let mut parameters: Vec<Value> = endpoint
        .pattern
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    let tag = tag(endpoint.pattern);
    let mut operation = json!({
        "operationId": operation_id(endpoint),
        "summary": endpoint.summary,
        "tags": [tag],
        "responses": responses(endpoint, components),
    });
    match endpoint.input {
        InputSpec::Nothing => {}
        InputSpec::Query(params) => {
            parameters.extend(params().as_array().cloned().unwrap_or_default());
            if !endpoint.access.is_strict() {
                name_spellings(&mut parameters);
            }
        }
        InputSpec::File { media_types, query } => {
            parameters.extend(query().as_array().cloned().unwrap_or_default());
            let content = media_types
                .iter()
                .map(|name| ((*name).to_owned(), json!({ "schema": raw(name) })));
            let content: Map<String, Value> = content.collect();
            operation["requestBody"] = json!({ "required": true, "content": content });
        }
        InputSpec::Body { required, schema } => {
            operation["requestBody"] = json!({
                "required": required,
                "content": { "application/json": { "schema": schema(components) } },
            });
        }
    }
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    match endpoint.access {
        // Said, since a document without it leaves open whether a token is needed.
        Access::Anyone => operation["security"] = json!([]),
        Access::Local => operation["security"] = json!([{}, { "bearer": [] }]),
        _ => operation["security"] = json!([{ "bearer": [] }, { "session": [] }]),
    }
    let whom = match endpoint.access {
        Access::Sender => {
            "For an API key with the scope `notify`, or a person who may announce: by `notifications.senders` under the policy `open`, else by the policy."
        }
        Access::Admin => "For administrators.",
        Access::Roster => "For administrators, or an API key with the scope `roster`.",
        Access::Oversight => "For administrators and safeguarding leads.",
        Access::Lead => "For safeguarding leads.",
        Access::Reader => "For administrators, or an API key with the scope `read`.",
        Access::Person => "For anybody who is logged in.",
        Access::Local => "For this machine, or with the metrics token.",
        Access::Anyone => "Needs no token.",
    };
    let described: Vec<String> = [whom.to_owned(), compat(endpoint)]
        .into_iter()
        .filter(|sentence| !sentence.is_empty())
        .collect();
    if !described.is_empty() {
        operation["description"] = described.join(" ").into();
    }
    operation
}

fn tag(pattern: &str) -> &'static str {
    let group = pattern.strip_prefix("/api/").unwrap_or_default();
    let group = group.split('/').next().unwrap_or_default();
    let known = TAGS.iter().find(|(name, _)| *name == group);
    known.map_or("server", |(name, _)| name)
}

/// How existing front ends may spell the route.
fn compat(endpoint: &Endpoint) -> String {
    let others: Vec<String> = endpoint
        .spellings()
        .skip(1)
        .map(|(method, path)| format!("`{method} {path}`"))
        .collect();
    match others.is_empty() {
        true => String::new(),
        false => format!("compat: the same as {}.", others.join(", ")),
    }
}

/// Adds what existing front ends call the parameters of a query.
fn name_spellings(parameters: &mut [Value]) {
    for parameter in parameters {
        let name = parameter["name"].as_str().unwrap_or_default();
        let mut spellings: Vec<String> = compat::NAMES
            .iter()
            .filter(|(_, here)| *here == name)
            .map(|(there, _)| format!("`{there}`"))
            .collect();
        let opposites = compat::OPPOSITES.iter().filter(|(_, here)| *here == name);
        spellings.extend(opposites.map(|(there, _)| format!("the opposite of `{there}`")));
        if spellings.is_empty() {
            continue;
        }
        let told = parameter["description"].as_str().unwrap_or_default();
        let told = format!("{told} compat: the same as {}.", spellings.join(", "));
        parameter["description"] = told.trim().into();
    }
}

/// The schema of a body that no type describes.
fn raw(media_type: &str) -> Value {
    if media_type == "application/json" {
        json!({ "type": "object" })
    } else if media_type.starts_with("multipart/") {
        let files = json!({ "type": "array", "items": { "type": "string", "format": "binary" } });
        json!({ "type": "object", "properties": { "file": files } })
    } else if media_type.contains("text") {
        json!({ "type": "string" })
    } else {
        json!({ "type": "string", "format": "binary" })
    }
}

fn raw_content(media_types: &[&str]) -> Value {
    let names = media_types
        .iter()
        .map(|media_type| media_type.split(';').next().unwrap_or(media_type));
    names
        .map(|name| (name.to_owned(), json!({ "schema": raw(name) })))
        .collect::<Map<_, _>>()
        .into()
}

fn operation_id(endpoint: &Endpoint) -> String {
    let path = endpoint.pattern.trim_start_matches("/api");
    let words = path
        .split(['/', '-', '{', '}', '.'])
        .filter(|w| !w.is_empty());
    let mut id = endpoint.method.as_str().to_lowercase();
    for word in words {
        id.push_str(&word[..1].to_uppercase());
        id.push_str(&word[1..]);
    }
    id
}

/// The content of an answer, by media type.
fn content(body: BodySpec, components: &mut Components) -> Value {
    let envelope = |data: Value| {
        json!({ "type": "object", "required": ["success", "data"], "properties": {
            "success": { "const": true }, "data": data,
        }})
    };
    match body {
        BodySpec::Data(schema) => {
            json!({ "application/json": { "schema": envelope(schema(components)) } })
        }
        BodySpec::Paged(schema) => {
            let items = json!({ "type": "array", "items": schema(components) });
            let mut schema = envelope(items);
            schema["properties"]["paging"] = json!({ "$ref": "#/components/schemas/Paging" });
            schema["required"] = json!(["success", "data", "paging"]);
            json!({ "application/json": { "schema": schema } })
        }
        BodySpec::Bare(schema) => json!({ "application/json": { "schema": schema(components) } }),
        BodySpec::Nothing => json!({}),
        BodySpec::Raw(media_type) => raw_content(&[media_type]),
        BodySpec::DataOr(schema, media_types) => {
            let mut all = raw_content(media_types);
            all["application/json"] = json!({ "schema": envelope(schema(components)) });
            all
        }
    }
}

fn responses(endpoint: &Endpoint, components: &mut Components) -> Value {
    let mut responses = Map::new();
    let output = endpoint.output;
    let success = json!({ "description": "Success", "content": content(output.body, components) });
    if output.repeatable {
        let mut again = success.clone();
        again["description"] = "The same request had been served before; this is its answer".into();
        responses.insert("200".into(), again);
    }
    responses.insert(output.status.as_u16().to_string(), success);
    if let Some(body) = output.accepted {
        let accepted = json!({ "description": "Accepted; the work continues after this response", "content": content(body, components) });
        responses.insert("202".into(), accepted);
    }
    for failures in endpoint.failures().chunk_by(|a, b| a.status == b.status) {
        let status = failures[0].status;
        let codes: Vec<String> = failures.iter().map(|f| format!("`{}`", f.code)).collect();
        let reason = status.canonical_reason().unwrap_or_default();
        responses.insert(
            status.as_u16().to_string(),
            json!({
                "description": format!("{reason}: {}.", codes.join(", ")),
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
            }),
        );
    }
    responses.into()
}
