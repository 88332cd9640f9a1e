//! Who may write to whom.

mod api;
mod blocks;
mod cases;
mod doors;
mod random;

use schoolbell::model::ids::{UserId, UserKey};
use serde_json::{Value, json};

use crate::helpers::{Answer, Person, TestApp};

/// Sets the policy as an administrator does, and returns the answer.
async fn set(t: &TestApp, admin: &Person, policy: Value) -> Answer {
    let read = admin.get("/api/admin/policy").await;
    let version = read.headers["etag"].to_str().unwrap().to_owned();
    set_version(t, admin, policy, Some(&version)).await
}

async fn set_version(t: &TestApp, admin: &Person, policy: Value, version: Option<&str>) -> Answer {
    let bearer = format!("Bearer {}", admin.token);
    let mut headers = vec![
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    headers.extend(version.map(|version| ("if-match", version)));
    let body = policy.to_string();
    t.raw("PUT", "/api/admin/policy", &headers, body.as_bytes())
        .await
}

async fn preset(t: &TestApp, admin: &Person, name: &str) {
    set(t, admin, json!({ "preset": name })).await.expect(200);
}

/// Runs SQL on the writer, as an import or the office's pages would.
async fn sql(t: &TestApp, text: &str) {
    let text = text.to_owned();
    let run = t.app.store.write(move |tx| Ok(tx.execute_batch(&text)?));
    run.await.unwrap();
}

async fn key_of(t: &TestApp, id: &str) -> UserKey {
    let id = UserId::parse(id).unwrap();
    let user = schoolbell::service::users::known(&t.app, &id).await;
    user.unwrap().key
}

/// A no-contact order between two people.
async fn keep_apart(t: &TestApp, a: &str, b: &str, until: Option<&str>) {
    let (a, b) = (key_of(t, a).await.0, key_of(t, b).await.0);
    let until = until.map_or("NULL".to_owned(), |day| format!("'{day}'"));
    sql(
        t,
        &format!(
            "INSERT INTO no_contact (id, a_key, b_key, until_day, reason, made_by, created_at)
             VALUES ('order-{a}-{b}', {a}, {b}, {until}, 'a court', 'user:lead', 0)"
        ),
    )
    .await;
}

async fn make_lead(t: &TestApp, id: &str) {
    let key = key_of(t, id).await.0;
    sql(
        t,
        &format!("INSERT INTO duties (user_key, duty) VALUES ({key}, 'safeguarding')"),
    )
    .await;
}

async fn send(from: &Person, to: &str) -> Answer {
    let body = json!({ "receiverId": to, "content": "hello" });
    from.post("/api/messages", body).await
}

/// What `GET /api/users/:id` says that one may do with another: `write`, and why not.
async fn can(from: &Person, to: &str) -> (String, Option<String>) {
    let user = from.get(&format!("/api/users/{to}")).await.expect(200);
    let can = &user["data"]["can"];
    let why = can["why"].as_str().map(ToOwned::to_owned);
    (can["write"].as_str().unwrap().to_owned(), why)
}

/// The ids that somebody finds.
async fn finds(person: &Person) -> Vec<String> {
    let found = person.get("/api/users?limit=100").await.expect(200);
    let people = found["data"].as_array().unwrap().iter();
    people
        .map(|user| user["id"].as_str().unwrap().to_owned())
        .collect()
}
