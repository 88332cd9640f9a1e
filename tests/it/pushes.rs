//! From a message or a notification to the push on a device of somebody who is away.

use std::time::Duration;

use schoolbell::model::users::Role;
use schoolbell::service;
use serde_json::{Value, json};

use crate::helpers::{Device, Person, PushService, Reply, Socket, TestApp};

const NEVER_LONG: Duration = Duration::from_millis(300);

async fn notify(t: &TestApp, body: Value) -> Value {
    let key = t.key().await;
    let answer = t.call("POST", "/api/notifications", &key, Some(body));
    answer.await.expect(201)["data"].clone()
}

fn graded(to: &Person) -> Value {
    json!({
        "userId": to.id(), "type": "assignment.graded", "title": "Your assignment was graded",
        "message": "Maths", "link": "/assignments/12", "urgency": "high", "ttl": 3600,
    })
}

async fn setting() -> (TestApp, PushService, Person, Person, Device) {
    let (t, service) = TestApp::with_push().await;
    let (ann, bob) = t.pair().await;
    let phone = t.subscribe(&service, &bob, "phone").await;
    (t, service, ann, bob, phone)
}

/// That no push comes, for as long as pushes take when they do come.
async fn no_push(service: &PushService) {
    tokio::time::sleep(NEVER_LONG).await;
    assert!(service.take().is_empty());
}

#[tokio::test]
async fn a_message_reaches_the_phone_of_a_user_who_is_away() {
    let (t, service, ann, _bob, _phone) = setting().await;
    let message = ann.write(&_bob, "See you at eight").await;
    let push = service.next().await;
    assert_eq!(push.device, "phone");
    assert_eq!(push.urgency, "normal");
    assert_eq!(push.ttl, 3 * 24 * 3_600);
    assert_eq!(push.claims["sub"], "mailto:office@school.edu");
    let id = &message["id"];
    assert_eq!(
        push.payload,
        json!({
            "title": "ann of the school", "message": "See you at eight", "link": "/?chat=ann",
            "type": "message", "id": id, "seq": message["seq"], "tag": "message:ann", "web_push": 8030,
            "notification": {
                "title": "ann of the school", "body": "See you at eight", "navigate": "/?chat=ann", "tag": "message:ann",
            },
        })
    );
    t.drained().await;
    no_push(&service).await;
}

#[tokio::test]
async fn a_notification_is_pushed_with_its_link_urgency_and_time_to_live() {
    let (t, service, _, bob, _) = setting().await;
    let sent = notify(&t, graded(&bob)).await;
    let push = service.next().await;
    assert_eq!((push.urgency.as_str(), push.ttl), ("high", 3_600));
    assert_eq!(push.payload["link"], "/assignments/12");
    assert_eq!(push.payload["type"], "assignment.graded");
    assert_eq!(push.payload["id"], sent["id"]);
}

#[tokio::test]
async fn every_device_gets_its_own_push() {
    let (t, service, ann, bob, _) = setting().await;
    t.subscribe(&service, &bob, "laptop").await;
    t.subscribe(&service, &ann, "anns").await;
    ann.write(&bob, "hi").await;
    let mut devices = [service.next().await.device, service.next().await.device];
    devices.sort();
    assert_eq!(devices, ["laptop", "phone"]);
    t.drained().await;
    no_push(&service).await;
}

#[tokio::test]
async fn a_user_who_is_online_gets_none() {
    let (t, service, ann, bob, _) = setting().await;
    let (mut socket, _) = bob.connect().await;
    ann.write(&bob, "hi").await;
    notify(&t, graded(&bob)).await;
    socket.expect("new_message").await;
    socket.expect("notification").await;
    t.waiting_for("nothing queued", |waiting| waiting == 0)
        .await;
    no_push(&service).await;
}

#[tokio::test]
async fn what_is_read_before_it_is_sent_is_not_sent() {
    let (t, service, ann, bob, _) = setting().await;
    service.answer([Reply::Status(503)]);
    ann.write(&bob, "first").await;
    service.next().await;
    ann.write(&bob, "second").await;
    let graded = notify(&t, graded(&bob)).await;
    service.next().await;
    service.next().await;
    t.waiting_for("one left for later", |waiting| waiting == 1)
        .await;

    bob.put("/api/messages/read/ann").await.expect(200);
    t.waiting_for("the one forgotten", |waiting| waiting == 0)
        .await;
    t.pass(Duration::from_secs(3_600));
    no_push(&service).await;

    // The same for notifications: one read, one deleted, all read.
    for act in ["read", "delete", "all"] {
        service.always(Some(Reply::Status(503)));
        let mut body = self::graded(&bob);
        body["ttl"] = json!(86_400);
        let sent = notify(&t, body).await;
        service.next().await;
        t.waiting_for("one left for later", |waiting| waiting == 1)
            .await;
        let id = sent["id"].as_str().unwrap();
        match act {
            "read" => bob.put(&format!("/api/notifications/{id}/read")).await,
            "delete" => bob.delete(&format!("/api/notifications/{id}")).await,
            _ => bob.put("/api/notifications/mark-all-read").await,
        }
        .expect(200);
        t.waiting_for("the one forgotten", |waiting| waiting == 0)
            .await;
        service.always(None);
        t.pass(Duration::from_secs(3_600));
        no_push(&service).await;
    }
    assert_ne!(graded["id"], Value::Null);
}

#[tokio::test]
async fn an_announcement_is_pushed_to_all_who_are_away() {
    let (t, service) = TestApp::with_push().await;
    let mut people = Vec::new();
    for n in 0..30 {
        let person = t.student(&format!("pupil{n}")).await;
        t.subscribe(&service, &person, &format!("phone{n}")).await;
        people.push(person);
    }
    let (_socket, _) = people[0].connect().await;
    service.always(Some(Reply::Slowly(201)));
    let body = json!({ "audience": { "all": true }, "type": "snow", "title": "No school today", "message": "Snow" });
    notify(&t, body).await;
    let mut devices = Vec::new();
    for _ in 1..30 {
        devices.push(service.next().await.device);
    }
    devices.sort();
    devices.dedup();
    assert_eq!(devices.len(), 29);
    assert!(
        !devices.contains(&"phone0".to_owned()),
        "that one is online"
    );
    t.drained().await;
    no_push(&service).await;
    let most = service.most_in_flight();
    assert!((2..=16).contains(&most), "{most} at a time");
}

#[tokio::test]
async fn a_device_gets_one_push_at_a_time_in_order() {
    let (t, service, ann, bob, _) = setting().await;
    for n in 0..20 {
        ann.write(&bob, &format!("{n}")).await;
    }
    for n in 0..20 {
        assert_eq!(service.next().await.payload["message"], format!("{n}"));
    }
    t.drained().await;
    assert_eq!(service.most_in_flight(), 1);
}

#[tokio::test]
async fn a_test_push_comes_even_to_those_who_are_online() {
    let (t, service, _, bob, _) = setting().await;
    t.subscribe(&service, &bob, "laptop").await;
    let (_socket, _) = bob.connect().await;
    let answer = bob.post("/api/notifications/test-push", json!({})).await;
    assert_eq!(answer.expect(200)["data"], json!({ "queued": 2 }));
    let push = service.next().await;
    assert_eq!(push.payload["type"], "test");
    service.next().await;
    t.drained().await;
}

#[tokio::test]
async fn with_hidden_content_nothing_of_it_leaves() {
    let (t, service) = TestApp::with_push_and(|config| {
        config.push.content = schoolbell::config::PushContent::Hidden;
    })
    .await;
    let (ann, bob) = t.pair().await;
    t.subscribe(&service, &bob, "phone").await;
    ann.write(&bob, "a secret").await;
    let push = service.next().await;
    let text = push.payload.to_string();
    assert!(
        !text.contains("secret") && !text.contains("ann of"),
        "{text}"
    );
    assert_eq!(push.payload["title"], "New message");
}

#[tokio::test]
async fn what_is_long_is_cut() {
    let (_t, service, ann, bob, _) = setting().await;
    ann.write(&bob, &"🎒 äß".repeat(900)).await;
    let push = service.next().await;
    assert!((2_300..=2_500).contains(&push.bytes), "{}", push.bytes);
    assert!(push.payload["message"].as_str().unwrap().ends_with('…'));
}

/// Moves the timers, which are not the clock, and lets workers see it.
async fn timers(by: Duration) {
    tokio::time::pause();
    tokio::time::advance(by).await;
    tokio::time::resume();
    tokio::time::sleep(Duration::from_millis(1_200)).await;
}

/// The server has noticed that somebody's last socket has ended.
async fn gone(t: &TestApp, person: &Person) {
    let key = person.user.key;
    while t.app.hub.online().iter().any(|(user, _)| *user == key) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_a_dead_link_swallowed_is_pushed_after_a_minute() {
    let (t, service, ann, bob, _) = setting().await;
    // A socket that nobody reads: it gets the event and never answers a ping.
    let (socket, _) = bob.connect().await;
    let message = ann.write(&bob, "into the void").await;
    notify(&t, graded(&bob)).await;
    no_push(&service).await;
    drop(socket);
    gone(&t, &bob).await;
    timers(Duration::from_secs(21)).await;
    assert!(service.take().is_empty(), "the minute is not over");
    timers(Duration::from_secs(40)).await;
    let mut pushed = [
        service.next().await.payload["type"].clone(),
        service.next().await.payload["type"].clone(),
    ];
    pushed.sort_by_key(|kind| kind.to_string());
    assert_eq!(pushed, [json!("assignment.graded"), json!("message")]);
    t.drained().await;
    // Once: whoever connects and goes again, confirming nothing new, is not told of them again.
    assert_ne!(message["seq"], 0);
    timers(Duration::from_secs(61)).await;
    no_push(&service).await;
}

#[tokio::test]
async fn who_comes_back_within_the_minute_gets_no_push() {
    let (t, service, ann, bob, _) = setting().await;
    let (socket, connected) = bob.connect().await;
    ann.write(&bob, "into the void").await;
    drop(socket);
    gone(&t, &bob).await;
    timers(Duration::from_secs(30)).await;
    let (mut socket, _) = bob.connect_since(connected["seq"].as_i64()).await;
    socket.expect("new_message").await;
    timers(Duration::from_secs(61)).await;
    no_push(&service).await;
}

/// A page that acknowledges what it gets.
async fn acknowledging(person: &Person) -> Socket {
    let (mut socket, _) = person.connect().await;
    let data = json!({ "token": person.token, "acks": true });
    socket.send(json!({ "event": "auth", "data": data })).await;
    socket
}

async fn acknowledge(socket: &mut Socket, seq: &Value) {
    socket
        .send(json!({ "event": "ack", "data": { "seq": seq } }))
        .await;
}

#[tokio::test]
async fn what_a_page_has_acknowledged_is_not_pushed_when_the_link_ends() {
    let (t, service, ann, bob, _) = setting().await;
    let mut socket = acknowledging(&bob).await;
    let first = ann.write(&bob, "hello").await;
    socket.expect("new_message").await;
    acknowledge(&mut socket, &first["seq"]).await;
    ann.write(&bob, "and more").await;
    socket.expect("new_message").await;
    // It is asked for what it has not acknowledged.
    timers(Duration::from_secs(6)).await;
    let asked = socket.expect("ack_request").await;
    acknowledge(&mut socket, &asked["seq"]).await;
    // More than was written is no more than that.
    acknowledge(&mut socket, &json!(99_999)).await;
    socket.expect_nothing().await;
    let last = ann.write(&bob, "the last").await;
    socket.expect("new_message").await;
    assert!(last["seq"].as_i64() < Some(99_999));
    drop(socket);
    gone(&t, &bob).await;
    timers(Duration::from_secs(21)).await;
    timers(Duration::from_secs(41)).await;
    assert_eq!(service.next().await.payload["message"], "the last");
    t.drained().await;
    no_push(&service).await;
}

/// A browser answers pings for a page that it has frozen.
#[tokio::test]
async fn a_pong_is_no_page() {
    let (t, service, ann, bob, _) = setting().await;
    let (mut socket, _) = bob.connect().await;
    ann.write(&bob, "hello").await;
    socket.expect("new_message").await;
    timers(Duration::from_secs(26)).await;
    let read = tokio::time::timeout(Duration::from_secs(1), socket.next()).await;
    assert!(read.is_err(), "nothing but a ping came, and was answered");
    drop(socket);
    gone(&t, &bob).await;
    timers(Duration::from_secs(21)).await;
    timers(Duration::from_secs(41)).await;
    assert_eq!(service.next().await.payload["message"], "hello");
}

#[tokio::test]
async fn a_page_that_acknowledges_no_more_is_not_there() {
    let (t, service, ann, bob, _) = setting().await;
    let mut socket = acknowledging(&bob).await;
    socket.expect_nothing().await;
    ann.write(&bob, "to a frozen page").await;
    socket.expect("new_message").await;
    timers(Duration::from_secs(6)).await;
    socket.expect("ack_request").await;
    // Its browser answers pings all the same.
    timers(Duration::from_secs(20)).await;
    let read = tokio::time::timeout(Duration::from_millis(200), socket.next()).await;
    assert!(read.is_err());
    timers(Duration::from_secs(20)).await;
    gone(&t, &bob).await;
    timers(Duration::from_secs(21)).await;
    timers(Duration::from_secs(41)).await;
    assert_eq!(service.next().await.payload["message"], "to a frozen page");
}

/// What a stop or a crash of the server has cut: committed, left to a socket, confirmed by nobody.
#[tokio::test]
async fn what_was_not_confirmed_before_a_restart_is_pushed_after_it() {
    let (t, service, ann, bob, _) = setting().await;
    let carol = t.student("carol").await;
    t.subscribe(&service, &carol, "carols").await;
    let mut socket = acknowledging(&bob).await;
    let (_carols, _) = carol.connect().await;
    let confirmed = ann.write(&bob, "confirmed").await;
    socket.expect("new_message").await;
    acknowledge(&mut socket, &confirmed["seq"]).await;
    socket.expect_nothing().await;
    service::pushes::save_acks(&t.app).await.unwrap();
    ann.write(&bob, "not confirmed").await;
    ann.write(&carol, "she is back already").await;
    // The hub forgets everything; the database is as a crash leaves it.
    drop(socket);
    gone(&t, &bob).await;
    t.app
        .hub
        .sweep(tokio::time::Instant::now() + Duration::from_secs(60));
    let seq = t.newest_seq().await;
    // What comes before that is looked at hides nothing, and is not pushed a second time.
    ann.write(&bob, "after the start").await;
    assert_eq!(service.next().await.payload["message"], "after the start");
    service::pushes::queue_undelivered(&t.app, seq)
        .await
        .unwrap();
    assert_eq!(service.next().await.payload["message"], "not confirmed");
    t.drained().await;
    let seq = t.newest_seq().await;
    service::pushes::queue_undelivered(&t.app, seq)
        .await
        .unwrap();
    no_push(&service).await;
}

#[tokio::test]
async fn what_is_pushed_while_something_is_in_doubt_is_pushed_once() {
    let (t, service, ann, bob, _) = setting().await;
    t.app.hub.caught_up();
    let (socket, _) = bob.connect().await;
    ann.write(&bob, "into the void").await;
    drop(socket);
    gone(&t, &bob).await;
    ann.write(&bob, "at once").await;
    assert_eq!(service.next().await.payload["message"], "at once");
    t.drained().await;
    timers(Duration::from_secs(21)).await;
    timers(Duration::from_secs(41)).await;
    assert_eq!(service.next().await.payload["message"], "into the void");
    t.drained().await;
    // Nor by a link that ends before it confirms them, nor after a restart.
    let (socket, _) = bob.connect_since(Some(0)).await;
    drop(socket);
    gone(&t, &bob).await;
    timers(Duration::from_secs(21)).await;
    timers(Duration::from_secs(41)).await;
    let seq = t.newest_seq().await;
    service::pushes::queue_undelivered(&t.app, seq)
        .await
        .unwrap();
    no_push(&service).await;
}

#[tokio::test]
async fn who_comes_back_and_missed_nothing_leaves_no_doubt() {
    let (t, _service, ann, bob, _) = setting().await;
    t.app.hub.caught_up();
    let carol = t.student("carol").await;
    let seq = t.newest_seq().await;
    for _ in 0..3 {
        ann.write(&carol, "not for bob").await;
    }
    let (socket, _) = bob.connect_since(Some(seq)).await;
    drop(socket);
    gone(&t, &bob).await;
    let reach = t.app.hub.record_sent(bob.user.key, seq + 10);
    assert_eq!(reach, schoolbell::hub::Reach::Away);
}

#[tokio::test]
async fn of_what_waits_for_a_user_the_newest_two_hundred_are_kept() {
    let (t, service, ann, bob, _) = setting().await;
    service.answer([Reply::With(429, "retry-after", "600".into())]);
    ann.write(&bob, "0").await;
    assert_eq!(
        service.next().await.payload["message"],
        "0",
        "it was sent at once"
    );
    // On a busy machine others would push it out before it is sent.
    for n in 1..260 {
        ann.write(&bob, &format!("{n}")).await;
    }
    t.waiting_for("two hundred", |waiting| waiting == 200).await;
    t.pass(Duration::from_secs(600));
    assert_eq!(service.next().await.payload["message"], "60");
}

#[tokio::test]
async fn a_test_that_waits_is_not_asked_for_twice() {
    let (t, service, _, bob, _) = setting().await;
    service.answer([Reply::With(429, "retry-after", "30".into())]);
    for _ in 0..50 {
        bob.post("/api/notifications/test-push", json!({}))
            .await
            .expect(200);
    }
    t.waiting_for("the last one", |waiting| waiting == 1).await;
}

#[tokio::test]
async fn nothing_is_pushed_to_those_who_were_shut_out() {
    let (t, service, ann, bob, phone) = setting().await;
    service.always(Some(Reply::Status(503)));
    ann.write(&bob, "hi").await;
    service.next().await;
    t.waiting_for("one left for later", |waiting| waiting == 1)
        .await;
    service::users::set_disabled(&t.app, &bob.user, true)
        .await
        .unwrap();
    t.waiting_for("the outbox without it", |waiting| waiting == 0)
        .await;
    service::users::set_disabled(&t.app, &bob.user, false)
        .await
        .unwrap();
    let bob = t.again(&bob).await;
    let devices = bob
        .get("/api/notifications/subscriptions")
        .await
        .expect(200);
    assert_eq!(devices["data"], json!([]));

    bob.post("/api/notifications/subscribe", phone.json())
        .await
        .expect(201);
    bob.post("/api/auth/logout-all", json!({}))
        .await
        .expect(200);
    let bob = t.log_in(service::users::known(&t.app, bob.user.id()).await.unwrap());
    let devices = bob
        .get("/api/notifications/subscriptions")
        .await
        .expect(200);
    assert_eq!(devices["data"], json!([]));
}

#[tokio::test]
async fn a_dead_service_does_not_slow_a_message() {
    let (t, service, ann, bob, _) = setting().await;
    for n in 0..19 {
        t.subscribe(&service, &bob, &format!("d{n}")).await;
    }
    service.always(Some(Reply::Never));
    for n in 0..100 {
        ann.write(&bob, &format!("{n}")).await;
    }
    // Two thousand wait, sixteen hang: and another service, and everybody else, is served.
    t.waiting_for("all of them", |waiting| waiting == 2_000)
        .await;
    let other = PushService::start_at(t.clock.clone()).await;
    t.subscribe(&other, &ann, "anns").await;
    bob.write(&ann, "still here").await;
    assert_eq!(other.next().await.payload["message"], "still here");
}

#[tokio::test]
async fn admins_see_what_came_of_pushes() {
    let (t, service, ann, bob, _) = setting().await;
    let admin = t.person("ada", Role::Admin).await;
    t.subscribe(&service, &ann, "anns").await;
    ann.write(&bob, "taken").await;
    service.next().await;
    t.drained().await;
    service.answer([Reply::Saying(400, "bad\n request")]);
    ann.write(&bob, "refused").await;
    service.next().await;
    t.drained().await;
    service.answer([Reply::Status(503)]);
    ann.write(&bob, "later").await;
    service.next().await;
    t.waiting_for("one left for later", |waiting| waiting == 1)
        .await;
    tokio::time::sleep(Duration::from_millis(100)).await;

    let report = admin.get("/api/admin/push").await.expect(200)["data"].clone();
    assert_eq!(report["subject"], "mailto:office@school.edu");
    assert_eq!(report["subjectProblem"], Value::Null);
    assert_eq!(
        report["subscriptions"],
        json!({ "working": 0, "failing": 1, "unused": 1 })
    );
    let figures = &report["services"][0];
    let counts = ["subscriptions", "waiting", "sent", "failed", "dead"]
        .map(|key| figures[key].as_i64().unwrap());
    assert_eq!(counts, [2, 1, 1, 2, 1]);
    assert_eq!(figures["lastError"]["status"], 503);
    let advice = figures["lastError"]["advice"].as_str().unwrap();
    assert!(advice.contains("tried again"), "{advice}");
    let metrics = schoolbell::ops::health::metrics(&t.app);
    for line in ["sent\"} 1", "dead\"} 1", "retried\"} 1"] {
        let line = format!("schoolbell_pushes_total{{outcome=\"{line}");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
    let dead = &report["dead"][0];
    assert_eq!(dead["userId"], "bob");
    assert_eq!(
        (&dead["status"], &dead["text"]),
        (&json!(400), &json!("bad request"))
    );
    assert_eq!(dead["tries"], 1);
    assert!(
        !report.to_string().contains("/push/"),
        "an endpoint is a secret"
    );
}

/// Sixty in an hour; the rest is one push.
#[tokio::test]
async fn a_device_that_is_flooded_gets_a_summary() {
    let (t, service, ann, bob, _) = setting().await;
    let body = json!({ "language": "de" });
    bob.put_json("/api/notifications/preferences", body).await;
    for at in 0..65 {
        ann.write(&bob, &format!("message {at}")).await;
    }
    for at in 0..60 {
        let text = format!("message {at}");
        assert_eq!(service.next().await.payload["message"], text.as_str());
    }
    t.waiting_for("five for later", |waiting| waiting == 5)
        .await;
    no_push(&service).await;
    // What is urgent comes all the same.
    notify(&t, graded(&bob)).await;
    assert_eq!(service.next().await.payload["type"], "assignment.graded");
    t.pass(Duration::from_secs(3_500));
    no_push(&service).await;
    t.pass(Duration::from_secs(101));
    let push = service.next().await;
    assert_eq!(push.payload["type"], "summary");
    assert!(push.payload["message"].as_str().unwrap().contains(": 5."));
    assert_eq!(push.payload["title"], "Weitere Mitteilungen");
    t.drained().await;
    no_push(&service).await;
    // A new hour has begun.
    ann.write(&bob, "later").await;
    assert_eq!(service.next().await.payload["message"], "later");
}

/// One that is left over comes as it is, and no summary is owed after it.
#[tokio::test]
async fn a_single_push_over_the_budget_is_no_summary() {
    let (t, service, ann, bob, _) = setting().await;
    for at in 0..61 {
        ann.write(&bob, &format!("message {at}")).await;
    }
    for _ in 0..60 {
        service.next().await;
    }
    t.waiting_for("one for later", |waiting| waiting == 1).await;
    t.pass(Duration::from_secs(3_601));
    assert_eq!(service.next().await.payload["message"], "message 60");
    t.drained().await;
    // Two that wait for another reason come one by one.
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let window = json!({ "days": days, "from": "00:00", "to": "24:00" });
    let quiet = json!({ "timeZone": "UTC", "windows": [window] });
    let preferences = "/api/notifications/preferences";
    let body = json!({ "quietHours": quiet });
    bob.put_json(preferences, body).await.expect(200);
    for text in ["one", "two"] {
        ann.write(&bob, text).await;
    }
    t.waiting_for("both to wait", |waiting| waiting == 2).await;
    let body = json!({ "quietHours": null });
    bob.put_json(preferences, body).await.expect(200);
    let mut texts =
        [service.next().await, service.next().await].map(|p| p.payload["message"].clone());
    texts.sort_by_key(|text| text.to_string());
    assert_eq!(texts, ["one", "two"]);
}
