//! People search and presence over REST.

use schoolbell::model::users::Role;
use schoolbell::service::users;
use serde_json::{Value, json};

use crate::helpers::TestApp;

fn ids(answer: &Value) -> Vec<&str> {
    let data = answer["data"].as_array().unwrap();
    data.iter().map(|u| u["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn search_is_by_a_part_of_the_name_without_case_or_accents() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    t.person("rene", Role::Teacher).await;
    t.person("irene", Role::Guardian).await;
    let gone = t.student("renegade").await;
    users::set_disabled(&t.app, &gone.user, true).await.unwrap();
    let found = ann.get("/api/users?search=R%C3%88NE").await.expect(200);
    assert_eq!(
        ids(&found),
        ["irene", "rene"],
        "by name; the disabled are left out"
    );
    let expected = json!({
        "id": "irene", "name": "irene of the school", "avatar": null, "role": "guardian",
        "online": false, "lastSeenAt": null, "can": { "write": "start" },
    });
    assert_eq!(found["data"][0], expected);
    let everybody = ann.get("/api/users").await.expect(200);
    assert_eq!(ids(&everybody), ["irene", "rene"], "not oneself");
    assert_eq!(
        ids(&ann.get("/api/users?limit=1").await.expect(200)),
        ["irene"]
    );
    assert_eq!(
        ids(&ann.get("/api/users?search=%25").await.expect(200)),
        [""; 0]
    );
    ann.get(&format!("/api/users?search={}", "x".repeat(129)))
        .await
        .invalid("search");
}

#[tokio::test]
async fn presence_of_those_whom_one_may_write_to() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let (_socket, _) = bob.connect().await;
    let path = "/api/presence?userIds=bob,ann,nobody";
    let presence = ann.get(path).await.expect(200)["data"].clone();
    assert_eq!(
        presence,
        json!([{ "userId": "bob", "online": true, "lastSeenAt": null }])
    );
    ann.get("/api/presence").await.invalid("userIds");
    ann.get("/api/presence?userIds=").await.invalid("userIds");
    ann.get("/api/presence?userIds=a%20b")
        .await
        .invalid("userIds");
    let many = vec!["x"; 101].join(",");
    ann.get(&format!("/api/presence?userIds={many}"))
        .await
        .invalid("userIds");
}

#[tokio::test]
async fn user_by_id() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let found = ann.get("/api/users/bob").await.expect(200);
    assert_eq!(found["data"]["name"], "bob of the school");
    ann.get("/api/users/ann").await.expect(200);
    ann.get("/api/users/nobody")
        .await
        .refused(404, "user_not_found");
    users::set_disabled(&t.app, &bob.user, true).await.unwrap();
    ann.get("/api/users/bob")
        .await
        .refused(404, "user_not_found");
}

/// Search asks the database, and a message asks the policy: both must say the same of each pair.
#[tokio::test]
async fn who_is_found_is_who_may_be_written_to() {
    let t = TestApp::new();
    let mut people = Vec::new();
    for name in ["ann", "bob", "cem", "dana"] {
        people.push(t.student(name).await);
    }
    schoolbell::service::users::set_disabled(&t.app, &people[2].user, true)
        .await
        .unwrap();
    for me in people.iter().filter(|person| person.id() != "cem") {
        let found = me.get("/api/users").await.expect(200);
        let found: Vec<&str> = found["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["id"].as_str().unwrap())
            .collect();
        for other in &people {
            // Everybody else who is not disabled.
            let may = other.id() != me.id() && other.id() != "cem";
            assert_eq!(
                found.contains(&other.id()),
                may,
                "{} {}",
                me.id(),
                other.id()
            );
            let body = json!({ "receiverId": other.id(), "content": "hi" });
            let sent = me.post("/api/messages", body).await.status;
            assert_eq!(sent == 201, may, "{} {}", me.id(), other.id());
        }
    }
}

/// Whether one may write is asked in the write: what was true when the request came may not be any more.
#[tokio::test]
async fn a_message_that_comes_beside_the_end_of_its_receiver_is_refused() {
    use schoolbell::error::{Error, Noun};
    use schoolbell::model::messages::Content;
    use schoolbell::service::messages::{NewMessage, send};
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    ann.write(&bob, "while bob is there").await;
    let message = NewMessage {
        receiver: bob.user.id().clone(),
        content: Content::parse("hi", 100).unwrap(),
        client_id: None,
        from: None,
    };
    let (ended, sent) = tokio::join!(
        schoolbell::service::users::set_disabled(&t.app, &bob.user, true),
        send(&t.app, &ann.user, message),
    );
    ended.unwrap();
    assert!(matches!(sent, Err(Error::NotFound(Noun::User))), "{sent:?}");
}
