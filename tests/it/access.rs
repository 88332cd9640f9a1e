//! Who may call what, for every line of the URL table: a new route is covered by being there.

use schoolbell::api::http::access::Access::{self, *};
use schoolbell::api::http::endpoint::Endpoint;
use schoolbell::api::table;
use schoolbell::model::users::Role;
use serde_json::json;

use crate::helpers::{TestApp, path_of};

/// Who may call what: said a second time, so that a route without a rule, or with another one, fails here.
#[rustfmt::skip]
const RULES: &[(&str, &str, Access)] = &[
    ("POST", "/api/auth/setup", Anyone),
    ("POST", "/api/auth/login", Anyone),
    ("GET", "/api/auth/methods", Anyone),
    ("GET", "/api/auth/oidc/start", Anyone),
    ("GET", "/api/auth/oidc/callback", Anyone),
    ("POST", "/api/auth/forgot", Anyone),
    ("POST", "/api/auth/refresh", Person),
    ("POST", "/api/auth/logout", Person),
    ("POST", "/api/auth/logout-all", Person),
    ("POST", "/api/auth/password", Person),
    ("GET", "/api/auth/me", Person),
    ("GET", "/api/users", Person),
    ("GET", "/api/users/{id}", Person),
    ("GET", "/api/presence", Person),
    ("POST", "/api/messages", Person),
    ("GET", "/api/messages/conversations", Person),
    ("GET", "/api/messages/conversation/{partnerId}", Person),
    ("PUT", "/api/messages/read/{partnerId}", Person),
    ("GET", "/api/messages/unread-count", Person),
    ("GET", "/api/messages/search", Person),
    ("GET", "/api/notifications", Person),
    ("POST", "/api/notifications", Sender),
    ("GET", "/api/notifications/unread-count", Person),
    ("PUT", "/api/notifications/mark-all-read", Person),
    ("GET", "/api/notifications/vapid-public-key", Anyone),
    ("POST", "/api/notifications/test-push", Person),
    ("POST", "/api/notifications/subscribe", Person),
    ("PUT", "/api/notifications/subscribe", Anyone),
    ("DELETE", "/api/notifications/subscribe", Person),
    ("GET", "/api/notifications/subscriptions", Person),
    ("DELETE", "/api/notifications/subscriptions/{id}", Person),
    ("GET", "/api/notifications/display", Person),
    ("GET", "/api/notifications/preferences", Person),
    ("PUT", "/api/notifications/preferences", Person),
    ("PUT", "/api/notifications/{id}/read", Person),
    ("DELETE", "/api/notifications/{id}", Person),
    ("POST", "/api/auth/session", Anyone),
    ("PUT", "/api/auth/session", Person),
    ("DELETE", "/api/auth/session", Anyone),
    ("GET", "/api/auth/confirm", Person),
    ("POST", "/api/auth/confirm", Person),
    ("GET", "/api/auth/second-factor", Person),
    ("POST", "/api/auth/second-factor", Person),
    ("PUT", "/api/auth/second-factor", Person),
    ("DELETE", "/api/auth/second-factor", Person),
    ("POST", "/api/auth/second-factor/recovery-codes", Person),
    ("DELETE", "/api/admin/people/{id}/second-factor", Admin),
    ("GET", "/api/auth/guardians", Person),
    ("PUT", "/api/auth/guardians/{id}", Person),
    ("GET", "/api/auth/sessions", Person),
    ("DELETE", "/api/auth/sessions/{id}", Person),
    ("POST", "/api/auth/password-link", Anyone),
    ("GET", "/api/admin/overview", Reader),
    ("GET", "/api/admin/checks", Admin),
    ("GET", "/api/admin/settings", Admin),
    ("PUT", "/api/admin/settings", Admin),
    ("GET", "/api/admin/people", Roster),
    ("POST", "/api/admin/people", Roster),
    ("GET", "/api/admin/people/{id}", Roster),
    ("PUT", "/api/admin/people/{id}", Roster),
    ("POST", "/api/admin/people/{id}/logout", Roster),
    ("POST", "/api/admin/people/{id}/password-link", Admin),
    ("GET", "/api/admin/people/{id}/identities", Admin),
    ("PUT", "/api/admin/people/{id}/identities", Admin),
    ("GET", "/api/admin/roster", Roster),
    ("POST", "/api/admin/roster/preview", Roster),
    ("POST", "/api/admin/roster", Roster),
    ("GET", "/api/admin/roster/{digest}", Roster),
    ("GET", "/api/admin/groups", Roster),
    ("POST", "/api/admin/groups", Roster),
    ("PUT", "/api/admin/groups/{id}", Roster),
    ("DELETE", "/api/admin/groups/{id}", Roster),
    ("GET", "/api/admin/groups/{id}/members", Roster),
    ("PUT", "/api/admin/groups/{id}/members", Roster),
    ("POST", "/api/auth/password-link/user", Anyone),
    ("POST", "/api/admin/people/links", Admin),
    ("POST", "/api/admin/roster/columns", Roster),
    ("GET", "/api/admin/roster.zip", Roster),
    ("GET", "/api/admin/people/{id}/guardians", Roster),
    ("PUT", "/api/admin/people/{id}/guardians", Roster),
    ("GET", "/api/admin/people/{id}/children", Roster),
    ("PUT", "/api/admin/people/{id}/children", Roster),
    ("GET", "/api/users/blocked", Person),
    ("PUT", "/api/users/{id}/block", Person),
    ("DELETE", "/api/users/{id}/block", Person),
    ("PUT", "/api/messages/mute/{partnerId}", Person),
    ("DELETE", "/api/messages/mute/{partnerId}", Person),
    ("GET", "/api/admin/people/{id}/export", Admin),
    ("GET", "/api/policy/explain", Oversight),
    ("DELETE", "/api/messages/{id}", Person),
    ("POST", "/api/messages/{id}/report", Person),
    ("GET", "/api/safeguarding/leads", Oversight),
    ("POST", "/api/safeguarding/leads/{id}/confirm", Lead),
    ("GET", "/api/safeguarding/reports", Lead),
    ("GET", "/api/safeguarding/reports/{id}", Lead),
    ("PUT", "/api/safeguarding/reports/{id}", Lead),
    ("GET", "/api/safeguarding/reports/{id}/export", Lead),
    ("GET", "/api/safeguarding/reviews", Oversight),
    ("POST", "/api/safeguarding/reviews", Lead),
    ("POST", "/api/safeguarding/reviews/{id}/approve", Oversight),
    ("GET", "/api/safeguarding/reviews/{id}/messages", Lead),
    ("POST", "/api/safeguarding/reviews/{id}/tell", Lead),
    ("GET", "/api/safeguarding/holds", Lead),
    ("POST", "/api/safeguarding/holds", Lead),
    ("DELETE", "/api/safeguarding/holds/{id}", Lead),
    ("GET", "/api/safeguarding/no-contact", Lead),
    ("POST", "/api/safeguarding/no-contact", Lead),
    ("DELETE", "/api/safeguarding/no-contact/{id}", Lead),
    ("GET", "/api/safeguarding/audit", Lead),
    ("GET", "/api/admin/audit/verify", Oversight),
    ("GET", "/api/admin/policy", Admin),
    ("PUT", "/api/admin/policy", Admin),
    ("POST", "/api/admin/policy/preview", Admin),
    ("GET", "/api/admin/policy/presets", Admin),
    ("GET", "/api/admin/policy/file", Admin),
    ("POST", "/api/admin/policy/file", Admin),
    ("GET", "/api/admin/announcements", Reader),
    ("POST", "/api/admin/announcements", Admin),
    ("POST", "/api/admin/announcements/audience", Admin),
    ("GET", "/api/admin/announcements/{id}", Reader),
    ("DELETE", "/api/admin/announcements/{id}", Admin),
    ("GET", "/api/admin/announcements/{id}/recipients", Reader),
    ("GET", "/api/admin/announcements/{id}/recipients.csv", Reader),
    ("POST", "/api/admin/announcements/{id}/remind", Admin),
    ("GET", "/api/admin/keys", Admin),
    ("POST", "/api/admin/keys", Admin),
    ("DELETE", "/api/admin/keys/{id}", Admin),
    ("GET", "/api/admin/audit", Admin),
    ("GET", "/api/admin/backups", Admin),
    ("POST", "/api/admin/backups", Admin),
    ("GET", "/api/admin/backups/{name}", Admin),
    ("DELETE", "/api/admin/backups/{name}", Admin),
    ("GET", "/api/admin/push", Reader),
    ("GET", "/api/admin/mail", Admin),
    ("POST", "/api/admin/mail/test", Admin),
    ("GET", "/api/openapi.json", Anyone),
    ("GET", "/health", Anyone),
    ("GET", "/metrics", Local),
];

#[test]
fn every_route_has_the_rule_that_was_meant_for_it() {
    let table = table();
    let found: Vec<_> = table
        .iter()
        .map(|e| (e.method.as_str(), e.pattern, e.access))
        .collect();
    for rule in &found {
        assert!(RULES.contains(rule), "{rule:?} has no rule");
    }
    assert_eq!(
        found.len(),
        RULES.len(),
        "a rule is for a route that is not there"
    );
}

/// Every line of the table by every method and path that it is served at, with an id in the place of each parameter.
fn spellings() -> Vec<(Endpoint, String, String)> {
    let mut all = Vec::new();
    for endpoint in table() {
        for (method, pattern) in endpoint.spellings() {
            let path = path_of(pattern, "x");
            let mut paths = vec![path.clone(), format!("{path}/")];
            paths.extend(path.strip_prefix("/api/").map(|p| format!("/api/v1/{p}")));
            for path in paths {
                all.push((endpoint.clone(), method.to_string(), path));
            }
        }
    }
    all
}

/// What stands for another's and for nobody's must look the same: neither says which it is.
#[tokio::test]
async fn what_is_another_persons_is_not_there() {
    let (t, service) = TestApp::with_push().await;
    let (ann, bob) = t.pair().await;
    let key = t.key().await;
    let body = json!({ "userId": "bob", "type": "x", "title": "t", "message": "m" });
    t.call("POST", "/api/notifications", &key, Some(body))
        .await
        .expect(201);
    let list = bob.get("/api/notifications").await.expect(200);
    let notification = list["data"][0]["id"].as_str().unwrap().to_owned();
    t.subscribe(&service, &bob, "phone").await;
    let list = bob
        .get("/api/notifications/subscriptions")
        .await
        .expect(200);
    let device = list["data"][0]["id"].as_str().unwrap().to_owned();
    bob.post("/api/auth/refresh", json!({})).await.expect(200);
    let list = bob.get("/api/auth/sessions").await.expect(200);
    let session = list["data"][0]["id"].as_str().unwrap().to_owned();
    let disabled = t.student("carl").await;
    let dora = t.student("dora").await;
    let between = dora.write(&bob, "between us").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    schoolbell::service::users::set_disabled(&t.app, &disabled.user, true)
        .await
        .unwrap();
    let nobody = "0190a0b0-c0d0-7000-8000-00000000000a";
    let personal = |access| matches!(access, Access::Person | Access::Sender);
    for endpoint in table()
        .iter()
        .filter(|e| personal(e.access) && e.pattern.contains('{'))
    {
        let (theirs, none) = match endpoint.pattern {
            "/api/notifications/{id}/read" | "/api/notifications/{id}" => {
                (notification.as_str(), nobody)
            }
            "/api/notifications/subscriptions/{id}" => (device.as_str(), nobody),
            "/api/auth/sessions/{id}" => (session.as_str(), nobody),
            // People are there for everybody, unless they are shut out.
            "/api/users/{id}" | "/api/users/{id}/block" | "/api/messages/mute/{partnerId}" => {
                ("carl", "nobody")
            }
            "/api/messages/{id}" => (between.as_str(), nobody),
            // It asks for a body first.
            "/api/messages/{id}/report" => continue,
            // Whose guardian is nobody of the caller's.
            "/api/auth/guardians/{id}" => continue,
            // Whoever wrote to the disabled may read it; there is nothing to read of others' conversations here.
            "/api/messages/conversation/{partnerId}" | "/api/messages/read/{partnerId}" => continue,
            other => panic!("{other}: say whose the id is"),
        };
        let mut answers = Vec::new();
        for id in [theirs, none] {
            let path = path_of(endpoint.pattern, id);
            let answer = t
                .call(endpoint.method.as_str(), &path, &ann.token, None)
                .await;
            let mut body = answer.expect(404);
            body.as_object_mut().unwrap().remove("requestId");
            answers.push(body);
        }
        assert_eq!(answers[0], answers[1], "{}", endpoint.pattern);
    }
    // And it is still there for whom it is.
    bob.put(&format!("/api/notifications/{notification}/read"))
        .await
        .expect(200);
    bob.delete(&format!("/api/notifications/subscriptions/{device}"))
        .await
        .expect(200);
}

/// A script, a text that runs the other way, and a letter of four bytes.
const HOSTILE: &str = "<script>alert(1)</script> \u{202e}abc\u{202c} 🦉";
/// The same for names and titles, which hold nothing that turns them around.
const LINE: &str = "<script>alert(1)</script> abc 🦉";

#[tokio::test]
async fn every_text_comes_back_as_it_was_sent() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let admin = t.admin().await;
    assert_eq!(ann.write(&bob, HOSTILE).await["content"], HOSTILE);
    let list = bob.get("/api/messages/conversations").await.expect(200);
    assert_eq!(list["data"][0]["lastMessage"]["content"], HOSTILE);

    let body = json!({ "userId": "bob", "type": "x", "title": LINE, "message": HOSTILE });
    admin.post("/api/notifications", body).await.expect(201);
    let list = bob.get("/api/notifications").await.expect(200);
    assert_eq!(list["data"][0]["title"], LINE);
    assert_eq!(list["data"][0]["message"], HOSTILE);

    let body = json!({ "title": LINE, "message": HOSTILE, "audience": { "userIds": ["bob"] } });
    let made = admin
        .post("/api/admin/announcements", body)
        .await
        .expect(201);
    let path = format!(
        "/api/admin/announcements/{}",
        made["data"]["id"].as_str().unwrap()
    );
    assert_eq!(admin.get(&path).await.expect(200)["data"]["title"], LINE);

    let body = json!({ "name": LINE, "kind": "class" });
    admin.post("/api/admin/groups", body).await.expect(201);
    let list = admin.get("/api/admin/groups").await.expect(200);
    assert_eq!(list["data"][0]["name"], LINE);

    let body = json!({ "username": "zoe", "name": LINE, "role": "student" });
    admin.post("/api/admin/people", body).await.expect(201);
    let found = ann.get("/api/users?search=script").await.expect(200);
    assert_eq!(found["data"][0]["name"], LINE);

    let body = json!({ "name": LINE, "scopes": ["read"] });
    admin.post("/api/admin/keys", body).await.expect(201);
    let list = admin.get("/api/admin/keys").await.expect(200);
    assert_eq!(list["data"][0]["name"], LINE);

    let file = format!("username,name,role,groups\nyves,{LINE},student,{LINE}\n");
    let plan = admin
        .post_csv("/api/admin/roster/preview", file.as_bytes())
        .await
        .expect(200);
    let digest = plan["data"]["digest"].as_str().unwrap();
    let path = format!("/api/admin/roster?digest={digest}");
    admin.post_csv(&path, file.as_bytes()).await.expect(200);
    let people = admin.get("/api/admin/people?search=yves").await.expect(200);
    assert_eq!(people["data"][0]["name"], LINE);
    assert_eq!(people["data"][0]["groups"][0]["name"], LINE);
}

#[tokio::test]
async fn without_a_token_only_the_open_routes_answer() {
    let t = TestApp::new();
    for (endpoint, method, path) in spellings() {
        let answer = t.call(&method, &path, "", None).await;
        match endpoint.access {
            Access::Anyone => assert_ne!(answer.status, 401, "{path}"),
            Access::Local => drop(answer.refused(403, "remote_not_allowed")),
            Access::Person
            | Access::Admin
            | Access::Roster
            | Access::Reader
            | Access::Oversight
            | Access::Lead
            | Access::Sender => {
                answer.refused(401, "token_missing");
            }
        }
        if !matches!(endpoint.access, Access::Anyone | Access::Local) {
            let answer = t.call(&method, &path, "x.y.z", None).await;
            answer.refused(401, "token_invalid");
        }
    }
}

#[tokio::test]
async fn each_role_gets_through_where_the_table_says_so_and_nowhere_else() {
    let t = TestApp::new();
    for role in Role::ALL {
        let person = t.person(role.as_str(), role).await;
        for (endpoint, method, path) in spellings() {
            // It would end the token that the next route needs; a cookie is for our own pages only.
            let own_rules = [
                "/api/auth/logout",
                "/api/auth/logout-all",
                "/api/auth/session",
            ];
            if own_rules.contains(&endpoint.pattern) {
                continue;
            }
            t.confirm(&person.token).await;
            let answer = t.call(&method, &path, &person.token, None).await;
            let sender = matches!(role, Role::Admin | Role::Staff | Role::Teacher);
            let may = match endpoint.access {
                Access::Anyone | Access::Person => true,
                Access::Admin | Access::Roster | Access::Reader | Access::Oversight => {
                    role == Role::Admin
                }
                Access::Sender => sender,
                // None of them is a safeguarding lead.
                Access::Lead | Access::Local => false,
            };
            let through = answer.status != 401 && answer.status != 403;
            // A body that is missing is noticed after the rule; log-in and set-up have rules of their own.
            assert_eq!(through, may, "{role} {path}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn api_keys_get_through_where_the_table_says_so_and_nowhere_else() {
    let t = TestApp::new();
    let key = t.key().await;
    for (endpoint, method, path) in spellings() {
        // A cookie is for our own pages only.
        if endpoint.pattern == "/api/auth/session" {
            continue;
        }
        let answer = t.call(&method, &path, &key, None).await;
        match endpoint.access {
            Access::Person | Access::Admin | Access::Oversight | Access::Lead => {
                answer.refused(403, "api_key_not_allowed");
            }
            Access::Roster | Access::Reader => drop(answer.refused(403, "scope_missing")),
            Access::Sender => assert_eq!(answer.status, 415, "{path}"),
            Access::Anyone => assert_ne!(answer.status, 403, "{path}"),
            Access::Local => drop(answer.refused(403, "remote_not_allowed")),
        }
    }
}

#[tokio::test]
async fn cors_answers_the_configured_origins_with_credentials() {
    let origin = "http://localhost:5173";
    let t = TestApp::with(|c| c.server.cors_origins = vec![origin.parse().unwrap()]);
    let preflight = |origin: &'static str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "authorization,content-type,x-app-version",
            ),
        ];
        let t = &t;
        async move { t.raw("OPTIONS", "/api/messages", &headers, b"").await }
    };
    let allowed = preflight(origin).await;
    assert_eq!(allowed.status, 204);
    let header = |a: &crate::helpers::Answer, name: &str| {
        a.headers.get(name).map(|v| v.to_str().unwrap().to_owned())
    };
    assert_eq!(
        header(&allowed, "access-control-allow-origin").as_deref(),
        Some(origin)
    );
    assert_eq!(
        header(&allowed, "access-control-allow-credentials").as_deref(),
        Some("true")
    );
    assert_eq!(
        header(&allowed, "access-control-allow-headers").as_deref(),
        Some("authorization,content-type,x-app-version")
    );
    assert_eq!(
        header(&allowed, "access-control-allow-methods").as_deref(),
        Some("GET, POST, PUT, PATCH, DELETE")
    );
    let other = preflight("https://evil.example").await;
    assert_eq!(header(&other, "access-control-allow-origin"), None);
    assert_eq!(other.status, 405);
    // An error is readable by the page as well.
    let failed = t
        .raw("GET", "/api/auth/me", &[("origin", origin)], b"")
        .await;
    assert_eq!(failed.status, 401);
    assert_eq!(
        header(&failed, "access-control-allow-origin").as_deref(),
        Some(origin)
    );
    assert!(header(&failed, "vary").unwrap().contains("origin"));
}

#[tokio::test]
async fn unknown_paths_and_methods_have_the_contracts_shape() {
    let t = TestApp::new();
    t.call("GET", "/api/nothing", "", None)
        .await
        .refused(404, "route_not_found");
    t.call("GET", "/api", "", None)
        .await
        .refused(404, "route_not_found");
    t.call("POST", "/api/messages/unread-count/x", "", None)
        .await
        .refused(404, "route_not_found");
    t.call("GET", "/nothing.html", "", None)
        .await
        .refused(404, "route_not_found");
    let answer = t.call("PATCH", "/api/messages", "", None).await;
    assert_eq!(answer.headers["allow"], "POST");
    answer.refused(405, "method_not_allowed");
    let answer = t.call("POST", "/ws", "", None).await;
    assert_eq!(answer.headers["allow"], "GET");
    let answer = t.call("GET", "/admin", "", None).await;
    assert_eq!(
        (answer.status, &answer.headers["location"]),
        (308, &"admin/".parse().unwrap())
    );
    let answer = t
        .call(
            "POST",
            "/api/notifications/unread-count",
            "",
            Some(json!({})),
        )
        .await;
    answer.refused(405, "method_not_allowed");
}

#[tokio::test]
async fn every_answer_carries_a_request_id_and_takes_a_sane_one() {
    let t = TestApp::new();
    let id = |a: &crate::helpers::Answer| a.headers["x-request-id"].to_str().unwrap().to_owned();
    let (a, b) = (
        t.call("GET", "/", "", None).await,
        t.call("GET", "/health", "", None).await,
    );
    assert_ne!(id(&a), id(&b));
    let given = t
        .raw("GET", "/health", &[("x-request-id", "proxy-1.a")], b"")
        .await;
    assert_eq!(id(&given), "proxy-1.a");
    let odd = t
        .raw("GET", "/health", &[("x-request-id", "a b")], b"")
        .await;
    assert_ne!(id(&odd), "a b");
}

#[tokio::test]
async fn a_get_route_answers_head() {
    let t = TestApp::new();
    assert_eq!(t.call("HEAD", "/health", "", None).await.status, 200);
    assert_eq!(t.call("HEAD", "/", "", None).await.status, 200);
}

#[tokio::test]
async fn the_start_page_says_what_this_is_and_files_do_not_leak() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("own.txt"), "ours").unwrap();
    std::fs::write(folder.path().join(".secret"), "no").unwrap();
    let static_dir = folder.path().to_owned();
    let t = TestApp::with(|c| c.server.static_dir = static_dir.clone());
    let page = t.call("GET", "/", "", None).await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(
        page.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("default-src 'self'")
    );
    assert!(page.text.contains("api/openapi.json"));
    assert_eq!(t.call("GET", "/own.txt", "", None).await.text, "ours");
    for path in [
        "/.secret",
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/..%2fCargo.toml",
        "//etc/passwd",
        "/%00",
        "/own.txt/",
    ] {
        assert_eq!(t.call("GET", path, "", None).await.status, 404, "{path}");
    }
}
