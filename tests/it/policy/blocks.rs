//! Blocking and muting.

use std::time::Duration;

use schoolbell::model::users::Role;
use serde_json::json;

use super::{can, send};
use crate::helpers::{Person, TestApp};

async fn block(who: &Person, whom: &str) -> crate::helpers::Answer {
    who.put(&format!("/api/users/{whom}/block")).await
}

#[tokio::test]
async fn what_somebody_writes_who_is_blocked_is_seen_by_them_alone() {
    let (t, service) = TestApp::with_push().await;
    let (ann, bob) = t.pair().await;
    t.subscribe(&service, &ann, "phone").await;
    bob.write(&ann, "before").await;
    service.next().await;
    block(&ann, "bob").await.expect(200);
    let blocked = ann.get("/api/users/blocked").await.expect(200);
    assert_eq!(blocked["data"][0]["id"], "bob");
    assert_eq!(
        can(&ann, "bob").await,
        ("no".into(), Some("you_blocked".into()))
    );
    let denied = send(&ann, "bob").await.refused(403, "policy_denied");
    assert_eq!(denied["details"][0]["params"]["why"], "you_blocked");

    // He sees no difference: not in the answer, not in what he may, not on his other devices, not in what he types.
    assert_eq!(can(&bob, "ann").await, ("start".into(), None));
    let (mut of_ann, _) = ann.connect().await;
    let (mut of_bob, _) = bob.connect().await;
    let hidden = bob.write(&ann, "hidden words").await;
    assert_eq!(of_bob.await_event("new_message").await["id"], hidden["id"]);
    of_bob
        .send(json!({ "event": "typing", "data": { "to": "ann", "typing": true } }))
        .await;
    of_ann.expect_nothing().await;
    t.drained().await;
    assert!(service.take().is_empty());
    let texts = |answer: serde_json::Value| -> Vec<String> {
        let messages = answer["data"].as_array().unwrap().iter();
        messages
            .map(|m| m["content"].as_str().unwrap().to_owned())
            .collect()
    };
    let history = "/api/messages/conversation/";
    assert_eq!(
        texts(bob.get(&format!("{history}ann")).await.expect(200)),
        ["before", "hidden words"]
    );

    // She sees nothing of it, then or after she has unblocked him, in no list, count, search or replay.
    for unblocked in [false, true] {
        if unblocked {
            ann.delete("/api/users/bob/block").await.expect(200);
        }
        assert_eq!(
            texts(ann.get(&format!("{history}bob")).await.expect(200)),
            ["before"]
        );
        let list = ann.get("/api/messages/conversations").await.expect(200);
        assert_eq!(list["data"][0]["lastMessage"]["content"], "before");
        assert_eq!(list["data"][0]["unreadCount"], 1);
        let me = ann.get("/api/auth/me").await.expect(200);
        assert_eq!(me["data"]["unread"]["messages"], 1);
        assert!(texts(ann.get("/api/messages/search?q=hidden").await.expect(200)).is_empty());
        assert_eq!(
            texts(bob.get("/api/messages/search?q=hidden").await.expect(200)).len(),
            1
        );
        let (mut again, _) = ann.connect_since(Some(0)).await;
        assert_eq!(again.await_event("new_message").await["content"], "before");
        again.expect_nothing().await;
    }
    let id = hidden["id"].as_str().unwrap();
    ann.put_json("/api/messages/read/bob", json!({ "upTo": id }))
        .await
        .refused(404, "message_not_found");
    // What comes after it is seen, and reading it reads what she saw.
    bob.write(&ann, "after").await;
    assert_eq!(
        texts(ann.get(&format!("{history}bob")).await.expect(200)),
        ["before", "after"]
    );
    assert_eq!(
        ann.put("/api/messages/read/bob").await.expect(200)["data"]["updated"],
        2
    );
    assert_eq!(
        ann.get("/api/auth/me").await.expect(200)["data"]["unread"]["messages"],
        0
    );
}

#[tokio::test]
async fn a_first_message_of_somebody_blocked_makes_no_conversation_for_the_other() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    block(&ann, "bob").await.expect(200);
    send(&ann, "bob").await.refused(404, "user_not_found");
    bob.write(&ann, "hello").await;
    send(&ann, "bob").await.refused(404, "user_not_found");
    assert_eq!(
        ann.get("/api/messages/conversations").await.expect(200)["data"],
        json!([])
    );
    assert_eq!(
        bob.get("/api/messages/conversations").await.expect(200)["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    ann.get("/api/users/bob").await.expect(200);
}

#[tokio::test]
async fn hidden_messages_leave_the_counts_alone_when_they_are_removed() {
    let t = TestApp::with(|config| config.retention.messages = 10);
    let (ann, bob) = t.pair().await;
    block(&ann, "bob").await.expect(200);
    bob.write(&ann, "hidden").await;
    ann.delete("/api/users/bob/block").await.expect(200);
    t.clock.advance(Duration::from_secs(8 * 86_400));
    let (ann, bob) = (t.again(&ann).await, t.again(&bob).await);
    bob.write(&ann, "seen").await;
    t.clock.advance(Duration::from_secs(3 * 86_400));
    schoolbell::ops::retention::purge(&t.app).await.unwrap();
    let (ann, bob) = (t.again(&ann).await, t.again(&bob).await);
    let unread = ann.get("/api/messages/unread-count").await.expect(200);
    assert_eq!(unread["data"]["count"], 1);
    let list = ann.get("/api/messages/conversations").await.expect(200);
    assert_eq!(list["data"][0]["lastMessage"]["content"], "seen");
    let list = bob.get("/api/messages/conversations").await.expect(200);
    assert_eq!(list["data"][0]["lastMessage"]["content"], "seen");
}

#[tokio::test]
async fn only_pupils_and_guardians_block_each_other_and_nobody_their_own() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let (ann, bob) = t.pair().await;
    let gus = t.person("gus", Role::Guardian).await;
    let tea = t.person("tea", Role::Teacher).await;
    let links = json!({ "guardians": [{ "id": "gus" }] });
    admin
        .put_json("/api/admin/people/ann/guardians", links)
        .await
        .expect(200);
    for (who, whom) in [
        (&ann, "tea"),
        (&tea, "ann"),
        (&ann, "gus"),
        (&gus, "ann"),
        (&ann, "admin"),
    ] {
        block(who, whom).await.refused(403, "cannot_block");
    }
    block(&ann, "ann").await.invalid("id");
    block(&ann, "nobody").await.refused(404, "user_not_found");
    block(&gus, "bob").await.expect(200);
    block(&gus, "bob").await.expect(200);
    // Who becomes staff cannot be shut out, nor a guardian of one's own.
    block(&ann, "bob").await.expect(200);
    admin
        .put_json("/api/admin/people/bob", json!({ "role": "staff" }))
        .await
        .expect(200);
    let bob = t.again(&bob).await;
    bob.write(&ann, "the office writes").await;
    let list = ann.get("/api/messages/conversations").await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!(can(&ann, "bob").await, ("start".into(), None));
}

#[tokio::test]
async fn a_muted_partner_is_not_pushed() {
    let (t, service) = TestApp::with_push().await;
    let (ann, bob) = t.pair().await;
    t.subscribe(&service, &ann, "phone").await;
    bob.write(&ann, "one").await;
    service.next().await;
    ann.put("/api/messages/mute/bob").await.expect(200);
    bob.write(&ann, "two").await;
    t.drained().await;
    assert!(service.take().is_empty());
    let list = ann.get("/api/messages/conversations").await.expect(200);
    assert_eq!(
        (&list["data"][0]["muted"], &list["data"][0]["unreadCount"]),
        (&json!(true), &json!(2))
    );
    ann.delete("/api/messages/mute/bob").await.expect(200);
    bob.write(&ann, "three").await;
    assert_eq!(service.next().await.payload["message"], "three");
    ann.put("/api/messages/mute/ann").await.invalid("id");
    ann.put("/api/messages/mute/nobody")
        .await
        .refused(404, "user_not_found");
}
