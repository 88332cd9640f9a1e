//! Backups by an administrator, what to look at, and the settings.

use schoolbell::config::Secret;
use serde_json::json;

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
