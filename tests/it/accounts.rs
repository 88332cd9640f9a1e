//! What administrators do with people, groups and keys, and what the audit log says of it.

use schoolbell::model::accounts::AccountChange;
use schoolbell::model::audit::AuditActor;
use schoolbell::model::keys::Scope;
use schoolbell::model::users::Role;
use schoolbell::service::{accounts, users};
use serde_json::{Value, json};

use crate::helpers::{PASSWORD, Person, TestApp};

async fn actions(admin: &Person) -> Vec<String> {
    let log = admin.get("/api/admin/audit").await.expect(200);
    let lines = log["data"].as_array().unwrap().iter();
    lines
        .map(|line| {
            format!(
                "{} {}",
                line["action"].as_str().unwrap(),
                line["target"].as_str().unwrap()
            )
        })
        .collect()
}

#[tokio::test]
async fn a_user_is_added_changed_and_found() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let group = json!({ "id": "7a", "name": "Class 7a", "kind": "class" });
    admin.post("/api/admin/groups", group).await.expect(201);
    let body = json!({ "id": "zoe", "username": "zoe", "name": "Zoé Ångström", "email": "zoe@school.edu",
                       "role": "student", "groups": ["7a"] });
    let added = admin.post("/api/admin/people", body).await.expect(201);
    assert_eq!(
        added["data"]["groups"],
        json!([{ "id": "7a", "name": "Class 7a" }])
    );
    assert_eq!(added["data"]["hasPassword"], false);

    for (query, found) in [
        ("search=zoe", 1),
        ("search=angstr", 1),
        ("search=nobody", 0),
        ("role=student", 1),
        ("role=teacher", 0),
        ("group=7a", 1),
        ("group=7b", 0),
        ("disabled=true", 0),
        ("disabled=false", 2),
    ] {
        let list = admin
            .get(&format!("/api/admin/people?{query}"))
            .await
            .expect(200);
        assert_eq!(list["data"].as_array().unwrap().len(), found, "{query}");
    }

    let change = json!({ "name": "Zoé Berg", "email": "", "role": "teacher", "groups": [], "disabled": true });
    let changed = admin
        .put_json("/api/admin/people/zoe", change)
        .await
        .expect(200);
    let zoe = &changed["data"];
    assert_eq!(
        (&zoe["name"], &zoe["email"]),
        (&json!("Zoé Berg"), &Value::Null)
    );
    assert_eq!(
        (&zoe["role"], &zoe["disabled"]),
        (&json!("teacher"), &json!(true))
    );
    assert_eq!(
        (&zoe["groups"], &zoe["username"]),
        (&json!([]), &json!("zoe"))
    );
    let list = admin.get("/api/admin/people?search=berg").await.expect(200);
    assert_eq!(list["data"][0]["id"], "zoe");
    assert_eq!(
        actions(&admin).await,
        [
            "person.disable zoe",
            "person.change zoe",
            "person.add zoe",
            "group.add 7a"
        ]
    );
}

#[tokio::test]
async fn bad_people_are_refused_by_the_field() {
    let t = TestApp::new();
    let admin = t.admin().await;
    t.student("ann").await;
    let person = |change: Value| {
        let mut body = json!({ "username": "eve", "name": "Eve", "role": "student" });
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        body
    };
    for (change, field) in [
        (json!({ "username": "a b" }), "username"),
        (json!({ "username": "" }), "username"),
        (json!({ "name": " " }), "name"),
        (json!({ "email": "nowhere" }), "email"),
        (json!({ "role": "wizard" }), "role"),
        (json!({ "groups": ["nowhere"] }), "groups"),
        (json!({ "id": "a b" }), "id"),
    ] {
        admin
            .post("/api/admin/people", person(change))
            .await
            .invalid(field);
    }
    admin
        .post("/api/admin/people", person(json!({ "username": "ANN" })))
        .await
        .refused(409, "username_taken");
    admin
        .post("/api/admin/people", person(json!({ "id": "ann" })))
        .await
        .refused(409, "user_id_taken");
    // Nothing of all that was kept.
    let people = admin.get("/api/admin/people").await.expect(200);
    assert_eq!(people["data"].as_array().unwrap().len(), 2);
    assert!(actions(&admin).await.is_empty());
    let missing = admin
        .put_json("/api/admin/people/nobody", json!({ "name": "X" }))
        .await;
    missing.refused(404, "user_not_found");
}

#[tokio::test]
async fn an_administrator_always_remains() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let second = t.person("second", Role::Admin).await;
    let own = "/api/admin/people/admin";
    admin
        .put_json(own, json!({ "disabled": true }))
        .await
        .invalid("disabled");
    admin
        .put_json(own, json!({ "role": "teacher" }))
        .await
        .invalid("role");
    second
        .put_json(own, json!({ "role": "teacher" }))
        .await
        .expect(200);
    admin
        .get("/api/admin/people")
        .await
        .refused(403, "role_not_allowed");
    // Two who demote each other at the same time: the later one is refused.
    let change = AccountChange {
        disabled: Some(true),
        ..AccountChange::default()
    };
    let by = AuditActor::command_line();
    let last = accounts::change(&t.app, by, second.user.id().clone(), change).await;
    assert_eq!(last.unwrap_err().details()[0].field, "disabled");
    second.get("/api/admin/people").await.expect(200);
    let key = t.key_for(Scope::Roster).await;
    let promote = Some(json!({ "role": "admin" }));
    let promoted = t.call("PUT", own, &key, promote).await;
    promoted.invalid("role");
}

#[tokio::test]
async fn who_is_shut_out_or_demoted_loses_their_sockets_at_once() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let ann = t.student("ann").await;
    let other = t.person("other", Role::Admin).await;
    let (mut socket, _) = ann.connect().await;
    admin
        .put_json("/api/admin/people/ann", json!({ "disabled": true }))
        .await
        .expect(200);
    assert_eq!(socket.closed().await, 4503);
    ann.get("/api/auth/me").await.refused(401, "user_disabled");

    let (mut socket, _) = other.connect().await;
    admin
        .put_json("/api/admin/people/other", json!({ "role": "staff" }))
        .await
        .expect(200);
    // They may come back, as what they are now.
    assert_eq!(socket.closed().await, 4000);

    admin
        .put_json("/api/admin/people/ann", json!({ "disabled": false }))
        .await
        .expect(200);
    ann.get("/api/auth/me").await.refused(401, "token_revoked");
    let ann = t.again(&ann).await;
    let (mut socket, _) = ann.connect().await;
    admin
        .post("/api/admin/people/ann/logout", json!({}))
        .await
        .expect(200);
    assert_eq!(socket.closed().await, 4503);
    ann.get("/api/auth/me").await.refused(401, "token_revoked");
}

#[tokio::test]
async fn a_password_link_works_once_and_for_three_days() {
    let t = TestApp::new();
    let admin = t.admin().await;
    t.student("ann").await;
    let link = async || {
        let made = admin
            .post("/api/admin/people/ann/password-link", json!({}))
            .await
            .expect(201);
        let path = made["data"]["path"].as_str().unwrap().to_owned();
        path.strip_prefix("/password/#code=").unwrap().to_owned()
    };
    let set = async |code: &str, password: &str| {
        let body = json!({ "code": code, "password": password });
        t.call("POST", "/api/auth/password-link", "", Some(body))
            .await
    };
    let login = async |password: &str| {
        let body = json!({ "username": "ann", "password": password });
        t.call("POST", "/api/auth/login", "", Some(body)).await
    };
    let first = link().await;
    let second = link().await;
    set(&first, PASSWORD)
        .await
        .refused(401, "password_link_invalid");
    set(&second, "short").await.invalid("password");
    set(&second, PASSWORD).await.expect(200);
    login(PASSWORD).await.expect(200);
    set(&second, "another heron on a kettle")
        .await
        .refused(401, "password_link_invalid");
    login(PASSWORD).await.expect(200);

    let third = link().await;
    t.clock
        .advance(std::time::Duration::from_secs(3 * 24 * 3_600));
    set(&third, PASSWORD)
        .await
        .refused(401, "password_link_invalid");
    assert_eq!(
        actions(&admin).await,
        [
            "password.link ann",
            "password.set ann",
            "password.link ann",
            "password.link ann"
        ]
    );
}

#[tokio::test]
async fn groups_and_their_members() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let (ann, bob) = t.pair().await;
    let made = admin
        .post(
            "/api/admin/groups",
            json!({ "name": "Chess", "kind": "club" }),
        )
        .await
        .expect(201);
    let path = format!("/api/admin/groups/{}", made["data"]["id"].as_str().unwrap());
    let members = format!("{path}/members");
    let both = json!({ "add": [ann.id(), bob.id()] });
    let changed = admin.put_json(&members, both.clone()).await.expect(200);
    assert_eq!(
        changed["data"],
        json!({ "added": 2, "changed": 0, "removed": 0 })
    );
    let again = json!({ "add": [ann.id()], "remove": [bob.id()] });
    let changed = admin.put_json(&members, again).await.expect(200);
    assert_eq!(
        changed["data"],
        json!({ "added": 0, "changed": 0, "removed": 1 })
    );
    let unknown = json!({ "add": [bob.id(), "nobody"] });
    admin
        .put_json(&members, unknown)
        .await
        .refused(404, "user_not_found");
    admin
        .put_json(&path, json!({ "name": "Chess club" }))
        .await
        .expect(200);
    let list = admin.get("/api/admin/groups").await.expect(200);
    assert_eq!(list["data"][0]["name"], "Chess club");
    assert_eq!(list["data"][0]["members"], 1, "all or none");
    assert_eq!(list["data"][0]["kind"], "club");
    admin.delete(&path).await.expect(200);
    admin.delete(&path).await.refused(404, "group_not_found");
}

#[tokio::test]
async fn keys_are_shown_once_used_by_scope_and_revoked_at_once() {
    let t = TestApp::new();
    let admin = t.admin().await;
    admin
        .post("/api/admin/keys", json!({ "name": "x", "scopes": [] }))
        .await
        .invalid("scopes");
    let body = json!({ "name": "timetable", "scopes": ["roster"] });
    let made = admin.post("/api/admin/keys", body).await.expect(201);
    let key = made["data"]["key"].as_str().unwrap();
    let call = async |method: &str, path: &str| t.call(method, path, key, None).await;
    call("GET", "/api/admin/people").await.expect(200);
    call("GET", "/api/admin/overview")
        .await
        .refused(403, "scope_missing");
    call("GET", "/api/admin/keys")
        .await
        .refused(403, "api_key_not_allowed");
    let body = json!({ "username": "zoe", "name": "Zoe", "role": "student" });
    t.call("POST", "/api/admin/people", key, Some(body))
        .await
        .expect(201);

    let list = admin.get("/api/admin/keys").await;
    assert!(!list.text.contains(key), "the secret is nowhere");
    let listed = &list.expect(200)["data"][0];
    assert_eq!(listed["scopes"], json!(["roster"]));
    assert!(listed["lastUsedAt"].is_string());
    let path = format!("/api/admin/keys/{}", made["data"]["id"].as_str().unwrap());
    admin.delete(&path).await.expect(200);
    admin.delete(&path).await.refused(404, "api_key_not_found");
    call("GET", "/api/admin/people")
        .await
        .refused(401, "token_invalid");

    let reader = t.key_for(Scope::Read).await;
    t.call("GET", "/api/admin/overview", &reader, None)
        .await
        .expect(200);
    t.call("GET", "/api/admin/people", &reader, None)
        .await
        .refused(403, "scope_missing");
    let log = admin
        .get("/api/admin/audit?action=person.add")
        .await
        .expect(200);
    assert_eq!(log["data"][0]["actorName"], "timetable");
}

#[tokio::test]
async fn the_audit_log_is_not_edited_and_says_from_where() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let body = json!({ "name": "Chess", "kind": "club" });
    let response = reqwest_post(&t, &admin, "/api/admin/groups", &body).await;
    assert_eq!(response, 201);
    let log = admin.get("/api/admin/audit").await.expect(200);
    assert_eq!(log["data"][0]["address"], "127.0.0.1");
    assert_eq!(log["data"][0]["actor"], "user:admin");
    assert_eq!(log["data"][0]["actorName"], "admin of the school");
    for sql in ["UPDATE audit SET actor = 'x'", "DELETE FROM audit"] {
        let refused = rusqlite::Connection::open(t.app.store.path())
            .unwrap()
            .execute(sql, [])
            .unwrap_err();
        assert!(refused.to_string().contains("audit log"), "{refused}");
    }
    assert_eq!(actions(&admin).await.len(), 1);
}

/// Over a real connection, which has an address.
async fn reqwest_post(t: &TestApp, person: &Person, path: &str, body: &Value) -> u16 {
    let url = format!("http://{}{path}", t.address);
    let request = crate::helpers::http().post(url).bearer_auth(&person.token);
    request.json(body).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_key_has_no_power_over_administrators() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let gone = t.person("gone", Role::Admin).await;
    admin
        .put_json("/api/admin/people/gone", json!({ "disabled": true }))
        .await
        .expect(200);
    let key = t.key_for(Scope::Roster).await;
    let call = async |method: &str, path: &str, body: Value| {
        let answer = t.call(method, path, &key, Some(body)).await;
        answer.refused(403, "api_key_not_allowed");
    };
    let path = "/api/admin/people/admin";
    call("PUT", path, json!({ "disabled": true })).await;
    call("PUT", path, json!({ "username": "other" })).await;
    call(
        "PUT",
        "/api/admin/people/gone",
        json!({ "disabled": false }),
    )
    .await;
    call("POST", "/api/admin/people/admin/logout", json!({})).await;
    admin.get("/api/auth/me").await.expect(200);
    gone.get("/api/auth/me").await.refused(401, "user_disabled");
}

#[tokio::test]
async fn a_password_link_ends_with_the_sessions() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let ann = t.student("ann").await;
    let link = async || {
        let path = "/api/admin/people/ann/password-link";
        let made = admin.post(path, json!({})).await.expect(201);
        let path = made["data"]["path"].as_str().unwrap().to_owned();
        path.strip_prefix("/password/#code=").unwrap().to_owned()
    };
    let refused = async |code: String| {
        let body = json!({ "code": code, "password": PASSWORD });
        let answer = t.call("POST", "/api/auth/password-link", "", Some(body));
        answer.await.refused(401, "password_link_invalid");
    };
    let code = link().await;
    admin
        .post("/api/admin/people/ann/logout", json!({}))
        .await
        .expect(200);
    refused(code).await;
    let code = link().await;
    users::set_disabled(&t.app, &ann.user, true).await.unwrap();
    users::set_disabled(&t.app, &ann.user, false).await.unwrap();
    refused(code).await;
}

#[tokio::test]
async fn two_people_with_one_address_and_one_password() {
    let t = TestApp::new();
    let admin = t.admin().await;
    for name in ["one", "two"] {
        let body = json!({ "id": name, "username": name, "name": name, "role": "guardian", "email": "both@home.example" });
        admin.post("/api/admin/people", body).await.expect(201);
    }
    let link = async |name: &str| {
        let path = format!("/api/admin/people/{name}/password-link");
        admin.post(&path, json!({})).await
    };
    let set = async |made: Value| {
        let path = made["data"]["path"].as_str().unwrap().to_owned();
        let code = path.strip_prefix("/password/#code=").unwrap().to_owned();
        let body = json!({ "code": code, "password": PASSWORD });
        t.call("POST", "/api/auth/password-link", "", Some(body))
            .await
    };
    set(link("one").await.expect(201)).await.expect(200);
    set(link("two").await.expect(201)).await.expect(200);
    let log_in = async |login: &str| {
        let body = json!({ "username": login, "password": PASSWORD });
        t.call("POST", "/api/auth/login", "", Some(body)).await
    };
    // It says of neither that it is they.
    log_in("both@home.example")
        .await
        .refused(401, "credentials_invalid");
    log_in("one").await.expect(200);
    log_in("two").await.expect(200);
    let cleared = admin.put_json("/api/admin/people/two", json!({ "email": "" }));
    cleared.await.expect(200);
    let found = log_in("Both@home.example").await.expect(200);
    assert_eq!(found["data"]["user"]["id"], "one");
}
