//! What people want pushed, and when.

use std::time::Duration;

use serde_json::{Value, json};

use crate::helpers::{Person, PushService, TestApp};

const PATH: &str = "/api/notifications/preferences";

async fn setting() -> (TestApp, PushService, Person, Person) {
    let (t, service) = TestApp::with_push().await;
    let (ann, bob) = t.pair().await;
    t.subscribe(&service, &bob, "phone").await;
    (t, service, ann, bob)
}

async fn notify(t: &TestApp, kind: &str, urgency: &str) {
    let key = t.key().await;
    let body =
        json!({ "userId": "bob", "type": kind, "title": kind, "message": "m", "urgency": urgency });
    t.call("POST", "/api/notifications", &key, Some(body))
        .await
        .expect(201);
}

/// 21:00 to 07:00 in Berlin, every day.
fn nights() -> Value {
    json!({
        "timeZone": "Europe/Berlin",
        "windows": [{ "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "21:00", "to": "07:00" }],
    })
}

#[tokio::test]
async fn without_any_everything_is_pushed() {
    let t = TestApp::new();
    let bob = t.student("bob").await;
    let default = json!({ "enabled": true, "mutedTypes": [], "quietHours": null, "language": null, "showOnline": null });
    assert_eq!(bob.get(PATH).await.expect(200)["data"], default);
    let muted = ["message", "club:news"];
    let set = json!({ "enabled": false, "mutedTypes": muted, "quietHours": nights(), "language": "pt-BR", "showOnline": false });
    assert_eq!(
        bob.put_json(PATH, set.clone()).await.expect(200)["data"],
        set
    );
    assert_eq!(bob.get(PATH).await.expect(200)["data"], set);
    // What is left out stays.
    assert_eq!(bob.put_json(PATH, json!({})).await.expect(200)["data"], set);
    let other = bob
        .put_json(PATH, json!({ "enabled": true }))
        .await
        .expect(200);
    assert_eq!(
        (&other["data"]["enabled"], &other["data"]["quietHours"]),
        (&json!(true), &set["quietHours"])
    );
}

#[tokio::test]
async fn off_is_off_and_muted_is_muted() {
    let (t, service, ann, bob) = setting().await;
    let set = json!({ "mutedTypes": ["message", "news"] });
    bob.put_json(PATH, set).await.expect(200);
    ann.write(&bob, "muted").await;
    notify(&t, "news", "high").await;
    notify(&t, "grades", "low").await;
    assert_eq!(service.next().await.payload["type"], "grades");
    t.drained().await;
    bob.put_json(PATH, json!({ "enabled": false }))
        .await
        .expect(200);
    notify(&t, "grades", "high").await;
    t.drained().await;
    assert!(service.take().is_empty());
    let report = schoolbell::service::pushes::report(&t.app).await.unwrap();
    assert_eq!((report.services[0].sent, report.services[0].failed), (1, 0));
}

#[tokio::test]
async fn in_quiet_hours_all_but_the_urgent_waits_until_they_end() {
    let (t, service, ann, bob) = setting().await;
    bob.put_json(PATH, json!({ "quietHours": nights() }))
        .await
        .expect(200);
    // It is 10:30 in Berlin.
    ann.write(&bob, "by day").await;
    assert_eq!(service.next().await.payload["message"], "by day");
    t.pass(Duration::from_secs(11 * 3_600));
    ann.write(&bob, "by night").await;
    notify(&t, "fire", "high").await;
    assert_eq!(service.next().await.payload["type"], "fire");
    t.waiting_for("the message to wait", |waiting| waiting == 1)
        .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(service.take().is_empty());
    t.pass(Duration::from_secs(9 * 3_600 + 30 * 60));
    assert_eq!(service.next().await.payload["message"], "by night");
    t.drained().await;
}

#[tokio::test]
async fn ending_quiet_hours_sends_what_waited() {
    let (t, service, ann, bob) = setting().await;
    bob.put_json(PATH, json!({ "quietHours": nights() }))
        .await
        .expect(200);
    t.pass(Duration::from_secs(12 * 3_600));
    ann.write(&bob, "by night").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(service.take().is_empty());
    bob.put_json(PATH, json!({ "mutedTypes": [] }))
        .await
        .expect(200);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(service.take().is_empty(), "what is left out stays");
    bob.put_json(PATH, json!({ "quietHours": null }))
        .await
        .expect(200);
    assert_eq!(service.next().await.payload["message"], "by night");

    // Two changes within a moment: what was decided after the first does not outlast the second.
    for round in 0..20 {
        let quiet = json!({ "quietHours": nights() });
        bob.put_json(PATH, quiet).await.expect(200);
        ann.write(&bob, &format!("round {round}")).await;
        t.waiting_for("it to wait", |waiting| waiting == 1).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        for change in [json!({ "mutedTypes": [] }), json!({ "quietHours": null })] {
            bob.put_json(PATH, change).await.expect(200);
        }
        let text = format!("round {round}");
        assert_eq!(service.next().await.payload["message"], text.as_str());
        t.drained().await;
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let t = TestApp::new();
    let bob = t.student("bob").await;
    let quiet = |key: &str, value: Value| {
        let mut quiet = nights();
        quiet[key] = value;
        json!({ "quietHours": quiet })
    };
    let window = |key: &str, value: Value| {
        let mut window = nights()["windows"][0].clone();
        window[key] = value;
        quiet("windows", json!([window]))
    };
    for (body, field) in [
        (json!({ "enabled": "yes" }), "enabled"),
        (json!({ "mutedTypes": ["a b"] }), "mutedTypes"),
        (json!({ "mutedTypes": vec!["x"; 101] }), "mutedTypes"),
        (
            quiet("timeZone", json!("Mars/Olympus")),
            "quietHours.timeZone",
        ),
        (
            quiet("timeZone", json!("../etc/passwd")),
            "quietHours.timeZone",
        ),
        (window("from", json!("25:00")), "quietHours.windows"),
        (window("to", json!("7")), "quietHours.windows"),
        (window("to", json!("21:00")), "quietHours.windows"),
        (window("days", json!([])), "quietHours.windows"),
        (
            quiet("windows", json!(vec![nights()["windows"][0].clone(); 21])),
            "quietHours.windows",
        ),
    ] {
        bob.put_json(PATH, body).await.invalid(field);
    }
    bob.put_json(PATH, window("days", json!(["someday"])))
        .await
        .refused(400, "validation_failed");
    assert_eq!(
        bob.get(PATH).await.expect(200)["data"]["quietHours"],
        Value::Null
    );
}
