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

#[tokio::test]
async fn a_step_that_is_no_longer_possible_is_left_out_and_told() {
    let t = TestApp::new();
    let admin = t.admin().await;
    t.student("ann").await;
    let steps = [
        json!({ "Change": { "key": 2, "seen": { "id": "ann", "name": "Another Name", "email": null, "role": "student", "disabled": false },
                            "id": null, "username": null, "name": "New", "email": null, "role": null, "disabled": null,
                            "facts": { "grade": null, "adult_from": null, "phones": null }, "groups": null } }),
        json!({ "Add": { "id": "bob", "username": "ann", "name": "Bob", "email": null, "role": "student",
                         "facts": { "grade": null, "adult_from": null, "phones": null }, "groups": [] } }),
        json!({ "Add": { "id": "cid", "username": "cid", "name": "Cid", "email": null, "role": "student",
                         "facts": { "grade": "05", "adult_from": null, "phones": null }, "groups": [] } }),
    ];
    let database = rusqlite::Connection::open(t.app.store.path()).unwrap();
    for step in &steps {
        let sql = "INSERT INTO roster_import_steps (step) VALUES (?1)";
        database.execute(sql, [step.to_string()]).unwrap();
    }
    let sql = "INSERT INTO roster_import (one, digest, actor, state, total, counts)
               VALUES (1, 'd', 'command line', 'running', 3, '{\"added\":2,\"changed\":1,\"disabled\":0,\"links\":0}')";
    database.execute(sql, []).unwrap();
    roster::resume(&t.app).await;
    let progress = admin.get("/api/admin/roster/d").await.expect(200);
    assert_eq!(
        progress["data"],
        json!({ "state": "done", "total": 3, "done": 3, "problems": [
            { "name": "Another Name", "message": "user has changed since the preview" },
            { "name": "Bob", "message": "This username is taken." },
        ] })
    );
    let cid = admin.get("/api/admin/people/cid").await.expect(200);
    assert_eq!(cid["data"]["grade"], "05");
    let log = admin.get("/api/admin/audit").await.expect(200);
    assert_eq!(
        log["data"][0]["detail"],
        "2 added, 1 changed, 0 disabled, 2 left out"
    );
    assert_eq!(log["data"][1]["detail"], "imported");
    assert_ne!(
        log["data"][2]["detail"], "imported",
        "what was left out is not in the log"
    );

    // Steps that were not all written down are of an import that nobody was told of.
    let staged = "UPDATE roster_import SET state = 'staging'; INSERT INTO roster_import_steps (step) VALUES ('{}')";
    database.execute_batch(staged).unwrap();
    roster::resume(&t.app).await;
    admin
        .get("/api/admin/roster/d")
        .await
        .refused(404, "route_not_found");
}
