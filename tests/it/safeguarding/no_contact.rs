//! No-contact orders.

use schoolbell::model::users::Role;
use serde_json::{Value, json};

use super::{data, list, two_leads};
use crate::helpers::TestApp;

const ORDERS: &str = "/api/safeguarding/no-contact";

#[tokio::test]
async fn a_lead_keeps_two_people_from_each_other() {
    let t = TestApp::new();
    let (_, lea, max) = two_leads(&t).await;
    let (ann, bob) = t.pair().await;
    ann.write(&bob, "before").await;
    let body = json!({ "a": "ann", "b": "bob", "reason": "A court has said so" });
    ann.post(ORDERS, body.clone())
        .await
        .refused(403, "role_not_allowed");
    let made = lea.post(ORDERS, body.clone()).await.expect(201)["data"].clone();
    assert_eq!(
        (&made["a"]["id"], &made["b"]["id"]),
        (&json!("ann"), &json!("bob"))
    );
    assert_eq!(made["until"], Value::Null);
    assert_eq!(
        lea.post(ORDERS, body).await.expect(200)["data"]["id"],
        made["id"]
    );
    for (who, other) in [(&ann, "bob"), (&bob, "ann")] {
        let send = json!({ "receiverId": other, "content": "words" });
        let denied = who.post("/api/messages", send).await;
        let denied = denied.refused(403, "policy_denied");
        assert_eq!(denied["details"][0]["params"]["why"], "closed");
        assert!(
            list(who, &format!("/api/users?search={other}"))
                .await
                .is_empty()
        );
    }
    // The reason is for leads, and the log has its hash alone.
    let line = list(&max, "/api/safeguarding/audit").await[0].clone();
    assert_eq!(line["action"], "no_contact.make");
    assert_eq!(line["text"], "A court has said so");
    assert!(
        line["detail"]
            .as_str()
            .unwrap()
            .starts_with("ann and bob, sha256 ")
    );

    let path = format!("{ORDERS}/{}", made["id"].as_str().unwrap());
    max.delete(&path).await.expect(200);
    max.delete(&path).await.refused(404, "no_contact_not_found");
    ann.write(&bob, "again").await;
}

#[tokio::test]
async fn an_order_is_with_a_role_and_until_a_day() {
    let t = TestApp::new();
    let (_, lea, _) = two_leads(&t).await;
    let ann = t.student("ann").await;
    let tom = t.person("tom", Role::Teacher).await;
    let today = t.app.calendar.today().to_string();
    let body = json!({ "a": "tom", "role": "student", "until": today, "reason": "An inquiry" });
    let made = lea.post(ORDERS, body).await.expect(201)["data"].clone();
    assert_eq!(
        (&made["role"], &made["b"]),
        (&json!("student"), &Value::Null)
    );
    let send = json!({ "receiverId": "ann", "content": "words" });
    tom.post("/api/messages", send.clone())
        .await
        .refused(404, "user_not_found");
    t.clock.advance(std::time::Duration::from_secs(86_400));
    t.again(&tom)
        .await
        .post("/api/messages", send)
        .await
        .expect(201);
    drop(ann);
}

#[tokio::test]
async fn what_makes_no_order_is_refused() {
    let t = TestApp::new();
    let (_, lea, max) = two_leads(&t).await;
    t.pair().await;
    for (body, field) in [
        (json!({ "a": "ann", "reason": "x" }), "b"),
        (
            json!({ "a": "ann", "b": "bob", "role": "teacher", "reason": "x" }),
            "b",
        ),
        (json!({ "a": "ann", "b": "ann", "reason": "x" }), "b"),
        (
            json!({ "a": "ann", "b": "bob", "until": "soon", "reason": "x" }),
            "until",
        ),
        (json!({ "a": "ann", "b": "bob", "reason": " " }), "reason"),
    ] {
        lea.post(ORDERS, body).await.invalid(field);
    }
    let own = json!({ "a": "lea", "b": "bob", "reason": "x" });
    lea.post(ORDERS, own.clone()).await.refused(403, "involved");
    let made = max.post(ORDERS, own).await.expect(201)["data"].clone();
    assert!(list(&lea, ORDERS).await.is_empty());
    lea.delete(&format!("{ORDERS}/{}", made["id"].as_str().unwrap()))
        .await
        .refused(403, "involved");
    // A lead and everybody else may write to each other, but for an order.
    let explained = data(&max, "/api/policy/explain?from=lea&to=bob").await;
    assert_eq!(explained["may"], "no");
}

#[tokio::test]
async fn a_lead_reads_nothing_of_an_order_that_they_are_in() {
    let t = TestApp::new();
    let (admin, lea, max) = two_leads(&t).await;
    t.pair().await;
    let body = json!({ "a": "ann", "b": "max", "reason": "An inquiry" });
    let made = lea.post(ORDERS, body).await.expect(201)["data"].clone();
    let of_admin = json!({ "a": "ann", "b": "admin", "reason": "Another" });
    lea.post(ORDERS, of_admin).await.expect(201);
    let path = format!("{ORDERS}/{}", made["id"].as_str().unwrap());
    lea.delete(&path).await.expect(200);
    let orders = async |who: &crate::helpers::Person, path: &str| -> usize {
        let lines = list(who, path).await;
        let of_orders = |line: &&Value| line["action"].as_str().unwrap().starts_with("no_contact");
        lines.iter().filter(of_orders).count()
    };
    assert_eq!(orders(&lea, "/api/safeguarding/audit").await, 3);
    assert_eq!(orders(&max, "/api/safeguarding/audit").await, 1);
    assert_eq!(orders(&admin, "/api/admin/audit").await, 2);
}
