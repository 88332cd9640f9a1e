//! Backups by an administrator, what to look at, and the settings.

use schoolbell::config::Secret;
use serde_json::{Value, json};

use crate::helpers::{SECRET, TestApp};

#[tokio::test]
async fn a_backup_is_made_listed_fetched_and_removed() {
    let t = TestApp::new();
    let admin = t.admin().await;
    t.student("ann").await;
    let before = admin.get("/api/admin/checks").await.expect(200);
    assert_eq!(before["data"]["lastBackupAt"], json!(null));
    assert!(before["data"]["diskFreeBytes"].as_u64().unwrap() > 0);
    let made = admin
        .post("/api/admin/backups", json!({}))
        .await
        .expect(201)["data"]
        .clone();
    let name = made["name"].as_str().unwrap();
    let list = admin.get("/api/admin/backups").await.expect(200);
    assert_eq!(list["data"], json!([made]));
    let path = format!("/api/admin/backups/{name}");
    let fetched = reqwest_get(&t, &admin.token, &path).await;
    assert_eq!(fetched.len() as u64, made["bytes"].as_u64().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    std::fs::write(&copy, fetched).unwrap();
    let people: i64 = rusqlite::Connection::open(&copy)
        .unwrap()
        .query_row("SELECT count(*) FROM users", [], |row| row.get(0))
        .unwrap();
    assert_eq!(people, 2);
    let after = admin.get("/api/admin/checks").await.expect(200);
    assert!(after["data"]["lastBackupAt"].is_string());
    admin.delete(&path).await.expect(200);
    admin.delete(&path).await.refused(404, "backup_not_found");
    for name in [
        "..%2Fschool.db",
        "%2Fetc%2Fpasswd",
        "schoolbell-..db",
        "schoolbell-.db",
        "x",
    ] {
        let answer = admin.get(&format!("/api/admin/backups/{name}")).await;
        answer.refused(404, "backup_not_found");
    }
}

async fn reqwest_get(t: &TestApp, token: &str, path: &str) -> Vec<u8> {
    t.confirm(token).await;
    let url = format!("http://{}{path}", t.address);
    let response = crate::helpers::http()
        .get(url)
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    response.bytes().await.unwrap().to_vec()
}

#[tokio::test]
async fn settings_are_shown_and_secrets_are_not() {
    let t = TestApp::with(|config| {
        config.push.subject = "mailto:office@school.edu".into();
        config.metrics.token = Secret::new("a token that nobody must see");
    });
    let admin = t.admin().await;
    let answer = admin.get("/api/admin/settings").await;
    assert!(!answer.text.contains(SECRET) && !answer.text.contains("nobody must see"));
    let settings = answer.expect(200)["data"].as_array().unwrap().clone();
    let value = |key: &str| {
        let found = settings.iter().find(|setting| setting["key"] == key);
        found.unwrap_or_else(|| panic!("{key}"))["value"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(value("metrics.token"), "\"***\"");
    assert_eq!(value("auth.jwt_secret"), "\"***\"");
    assert_eq!(value("push.vapid_private_key"), "\"\"");
    assert_eq!(value("push.subject"), "\"mailto:office@school.edu\"");
    assert_eq!(value("messages.max_length"), "4000");
}

#[tokio::test]
async fn what_the_dashboard_sets_holds_unless_the_configuration_has_it() {
    let t = TestApp::with(|config| config.school.short_address = "bell.example".into());
    let admin = t.admin().await;
    let path = "/api/admin/settings";
    let set = async |settings: Value| admin.put_json(path, json!({ "settings": settings })).await;
    let found = |list: &Value, key: &str| {
        let list = list["data"].as_array().unwrap();
        let one = list.iter().find(|one| one["key"] == key).unwrap();
        json!([one["value"], one["source"]["kind"], one["settable"]])
    };
    let before = admin.get(path).await.expect(200);
    assert_eq!(
        found(&before, "school.name"),
        json!(["\"\"", "default", true])
    );
    assert_eq!(found(&before, "school.short_address")[2], false);
    assert_eq!(found(&before, "server.listen")[2], false);

    let changed =
        set(json!({ "school.name": " Hill School ", "school.time_zone": "Pacific/Auckland" }))
            .await;
    let changed = changed.expect(200);
    assert_eq!(
        found(&changed, "school.name"),
        json!(["\"Hill School\"", "dashboard", true])
    );
    assert_eq!(t.app.school.get().name, "Hill School");
    // 2026-11-22T09:30Z, and three hours later.
    t.clock.advance(std::time::Duration::from_secs(3 * 3_600));
    assert_eq!(t.app.calendar.today().to_string(), "2026-11-23");
    let log = admin.get("/api/admin/audit").await.expect(200);
    let line = &log["data"][0];
    assert_eq!(
        (&line["action"], &line["detail"]),
        (
            &json!("settings.change"),
            &json!("school.name, school.time_zone")
        )
    );

    set(json!({ "school.short_address": "x" }))
        .await
        .refused(409, "set_in_config");
    set(json!({ "school.time_zone": "Berlin" }))
        .await
        .invalid("school.time_zone");
    set(json!({ "server.listen": "x" }))
        .await
        .invalid("server.listen");
    set(json!({ "school.name": "a\nb" }))
        .await
        .invalid("school.name");
    assert_eq!(t.app.school.get().name, "Hill School", "all or nothing");
    // Another process, and a start.
    let database = rusqlite::Connection::open(t.app.store.path()).unwrap();
    database
        .execute(
            "UPDATE settings SET value = 'Dale School' WHERE name = 'school.name'",
            [],
        )
        .unwrap();
    schoolbell::service::settings::reload(&t.app).await.unwrap();
    assert_eq!(t.app.school.get().name, "Dale School");
    set(json!({ "school.name": "" })).await.expect(200);
    assert_eq!(t.app.school.get().name, "");
}
