//! `schoolbell import`: what another system had, taken over as it was.

use std::path::Path;
use std::process::Output;

use schoolbell::model::ids::UserId;
use schoolbell::service::users;
use serde_json::{Value, json};

use crate::helpers::{Person, Server, Signal, TestApp, binary};

fn import(folder: &Path, lines: &[Value], arguments: &[&str]) -> Output {
    let malformed = |line: &Value| match line.to_string() {
        line if line.contains("MALFORMED") => "{\"record\": ".to_owned(),
        line => line,
    };
    let text: Vec<String> = lines.iter().map(malformed).collect();
    std::fs::write(folder.join("old.ndjson"), text.join("\n")).unwrap();
    binary(folder)
        .args(["import", "old.ndjson"])
        .args(arguments)
        .output()
        .unwrap()
}

#[track_caller]
fn said(output: &Output, code: i32) -> String {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

/// The database of `folder`, with a server of the test's own on it.
fn opened(folder: &Path) -> TestApp {
    let path = folder.join("data/schoolbell.db");
    TestApp::with(|config| config.database.path = path)
}

async fn log_in(t: &TestApp, id: &str) -> Person {
    let found = users::find(&t.app, &UserId::parse(id).unwrap()).await;
    t.log_in(found.unwrap().unwrap())
}

fn person(id: Value, name: &str, role: &str) -> Value {
    json!({ "record": "user", "id": id, "name": name, "role": role })
}

fn message(id: Value, from: &str, to: &str, at: &str, read_at: Value) -> Value {
    json!({ "record": "message", "id": id, "senderId": from, "receiverId": to, "content": format!("message {id}"),
            "createdAt": at, "readAt": read_at })
}

const UUID: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

/// Not in the order of time, and the people last.
fn school() -> Vec<Value> {
    vec![
        message(json!(3), "7", "ms-lee", "2025-03-03T10:00:00Z", json!(null)),
        message(
            json!(1),
            "ms-lee",
            "7",
            "2025-03-01T10:00:00Z",
            json!("2025-03-01T11:00:00Z"),
        ),
        message(
            json!(UUID),
            "ms-lee",
            "7",
            "2025-03-02T10:00:00Z",
            json!("2025-03-02T12:00:00Z"),
        ),
        message(json!(4), "ms-lee", "7", "2025-03-04T10:00:00Z", json!(null)),
        json!({ "record": "notification", "id": 1, "userId": 7, "type": "GRADE_POSTED", "title": "Graded",
                "message": "See it", "link": "/a/1", "createdAt": 1_740_992_400_000_i64, "read": 1 }),
        json!({ "record": "notification", "id": 2, "userId": "7", "type": "info", "title": "Trip", "message": "Bring a coat",
                "createdAt": "2025-03-05T09:00:00.000Z", "read": false }),
        person(json!(7), "Amy Pond", "PUPIL"),
        json!({ "record": "user", "id": "ms-lee", "name": "Ms Lee", "role": "INSTRUCTOR", "username": "lee",
                "email": "lee@school.example", "createdAt": "2024-09-01T00:00:00Z" }),
        json!({ "record": "user", "id": "gone", "name": "Gone", "role": "parent", "disabled": true }),
    ]
}

#[tokio::test]
async fn a_school_moves_with_its_times_its_ids_and_what_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let dry = said(&import(folder.path(), &school(), &["--dry-run"]), 0);
    assert!(
        dry.contains("messages       4 new, 0 here already"),
        "{dry}"
    );
    assert!(dry.contains("nothing was written"), "{dry}");
    let done = said(&import(folder.path(), &school(), &[]), 0);
    assert!(
        done.contains("users          3 new, 0 here already"),
        "{done}"
    );
    assert!(done.contains("notifications  2 new"), "{done}");
    let again = said(&import(folder.path(), &school(), &[]), 0);
    for line in [
        "users          0 new, 3",
        "messages       0 new, 4",
        "notifications  0 new, 2",
    ] {
        assert!(again.contains(line), "{again}");
    }

    let t = opened(folder.path());
    let amy = log_in(&t, "7").await;
    let lee = log_in(&t, "ms-lee").await;
    let me = amy.get("/api/auth/me").await.expect(200);
    assert_eq!(me["data"]["role"], "student");
    assert_eq!(
        me["data"]["unread"],
        json!({ "messages": 1, "notifications": 1 })
    );
    let history = amy
        .get("/api/messages/conversation/ms-lee")
        .await
        .expect(200);
    let seen: Vec<_> = history["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| {
            let text = |key: &str| m[key].as_str().unwrap_or("-").to_owned();
            (
                text("senderId"),
                text("content"),
                text("createdAt"),
                text("readAt"),
            )
        })
        .collect();
    let expected = [
        (
            "ms-lee",
            "message 1",
            "2025-03-01T10:00:00.000Z",
            "2025-03-01T11:00:00.000Z",
        ),
        (
            "ms-lee",
            &format!("message \"{UUID}\""),
            "2025-03-02T10:00:00.000Z",
            "2025-03-02T12:00:00.000Z",
        ),
        ("7", "message 3", "2025-03-03T10:00:00.000Z", "-"),
        ("ms-lee", "message 4", "2025-03-04T10:00:00.000Z", "-"),
    ]
    .map(|(from, content, at, read)| (from.into(), content.into(), at.into(), read.into()));
    assert_eq!(seen, expected);
    assert_eq!(history["data"][1]["id"], UUID);
    let list = lee.get("/api/messages/conversations").await.expect(200);
    assert_eq!(list["data"][0]["unreadCount"], 1);
    assert_eq!(list["data"][0]["lastMessage"]["content"], "message 4");
    let list = amy.get("/api/notifications").await.expect(200);
    assert_eq!(list["data"][0]["title"], "Trip");
    assert_eq!(
        (&list["data"][1]["link"], &list["data"][1]["readAt"]),
        (&json!("/a/1"), &json!("2025-03-03T09:00:00.000Z"))
    );
    // It goes on from there, and is found.
    amy.put("/api/messages/read/ms-lee").await.expect(200);
    amy.write(&lee, "and now here").await;
    let list = lee.get("/api/messages/conversations").await.expect(200);
    assert_eq!(list["data"][0]["unreadCount"], 2);
    let found = amy.get("/api/messages/search?q=message").await.expect(200);
    assert_eq!(found["data"].as_array().unwrap().len(), 4);
    let gone = users::find(&t.app, &UserId::parse("gone").unwrap()).await;
    assert!(gone.unwrap().unwrap().disabled);
}

#[tokio::test]
async fn what_cannot_be_taken_is_named_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = school();
    lines.push(message(
        json!(9),
        "nobody",
        "7",
        "2025-03-01T10:00:00Z",
        json!(null),
    ));
    lines.push(message(
        json!(10),
        "7",
        "7",
        "2025-03-01T10:00:00Z",
        json!(null),
    ));
    lines.push(message(json!(11), "7", "ms-lee", "yesterday", json!(null)));
    lines.push(person(json!("x"), "X", "wizard"));
    lines.push(json!({ "record": "message", "isRead": true }));
    lines.push(
        json!({ "record": "user", "id": "y", "name": "Y", "role": "student", "username": "LEE" }),
    );
    lines.push(json!(5));
    lines.push(
        json!({ "record": "user", "id": "z", "name": "Z", "role": "student", "email": "nothing" }),
    );
    lines.push(json!("MALFORMED"));
    for arguments in [&[][..], &["--dry-run"]] {
        let refused = said(&import(folder.path(), &lines, arguments), 1);
        for line in [
            "line 10: senderId is nobody, who is neither here nor in the file",
            "line 11: receiverId is the sender",
            "line 12: createdAt: invalid value: string \"yesterday\", expected a time such as 2026-11-22T09:30:00Z",
            "line 13: role is not known: add it to auth.role_map",
            "line 14: unknown field `isRead`",
            "line 15: ",
            "line 16: ",
            "line 17: email is not an e-mail address",
            "line 18: is no JSON",
            "9 lines cannot be taken",
        ] {
            assert!(refused.contains(line), "{line}: {refused}");
        }
    }
    {
        let t = opened(folder.path());
        let amy = users::find(&t.app, &UserId::parse("7").unwrap()).await;
        assert!(amy.unwrap().is_none());
    }
    let done = said(&import(folder.path(), &lines, &["--skip-bad"]), 0);
    assert!(
        done.contains("messages       4 new") && done.contains("9 lines left out"),
        "{done}"
    );
}

#[tokio::test]
async fn a_conversation_that_went_on_here_takes_nothing_older() {
    let folder = tempfile::tempdir().unwrap();
    said(&import(folder.path(), &school(), &[]), 0);
    {
        let t = opened(folder.path());
        let (amy, lee) = (log_in(&t, "7").await, log_in(&t, "ms-lee").await);
        lee.write(&amy, "written here").await;
    }
    let mut lines = school();
    lines.push(message(
        json!(20),
        "7",
        "ms-lee",
        "2025-06-01T10:00:00Z",
        json!(null),
    ));
    lines.push(message(
        json!(21),
        "gone",
        "7",
        "2025-06-01T10:00:00Z",
        json!(null),
    ));
    let refused = said(&import(folder.path(), &lines, &[]), 1);
    assert!(
        refused.contains("line 10: createdAt is before the newest message"),
        "{refused}"
    );
    assert!(refused.contains("1 line cannot be taken"), "{refused}");
}

/// What is imported has newer numbers than what was there, and older times.
#[tokio::test]
async fn retention_finds_what_was_imported_beside_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    {
        let t = opened(folder.path());
        let (ann, bob) = t.pair().await;
        ann.write(&bob, "from here").await;
        let key = t.key().await;
        let body = json!({ "userId": "bob", "type": "x", "title": "from here", "message": "m" });
        t.call("POST", "/api/notifications", &key, Some(body))
            .await
            .expect(201);
    }
    said(&import(folder.path(), &school(), &[]), 0);
    let path = folder.path().join("data/schoolbell.db");
    let t = TestApp::with(|config| {
        config.database.path = path;
        config.retention.messages = 90;
        config.retention.notifications = 90;
    });
    schoolbell::ops::retention::purge(&t.app).await.unwrap();
    let amy = log_in(&t, "7").await;
    let bob = log_in(&t, "bob").await;
    for path in ["/api/messages/conversations", "/api/notifications"] {
        assert_eq!(amy.get(path).await.expect(200)["data"], json!([]), "{path}");
        let kept = bob.get(path).await.expect(200);
        assert_eq!(kept["data"].as_array().unwrap().len(), 1, "{path}");
    }
}

#[tokio::test]
async fn an_erased_user_does_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    said(&import(folder.path(), &school(), &[]), 0);
    let erased = binary(folder.path())
        .args(["user", "erase", "7", "--messages", "remove"])
        .output()
        .unwrap();
    assert!(erased.status.success(), "{erased:?}");
    let refused = said(&import(folder.path(), &school(), &[]), 1);
    assert!(
        refused.contains("line 7: id is of a person whose data was erased here"),
        "{refused}"
    );
    assert!(refused.contains("line 1: senderId is 7"), "{refused}");
}

#[tokio::test]
async fn a_rehearsal_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    said(&import(folder.path(), &school(), &["--dry-run"]), 0);
    let missing = binary(folder.path())
        .args(["import", "nothing.ndjson"])
        .output()
        .unwrap();
    assert!(said(&missing, 1).contains("nothing.ndjson: No such file"));
    assert!(!folder.path().join("data").exists());
}

#[tokio::test]
async fn notifications_come_after_those_that_are_here() {
    let folder = tempfile::tempdir().unwrap();
    said(&import(folder.path(), &school(), &[]), 0);
    let older = json!({ "record": "notification", "id": 9, "userId": 7, "type": "x", "title": "T", "message": "M",
                        "createdAt": "2024-01-01T00:00:00Z" });
    let refused = said(&import(folder.path(), &[older], &[]), 1);
    assert!(
        refused.contains(
            "line 1: createdAt is before the newest notification that this person has here"
        ),
        "{refused}"
    );
}

#[tokio::test]
async fn pages_that_were_open_fetch_again_and_nothing_is_pushed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (ann_id, ann) = server.person("ann").await;
    let (bob_id, bob) = server.person("bob").await;
    let body = json!({ "receiverId": ann_id, "content": "before" });
    let seq = server.post("/api/messages", &bob, body).await["data"]["seq"].clone();
    let lines = [message(
        json!(1),
        &ann_id,
        &bob_id,
        "2025-03-01T10:00:00Z",
        json!(null),
    )];
    let refused = said(&import(folder.path(), &lines, &[]), 1);
    assert!(
        refused.contains("another schoolbell is running"),
        "{refused}"
    );
    server.signal(Signal::TERM);
    server.wait();
    // What ann and bob have is newer; with somebody else they have nothing yet.
    let lines = [
        person(json!("cid"), "Cid", "student"),
        message(
            json!(1),
            "cid",
            &ann_id,
            "2025-03-01T10:00:00Z",
            json!(null),
        ),
    ];
    said(&import(folder.path(), &lines, &[]), 0);
    let server = Server::start(folder.path());
    let (mut socket, connected) = server.join(&ann, seq.as_i64()).await;
    assert_eq!(connected["unread"]["messages"], 2);
    assert_eq!(socket.expect("resync").await["reason"], "unknown_cursor");
}

/// The recipe of the docs for a Prisma database on SQLite, on tables as Prisma makes them.
#[test]
fn the_recipe_for_prisma_on_sqlite_makes_such_a_file() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/moving-from-node.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let recipe = docs.split("sqlite3 prisma/dev.db").nth(1).unwrap();
    let recipe = recipe.split("<<'SQL'\n").nth(1).unwrap();
    let recipe = recipe.split("\nSQL\n").next().unwrap();
    let old = rusqlite::Connection::open_in_memory().unwrap();
    old.execute_batch(
        r#"CREATE TABLE "User" ("id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "email" TEXT NOT NULL, "name" TEXT NOT NULL,
                                "role" TEXT NOT NULL DEFAULT 'STUDENT', "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP);
           CREATE TABLE "Message" ("id" TEXT NOT NULL PRIMARY KEY, "senderId" INTEGER NOT NULL, "receiverId" INTEGER NOT NULL,
                                   "content" TEXT NOT NULL, "isRead" BOOLEAN NOT NULL DEFAULT false, "readAt" DATETIME,
                                   "createdAt" DATETIME NOT NULL);
           CREATE TABLE "Notification" ("id" TEXT NOT NULL PRIMARY KEY, "userId" INTEGER NOT NULL, "type" TEXT NOT NULL,
                                        "title" TEXT NOT NULL, "message" TEXT NOT NULL, "link" TEXT,
                                        "isRead" BOOLEAN NOT NULL DEFAULT false, "createdAt" DATETIME NOT NULL);
           INSERT INTO "User" VALUES (1, 'a@school.example', 'Amy "the" Pond', 'STUDENT', 1725177600000),
                                     (2, 'l@school.example', 'Ms Lee', 'TEACHER', 1725177600000);
           INSERT INTO "Message" VALUES ('clx1', 1, 2, 'two
lines', true, 1741000000000, 1740992400000), ('clx2', 2, 1, 'an answer', false, NULL, 1740992500000);
           INSERT INTO "Notification" VALUES ('cly1', 1, 'GRADE', 'Graded', 'See it', NULL, false, 1740992400000);"#,
    )
    .unwrap();
    let mut lines = Vec::new();
    for select in recipe.split(';').filter(|one| !one.trim().is_empty()) {
        let mut select = old.prepare(select).unwrap();
        let rows = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
        lines.extend(rows.map(|row| serde_json::from_str(&row.unwrap()).unwrap()));
    }
    let folder = tempfile::tempdir().unwrap();
    let done = said(&import(folder.path(), &lines, &[]), 0);
    for line in [
        "users          2 new",
        "messages       2 new",
        "notifications  1 new",
    ] {
        assert!(done.contains(line), "{done}");
    }
}

/// Imported messages are history: they are kept and read, and there is nothing in them to answer.
#[tokio::test]
async fn imported_messages_open_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    let now = schoolbell::model::time::Time(schoolbell::testing::START.0 - 3_600_000).to_string();
    let lines = [
        person(json!("tea"), "Tea", "teacher"),
        person(json!("kim"), "Kim", "student"),
        message(json!("1"), "tea", "kim", &now, Value::Null),
    ];
    said(&import(dir.path(), &lines, &[]), 0);
    let t = opened(dir.path());
    let policy = json!({ "rule": [{ "from": ["student"], "to": ["teacher"], "when": "anyone", "may": "reply" },
                                  { "from": ["teacher"], "to": ["student"], "when": "anyone", "may": "start" }] });
    let stored = policy.to_string();
    let set = t
        .app
        .store
        .write(move |tx| schoolbell::store::settings::set(tx, "policy", &stored));
    set.await.unwrap();
    let (tea, kim) = (log_in(&t, "tea").await, log_in(&t, "kim").await);
    let history = kim.get("/api/messages/conversation/tea").await.expect(200);
    assert_eq!(history["data"].as_array().unwrap().len(), 1);
    let body = json!({ "receiverId": "tea", "content": "an answer" });
    let denied = kim
        .post("/api/messages", body.clone())
        .await
        .refused(403, "policy_denied");
    assert_eq!(denied["details"][0]["params"]["why"], "answer_only");
    tea.write(&kim, "a new one").await;
    kim.post("/api/messages", body).await.expect(201);
}
