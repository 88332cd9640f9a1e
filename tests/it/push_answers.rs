//! What becomes of a push for each answer of a push service, and for none.

use std::time::Duration;

use schoolbell::service;
use serde_json::{Value, json};

use crate::helpers::{Person, PushService, Reply, TestApp};

/// Bob is away with a phone; ann writes. What the service says is up to the test.
async fn setting() -> (TestApp, PushService, Person, Person) {
    let (t, service) = TestApp::with_push().await;
    let (ann, bob) = t.pair().await;
    t.subscribe(&service, &bob, "phone").await;
    (t, service, ann, bob)
}

async fn devices(bob: &Person) -> usize {
    let list = bob
        .get("/api/notifications/subscriptions")
        .await
        .expect(200);
    list["data"].as_array().unwrap().len()
}

/// One row of the services as an admin sees it.
async fn figures(t: &TestApp) -> Value {
    let report = service::pushes::report(&t.app).await.unwrap();
    serde_json::to_value(&report.services[0]).unwrap()
}

/// Waits until the service's figures are as they should be.
async fn settled(t: &TestApp, key: &str, value: i64) {
    for _ in 0..2_000 {
        if figures(t).await[key] == value {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{key} is not {value}: {}", figures(t).await);
}

async fn quiet(service: &PushService) {
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert!(service.take().is_empty());
}

#[tokio::test]
async fn taken_is_done() {
    for status in [200, 201, 202, 204] {
        let (t, service, ann, bob) = setting().await;
        service.answer([Reply::Status(status)]);
        ann.write(&bob, "hi").await;
        service.next().await;
        t.drained().await;
        assert_eq!(figures(&t).await["sent"], 1, "{status}");
    }
}

#[tokio::test]
async fn gone_deletes_the_subscription_and_what_waits_for_it() {
    for status in [404, 410] {
        let (t, service, ann, bob) = setting().await;
        // A new subscription is not believed to be gone at once: services learn of it a moment late.
        service.answer([Reply::Status(status)]);
        ann.write(&bob, "too early").await;
        service.next().await;
        settled(&t, "failed", 1).await;
        assert_eq!(devices(&bob).await, 1, "{status}");
        t.pass(Duration::from_secs(61));
        assert_eq!(service.next().await.payload["message"], "too early");
        t.drained().await;
        service.answer([Reply::Status(status)]);
        ann.write(&bob, "hi").await;
        ann.write(&bob, "again").await;
        service.next().await;
        t.drained().await;
        assert_eq!(devices(&bob).await, 0, "{status}");
        quiet(&service).await;
    }
}

#[tokio::test]
async fn nothing_else_deletes_a_subscription() {
    for status in [
        301, 400, 401, 403, 405, 406, 408, 409, 411, 413, 415, 429, 451, 500, 502, 503,
    ] {
        let (t, service, ann, bob) = setting().await;
        service.always(Some(Reply::Status(status)));
        ann.write(&bob, "hi").await;
        service.next().await;
        settled(&t, "failed", 1).await;
        assert_eq!(devices(&bob).await, 1, "{status}");
        service.take();
    }
}

#[tokio::test]
async fn a_device_that_is_throttled_waits_alone_and_for_as_long_as_is_asked() {
    for (reply, wait) in [
        (Reply::With(429, "retry-after", "120".into()), 120),
        (
            Reply::With(429, "retry-after", "Sun, 22 Nov 2026 09:32:00 GMT".into()),
            120,
        ),
        (Reply::Status(429), 60),
    ] {
        let (t, service, ann, bob) = setting().await;
        t.subscribe(&service, &ann, "anns").await;
        service.answer_device("phone", reply);
        ann.write(&bob, "first").await;
        service.next().await;
        settled(&t, "failed", 1).await;
        // What comes meanwhile waits with it; another person of the same service is told at once.
        ann.write(&bob, "second").await;
        for n in 0..9 {
            bob.write(&ann, &n.to_string()).await;
            let pushed = service.next().await;
            assert_eq!(
                (&pushed.device[..], &pushed.payload["message"]),
                ("anns", &json!(n.to_string()))
            );
        }
        assert_eq!(figures(&t).await["pausedUntil"], Value::Null);
        t.pass(Duration::from_secs(wait - 1));
        quiet(&service).await;
        // Again: then for twice as long.
        service.answer_device("phone", Reply::Status(429));
        t.pass(Duration::from_secs(1));
        service.next().await;
        settled(&t, "failed", 2).await;
        t.pass(Duration::from_secs(119));
        quiet(&service).await;
        service.answer_device("phone", Reply::Status(201));
        t.pass(Duration::from_secs(1));
        assert_eq!(service.next().await.payload["message"], "first");
        assert_eq!(service.next().await.payload["message"], "second");
        t.drained().await;
    }
}

#[tokio::test]
async fn a_service_that_throttles_several_devices_is_left_alone() {
    let (t, service, ann, bob) = setting().await;
    for name in ["tablet", "laptop"] {
        t.subscribe(&service, &bob, name).await;
    }
    for name in ["phone", "tablet", "laptop"] {
        service.answer_device(name, Reply::Status(429));
    }
    ann.write(&bob, "to three").await;
    for _ in 0..3 {
        service.next().await;
    }
    settled(&t, "failed", 3).await;
    assert_ne!(figures(&t).await["pausedUntil"], Value::Null);
    t.subscribe(&service, &ann, "anns").await;
    bob.write(&ann, "later").await;
    quiet(&service).await;
    for name in ["phone", "tablet", "laptop"] {
        service.answer_device(name, Reply::Status(201));
    }
    t.pass(Duration::from_secs(61));
    let mut got = Vec::new();
    for _ in 0..4 {
        got.push(service.next().await.device);
    }
    got.sort();
    assert_eq!(got, ["anns", "laptop", "phone", "tablet"]);
    t.drained().await;
}

/// The keys were changed: Mozilla says so with 401, Apple with 400.
#[tokio::test]
async fn a_device_that_knows_another_key_is_left_alone_until_it_subscribes_again() {
    let (t, service, ann, bob) = setting().await;
    for text in [
        "VAPID public key mismatch",
        r#"{"reason":"VapidPkHashMismatch"}"#,
    ] {
        let stale = format!("stale-{}", text.len());
        let device = t.subscribe(&service, &ann, &stale).await;
        service.answer_device(&stale, Reply::Saying(401, text));
        bob.write(&ann, "refused").await;
        service.next().await;
        service.next().await;
        t.drained().await;
        // Nobody else waits, and it costs nothing more.
        assert_eq!(figures(&t).await["pausedUntil"], Value::Null);
        bob.write(&ann, "not tried").await;
        ann.write(&bob, "taken").await;
        assert_eq!(service.next().await.device, "phone");
        quiet(&service).await;
        // With a key that it knows it goes on.
        service.answer_device(&stale, Reply::Status(201));
        ann.post("/api/notifications/subscribe", device.json())
            .await
            .expect(201);
        bob.write(&ann, "anew").await;
        assert_eq!(service.next().await.payload["message"], "anew");
        let body = json!({ "endpoint": device.json()["endpoint"] });
        t.call(
            "DELETE",
            "/api/notifications/subscribe",
            &ann.token,
            Some(body),
        )
        .await
        .expect(200);
    }
}

#[tokio::test]
async fn trouble_is_tried_again_later_and_later_eight_times() {
    let (t, service, ann, bob) = setting().await;
    service.always(Some(Reply::Status(500)));
    ann.write(&bob, "hi").await;
    service.next().await;
    for (failed, wait) in (1..).zip([5, 10, 20, 40, 80, 160, 320]) {
        settled(&t, "failed", failed).await;
        t.pass(Duration::from_secs(wait) - Duration::from_millis(1));
        quiet(&service).await;
        // The jitter is a quarter at most.
        t.pass(Duration::from_millis(1 + wait * 250));
        service.next().await;
    }
    settled(&t, "dead", 1).await;
    t.drained().await;
    t.pass(Duration::from_secs(24 * 3_600));
    quiet(&service).await;
    let report = service::pushes::report(&t.app).await.unwrap();
    assert_eq!(
        (report.dead[0].tries, report.dead[0].status),
        (8, Some(500))
    );
}

#[tokio::test]
async fn a_service_that_asks_for_a_longer_wait_gets_it() {
    let (t, service, ann, bob) = setting().await;
    service.answer([Reply::With(503, "retry-after", "600".into())]);
    ann.write(&bob, "hi").await;
    service.next().await;
    settled(&t, "failed", 1).await;
    t.pass(Duration::from_secs(599));
    quiet(&service).await;
    t.pass(Duration::from_secs(151));
    service.next().await;
    t.drained().await;
}

#[tokio::test]
async fn too_large_is_made_smaller_once() {
    let (t, service, ann, bob) = setting().await;
    service.answer([Reply::Status(413)]);
    ann.write(&bob, &"long ".repeat(700)).await;
    let (large, small) = (service.next().await, service.next().await);
    assert!(
        large.bytes > 2_000 && small.bytes <= 1_000,
        "{} {}",
        large.bytes,
        small.bytes
    );
    assert_eq!(large.payload["id"], small.payload["id"]);
    t.drained().await;
    assert_eq!(figures(&t).await["sent"], 1);

    service.answer([Reply::Status(413), Reply::Status(413)]);
    ann.write(&bob, &"long ".repeat(700)).await;
    settled(&t, "dead", 1).await;
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_then_the_service_rests_and_the_admin_is_told() {
    for status in [401, 403] {
        let (t, service, ann, bob) = setting().await;
        service.answer([
            Reply::Status(status),
            Reply::Saying(status, "{\"reason\":\"BadJwtToken\"}"),
        ]);
        ann.write(&bob, "hi").await;
        let (first, second) = (service.next().await, service.next().await);
        assert_ne!(first.token, second.token);
        settled(&t, "failed", 1).await;
        let report = figures(&t).await;
        assert_ne!(report["pausedUntil"], Value::Null);
        let advice = report["lastError"]["advice"].as_str().unwrap();
        assert!(advice.contains("push.subject"), "{advice}");
        t.pass(Duration::from_secs(299));
        quiet(&service).await;
        t.pass(Duration::from_secs(1));
        service.next().await;
        t.drained().await;
        assert_eq!(figures(&t).await["sent"], 1);
    }
}

/// Or anybody could stop everyone's pushes with a subscription made for another key.
#[tokio::test]
async fn one_refused_subscription_does_not_stop_a_service_that_takes_others() {
    let (t, service, ann, bob) = setting().await;
    ann.write(&bob, "taken").await;
    service.next().await;
    t.drained().await;
    service.answer([Reply::Status(403), Reply::Status(403)]);
    ann.write(&bob, "refused").await;
    service.next().await;
    service.next().await;
    settled(&t, "failed", 1).await;
    assert_eq!(figures(&t).await["pausedUntil"], Value::Null);
    t.subscribe(&service, &ann, "anns").await;
    bob.write(&ann, "goes through").await;
    assert_eq!(service.next().await.payload["message"], "goes through");
}

/// The keys were changed, say, and many devices have not been opened since.
#[tokio::test]
async fn those_whom_a_service_refuses_do_not_stand_before_those_whom_it_takes() {
    let (t, service, ann, bob) = setting().await;
    for n in 0..19 {
        t.subscribe(&service, &ann, &format!("stale{n}")).await;
        service.answer_device(&format!("stale{n}"), Reply::Status(403));
    }
    bob.write(&ann, "refused").await;
    settled(&t, "failed", 16).await;
    service.take();
    ann.write(&bob, "taken").await;
    quiet(&service).await;
    t.pass(Duration::from_secs(300));
    for _ in 0..200 {
        if service.take().iter().any(|push| push.device == "phone") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("bob was not told");
}

#[tokio::test]
async fn what_can_never_be_taken_is_a_dead_letter_at_once() {
    for reply in [
        Reply::Status(400),
        Reply::With(302, "location", "http://127.0.0.1:1/".into()),
        Reply::With(307, "location", "http://127.0.0.1:1/".into()),
        Reply::Status(406),
    ] {
        let (t, service, ann, bob) = setting().await;
        service.answer([reply]);
        ann.write(&bob, "hi").await;
        service.next().await;
        settled(&t, "dead", 1).await;
        t.drained().await;
        t.pass(Duration::from_secs(3_600));
        quiet(&service).await;
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (t, service, ann, bob) = setting().await;
    let elsewhere = PushService::start_at(t.clock.clone()).await;
    let target = format!("http://{}/push/phone", elsewhere.address);
    service.answer([Reply::With(307, "location", target)]);
    ann.write(&bob, "hi").await;
    settled(&t, "dead", 1).await;
    assert!(elsewhere.take().is_empty());
}

#[tokio::test]
async fn a_service_that_cuts_or_talks_without_end_is_no_trouble() {
    let (t, service, ann, bob) = setting().await;
    // The status is what counts.
    service.answer([
        Reply::Cut(201),
        Reply::Endless(201),
        Reply::Endless(500),
        Reply::Cut(404),
    ]);
    for n in 0..3 {
        ann.write(&bob, &format!("{n}")).await;
        service.next().await;
    }
    settled(&t, "sent", 2).await;
    settled(&t, "failed", 1).await;
    t.pass(Duration::from_secs(10));
    service.next().await;
    t.drained().await;
    assert_eq!(devices(&bob).await, 0);
}

#[tokio::test]
async fn a_service_that_is_not_there_is_tried_again() {
    let (t, service, ann, bob) = setting().await;
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut device = service.device("nowhere", &t.app.vapid.public);
    device.endpoint = format!("http://{gone}/push/x");
    ann.post("/api/notifications/subscribe", device.json())
        .await
        .expect(201);
    bob.write(&ann, "hi").await;
    t.waiting_for("one", |waiting| waiting == 1).await;
    for _ in 0..2_000 {
        let report = service::pushes::report(&t.app).await.unwrap();
        let figures = report
            .services
            .iter()
            .find(|s| s.origin.contains(&gone.to_string()))
            .unwrap();
        if figures.failed == 1 {
            let error = figures.last_error.as_ref().unwrap();
            assert_eq!(error.status, None);
            assert!(
                error.advice.contains("cannot be reached"),
                "{}",
                error.advice
            );
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no failure was written down");
}

#[tokio::test]
async fn a_service_that_never_answers_is_given_up_waiting_for() {
    let (t, service, ann, bob) = setting().await;
    service.answer([Reply::Never]);
    ann.write(&bob, "hi").await;
    service.next().await;
    // It takes as long as we wait: fifteen seconds.
    settled(&t, "failed", 1).await;
    t.pass(Duration::from_secs(7));
    service.next().await;
    t.drained().await;
}

#[tokio::test]
async fn what_is_too_late_is_given_up() {
    let (t, service, _, bob) = setting().await;
    let key = t.key().await;
    let body = json!({ "userId": "bob", "type": "t", "title": "t", "message": "m", "ttl": 0 });
    service.answer([Reply::Status(503)]);
    t.call("POST", "/api/notifications", &key, Some(body))
        .await
        .expect(201);
    assert_eq!(service.next().await.ttl, 0, "it is tried all the same");
    settled(&t, "failed", 1).await;
    t.pass(Duration::from_secs(61));
    settled(&t, "dead", 1).await;
    quiet(&service).await;
    assert_eq!(devices(&bob).await, 1);
}

#[tokio::test]
async fn what_is_too_late_for_a_service_that_rests_is_tidied_away_and_forgotten_in_two_weeks() {
    let (t, service, ann, bob) = setting().await;
    service.answer([Reply::With(429, "retry-after", "3600".into())]);
    let key = t.key().await;
    let body = json!({ "userId": "bob", "type": "t", "title": "t", "message": "m", "ttl": 60 });
    t.call("POST", "/api/notifications", &key, Some(body))
        .await
        .expect(201);
    service.next().await;
    settled(&t, "failed", 1).await;
    t.clock.advance(Duration::from_secs(61));
    service::pushes::tidy(&t.app).await.unwrap();
    t.drained().await;
    let dead = service::pushes::report(&t.app).await.unwrap().dead;
    assert_eq!((dead.len(), dead[0].text.as_str()), (1, "expired"));
    t.clock.advance(Duration::from_secs(14 * 24 * 3_600 + 1));
    service::pushes::tidy(&t.app).await.unwrap();
    assert!(
        service::pushes::report(&t.app)
            .await
            .unwrap()
            .dead
            .is_empty()
    );
    t.log_in(ann.user.clone()).write(&bob, "as before").await;
    service.next().await;
}

#[tokio::test]
async fn the_remaining_time_to_live_is_what_a_later_try_gets() {
    let (t, service, _, _bob) = setting().await;
    let key = t.key().await;
    let body = json!({ "userId": "bob", "type": "t", "title": "t", "message": "m", "ttl": 600 });
    service.answer([Reply::With(429, "retry-after", "200".into())]);
    t.call("POST", "/api/notifications", &key, Some(body))
        .await
        .expect(201);
    assert_eq!(service.next().await.ttl, 600);
    settled(&t, "failed", 1).await;
    t.pass(Duration::from_secs(200));
    assert_eq!(service.next().await.ttl, 400);
}

#[tokio::test]
async fn a_token_is_signed_once_and_renewed_before_it_ends() {
    let (t, service, ann, bob) = setting().await;
    let mut tokens = Vec::new();
    for hours in [0, 1, 8, 4] {
        t.clock.advance(Duration::from_secs(hours * 3_600));
        ann.write(&bob, "hi").await;
        tokens.push(service.next().await.token);
    }
    assert!(tokens[0] == tokens[1] && tokens[1] == tokens[2] && tokens[2] != tokens[3]);
}
