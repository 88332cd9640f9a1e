//! Reporting, removing, reviewing, holding, and the audit log's chain.

mod chain;
mod duties;
mod holds;
mod journal;
mod no_contact;
mod removals;
mod reports;
mod reviews;
mod telling;

use schoolbell::model::users::Role;
use serde_json::{Value, json};

use crate::helpers::{Answer, Person, TestApp};

/// Sets somebody's duties as an administrator does.
async fn set_duties(admin: &Person, id: &str, duties: &[&str]) -> Answer {
    let path = format!("/api/admin/people/{id}");
    admin.put_json(&path, json!({ "duties": duties })).await
}

/// An administrator, and two leads whose duty is in force.
async fn two_leads(t: &TestApp) -> (Person, Person, Person) {
    let admin = t.admin().await;
    let lea = t.person("lea", Role::Staff).await;
    let max = t.person("max", Role::Teacher).await;
    set_duties(&admin, "lea", &["safeguarding"])
        .await
        .expect(200);
    set_duties(&admin, "max", &["safeguarding"])
        .await
        .expect(200);
    lea.post("/api/safeguarding/leads/max/confirm", json!({}))
        .await
        .expect(200);
    (admin, lea, max)
}

async fn data(person: &Person, path: &str) -> Value {
    person.get(path).await.expect(200)["data"].clone()
}

/// What a list has.
async fn list(person: &Person, path: &str) -> Vec<Value> {
    data(person, path).await.as_array().unwrap().clone()
}

/// The types of somebody's notifications, the newest first.
async fn told(person: &Person) -> Vec<String> {
    let all = list(person, "/api/notifications").await;
    all.iter()
        .map(|one| one["type"].as_str().unwrap().to_owned())
        .collect()
}

/// Runs SQL on the writer.
async fn sql(t: &TestApp, text: &str) {
    let text = text.to_owned();
    let run = t.app.store.write(move |tx| Ok(tx.execute_batch(&text)?));
    run.await.unwrap();
}

/// The actions of the audit log, the newest first.
async fn actions(admin: &Person) -> Vec<String> {
    let lines = list(admin, "/api/admin/audit?limit=200").await;
    lines
        .iter()
        .map(|line| line["action"].as_str().unwrap().to_owned())
        .collect()
}
