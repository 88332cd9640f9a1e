//! Holds beat retention, and retention beats erasure.

use std::time::Duration;

use schoolbell::config::at_least_one;
use schoolbell::model::audit::AuditActor;
use schoolbell::model::personal_data::Messages;
use schoolbell::ops::personal_data::{self, Erased};
use schoolbell::ops::retention;
use serde_json::{Value, json};

use super::{list, two_leads};
use crate::helpers::{Person, TestApp};

const HOLDS: &str = "/api/safeguarding/holds";

fn keeping_30_days() -> TestApp {
    TestApp::with(|config| {
        config.retention.messages = 30;
        config.retention.notifications = 30;
        config.retention.audit = 30;
        config.auth.token_ttl = at_least_one(100 * 86_400);
    })
}

async fn hold(lead: &Person, body: Value) -> Value {
    lead.post(HOLDS, body).await.expect(201)["data"].clone()
}

async fn end(lead: &Person, hold: &Value) {
    let path = format!("{HOLDS}/{}", hold["id"].as_str().unwrap());
    lead.delete(&path).await.expect(200);
    lead.delete(&path).await.refused(404, "hold_not_found");
}

async fn texts(of: &Person, with: &str) -> Vec<String> {
    let path = format!("/api/messages/conversation/{with}?limit=100");
    let all = list(of, &path).await;
    all.iter()
        .map(|m| m["content"].as_str().unwrap().to_owned())
        .collect()
}

async fn erase(t: &TestApp, who: &Person, messages: Messages) -> Erased {
    let by = AuditActor::command_line();
    personal_data::erase(&t.app, by, (*who.user).clone(), messages)
        .await
        .unwrap()
}

#[tokio::test]
async fn retention_passes_over_what_is_held() {
    let t = keeping_30_days();
    let (admin, lea, _) = two_leads(&t).await;
    let (ann, bob) = t.pair().await;
    let (carl, dora) = (t.student("carl").await, t.student("dora").await);
    // The oldest are held, more than one slice looks at.
    for n in 0..25 {
        ann.write(&bob, &format!("held {n}")).await;
    }
    ann.write(&carl, "ann's with carl").await;
    for n in 0..5 {
        carl.write(&dora, &format!("free {n}")).await;
    }
    let notify = |to: &str| json!({ "userIds": [to], "type": "x", "title": "T", "message": "M" });
    for to in ["ann", "carl"] {
        admin
            .post("/api/notifications", notify(to))
            .await
            .expect(201);
    }
    let of_two = hold(
        &lea,
        json!({ "userIds": ["bob", "ann"], "reason": "The police ask" }),
    )
    .await;
    assert_eq!(of_two["users"].as_array().unwrap().len(), 2);
    t.clock.advance(Duration::from_secs(31 * 86_400));
    let removed = retention::purge(&t.app).await.unwrap();
    assert_eq!(removed.messages, 6);
    assert_eq!(removed.notifications, 2 + 2, "and what the leads were told");
    assert_eq!(texts(&ann, "bob").await.len(), 25);
    assert!(texts(&carl, "dora").await.is_empty());
    assert!(texts(&ann, "carl").await.is_empty());
    end(&lea, &of_two).await;
    assert_eq!(retention::purge(&t.app).await.unwrap().messages, 25);
}

#[tokio::test]
async fn all_of_a_persons_is_held() {
    let t = keeping_30_days();
    let (admin, lea, _) = two_leads(&t).await;
    let (ann, bob) = t.pair().await;
    let carl = t.student("carl").await;
    ann.write(&bob, "to bob").await;
    carl.write(&ann, "to ann").await;
    carl.write(&bob, "not ann's").await;
    let all = json!({ "userIds": ["ann", "bob"], "type": "x", "title": "T", "message": "M" });
    admin.post("/api/notifications", all).await.expect(201);
    admin
        .put_json("/api/admin/people/ann", json!({ "name": "Ann B." }))
        .await
        .expect(200);
    let held = hold(&lea, json!({ "userId": "ann", "reason": "A court asks" })).await;
    t.clock.advance(Duration::from_secs(31 * 86_400));
    let removed = retention::purge(&t.app).await.unwrap();
    assert_eq!(removed.messages, 1);
    assert_eq!(list(&ann, "/api/notifications").await.len(), 1);
    assert!(list(&bob, "/api/notifications").await.is_empty());
    assert_eq!(texts(&bob, "ann").await, ["to bob"]);
    // Of the audit log all is left from the first line about her on.
    let chain = admin.get("/api/admin/audit/verify").await.expect(200);
    assert_eq!(chain["data"]["broken"], Value::Null);
    assert!(
        super::actions(&admin)
            .await
            .contains(&"person.change".to_owned())
    );
    end(&lea, &held).await;
    let removed = retention::purge(&t.app).await.unwrap();
    assert_eq!((removed.messages, removed.notifications), (2, 1));
    assert!(
        !super::actions(&admin)
            .await
            .contains(&"person.change".to_owned())
    );
    let chain = admin.get("/api/admin/audit/verify").await.expect(200);
    assert_eq!(chain["data"]["broken"], Value::Null);
    assert!(chain["data"]["beginsAfter"]["line"].as_i64() > Some(0));
}

#[tokio::test]
async fn an_erasure_waits_for_the_end_of_a_hold() {
    let t = TestApp::new();
    let (_, lea, _) = two_leads(&t).await;
    let (ann, bob) = t.pair().await;
    ann.write(&bob, "words").await;
    let held = hold(
        &lea,
        json!({ "userIds": ["ann", "bob"], "reason": "To keep" }),
    )
    .await;
    assert_eq!(erase(&t, &ann, Messages::Remove).await, Erased::Deferred);
    // She is shut out, and unseen.
    ann.get("/api/auth/me").await.refused(401, "user_disabled");
    let found = list(&bob, "/api/users?search=ann").await;
    assert!(found.is_empty());
    assert_eq!(texts(&bob, "ann").await, ["words"]);
    personal_data::erase_pending(&t.app).await.unwrap();
    assert_eq!(texts(&bob, "ann").await, ["words"]);
    end(&lea, &held).await;
    personal_data::erase_pending(&t.app).await.unwrap();
    bob.get("/api/messages/conversation/ann")
        .await
        .refused(404, "user_not_found");
    let left = t.app.store.read(|c| {
        let count = |sql: &str| c.query_row(sql, [], |row| row.get::<_, i64>(0));
        Ok((
            count("SELECT count(*) FROM messages")?,
            count("SELECT count(*) FROM pending_erasures")?,
        ))
    });
    assert_eq!(left.await.unwrap(), (0, 0));
}

#[tokio::test]
async fn a_lead_holds_nothing_of_their_own() {
    let t = TestApp::new();
    let (_, lea, max) = two_leads(&t).await;
    t.pair().await;
    for body in [
        json!({ "userId": "lea", "reason": "x" }),
        json!({ "userIds": ["ann", "lea"], "reason": "x" }),
    ] {
        lea.post(HOLDS, body).await.refused(403, "involved");
    }
    for (body, field) in [
        (json!({ "reason": "x" }), "userId"),
        (
            json!({ "userId": "ann", "userIds": ["ann", "bob"], "reason": "x" }),
            "userId",
        ),
        (
            json!({ "userIds": ["ann", "ann"], "reason": "x" }),
            "userIds",
        ),
        (json!({ "userId": "ann", "reason": "" }), "reason"),
    ] {
        lea.post(HOLDS, body).await.invalid(field);
    }
    let of_max = hold(&lea, json!({ "userId": "max", "reason": "x" })).await;
    assert!(list(&max, HOLDS).await.is_empty());
    max.delete(&format!("{HOLDS}/{}", of_max["id"].as_str().unwrap()))
        .await
        .refused(403, "involved");
}

#[tokio::test]
async fn what_is_held_of_somebody_is_not_erased_with_somebody_else() {
    let t = TestApp::new();
    let (_, lea, _) = two_leads(&t).await;
    let (ann, bob) = t.pair().await;
    ann.write(&bob, "of the offender").await;
    let held = hold(&lea, json!({ "userId": "bob", "reason": "The victim's" })).await;
    assert_eq!(erase(&t, &ann, Messages::Remove).await, Erased::Deferred);
    personal_data::erase_pending(&t.app).await.unwrap();
    assert_eq!(texts(&bob, "ann").await, ["of the offender"]);
    end(&lea, &held).await;
    personal_data::erase_pending(&t.app).await.unwrap();
    bob.get("/api/messages/conversation/ann")
        .await
        .refused(404, "user_not_found");
}

#[tokio::test]
async fn whoever_is_to_be_erased_is_not_let_in_again() {
    let t = TestApp::new();
    let (admin, lea, _) = two_leads(&t).await;
    let ann = t.student("ann").await;
    hold(&lea, json!({ "userId": "ann", "reason": "To keep" })).await;
    assert_eq!(erase(&t, &ann, Messages::Keep).await, Erased::Deferred);
    let body = json!({ "disabled": false });
    admin
        .put_json("/api/admin/people/ann", body)
        .await
        .invalid("disabled");
}

#[tokio::test]
async fn notifications_that_are_held_do_not_keep_the_purge_from_others() {
    let t = keeping_30_days();
    let (admin, lea, _) = two_leads(&t).await;
    let (ann, bob) = t.pair().await;
    for n in 0..40 {
        let to = if n % 20 == 19 { "bob" } else { "ann" };
        let body = json!({ "userIds": [to], "type": "x", "title": "T", "message": "M" });
        admin.post("/api/notifications", body).await.expect(201);
    }
    hold(&lea, json!({ "userId": "ann", "reason": "To keep" })).await;
    t.clock.advance(Duration::from_secs(31 * 86_400));
    let removed = retention::purge(&t.app).await.unwrap();
    assert_eq!(removed.notifications, 2 + 2, "and what the leads were told");
    assert_eq!(list(&ann, "/api/notifications?limit=100").await.len(), 38);
    assert!(list(&bob, "/api/notifications").await.is_empty());
}
