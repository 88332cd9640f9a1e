//! What existing front ends do that nobody documented: other verbs, other names, numbers for ids, numbered pages, a path below
//! which everything is.

use schoolbell::model::users::Role;
use serde_json::{Value, json};

use crate::helpers::{Person, TestApp};

fn ids(list: &Value) -> Vec<&str> {
    let ids = list["data"].as_array().unwrap().iter();
    ids.map(|one| one["id"].as_str().unwrap()).collect()
}

async fn notified(t: &TestApp, user: &str, count: usize) {
    let key = t.key().await;
    for n in 0..count {
        let title = format!("{n}");
        let body = json!({ "userId": user, "type": "x", "title": title, "message": "m" });
        t.call("POST", "/api/notifications", &key, Some(body))
            .await
            .expect(201);
    }
}

async fn unread(who: &Person) -> (Value, Value) {
    let count = async |path: &str| who.get(path).await.expect(200)["data"].clone();
    let messages = count("/api/messages/unread-count").await;
    assert_eq!(messages["count"], messages["unreadCount"]);
    let notifications = count("/api/notifications/unread-count").await;
    assert_eq!(notifications["count"], notifications["unreadCount"]);
    (messages["count"].clone(), notifications["count"].clone())
}

#[tokio::test]
async fn a_message_goes_by_any_of_its_names() {
    let t = TestApp::new();
    let (ann, _) = t.pair().await;
    let seven = t.student("7").await;
    for (path, body) in [
        (
            "/api/messages",
            json!({ "receiverId": "7", "content": "x" }),
        ),
        ("/api/messages/", json!({ "receiverId": 7, "message": "x" })),
        (
            "/api/messages/send",
            json!({ "recipientId": 7, "text": "x" }),
        ),
        ("/api/v1/messages/send/", json!({ "to": 7, "content": "x" })),
        (
            "/api/v1/messages",
            json!({ "to": 7, "receiverId": "7", "content": "x", "text": "x", "type": "TEXT",
                    "attachments": [{ "url": "y" }], "subject": null }),
        ),
    ] {
        let sent = ann.post(path, body.clone()).await.expect(201);
        assert_eq!(sent["data"]["receiverId"], "7", "{body}");
        assert_eq!(sent["data"]["content"], "x", "{body}");
    }
    assert_eq!(unread(&seven).await.0, 5);
    let ignored = t.app.metrics.unknown_parameters.get();
    assert_eq!(ignored, 3, "type, attachments and subject");
    for (body, field) in [
        (
            json!({ "receiverId": "7", "to": "bob", "content": "x" }),
            "receiverId",
        ),
        (
            json!({ "receiverId": "7", "content": "x", "message": "y" }),
            "content",
        ),
        (
            json!({ "receiverId": 9_007_199_254_740_992_i64, "content": "x" }),
            "receiverId",
        ),
    ] {
        ann.post("/api/messages", body).await.invalid(field);
    }
    assert_eq!(unread(&seven).await.0, 5, "nothing was stored");
}

#[tokio::test]
async fn things_are_read_by_any_verb() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    for method in ["PUT", "PATCH", "POST"] {
        for root in ["/api", "/api/v1"] {
            bob.write(&ann, "x").await;
            notified(&t, "ann", 2).await;
            let list = ann.get("/api/notifications").await.expect(200);
            let path = format!("{root}/notifications/{}/read", ids(&list)[0]);
            let call = async |path: &str| t.call(method, path, &ann.token, None).await.expect(200);
            assert_eq!(call(&path).await["data"]["read"], true);
            call(&format!("{root}/messages/read/bob")).await;
            assert_eq!(unread(&ann).await, (json!(0), json!(1)));
            let all = ["mark-all-read", "read-all"][usize::from(root == "/api")];
            assert_eq!(
                call(&format!("{root}/notifications/{all}/")).await["data"],
                json!({ "updated": 1 })
            );
        }
    }
    let allowed = t
        .call("TRACE", "/api/notifications/read-all", "", None)
        .await;
    assert_eq!(allowed.headers["allow"], "PUT, PATCH, POST");
}

#[tokio::test]
async fn pages_are_numbered_within_the_newest_thousand() {
    let t = TestApp::with(|c| c.limits.enabled = false);
    let (ann, bob) = t.pair().await;
    for n in 0..7 {
        ann.write(&bob, &n.to_string()).await;
    }
    let history = async |query: &str| {
        let path = format!("/api/messages/conversation/ann?{query}");
        let list = bob.get(&path).await.expect(200);
        let contents = list["data"].as_array().unwrap().iter();
        let contents: String = contents.map(|m| m["content"].as_str().unwrap()).collect();
        (contents, list["paging"]["hasMore"].as_bool().unwrap())
    };
    for (query, contents, more) in [
        ("page=1&limit=3", "456", true),
        ("page=2&size=3", "123", true),
        ("page=3&pageSize=3", "0", false),
        ("page=4&itemsPerPage=3&t=99", "", false),
        ("skip=2&limit=4", "1234", true),
        ("offset=2&limit=5", "01234", false),
        ("page=4294967295&limit=3", "", false),
    ] {
        assert_eq!(history(query).await, (contents.into(), more), "{query}");
    }
    for (query, field) in [
        ("page=0", "page"),
        ("page=1&offset=1", "offset"),
        ("limit=5&size=6", "limit"),
    ] {
        bob.get(&format!("/api/messages/conversation/ann?{query}"))
            .await
            .invalid(field);
    }

    notified(&t, "ann", 5).await;
    let list = async |query: &str| {
        let list = ann.get(&format!("/api/notifications?{query}")).await;
        let list = list.expect(200);
        let titles = list["data"].as_array().unwrap().iter();
        titles
            .map(|n| n["title"].as_str().unwrap())
            .collect::<String>()
    };
    assert_eq!(list("page=1&limit=2").await, "43");
    assert_eq!(list("page=3&limit=2").await, "0");
    let newest = ann.get("/api/notifications?limit=1").await.expect(200);
    ann.put(&format!("/api/notifications/{}/read", ids(&newest)[0]))
        .await
        .expect(200);
    for unread in [
        "unread=true",
        "unreadOnly=true",
        "isRead=false",
        "read=false",
    ] {
        assert_eq!(list(unread).await, "3210", "{unread}");
    }
    for read in ["unread=false", "isRead=true", "read=true"] {
        assert_eq!(list(read).await, "4", "{read}");
    }
    assert_eq!(list("unreadOnly=false&limit=1000").await, "43210");
    ann.get("/api/notifications?unread=true&read=true")
        .await
        .invalid("unread");

    // The rest is reached by cursors.
    notified(&t, "bob", 3).await;
    let end = bob
        .get("/api/notifications?offset=999&limit=5")
        .await
        .expect(200);
    assert_eq!(end["paging"]["hasMore"], false);
    let people = async |query: &str| {
        let list = ann.get(&format!("/api/users?{query}")).await.expect(200);
        let of: Vec<String> = ids(&list).into_iter().map(str::to_owned).collect();
        (of.join(" "), list["paging"]["before"].clone())
    };
    for name in ["cleo", "dora", "emil"] {
        t.student(name).await;
    }
    let (first, cursor) = people("limit=2").await;
    assert_eq!(first, "bob cleo");
    let cursor = cursor.as_str().unwrap();
    assert_eq!(
        people(&format!("limit=2&before={cursor}")).await.0,
        "dora emil"
    );
    assert_eq!(people("page=2&size=2").await.0, "dora emil");
    for n in 0..3 {
        ann.write(&bob, &format!("needle {n}")).await;
    }
    let found = bob
        .get("/api/messages/search?q=needle&limit=2")
        .await
        .expect(200);
    let cursor = found["paging"]["before"].as_str().unwrap();
    let rest = bob
        .get(&format!(
            "/api/messages/search?q=needle&limit=2&before={cursor}"
        ))
        .await
        .expect(200);
    assert_eq!(rest["data"][0]["content"], "needle 0");
    assert_eq!(rest["paging"], json!({ "hasMore": false, "before": null }));
    let rest = bob
        .get("/api/messages/search?q=needle&limit=2&page=2")
        .await
        .expect(200);
    assert_eq!(rest["data"][0]["content"], "needle 0");
}

#[tokio::test]
async fn nothing_of_this_loosens_what_administrators_do() {
    let t = TestApp::new();
    let admin = t.person("admin", Role::Admin).await;
    admin
        .get("/api/v1/admin/people?size=5")
        .await
        .invalid("size");
    let body = json!({ "name": "x", "scopes": ["read"], "scope": "roster" });
    admin.post("/api/admin/keys/", body).await.invalid("scope");
    t.call("PATCH", "/api/admin/people/admin", &admin.token, None)
        .await
        .refused(405, "method_not_allowed");
}

/// Everything is below the path of `server.public_url` as well.
#[tokio::test]
async fn everything_is_below_a_path() {
    let t = TestApp::with(|c| c.server.public_url = "https://school.example/bell/".parse().ok());
    let admin = t.admin().await;
    let page = t.call("GET", "/bell/", "", None).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.text, t.call("GET", "/", "", None).await.text);
    for path in [
        "/bell/sw.js",
        "/bell/manifest.webmanifest",
        "/bell/admin/admin.js",
        "/bell/health",
        "/bell/api/v1/openapi.json/",
    ] {
        assert_eq!(t.call("GET", path, "", None).await.status, 200, "{path}");
    }
    for (path, to) in [("/bell", "bell/"), ("/bell/admin", "admin/")] {
        let answer = t.call("GET", path, "", None).await;
        assert_eq!(
            (answer.status, &answer.headers["location"]),
            (308, &to.parse().unwrap())
        );
    }
    for path in ["/bellow", "/bell/bell/health", "/other/health"] {
        let answer = t.call("GET", path, "", None).await;
        answer.refused(404, "route_not_found");
    }
    admin.get("/bell/api/auth/me").await.expect(200);
    let link = admin
        .post("/api/admin/people/admin/password-link", json!({}))
        .await
        .expect(201);
    let path = link["data"]["path"].as_str().unwrap();
    assert!(path.starts_with("/bell/password/#code="), "{path}");

    // The cookie is for that path, and no cookie of the whole host is taken for it.
    let own = [
        ("origin", "https://school.example"),
        ("host", "school.example"),
    ];
    let cookie = format!("__Secure-schoolbell_session={}", admin.token);
    let with = async |path: &str, cookie: &str| {
        let headers = [own[0], own[1], ("cookie", cookie)];
        t.raw("PUT", path, &headers, b"").await
    };
    let renewed = with("/bell/api/auth/session", &cookie).await;
    let set = renewed.headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(set.starts_with("__Secure-schoolbell_session="), "{set}");
    assert!(
        set.contains("; Path=/bell/;") && set.contains("; Secure"),
        "{set}"
    );
    let host = format!("__Host-schoolbell_session={}", admin.token);
    assert_eq!(with("/bell/api/auth/session", &host).await.status, 401);
    assert_eq!(with("/api/auth/session", &cookie).await.status, 401);
    let renewed = with("/api/auth/session", &host).await;
    let set = renewed.headers["set-cookie"].to_str().unwrap();
    assert!(
        set.starts_with("__Host-") && set.contains("; Path=/;"),
        "{set}"
    );
}
