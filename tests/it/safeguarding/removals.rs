//! Taking messages back.

use std::time::Duration;

use serde_json::{Value, json};

use super::{data, list, two_leads};
use crate::helpers::{Came, Person, TestApp};

async fn remove(who: &Person, message: &Value) -> crate::helpers::Answer {
    let id = message["id"].as_str().unwrap();
    who.delete(&format!("/api/messages/{id}")).await
}

async fn unread(person: &Person) -> Value {
    data(person, "/api/auth/me").await["unread"]["messages"].clone()
}

#[tokio::test]
async fn a_sender_takes_a_message_back_for_ten_minutes() {
    let (t, service) = TestApp::with_push().await;
    let (ann, bob) = t.pair().await;
    let carl = t.student("carl").await;
    t.subscribe(&service, &bob, "phone").await;
    let (mut of_ann, _) = ann.connect().await;
    let kept = ann.write(&bob, "kept words").await;
    let sent = ann.write(&bob, "secret words").await;
    assert_eq!(unread(&bob).await, 2);
    carl.delete(&format!("/api/messages/{}", sent["id"].as_str().unwrap()))
        .await
        .refused(404, "message_not_found");
    remove(&bob, &sent).await.refused(403, "role_not_allowed");

    remove(&ann, &sent).await.expect(200);
    // The same again changes nothing.
    remove(&ann, &sent).await.expect(200);
    let told = of_ann.await_event("message_removed").await;
    assert_eq!(told["id"], sent["id"]);
    assert_eq!(told["by"], "sender");
    assert_eq!(
        (&told["senderId"], &told["receiverId"]),
        (&json!("ann"), &json!("bob"))
    );
    assert!(told["seq"].as_i64() > sent["seq"].as_i64());
    assert_eq!(unread(&bob).await, 1);

    // It keeps its place, without its text, in the history, the list and the search.
    let history = list(&bob, "/api/messages/conversation/ann").await;
    assert_eq!(history[0]["content"], "kept words");
    assert!(history[0].get("removed").is_none());
    assert_eq!(history[1]["content"], "");
    assert_eq!(history[1]["removed"]["by"], "sender");
    assert!(history[1]["removed"]["at"].is_string());
    let conversations = list(&bob, "/api/messages/conversations").await;
    assert_eq!(conversations[0]["lastMessage"]["id"], sent["id"]);
    assert_eq!(conversations[0]["unreadCount"], 1);
    for person in [&ann, &bob] {
        assert!(
            list(person, "/api/messages/search?q=secret")
                .await
                .is_empty()
        );
        assert_eq!(list(person, "/api/messages/search?q=kept").await.len(), 1);
    }
    bob.put("/api/messages/read/ann").await.expect(200);
    assert_eq!(unread(&bob).await, 0);

    // Ten minutes later it is too late.
    t.clock.advance(Duration::from_secs(601));
    let ann = t.again(&ann).await;
    remove(&ann, &kept).await.refused(403, "too_late");
}

#[tokio::test]
async fn a_lead_removes_any_message_at_any_time() {
    let t = TestApp::new();
    let (admin, lea, _) = two_leads(&t).await;
    let (ann, bob) = t.pair().await;
    let sent = ann.write(&bob, "words").await;
    t.clock.advance(Duration::from_secs(3_600));
    remove(&lea, &sent).await.expect(200);
    let history = list(&ann, "/api/messages/conversation/bob").await;
    assert_eq!(history[0]["removed"]["by"], "school");
    assert_eq!(super::actions(&admin).await[0], "message.remove");
}

#[tokio::test]
async fn who_comes_back_gets_removals_in_order() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let (mut of_bob, hello) = bob.connect().await;
    let since = hello["seq"].as_i64().unwrap();
    let one = ann.write(&bob, "one").await;
    let two = ann.write(&bob, "two").await;
    of_bob.await_event("new_message").await;
    drop(of_bob);
    remove(&ann, &two).await.expect(200);
    let three = ann.write(&bob, "three").await;
    remove(&ann, &one).await.expect(200);
    let (mut again, _) = bob.connect_since(Some(since)).await;
    let mut got = Vec::new();
    for _ in 0..5 {
        let Came::Event(event) = again.next().await else {
            panic!("closed");
        };
        got.push((
            event["event"].as_str().unwrap().to_owned(),
            event["data"]["id"].clone(),
            event["data"]["content"].clone(),
        ));
    }
    let of = |event: &str, message: &Value, content: Value| {
        (event.to_owned(), message["id"].clone(), content)
    };
    assert_eq!(
        got,
        [
            of("new_message", &one, json!("")),
            of("new_message", &two, json!("")),
            of("message_removed", &two, Value::Null),
            of("new_message", &three, json!("three")),
            of("message_removed", &one, Value::Null),
        ]
    );
}

#[tokio::test]
async fn what_was_taken_back_is_not_pushed() {
    let (t, service) = TestApp::with_push().await;
    let (ann, bob) = t.pair().await;
    t.subscribe(&service, &bob, "phone").await;
    let hours = json!({ "quietHours": { "timeZone": "UTC", "windows": [
        { "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "00:00", "to": "24:00" }] } });
    bob.put_json("/api/notifications/preferences", hours)
        .await
        .expect(200);
    let sent = ann.write(&bob, "words").await;
    remove(&ann, &sent).await.expect(200);
    bob.put_json("/api/notifications/preferences", json!({}))
        .await
        .expect(200);
    t.drained().await;
    assert!(service.take().is_empty());
}

#[tokio::test]
async fn retention_removes_what_was_taken_back_as_well() {
    let t = TestApp::with(|config| {
        config.retention.messages = 30;
        config.auth.token_ttl = schoolbell::config::at_least_one(100 * 86_400);
    });
    let (ann, bob) = t.pair().await;
    let sent = ann.write(&bob, "words").await;
    ann.write(&bob, "more").await;
    remove(&ann, &sent).await.expect(200);
    t.clock.advance(Duration::from_secs(31 * 86_400));
    let removed = schoolbell::ops::retention::purge(&t.app).await.unwrap();
    assert_eq!(removed.messages, 2);
    assert_eq!(unread(&bob).await, 0);
    let kept = t.app.store.read(|c| {
        Ok(
            c.query_row("SELECT count(*) FROM message_removals", [], |row| {
                row.get::<_, i64>(0)
            })?,
        )
    });
    assert_eq!(kept.await.unwrap(), 0);
}

#[tokio::test]
async fn a_lead_removes_nothing_from_a_conversation_of_their_own_later_than_others() {
    let t = TestApp::new();
    let (_, lea, max) = two_leads(&t).await;
    let ann = t.student("ann").await;
    let theirs = ann.write(&lea, "to a lead").await;
    let own = lea.write(&ann, "of a lead").await;
    remove(&lea, &theirs).await.refused(403, "involved");
    t.clock.advance(Duration::from_secs(601));
    let (lea, max) = (t.again(&lea).await, t.again(&max).await);
    remove(&lea, &own).await.refused(403, "too_late");
    remove(&max, &own).await.expect(200);
    // What is removed is removed, whoever asks again.
    remove(&lea, &own).await.expect(200);
}
