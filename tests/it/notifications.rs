//! Notifications over REST: sending to an audience, and a person's own list.

use schoolbell::model::audit::AuditActor;
use schoolbell::model::ids::UserId;
use schoolbell::model::users::Role;
use schoolbell::service::users;
use serde_json::{Value, json};

use crate::helpers::{Answer, Person, TestApp};

fn body(to: Value) -> Value {
    let mut body = json!({ "type": "assignment.graded", "title": "Graded", "message": "See it", "link": "/a/1" });
    for (name, value) in to.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn send(t: &TestApp, key: &str, to: Value) -> Answer {
    t.call("POST", "/api/notifications", key, Some(body(to)))
        .await
}

async fn titles(person: &Person, query: &str) -> Vec<String> {
    let list = person
        .get(&format!("/api/notifications{query}"))
        .await
        .expect(200);
    let data = list["data"].as_array().unwrap();
    data.iter()
        .map(|n| n["title"].as_str().unwrap().into())
        .collect()
}

#[tokio::test]
async fn one_person_gets_one() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let key = t.key().await;
    let sent = send(&t, &key, json!({ "userId": "ann" })).await.expect(201)["data"].clone();
    assert_eq!(
        (&sent["recipients"], &sent["unknown"]),
        (&json!(1), &json!([]))
    );
    let list = ann.get("/api/notifications").await.expect(200);
    let got = &list["data"][0];
    let expected = json!({
        "id": sent["id"], "seq": got["seq"], "type": "assignment.graded", "title": "Graded", "message": "See it",
        "link": "/a/1", "sender": null, "read": false, "readAt": null, "createdAt": "2026-11-22T09:30:00.000Z",
    });
    assert_eq!(*got, expected);
    assert_eq!(list["paging"], json!({ "hasMore": false, "before": null }));
    assert_eq!(
        ann.get("/api/notifications/unread-count").await.expect(200)["data"],
        json!({ "count": 1, "unreadCount": 1 })
    );
}

#[tokio::test]
async fn an_audience_is_the_union_less_the_excepted_each_once() {
    let t = TestApp::new();
    let key = t.key().await;
    let ann = t.student("ann").await;
    let bob = t.student("bob").await;
    let tea = t.person("tea", Role::Teacher).await;
    let gus = t.person("gus", Role::Guardian).await;
    let out = t.student("out").await;
    t.class("5a", &[&ann, &bob, &tea, &out]).await;
    users::set_disabled(&t.app, &out.user, true).await.unwrap();
    let reached = async |audience: Value| {
        let sent = send(&t, &key, json!({ "audience": audience }))
            .await
            .expect(201)["data"]
            .clone();
        (
            sent["recipients"].as_i64().unwrap(),
            sent["unknown"].clone(),
        )
    };
    assert_eq!(reached(json!({ "all": true })).await, (4, json!([])));
    assert_eq!(
        reached(json!({ "roles": ["guardian", "teacher"] })).await,
        (2, json!([]))
    );
    assert_eq!(reached(json!({ "groups": ["5a"] })).await, (3, json!([])));
    let mixed = json!({ "groups": ["5a", "6x"], "userIds": ["ann", "gus", "zed"], "roles": ["student"], "except": ["bob", "who"] });
    assert_eq!(reached(mixed).await, (3, json!(["6x", "zed"])));
    assert_eq!(
        reached(json!({ "userIds": ["out"] })).await,
        (0, json!(["out"]))
    );
    assert_eq!(titles(&ann, "").await.len(), 3);
    assert_eq!(titles(&gus, "").await.len(), 3);
    assert_eq!(titles(&bob, "").await.len(), 2);
}

#[tokio::test]
async fn user_ids_name_several() {
    let t = TestApp::new();
    t.pair().await;
    let sent = send(
        &t,
        &t.key().await,
        json!({ "userIds": ["ann", "bob", "ann", "nobody"] }),
    )
    .await;
    let data = sent.expect(201)["data"].clone();
    assert_eq!(
        (&data["recipients"], &data["unknown"]),
        (&json!(2), &json!(["nobody"]))
    );
}

#[tokio::test]
async fn who_may_send() {
    let t = TestApp::new();
    for (role, may) in [
        (Role::Admin, true),
        (Role::Staff, true),
        (Role::Teacher, true),
        (Role::Guardian, false),
        (Role::Student, false),
    ] {
        let person = t.person(role.as_str(), role).await;
        let answer = send(&t, &person.token, json!({ "userId": "student" })).await;
        if may {
            answer.expect(201);
        } else {
            answer.refused(403, "role_not_allowed");
        }
    }
    let scopes = [schoolbell::model::keys::Scope::Read];
    let key =
        schoolbell::service::keys::create(&t.app, AuditActor::command_line(), "reader", &scopes)
            .await
            .unwrap();
    send(&t, key.secret.expose(), json!({ "userId": "student" }))
        .await
        .refused(403, "scope_missing");
    send(&t, "sb_made-up", json!({ "userId": "student" }))
        .await
        .refused(401, "token_invalid");
    t.call("GET", "/api/auth/me", &t.key().await, None)
        .await
        .refused(403, "api_key_not_allowed");
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once() {
    let t = TestApp::new();
    t.student("ann").await;
    let key = t.key().await;
    send(&t, &key, json!({ "userId": "ann" })).await.expect(201);
    let hash = schoolbell::model::keys::ApiKeySecret::hash(&key);
    let stored = t
        .app
        .store
        .read(move |c| schoolbell::store::keys::by_hash(c, &hash))
        .await
        .unwrap()
        .unwrap();
    assert!(stored.last_used_at.is_some());
    schoolbell::service::keys::revoke(&t.app, AuditActor::command_line(), stored.id)
        .await
        .unwrap();
    send(&t, &key, json!({ "userId": "ann" }))
        .await
        .refused(401, "token_invalid");
}

#[tokio::test]
async fn an_idempotency_key_sends_once() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let key = t.key().await;
    let first = send(
        &t,
        &key,
        json!({ "userIds": ["ann", "x"], "idempotencyKey": "k" }),
    )
    .await
    .expect(201);
    let again = send(
        &t,
        &key,
        json!({ "userIds": ["ann", "x"], "idempotencyKey": "k" }),
    )
    .await
    .expect(200);
    assert_eq!(first["data"], again["data"]);
    send(&t, &key, json!({ "userId": "ann", "idempotencyKey": "k" }))
        .await
        .refused(409, "idempotency_conflict");
    assert_eq!(titles(&ann, "").await.len(), 1);
    let other = t.key().await;
    send(
        &t,
        &other,
        json!({ "userId": "ann", "idempotencyKey": "k" }),
    )
    .await
    .expect(201);
}

#[tokio::test]
async fn the_list_filters_and_pages() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let key = t.key().await;
    for (i, kind) in ["a", "b", "a", "b", "a"].into_iter().enumerate() {
        let body =
            json!({ "userId": "ann", "type": kind, "title": format!("{kind}{i}"), "message": "m" });
        t.call("POST", "/api/notifications", &key, Some(body))
            .await
            .expect(201);
    }
    let list = ann.get("/api/notifications").await.expect(200);
    let second = list["data"][3]["id"].as_str().unwrap().to_owned();
    ann.put(&format!("/api/notifications/{second}/read"))
        .await
        .expect(200);
    assert_eq!(titles(&ann, "").await, ["a4", "b3", "a2", "b1", "a0"]);
    assert_eq!(titles(&ann, "?type=b").await, ["b3", "b1"]);
    assert_eq!(titles(&ann, "?unread=true&type=b").await, ["b3"]);
    assert_eq!(titles(&ann, "?unread=false").await, ["b1"]);
    let page = ann.get("/api/notifications?limit=2").await.expect(200);
    assert_eq!(page["paging"]["hasMore"], true);
    let cursor = page["paging"]["before"].as_str().unwrap();
    assert_eq!(
        titles(&ann, &format!("?limit=2&before={cursor}")).await,
        ["a2", "b1"]
    );
    ann.get("/api/notifications?unread=maybe")
        .await
        .invalid("unread");
}

#[tokio::test]
async fn reading_is_idempotent_and_ones_own() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let sent = send(&t, &t.key().await, json!({ "userId": "ann" }))
        .await
        .expect(201);
    let path = format!(
        "/api/notifications/{}/read",
        sent["data"]["id"].as_str().unwrap()
    );
    bob.put(&path).await.refused(404, "notification_not_found");
    let first = ann.put(&path).await.expect(200)["data"].clone();
    assert_eq!(
        (&first["read"], &first["readAt"]),
        (&json!(true), &json!("2026-11-22T09:30:00.000Z"))
    );
    t.clock.advance(std::time::Duration::from_secs(5));
    assert_eq!(ann.put(&path).await.expect(200)["data"], first);
    for id in ["x", "01a204b1-6dc8-73d7-b0f5-385f7049cb17"] {
        ann.put(&format!("/api/notifications/{id}/read"))
            .await
            .refused(404, "notification_not_found");
        ann.delete(&format!("/api/notifications/{id}"))
            .await
            .refused(404, "notification_not_found");
    }
}

#[tokio::test]
async fn mark_all_read_and_delete_keep_the_count() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let key = t.key().await;
    for _ in 0..3 {
        send(&t, &key, json!({ "userIds": ["ann", "bob"] }))
            .await
            .expect(201);
    }
    let count = async |p: &Person| {
        p.get("/api/notifications/unread-count").await.expect(200)["data"]["count"].clone()
    };
    let list = ann.get("/api/notifications").await.expect(200);
    let path = format!(
        "/api/notifications/{}",
        list["data"][0]["id"].as_str().unwrap()
    );
    ann.delete(&path).await.expect(200);
    ann.delete(&path)
        .await
        .refused(404, "notification_not_found");
    assert_eq!(count(&ann).await, 2);
    assert_eq!(count(&bob).await, 3, "another recipient keeps it");
    assert_eq!(
        ann.put("/api/notifications/mark-all-read")
            .await
            .expect(200)["data"],
        json!({ "updated": 2 })
    );
    assert_eq!(
        ann.put("/api/notifications/mark-all-read")
            .await
            .expect(200)["data"],
        json!({ "updated": 0 })
    );
    assert_eq!(count(&ann).await, 0);
    let list = ann.get("/api/notifications").await.expect(200);
    let path = format!(
        "/api/notifications/{}",
        list["data"][0]["id"].as_str().unwrap()
    );
    ann.delete(&path).await.expect(200);
    assert_eq!(count(&ann).await, 0, "a read one does not count");
}

#[tokio::test]
async fn what_may_not_be_sent() {
    let t = TestApp::new();
    t.student("ann").await;
    let key = t.key().await;
    let with = |field: &str, value: Value| {
        let mut body = body(json!({ "userId": "ann" }));
        body[field] = value;
        body
    };
    for (body, field) in [
        (with("type", json!("")), "type"),
        (with("type", json!("a b")), "type"),
        (with("type", json!("x".repeat(65))), "type"),
        (with("title", json!("  ")), "title"),
        (with("title", json!("two\nlines")), "title"),
        (with("title", json!("x".repeat(201))), "title"),
        (with("message", json!("")), "message"),
        (with("message", json!("a\u{0}b")), "message"),
        (with("message", json!("x".repeat(4_001))), "message"),
        (with("link", json!("javascript:alert(1)")), "link"),
        (with("link", json!("//evil.example")), "link"),
        (with("link", json!("http://x.example")), "link"),
        (with("urgency", json!("urgent")), "urgency"),
        (with("ttl", json!(-1)), "ttl"),
        (with("ttl", json!(2_419_201)), "ttl"),
        (with("idempotencyKey", json!("")), "idempotencyKey"),
        (with("userIds", json!(["bob"])), "userId"),
        (with("userId", json!("a b")), "userId"),
        (with("userId", Value::Null), "userId"),
        (body(json!({ "userIds": [] })), "audience"),
        (body(json!({ "audience": {} })), "audience"),
        (body(json!({ "audience": { "all": false } })), "audience"),
        (
            body(json!({ "audience": { "roles": ["chef"] } })),
            "audience.roles[0]",
        ),
        (
            body(json!({ "audience": { "groups": ["a b"] } })),
            "audience.groups",
        ),
        (body(json!({ "audience": { "people": [] } })), "audience"),
    ] {
        t.call("POST", "/api/notifications", &key, Some(body))
            .await
            .invalid(field);
    }
    let stored = t
        .app
        .store
        .read(schoolbell::store::notifications::unfinished_deliveries)
        .await;
    assert!(stored.unwrap().is_empty());
    let seq = t.newest_seq().await;
    assert_eq!(seq, 0, "nothing was written");
}

/// More people than one commit writes: slices, each with a seq of its own, everybody once.
#[tokio::test]
async fn a_large_audience_gets_it_in_slices() {
    let t = TestApp::new();
    let ann = t.student("aaa").await;
    let last = add_many(&t, 1_700).await;
    let (mut first_socket, _) = ann.connect().await;
    let (mut last_socket, _) = last.connect().await;
    let sent = send(&t, &t.key().await, json!({ "audience": { "all": true } }))
        .await
        .expect(201);
    assert_eq!(sent["data"]["recipients"], 1_701);
    let (a, b) = (
        first_socket.expect("notification").await,
        last_socket.expect("notification").await,
    );
    assert_eq!(a["id"], b["id"]);
    assert!(
        a["seq"].as_i64() < b["seq"].as_i64(),
        "each slice takes its own seq"
    );
    assert_eq!(titles(&last, "").await.len(), 1);
    let left = t
        .app
        .store
        .read(schoolbell::store::notifications::unfinished_deliveries)
        .await;
    assert!(left.unwrap().is_empty());
    let unread = t
        .app
        .store
        .read(|c| {
            Ok(c.query_row(
                "SELECT sum(notifications), max(notifications) FROM unread",
                [],
                |r| Ok((r.get::<_, i64>(0)?, r.get::<_, i64>(1)?)),
            )?)
        })
        .await
        .unwrap();
    assert_eq!(unread, (1_701, 1));
}

/// Adds people quickly and returns the last.
async fn add_many(t: &TestApp, count: usize) -> Person {
    use schoolbell::model::users::{DisplayName, NewUser};
    let user = t
        .app
        .store
        .write(move |tx| {
            let mut last = None;
            for i in 0..count {
                let new = NewUser {
                    id: UserId::parse(&format!("p{i}")).unwrap(),
                    username: None,
                    name: DisplayName::parse(&format!("Person {i}")).unwrap(),
                    email: None,
                    avatar: None,
                    role: Role::Student,
                    password_hash: None,
                    origin: schoolbell::model::users::Origin::Import,
                };
                last = Some(schoolbell::store::users::insert(tx, &new, tx.now)?);
            }
            Ok(last.unwrap())
        })
        .await
        .unwrap();
    t.log_in(user.into())
}

/// What a crash cut is finished at the next start.
#[tokio::test]
async fn an_unfinished_announcement_is_finished_at_start() {
    use schoolbell::model::ids::Id;
    use schoolbell::model::notifications::{NewNotification, Sent, Type};
    use schoolbell::store::notifications;
    let t = TestApp::new();
    let last = add_many(&t, 600).await;
    t.app
        .store
        .write(|tx| {
            let everybody = schoolbell::model::audience::Audience {
                all: true,
                ..Default::default()
            };
            let (people, unknown) = notifications::resolve(tx, &everybody)?;
            let new = NewNotification {
                kind: Type::parse("x")?,
                title: "t".into(),
                message: "m".into(),
                link: None,
                urgency: Default::default(),
                ttl: 1,
                idempotency_key: None,
            };
            let sent = Sent {
                id: Id::generate(),
                recipients: 600,
                unknown,
            };
            let key = notifications::insert(tx, &new, "key:x", &[0; 32], &sent)?;
            notifications::insert_delivery(tx, key, &people)?;
            // The first slice went out before the crash.
            let slice = notifications::take_slice(tx, key, 500)?;
            notifications::deliver(tx, key, &slice)?;
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(titles(&last, "").await, [""; 0]);
    schoolbell::service::notifications::finish_deliveries(t.app.clone()).await;
    assert_eq!(titles(&last, "").await, ["t"]);
    let rows = t
        .app
        .store
        .read(|c| {
            Ok(
                c.query_row("SELECT count(*) FROM notification_recipients", [], |r| {
                    r.get::<_, i64>(0)
                })?,
            )
        })
        .await;
    assert_eq!(rows.unwrap(), 600);
}

/// The hash of a request is stored, so its form must not depend on how the code is written.
#[tokio::test]
async fn the_hash_of_a_request_has_a_version_and_a_fixed_form() {
    let t = TestApp::new();
    t.student("ann").await;
    let admin = t.admin().await;
    let body = |title: &str| json!({ "userId": "ann", "type": "x", "title": title, "message": "m", "idempotencyKey": "k" });
    let sent = admin.post("/api/notifications", body("t")).await;
    let sent = sent.expect(201)["data"]["id"].clone();
    let database = rusqlite::Connection::open(&t.app.config.database.path).unwrap();
    let hash = |sql: &str| -> Vec<u8> { database.query_row(sql, [], |row| row.get(0)).unwrap() };
    let stored = hash("SELECT request_hash FROM notifications");
    assert_eq!(stored.len(), 33);
    let canonical = r#"["x","t","m",null,"normal",86400,[false,[],[],["ann"],[]]]"#;
    let digest = <sha2::Sha256 as sha2::Digest>::digest(canonical);
    assert_eq!((stored[0], &stored[1..]), (1, &digest[..]));
    // One of a version before says nothing of this request: a retry across an upgrade is no conflict.
    database
        .execute("UPDATE notifications SET request_hash = zeroblob(32)", [])
        .unwrap();
    let again = admin.post("/api/notifications", body("t")).await;
    assert_eq!(again.expect(200)["data"]["id"], sent);
}
