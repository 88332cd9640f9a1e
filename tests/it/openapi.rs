//! The OpenAPI document says what the handlers do.

use schoolbell::api::{document, table};
use serde_json::Value;

use crate::helpers::TestApp;

#[tokio::test]
async fn it_is_served_and_names_every_route() {
    let t = TestApp::new();
    let served = t.call("GET", "/api/openapi.json", "", None).await;
    assert_eq!(served.headers["content-type"], "application/json");
    let document: Value = serde_json::from_str(&served.text).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    for endpoint in table() {
        let method = endpoint.method.as_str().to_lowercase();
        let operation = &document["paths"][endpoint.pattern][&method];
        assert!(
            operation["summary"].is_string(),
            "{method} {}",
            endpoint.pattern
        );
        assert!(!operation["responses"].as_object().unwrap().is_empty());
    }
}

/// What generators and linters of OpenAPI ask of a document.
#[test]
fn every_operation_is_grouped_described_and_secured() {
    let document = document();
    let tags = document["tags"].as_array().unwrap();
    let names: Vec<&str> = tags
        .iter()
        .map(|tag| tag["name"].as_str().unwrap())
        .collect();
    let mut used = std::collections::BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let tag = operation["tags"][0].as_str().unwrap();
            assert!(names.contains(&tag), "{method} {path}: {tag}");
            used.insert(tag.to_owned());
            assert!(operation["description"].is_string(), "{method} {path}");
            assert!(operation["security"].is_array(), "{method} {path}");
            let body = operation["requestBody"]["content"].as_object();
            let answers = operation["responses"].as_object().unwrap().values();
            let contents = answers.filter_map(|answer| answer["content"].as_object());
            for (media_type, content) in contents.chain(body).flatten() {
                assert_ne!(media_type, "*/*", "{method} {path}");
                assert!(
                    content["schema"].is_object(),
                    "{method} {path} {media_type}"
                );
            }
        }
    }
    assert_eq!(used.len(), names.len(), "{used:?}");
    assert_eq!(
        document["paths"]["/health"]["get"]["security"],
        serde_json::json!([])
    );
}

/// The contract's own list, by hand: a route that is dropped from the table is missed here.
#[test]
fn the_contracts_routes_are_all_there() {
    let contract = "
        POST /api/auth/setup
        POST /api/auth/login
        POST /api/auth/refresh
        POST /api/auth/logout-all
        POST /api/auth/password
        GET /api/auth/me
        GET /api/users
        POST /api/messages
        GET /api/messages/conversations
        GET /api/messages/conversation/{partnerId}
        PUT /api/messages/read/{partnerId}
        GET /api/messages/unread-count
        GET /api/messages/search
        GET /api/notifications
        GET /api/notifications/unread-count
        PUT /api/notifications/{id}/read
        PUT /api/notifications/mark-all-read
        DELETE /api/notifications/{id}
        POST /api/notifications
        GET /api/presence
        GET /api/openapi.json
        GET /health
        GET /metrics";
    let table: Vec<String> = table()
        .iter()
        .map(|e| format!("{} {}", e.method, e.pattern))
        .collect();
    for line in contract.lines().map(str::trim).filter(|l| !l.is_empty()) {
        assert!(table.iter().any(|route| route == line), "{line}");
    }
}

#[test]
fn every_reference_leads_somewhere_and_ids_are_unique() {
    let document = document();
    let mut ids = Vec::new();
    let mut stack = vec![&document];
    while let Some(value) = stack.pop() {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(target)) = map.get("$ref") {
                    let pointer = target.trim_start_matches('#');
                    assert!(document.pointer(pointer).is_some(), "{target}");
                }
                if let Some(Value::String(id)) = map.get("operationId") {
                    ids.push(id.clone());
                }
                stack.extend(map.values());
            }
            Value::Array(items) => stack.extend(items),
            _ => {}
        }
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), count), (table().len(), table().len()));
}

#[test]
fn the_schemas_have_the_contracts_fields() {
    let document = document();
    for (schema, fields) in [
        (
            "Message",
            "id seq senderId receiverId content read readAt createdAt clientId removed sender receiver",
        ),
        (
            "Notification",
            "id seq type title message link sender read readAt createdAt",
        ),
        (
            "User",
            "id username name avatar role online lastSeenAt can classes children phones duties notice",
        ),
        ("Conversation", "partner lastMessage unreadCount can muted"),
        ("Sent", "id recipients unknown"),
        ("Presence", "userId online lastSeenAt"),
        ("Error", "success code message details requestId"),
        ("SendMessage", "receiverId content clientId"),
        ("Audience", "all roles groups userIds except"),
    ] {
        let properties = &document["components"]["schemas"][schema]["properties"];
        let mut found: Vec<_> = properties
            .as_object()
            .unwrap_or_else(|| {
                panic!(
                    "{schema} is none of {:?}",
                    document["components"]["schemas"]
                        .as_object()
                        .unwrap()
                        .keys()
                        .collect::<Vec<_>>()
                )
            })
            .keys()
            .map(String::as_str)
            .collect();
        let mut wanted: Vec<_> = fields.split(' ').collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{schema}");
    }
}

/// Other spellings are the same route: they stand in its description, and not as routes of their own.
#[test]
fn other_spellings_are_described_and_no_paths_of_their_own() {
    let document = document();
    let told = |path: &str, method: &str| {
        let description = &document["paths"][path][method]["description"];
        description.as_str().unwrap_or_default().to_owned()
    };
    let send = told("/api/messages", "post");
    assert!(
        send.contains("compat: the same as `POST /api/messages/send`"),
        "{send}"
    );
    let read = told("/api/notifications/mark-all-read", "put");
    assert!(
        read.contains("`POST /api/notifications/read-all`"),
        "{read}"
    );
    assert!(document["paths"]["/api/messages/send"].is_null());
    let list = document["paths"]["/api/notifications"]["get"]["parameters"].as_array();
    let of = |name: &str| {
        let found = list.unwrap().iter().find(|p| p["name"] == name).unwrap();
        found["description"].as_str().unwrap_or_default().to_owned()
    };
    assert!(of("limit").contains("`pageSize`"), "{}", of("limit"));
    assert!(
        of("unread").contains("the opposite of `isRead`"),
        "{}",
        of("unread")
    );
    let people = &document["paths"]["/api/admin/people"]["get"];
    assert!(!people.to_string().contains("compat"), "{people}");
}
