//! Devices that get pushes: subscribing, and what is no subscription.

use schoolbell::service;
use serde_json::{Value, json};

use crate::helpers::{Person, PushService, TestApp};

const AGENT: &str = "Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36";

async fn devices(person: &Person) -> Vec<Value> {
    let list = person
        .get("/api/notifications/subscriptions")
        .await
        .expect(200);
    list["data"].as_array().unwrap().clone()
}

/// A subscription that a browser could have made with a real push service.
async fn real(service: &PushService) -> Value {
    let mut subscription = service.device("x", "").json();
    subscription["endpoint"] = json!("https://fcm.googleapis.com/fcm/send/abc:def");
    subscription
}

#[tokio::test]
async fn the_key_is_there_for_everyone() {
    let t = TestApp::new();
    let answer = t
        .call("GET", "/api/notifications/vapid-public-key", "", None)
        .await;
    let key = answer.expect(200)["data"]["publicKey"].clone();
    assert_eq!(key, t.app.vapid.public);
}

#[tokio::test]
async fn a_device_is_listed_with_its_browser_and_removed() {
    let (t, service) = TestApp::with_push().await;
    let (ann, bob) = t.pair().await;
    let device = service.device("phone", &t.app.vapid.public);
    let token = format!("Bearer {}", bob.token);
    let headers = [
        ("authorization", token.as_str()),
        ("content-type", "application/json"),
        ("user-agent", AGENT),
    ];
    let body = device.json().to_string();
    let answer = t
        .raw(
            "POST",
            "/api/notifications/subscribe",
            &headers,
            body.as_bytes(),
        )
        .await;
    let posted = answer.expect(201)["data"].clone();
    let listed = devices(&bob).await;
    assert_eq!(listed, [posted]);
    assert_eq!(listed[0]["browser"], "Chrome on Android");
    assert_eq!(listed[0]["service"], service.address);
    assert_eq!(
        (&listed[0]["lastSuccessAt"], &listed[0]["failingSince"]),
        (&Value::Null, &Value::Null)
    );
    assert!(
        !listed[0].to_string().contains("/push/phone"),
        "the endpoint is a secret"
    );

    ann.write(&bob, "hi").await;
    service.next().await;
    t.drained().await;
    assert_eq!(
        devices(&bob).await[0]["lastSuccessAt"],
        "2026-11-22T09:30:00.000Z"
    );

    let id = listed[0]["id"].as_str().unwrap();
    let path = format!("/api/notifications/subscriptions/{id}");
    ann.delete(&path)
        .await
        .refused(404, "subscription_not_found");
    bob.delete(&path).await.expect(200);
    bob.delete(&path)
        .await
        .refused(404, "subscription_not_found");
    assert!(devices(&bob).await.is_empty());
}

#[tokio::test]
async fn posting_it_again_changes_nothing_but_its_keys() {
    let (t, service) = TestApp::with_push().await;
    let (ann, bob) = t.pair().await;
    t.subscribe(&service, &bob, "phone").await;
    let before = devices(&bob).await;
    // The browser has new keys, at the same endpoint.
    t.subscribe(&service, &bob, "phone").await;
    assert_eq!(devices(&bob).await, before);
    ann.write(&bob, "hi").await;
    assert_eq!(service.next().await.payload["message"], "hi");
}

#[tokio::test]
async fn who_logs_in_on_a_device_takes_it_over() {
    let (t, service) = TestApp::with_push().await;
    let (ann, bob) = t.pair().await;
    let device = t.subscribe(&service, &bob, "tablet").await;
    service.always(Some(crate::helpers::Reply::Status(503)));
    ann.write(&bob, "for bob").await;
    service.next().await;
    t.waiting_for("one left for later", |waiting| waiting == 1)
        .await;
    ann.post("/api/notifications/subscribe", device.json())
        .await
        .expect(201);
    assert!(devices(&bob).await.is_empty());
    assert_eq!(devices(&ann).await.len(), 1);
    t.waiting_for("bob's gone", |waiting| waiting == 0).await;
    service.always(None);
    bob.write(&ann, "for ann").await;
    assert_eq!(service.next().await.payload["message"], "for ann");
}

#[tokio::test]
async fn logging_out_forgets_only_this_device() {
    let (t, service) = TestApp::with_push().await;
    let (ann, bob) = t.pair().await;
    let device = t.subscribe(&service, &bob, "phone").await;
    let body = || Some(json!({ "endpoint": device.endpoint }));
    let path = "/api/notifications/subscribe";
    t.call("DELETE", path, &ann.token, body()).await.expect(200);
    assert_eq!(devices(&bob).await.len(), 1);
    for _ in 0..2 {
        let answer = t.call("DELETE", path, &bob.token, body()).await.expect(200);
        assert_eq!(answer["data"], json!({}));
        assert!(devices(&bob).await.is_empty());
    }
}

#[tokio::test]
async fn of_more_than_twenty_the_one_not_seen_for_longest_goes() {
    let (t, service) = TestApp::with_push().await;
    let bob = t.student("bob").await;
    for n in 0..20 {
        t.clock.advance(std::time::Duration::from_secs(1));
        t.subscribe(&service, &bob, &format!("d{n}")).await;
    }
    let oldest = devices(&bob).await[19]["id"].clone();
    // The oldest is in use: it is posted again at each start of its page.
    t.clock.advance(std::time::Duration::from_secs(1));
    t.subscribe(&service, &bob, "d0").await;
    t.clock.advance(std::time::Duration::from_secs(1));
    t.subscribe(&service, &bob, "d20").await;
    let left = devices(&bob).await;
    assert_eq!(left.len(), 20);
    assert!(left.iter().any(|device| device["id"] == oldest));
    let page = bob
        .get("/api/notifications/subscriptions?limit=5")
        .await
        .expect(200);
    assert_eq!(
        (
            page["data"].as_array().unwrap().len(),
            &page["paging"]["hasMore"]
        ),
        (5, &json!(true))
    );
    bob.get("/api/notifications/subscriptions?limit=0")
        .await
        .invalid("limit");
}

#[tokio::test]
async fn a_browser_that_renews_its_subscription_keeps_its_owner() {
    let (t, service) = TestApp::with_push().await;
    let (ann, bob) = t.pair().await;
    let old = t.subscribe(&service, &bob, "old").await;
    let new = service.device("new", &t.app.vapid.public);
    let path = "/api/notifications/subscribe";
    // Nobody is logged in: the secret of the old one is what counts.
    let mut guess = old.json();
    guess["keys"]["auth"] = new.json()["keys"]["auth"].clone();
    let renewal = json!({ "old": guess, "new": new.json() });
    t.call("PUT", path, "", Some(renewal))
        .await
        .refused(404, "subscription_not_found");
    // What waits for the old one goes to the new one.
    service.answer([crate::helpers::Reply::Status(503)]);
    ann.write(&bob, "waits").await;
    service.next().await;
    t.waiting_for("one left for later", |waiting| waiting == 1)
        .await;
    let renewal = json!({ "old": old.json(), "new": new.json() });
    t.call("PUT", path, "", Some(renewal.clone()))
        .await
        .expect(200);
    assert_eq!(devices(&bob).await.len(), 1);
    // What the service said of the old one may be settled a moment later: then the wait begins a moment later, too.
    let push = loop {
        t.pass(std::time::Duration::from_secs(7));
        let soon = std::time::Duration::from_millis(500);
        if let Ok(push) = tokio::time::timeout(soon, service.next()).await {
            break push;
        }
    };
    assert_eq!(
        (push.device.as_str(), &push.payload["message"]),
        ("new", &json!("waits"))
    );
    t.call("PUT", path, "", Some(renewal))
        .await
        .refused(404, "subscription_not_found");
}

#[tokio::test]
async fn a_subscription_that_ends_is_forgotten_then() {
    let (t, service) = TestApp::with_push().await;
    let bob = t.student("bob").await;
    let mut subscription = service.device("phone", "").json();
    subscription["expirationTime"] = json!(crate::helpers::START.0 + 60_000);
    bob.post("/api/notifications/subscribe", subscription)
        .await
        .expect(201);
    service::pushes::tidy(&t.app).await.unwrap();
    assert_eq!(devices(&bob).await.len(), 1);
    // A day later than it said: clocks are wrong.
    t.clock.advance(std::time::Duration::from_secs(24 * 3_600));
    service::pushes::tidy(&t.app).await.unwrap();
    assert_eq!(devices(&bob).await.len(), 1);
    t.clock.advance(std::time::Duration::from_secs(61));
    service::pushes::tidy(&t.app).await.unwrap();
    assert!(devices(&bob).await.is_empty());
    let report = service::pushes::report(&t.app).await.unwrap();
    assert!(report.services.is_empty(), "nothing is left to tell");
}

/// Whoever had the browser before knows the secret: it is no proof any more.
#[tokio::test]
async fn a_device_that_changed_hands_is_not_renewed_by_its_old_secret() {
    let (t, service) = TestApp::with_push().await;
    let (ann, bob) = t.pair().await;
    let shared = t.subscribe(&service, &ann, "shared").await;
    bob.post("/api/notifications/subscribe", shared.json())
        .await
        .expect(201);
    let anns = service.device("anns", &t.app.vapid.public);
    let renewal = json!({ "old": shared.json(), "new": anns.json() });
    t.call("PUT", "/api/notifications/subscribe", "", Some(renewal))
        .await
        .refused(404, "subscription_not_found");
    ann.write(&bob, "for bob alone").await;
    assert_eq!(service.next().await.device, "shared");
}

/// A subscription may be gone while a push to it is on its way: what comes of that concerns no other.
#[tokio::test]
async fn a_late_gone_deletes_no_other_subscription() {
    let (t, service) = TestApp::with_push().await;
    let (ann, bob) = t.pair().await;
    let old = t.subscribe(&service, &bob, "old").await;
    service.answer([crate::helpers::Reply::Slowly(410)]);
    ann.write(&bob, "hi").await;
    service.next().await;
    let body = json!({ "endpoint": old.endpoint });
    t.call(
        "DELETE",
        "/api/notifications/subscribe",
        &bob.token,
        Some(body),
    )
    .await
    .expect(200);
    t.subscribe(&service, &bob, "new").await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(devices(&bob).await.len(), 1);
}

#[tokio::test]
async fn a_deleted_user_takes_their_devices_with_them() {
    let (t, service) = TestApp::with_push().await;
    let (ann, bob) = t.pair().await;
    t.subscribe(&service, &ann, "anns").await;
    t.subscribe(&service, &bob, "bobs").await;
    service.answer([crate::helpers::Reply::With(
        429,
        "retry-after",
        "600".into(),
    )]);
    let sent = bob.post("/api/notifications/test-push", json!({})).await;
    sent.expect(200);
    t.waiting_for("one that waits", |waiting| waiting == 1)
        .await;
    let delete = t.app.store.write(|tx| {
        tx.execute("DELETE FROM users WHERE id = 'bob'", [])?;
        Ok(())
    });
    delete.await.unwrap();
    t.waiting_for("nothing of bob's", |waiting| waiting == 0)
        .await;
    let report = service::pushes::report(&t.app).await.unwrap();
    assert_eq!(
        report.subscriptions.unused + report.subscriptions.failing,
        1
    );
}

/// Without the switch for tests: only real push services.
#[tokio::test]
async fn what_is_no_subscription_is_refused_and_nothing_is_stored() {
    let t = TestApp::new();
    let service = PushService::start().await;
    let bob = t.student("bob").await;
    let good = real(&service).await;
    let path = "/api/notifications/subscribe";
    let with = |field: &[&str], value: Value| {
        let mut body = good.clone();
        field
            .iter()
            .fold(&mut body, |at, key| &mut at[*key])
            .clone_from(&value);
        body
    };
    for endpoint in [
        "",
        "x",
        "https://",
        "fcm.googleapis.com/x",
        "http://fcm.googleapis.com/x",
        "https://fcm.googleapis.com:8443/x",
        "https://fcm.googleapis.com./x",
        "https://fcm.googleapis.com@127.0.0.1/x",
        "https://a:b@fcm.googleapis.com/x",
        "https://evil.example/fcm.googleapis.com",
        "https://fcm.googleapis.com.evil.example/",
        "https://127.0.0.1/x",
        "https://127.1/x",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://[::1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://10.0.0.1/x",
        "https://169.254.169.254/latest",
        "https://localhost/x",
        "https://localtest.me/x",
        "ws://fcm.googleapis.com/x",
        "javascript:alert(1)",
    ] {
        bob.post(path, with(&["endpoint"], json!(endpoint)))
            .await
            .invalid("endpoint");
    }
    let long = format!("https://fcm.googleapis.com/{}", "x".repeat(2_048));
    bob.post(path, with(&["endpoint"], json!(long)))
        .await
        .invalid("endpoint");
    let p256dh = good["keys"]["p256dh"].as_str().unwrap();
    let off_the_curve = format!("{}{}", &p256dh[..80], &"A".repeat(7));
    for bad in [
        "",
        "AAAA",
        &"A".repeat(44),
        &off_the_curve,
        &p256dh[..86],
        "ää",
    ] {
        bob.post(path, with(&["keys", "p256dh"], json!(bad)))
            .await
            .invalid("keys.p256dh");
    }
    for bad in ["", "AAAA", p256dh] {
        bob.post(path, with(&["keys", "auth"], json!(bad)))
            .await
            .invalid("keys.auth");
    }
    for (field, value, named) in [
        (&["keys"][..], json!(null), "keys"),
        (&["keys"], json!([p256dh, "x"]), "keys"),
        (&["keys", "auth"], json!(5), "keys.auth"),
        (&["endpoint"], json!(5), "endpoint"),
        (&["expirationTime"], json!("tomorrow"), "expirationTime"),
    ] {
        bob.post(path, with(field, value)).await.invalid(named);
    }
    let renewal = json!({ "old": good, "new": with(&["endpoint"], json!("https://127.0.0.1/x")) });
    t.call("PUT", path, "", Some(renewal))
        .await
        .invalid("endpoint");
    assert!(devices(&bob).await.is_empty());
    bob.post(path, good).await.expect(201);
    assert_eq!(devices(&bob).await[0]["service"], "fcm.googleapis.com");
}

/// The list of hosts is shorter than when the subscription came: nothing is sent to it.
#[tokio::test]
async fn an_endpoint_is_looked_at_again_before_each_push() {
    let (t, service) = TestApp::with_push().await;
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("school.db");
    let bob = t.student("bob").await;
    t.subscribe(&service, &bob, "phone").await;
    let (from, to) = (t.app.store.path().to_owned(), copy.clone());
    tokio::task::spawn_blocking(move || schoolbell::ops::backup::make(&from, &to).unwrap())
        .await
        .unwrap();
    let strict = TestApp::with(|config| config.database.path = copy);
    let ann = strict.student("ann").await;
    let body = json!({ "receiverId": "bob", "content": "hi" });
    ann.post("/api/messages", body).await.expect(201);
    strict.drained().await;
    let report = service::pushes::report(&strict.app).await.unwrap();
    assert_eq!(report.dead.len(), 1);
    assert!(
        report.dead[0].text.contains("https"),
        "{}",
        report.dead[0].text
    );
    assert!(service.take().is_empty());
}

/// Or a page that is opened there, with a session that still holds, brings it back.
#[tokio::test]
async fn a_device_that_was_removed_stays_removed() {
    let (t, service) = TestApp::with_push().await;
    let (ann, bob) = t.pair().await;
    let device = t.subscribe(&service, &bob, "at-home").await;
    let list = bob
        .get("/api/notifications/subscriptions")
        .await
        .expect(200);
    let id = list["data"][0]["id"].as_str().unwrap();
    bob.delete(&format!("/api/notifications/subscriptions/{id}"))
        .await
        .expect(200);
    for person in [&bob, &ann] {
        person
            .post("/api/notifications/subscribe", device.json())
            .await
            .refused(409, "device_removed");
    }
    // One that a page has ended itself may come again.
    let device = t.subscribe(&service, &bob, "laptop").await;
    let body = json!({ "endpoint": device.json()["endpoint"] });
    t.call(
        "DELETE",
        "/api/notifications/subscribe",
        &bob.token,
        Some(body),
    )
    .await
    .expect(200);
    bob.post("/api/notifications/subscribe", device.json())
        .await
        .expect(201);
}
