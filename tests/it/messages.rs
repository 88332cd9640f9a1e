//! Messages over REST.

use serde_json::{Value, json};

use crate::helpers::TestApp;

#[tokio::test]
async fn a_message_has_the_contracts_shape() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let message = ann
        .write(&bob, "  Hallo, «Bob» & <b>du</b> 🐚\n\tbye \n")
        .await;
    let person =
        |id: &str| json!({ "id": id, "name": format!("{id} of the school"), "avatar": null });
    let expected = json!({
        "id": message["id"], "seq": message["seq"], "senderId": "ann", "receiverId": "bob",
        "content": "Hallo, «Bob» & <b>du</b> 🐚\n\tbye", "read": false, "readAt": null,
        "createdAt": "2026-11-22T09:30:00.000Z", "sender": person("ann"), "receiver": person("bob"),
    });
    assert_eq!(message, expected);
    assert_eq!(message["id"].as_str().unwrap().len(), 36);
    assert!(message["seq"].is_i64());
}

#[tokio::test]
async fn the_same_client_id_sends_once() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let (mut socket, _) = bob.connect().await;
    let send = async |from: &crate::helpers::Person, to: &str, content: &str| {
        let body = json!({ "receiverId": to, "content": content, "clientId": "c-1" });
        from.post("/api/messages", body).await
    };
    let first = send(&ann, "bob", "hi").await.expect(201)["data"].clone();
    assert_eq!(first["clientId"], "c-1");
    let again = send(&ann, "bob", "hi, changed").await.expect(200)["data"].clone();
    assert_eq!(again, first);
    socket.expect("new_message").await;
    socket.expect_nothing().await;
    send(&bob, "ann", "mine").await.expect(201);
    let count = bob.get("/api/messages/unread-count").await.expect(200);
    assert_eq!(count["data"], json!({ "count": 1, "unreadCount": 1 }));
}

#[tokio::test]
async fn many_at_once_with_one_client_id_are_one_message() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let body = json!({ "receiverId": "bob", "content": "hi", "clientId": "c" });
    let all = (0..20).map(|_| ann.post("/api/messages", body.clone()));
    let answers = futures_util::future::join_all(all).await;
    let created = answers.iter().filter(|a| a.status == 201).count();
    assert_eq!(created, 1);
    assert!(
        answers
            .iter()
            .all(|a| a.body["data"]["id"] == answers[0].body["data"]["id"])
    );
    let history = bob.get("/api/messages/conversation/ann").await.expect(200);
    assert_eq!(history["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn conversations_are_listed_newest_first() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let zoe = t.student("zoe").await;
    bob.write(&ann, "one").await;
    bob.write(&ann, "two").await;
    let last = ann.write(&zoe, "three").await;
    let (_socket, _) = bob.connect().await;
    let list = ann.get("/api/messages/conversations").await.expect(200);
    let brief: Vec<Value> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| {
            json!([
                c["partner"]["id"],
                c["lastMessage"]["content"],
                c["unreadCount"],
                c["partner"]["online"]
            ])
        })
        .collect();
    assert_eq!(
        json!(brief),
        json!([["zoe", "three", 0, false], ["bob", "two", 2, true]])
    );
    assert_eq!(list["data"][0]["lastMessage"], last);
    assert_eq!(list["paging"], json!({ "hasMore": false, "before": null }));

    let first = ann
        .get("/api/messages/conversations?limit=1")
        .await
        .expect(200);
    assert_eq!(first["paging"]["hasMore"], true);
    let cursor = first["paging"]["before"].as_str().unwrap();
    let path = format!("/api/messages/conversations?limit=1&before={cursor}");
    let second = ann.get(&path).await.expect(200);
    assert_eq!(second["data"][0]["partner"]["id"], "bob");
    assert_eq!(
        second["paging"],
        json!({ "hasMore": false, "before": null })
    );
}

#[tokio::test]
async fn history_is_oldest_first_and_can_be_walked_both_ways() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    for i in 0..5 {
        ann.write(&bob, &format!("m{i}")).await;
    }
    let contents = |page: &Value| -> Vec<String> {
        let data = page["data"].as_array().unwrap();
        data.iter()
            .map(|m| m["content"].as_str().unwrap().into())
            .collect()
    };
    let page = async |query: String| {
        bob.get(&format!("/api/messages/conversation/ann?limit=2{query}"))
            .await
            .expect(200)
    };
    let newest = page(String::new()).await;
    assert_eq!(contents(&newest), ["m3", "m4"]);
    assert_eq!(newest["paging"]["hasMore"], true);
    let older = page(format!(
        "&before={}",
        newest["paging"]["before"].as_str().unwrap()
    ))
    .await;
    assert_eq!(contents(&older), ["m1", "m2"]);
    let oldest = page(format!(
        "&before={}",
        older["paging"]["before"].as_str().unwrap()
    ))
    .await;
    assert_eq!(contents(&oldest), ["m0"]);
    assert_eq!(
        (&oldest["paging"]["hasMore"], &oldest["paging"]["before"]),
        (&json!(false), &Value::Null)
    );
    let forward = page(format!(
        "&after={}",
        oldest["paging"]["after"].as_str().unwrap()
    ))
    .await;
    assert_eq!(contents(&forward), ["m1", "m2"]);
    let end = newest["paging"]["after"].as_str().unwrap();
    let nothing = page(format!("&after={end}")).await;
    assert_eq!(contents(&nothing), [""; 0]);
    assert_eq!(
        nothing["paging"]["after"], end,
        "the cursor holds until there is more"
    );
    let both = format!("/api/messages/conversation/ann?after={end}&before={end}");
    bob.get(&both).await.invalid("after");
}

#[tokio::test]
async fn reading_up_to_a_message() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let mut ids = Vec::new();
    for i in 0..4 {
        ids.push(ann.write(&bob, &format!("m{i}")).await["id"].clone());
        bob.write(&ann, "mine").await;
    }
    let read = async |body: Value| {
        bob.put_json("/api/messages/read/ann", body)
            .await
            .expect(200)["data"]
            .clone()
    };
    assert_eq!(
        read(json!({ "upTo": ids[1] })).await,
        json!({ "updated": 2 })
    );
    assert_eq!(
        read(json!({ "upTo": ids[0] })).await,
        json!({ "updated": 0 }),
        "never backwards"
    );
    let history = ann.get("/api/messages/conversation/bob").await.expect(200);
    let mine: Vec<bool> = history["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|m| m["senderId"] == "ann")
        .map(|m| m["read"].as_bool().unwrap() && m["readAt"] == "2026-11-22T09:30:00.000Z")
        .collect();
    assert_eq!(mine, [true, true, false, false]);
    assert_eq!(
        bob.get("/api/messages/unread-count").await.expect(200)["data"]["count"],
        2
    );
    t.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(read(json!({})).await, json!({ "updated": 2 }));
    assert_eq!(
        bob.put("/api/messages/read/ann").await.expect(200)["data"]["updated"],
        0
    );
    let history = ann.get("/api/messages/conversation/bob").await.expect(200);
    assert_eq!(
        history["data"][0]["readAt"], "2026-11-22T09:30:00.000Z",
        "the first read counts"
    );
    assert_eq!(history["data"][6]["readAt"], "2026-11-22T09:31:00.000Z");
    let others = ann.get("/api/messages/unread-count").await.expect(200);
    assert_eq!(others["data"]["count"], 4, "ann has read nothing");
}

#[tokio::test]
async fn what_does_not_exist_or_is_someone_elses_is_not_found() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let zoe = t.student("zoe").await;
    let theirs = ann.write(&bob, "hi").await["id"].clone();
    zoe.write(&bob, "hello").await;
    let up_to = json!({ "upTo": theirs });
    zoe.put_json("/api/messages/read/bob", up_to.clone())
        .await
        .refused(404, "message_not_found");
    zoe.put_json("/api/messages/read/ann", up_to)
        .await
        .refused(404, "message_not_found");
    zoe.put_json("/api/messages/read/bob", json!({ "upTo": "x" }))
        .await
        .refused(404, "message_not_found");
    zoe.put("/api/messages/read/nobody")
        .await
        .refused(404, "user_not_found");
    zoe.put("/api/messages/read/a%20b")
        .await
        .refused(404, "user_not_found");
    zoe.get("/api/messages/conversation/nobody")
        .await
        .refused(404, "user_not_found");
    let nobody = json!({ "receiverId": "nobody", "content": "x" });
    zoe.post("/api/messages", nobody)
        .await
        .refused(404, "user_not_found");
    let not_an_id = json!({ "receiverId": "a b", "content": "x" });
    zoe.post("/api/messages", not_an_id)
        .await
        .refused(404, "user_not_found");
    let empty = ann.get("/api/messages/conversation/zoe").await.expect(200);
    assert_eq!(empty["data"], json!([]));
    assert_eq!(
        ann.put("/api/messages/read/zoe").await.expect(200)["data"]["updated"],
        0
    );
}

#[tokio::test]
async fn search_finds_words_of_any_language_and_only_ones_own() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let zoe = t.student("zoe").await;
    for text in [
        "The volcano project",
        "Une école à Genève",
        "Школа завтра закрыта",
        "数学の宿題",
        "volcanoes again",
    ] {
        ann.write(&bob, text).await;
    }
    zoe.write(&ann, "a secret volcano").await;
    let search = async |who: &crate::helpers::Person, q: &str| -> Vec<String> {
        let query: String = form_urlencoded::byte_serialize(q.as_bytes()).collect();
        let found = who
            .get(&format!("/api/messages/search?q={query}"))
            .await
            .expect(200);
        let data = found["data"].as_array().unwrap();
        data.iter()
            .map(|m| m["content"].as_str().unwrap().into())
            .collect()
    };
    assert_eq!(
        search(&bob, "volc").await,
        ["volcanoes again", "The volcano project"]
    );
    assert_eq!(search(&bob, "VOLCANO proj").await, ["The volcano project"]);
    assert_eq!(search(&bob, "ecole geneve").await, ["Une école à Genève"]);
    assert_eq!(search(&bob, "шКОЛА").await, ["Школа завтра закрыта"]);
    assert_eq!(search(&bob, "数学").await, ["数学の宿題"]);
    assert_eq!(search(&ann, "volcano").await.len(), 3);
    assert_eq!(search(&zoe, "volcano").await, ["a secret volcano"]);
    // What would be syntax to FTS5 is words here, or nothing.
    for q in [
        "volc* OR secret",
        "people:u1",
        "NEAR(volcano project)",
        "\"volcano",
        "volcano -project",
        "^volcano",
    ] {
        search(&bob, q).await;
    }
    assert_eq!(
        search(&bob, "u1").await,
        [""; 0],
        "who took part is not text"
    );
    assert_eq!(
        search(&bob, "volcano OR secret").await,
        [""; 0],
        "OR is a word"
    );
    for q in ["", "%20", "*", "%22", "%F0%9F%90%9A"] {
        bob.get(&format!("/api/messages/search?q={q}"))
            .await
            .invalid("q");
    }
    bob.get("/api/messages/search").await.invalid("q");
    bob.get(&format!("/api/messages/search?q={}", "x".repeat(201)))
        .await
        .invalid("q");
}

#[tokio::test]
async fn a_repeated_request_is_answered_though_the_receiver_is_gone() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let body = json!({ "receiverId": "bob", "content": "hi", "clientId": "c" });
    let first = ann.post("/api/messages", body.clone()).await.expect(201);
    schoolbell::service::users::set_disabled(&t.app, &bob.user, true)
        .await
        .unwrap();
    assert_eq!(
        ann.post("/api/messages", body).await.expect(200)["data"],
        first["data"]
    );
}
