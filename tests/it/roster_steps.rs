//! An import is done step by step: it goes on after a crash, and one step that is no longer possible costs that step.

use std::time::Duration;

use schoolbell::service::roster;
use serde_json::{Value, json};

use crate::helpers::{Server, Signal, TestApp, binary, http};

const PEOPLE: usize = 20_000;

/// Everybody in a class, half of them with another name than before.
fn file(version: usize) -> String {
    let row = |n: usize| {
        let name = if n.is_multiple_of(2) { 0 } else { version };
        format!("u{n},u{n},Pupil {n} {name},student,Class {}\n", n % 200)
    };
    let rows: String = (0..PEOPLE).map(row).collect();
    format!("id,username,name,role,groups\n{rows}")
}

async fn post(server: &Server, token: &str, path: &str, file: &str) -> Option<(u16, Value)> {
    let request = http().post(server.url(path)).bearer_auth(token);
    let request = request
        .header("content-type", "text/csv")
        .body(file.to_owned());
    let answer = request.send().await.ok()?;
    Some((answer.status().as_u16(), answer.json().await.ok()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_was_killed_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let key = binary(folder.path())
        .args(["key", "create", "roster", "--scope", "roster"])
        .output()
        .unwrap();
    let token = String::from_utf8(key.stdout).unwrap().trim().to_owned();
    for version in [0, 1] {
        let file = file(version);
        let (_, preview) = post(&server, &token, "/api/admin/roster/preview", &file)
            .await
            .unwrap();
        let digest = preview["data"]["digest"].as_str().unwrap().to_owned();
        let path = format!("/api/admin/roster?digest={digest}");
        if version == 0 {
            let progress = finish(&server, &token, &path, &file, &digest).await;
            assert_eq!(progress["total"], PEOPLE + 200);
            continue;
        }
        // Killed while it runs, and once more when it goes on.
        let importing = post(&server, &token, &path, &file);
        let killed = async {
            until_begun(&server, &token, &digest).await;
            server.signal(Signal::KILL);
        };
        let (answer, ()) = tokio::join!(importing, killed);
        assert_eq!(
            answer.map(|(status, _)| status),
            None,
            "it was too quick to be killed"
        );
    }
    drop(server);
    Server::start(folder.path()).kill();
    let server = Server::start(folder.path());
    let digest = database(folder.path())
        .query_row("SELECT digest FROM roster_import", [], |row| {
            row.get::<_, String>(0)
        })
        .unwrap();
    for _ in 0..600 {
        let progress = server
            .get(&format!("/api/admin/roster/{digest}"), &token)
            .await;
        if progress["data"]["state"] == "done" {
            assert_eq!(progress["data"]["done"], progress["data"]["total"]);
            assert_eq!(progress["data"]["problems"], json!([]));
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let database = database(folder.path());
    let count = |sql: &str| {
        database
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .map(|n| n as usize)
            .unwrap()
    };
    assert_eq!(
        count("SELECT count(*) FROM users WHERE name LIKE '% 1'"),
        PEOPLE / 2
    );
    assert_eq!(
        count("SELECT count(*) FROM users WHERE username LIKE 'u%'"),
        PEOPLE
    );
    assert_eq!(count("SELECT count(*) FROM roster_import_steps"), 0);
    assert_eq!(
        count("SELECT count(*) FROM audit WHERE action = 'roster.import'"),
        2
    );
    assert_eq!(
        count("SELECT count(*) FROM audit WHERE action = 'person.change'"),
        PEOPLE / 2,
        "each step once"
    );
}

fn database(folder: &std::path::Path) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.join("data/schoolbell.db")).unwrap()
}

/// Confirms an import and waits for its end: the answer of a long one comes before.
async fn finish(server: &Server, token: &str, path: &str, file: &str, digest: &str) -> Value {
    let (status, answer) = post(server, token, path, file).await.unwrap();
    assert!(matches!(status, 200 | 202), "{answer}");
    for _ in 0..600 {
        let progress = server
            .get(&format!("/api/admin/roster/{digest}"), token)
            .await;
        if progress["data"]["state"] == "done" {
            return progress["data"].clone();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the import does not end");
}

async fn until_begun(server: &Server, token: &str, digest: &str) {
    for _ in 0..3_000 {
        let progress = server
            .get(&format!("/api/admin/roster/{digest}"), token)
            .await;
        if progress["data"]["done"]
            .as_u64()
            .is_some_and(|done| done > 500)
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the import does not begin");
}

/// Writes an import down as if it had just been confirmed, and does it.
async fn do_steps(t: &TestApp, steps: &[Value], counts: Value) {
    let database = rusqlite::Connection::open(t.app.store.path()).unwrap();
    database
        .execute("DELETE FROM roster_import_steps", [])
        .unwrap();
    for step in steps {
        let sql = "INSERT INTO roster_import_steps (step) VALUES (?1)";
        database.execute(sql, [step.to_string()]).unwrap();
    }
    let sql = "INSERT OR REPLACE INTO roster_import (one, digest, actor, state, total, counts)
               VALUES (1, 'd', 'command line', 'running', ?1, ?2)";
    database
        .execute(
            sql,
            rusqlite::params![steps.len() as i64, counts.to_string()],
        )
        .unwrap();
    roster::resume(&t.app).await;
}

fn seen(id: &str) -> Value {
    json!({ "id": id, "username": id, "name": format!("{id} of the school"), "email": null, "role": "student", "disabled": false })
}

fn no_facts() -> Value {
    json!({ "grade": null, "adult_from": null, "phones": null })
}

fn change(key: i64, seen: &Value, username: Option<&str>) -> Value {
    json!({ "Change": { "key": key, "seen": seen, "id": null, "username": username, "name": "New", "email": null, "role": null,
                        "disabled": null, "facts": no_facts(), "groups": null } })
}

fn add(id: &str, username: &str, groups: Value) -> Value {
    json!({ "Add": { "id": id, "username": username, "name": id, "email": null, "role": "student", "facts": no_facts(),
                     "groups": groups } })
}

#[tokio::test]
async fn a_step_that_is_no_longer_possible_is_left_out_and_told() {
    let t = TestApp::new();
    let admin = t.admin().await;
    // Their keys are 2, 3 and 4.
    for id in ["ann", "bea", "old"] {
        t.student(id).await;
    }
    let mut another = seen("ann");
    another["name"] = json!("Another Name");
    let gone = json!([{ "group": { "Key": 99 }, "lead": null, "from": null, "until": null }]);
    let steps = [
        change(2, &another, None),
        add("bob", "ann", json!([])),
        add("dan", "dan", gone),
        json!({ "Link": { "child": { "Id": "nobody" }, "guardian": { "Key": 2 },
                          "link": { "id": "", "kind": null, "from": null, "until": null, "contact": true, "receives": true,
                                    "priority": null, "locked": false } } }),
        json!({ "Of another version": 1 }),
        add("cid", "cid", json!([])),
        json!({ "Disable": { "key": 4, "seen": seen("old"), "missing": true } }),
    ];
    let counts = json!({ "added": 3, "changed": 1, "disabled": 1, "links": 1 });
    do_steps(&t, &steps, counts).await;
    let progress = admin.get("/api/admin/roster/d").await.expect(200);
    assert_eq!(
        progress["data"],
        json!({ "state": "done", "total": 7, "done": 7, "problems": [
            { "name": "Another Name", "message": "user has changed since the preview" },
            { "name": "bob", "message": "This username is taken." },
            { "name": "dan", "message": "There is no such group." },
            { "name": "", "message": "There is no such person." },
        ] })
    );
    admin.get("/api/admin/people/cid").await.expect(200);
    admin
        .get("/api/admin/people/dan")
        .await
        .refused(404, "user_not_found");
    // Who is missing may be the one whose step was left out.
    let old = admin.get("/api/admin/people/old").await.expect(200);
    assert_eq!(old["data"]["disabled"], false);
    let log = admin.get("/api/admin/audit").await.expect(200);
    assert_eq!(
        log["data"][0]["detail"],
        "1 added, 0 changed, 0 disabled, 6 left out"
    );
    assert_eq!(log["data"][1]["detail"], "imported");
    assert_ne!(
        log["data"][2]["detail"], "imported",
        "what was left out is not in the log"
    );

    // Steps that were not all written down are of an import that nobody was told of.
    let database = rusqlite::Connection::open(t.app.store.path()).unwrap();
    let staged = "UPDATE roster_import SET state = 'staging'; INSERT INTO roster_import_steps (step) VALUES ('{}')";
    database.execute_batch(staged).unwrap();
    roster::resume(&t.app).await;
    admin
        .get("/api/admin/roster/d")
        .await
        .refused(404, "route_not_found");
}

/// Two users swap usernames, and one of them has changed meanwhile: nobody loses theirs.
#[tokio::test]
async fn a_username_that_was_released_is_given_back() {
    let t = TestApp::new();
    let admin = t.admin().await;
    for id in ["ann", "bea"] {
        t.student(id).await;
    }
    let (ann, bea) = (seen("ann"), seen("bea"));
    let swap = |ann_seen: &Value| {
        vec![
            json!({ "Release": { "key": 2, "seen": ann } }),
            json!({ "Release": { "key": 3, "seen": bea } }),
            change(2, ann_seen, Some("bea")),
            change(3, &bea, Some("carla")),
        ]
    };
    let mut changed = ann.clone();
    changed["email"] = json!("ann@home.example");
    let usernames = async || {
        let of = |id: &str| format!("/api/admin/people/{id}");
        let ann = admin.get(&of("ann")).await.expect(200)["data"]["username"].clone();
        let bea = admin.get(&of("bea")).await.expect(200)["data"]["username"].clone();
        json!([ann, bea])
    };
    let counts = json!({ "added": 0, "changed": 2, "disabled": 0, "links": 0 });
    do_steps(&t, &swap(&changed), counts.clone()).await;
    assert_eq!(usernames().await, json!(["ann", "carla"]));
    let mut bea = bea.clone();
    bea["username"] = json!("carla");
    bea["name"] = json!("New");
    let steps = [
        json!({ "Release": { "key": 2, "seen": ann } }),
        json!({ "Release": { "key": 3, "seen": bea } }),
        change(2, &ann, Some("carla")),
        change(3, &bea, Some("ann")),
    ];
    do_steps(&t, &steps, counts).await;
    assert_eq!(usernames().await, json!(["carla", "ann"]));
}

/// What was confirmed was confirmed before another import: it is looked at again.
#[tokio::test]
async fn of_two_imports_at_once_one_is_done() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let file = "username,name,role,groups\nx,X,student,New\n".as_bytes();
    let preview = admin
        .post_csv("/api/admin/roster/preview", file)
        .await
        .expect(200);
    let path = format!(
        "/api/admin/roster?digest={}",
        preview["data"]["digest"].as_str().unwrap()
    );
    let answers = tokio::join!(
        admin.post_csv(&path, file),
        admin.post_csv(&path, file),
        admin.post_csv(&path, file)
    );
    let mut statuses = [answers.0.status, answers.1.status, answers.2.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409]);
    let groups = admin.get("/api/admin/groups").await.expect(200);
    assert_eq!(groups["data"].as_array().unwrap().len(), 1);
}
