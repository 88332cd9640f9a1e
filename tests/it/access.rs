//! Who may call what, for every line of the URL table: a new route is covered by being there.

use schoolbell::api::{endpoint::Access, table};
use schoolbell::model::users::Role;
use serde_json::json;

use crate::helpers::{TestApp, path_of};

#[tokio::test]
async fn without_a_token_only_the_open_routes_answer() {
    let t = TestApp::new();
    for endpoint in table() {
        let path = path_of(endpoint.pattern, "x");
        let answer = t.call(endpoint.method.as_str(), &path, "", None).await;
        match endpoint.access {
            Access::Anyone => assert_ne!(answer.status, 401, "{path}"),
            Access::Local => drop(answer.refused(403, "remote_not_allowed")),
            Access::Person | Access::Admin | Access::Roster | Access::Reader | Access::Sender => {
                answer.refused(401, "token_missing");
            }
        }
        if !matches!(endpoint.access, Access::Anyone | Access::Local) {
            let answer = t.call(endpoint.method.as_str(), &path, "x.y.z", None).await;
            answer.refused(401, "token_invalid");
        }
    }
}

#[tokio::test]
async fn each_role_gets_through_where_the_table_says_so_and_nowhere_else() {
    let t = TestApp::new();
    for role in Role::ALL {
        let person = t.person(role.as_str(), role).await;
        for endpoint in table() {
            // It would end the token that the next route needs; a cookie is for our own pages only.
            let own_rules = ["/api/auth/logout-all", "/api/auth/session"];
            if own_rules.contains(&endpoint.pattern) {
                continue;
            }
            let path = path_of(endpoint.pattern, "x");
            let answer = t
                .call(endpoint.method.as_str(), &path, &person.token, None)
                .await;
            let sender = matches!(role, Role::Admin | Role::Staff | Role::Teacher);
            let may = match endpoint.access {
                Access::Anyone | Access::Person => true,
                Access::Admin | Access::Roster | Access::Reader => role == Role::Admin,
                Access::Sender => sender,
                Access::Local => false,
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
    for endpoint in table() {
        // A cookie is for our own pages only.
        if endpoint.pattern == "/api/auth/session" {
            continue;
        }
        let path = path_of(endpoint.pattern, "x");
        let answer = t.call(endpoint.method.as_str(), &path, &key, None).await;
        match endpoint.access {
            Access::Person | Access::Admin => drop(answer.refused(403, "api_key_not_allowed")),
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
    let t = TestApp::with(|c| c.server.cors_origins = vec![origin.into()]);
    let preflight = |origin: &'static str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "authorization,content-type",
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
    assert!(
        header(&allowed, "access-control-allow-headers")
            .unwrap()
            .contains("authorization")
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
        (308, &"/admin/".parse().unwrap())
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
    assert!(page.text.contains("/api/openapi.json"));
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
