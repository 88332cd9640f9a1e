//! Announcements: sent now or at a time, reported on by recipient, repeated for those who have not read them.

use schoolbell::config::at_least_one;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use schoolbell::model::audience::Audience;
use schoolbell::model::notifications::{NewNotification, Type, Urgency};
use serde_json::{Value, json};

use crate::helpers::{Person, Reply, TestApp};

const PATH: &str = "/api/admin/announcements";

async fn announce(admin: &Person, change: Value) -> String {
    let mut body =
        json!({ "title": "Snow", "message": "School is closed.", "audience": { "all": true } });
    body.as_object_mut()
        .unwrap()
        .extend(change.as_object().unwrap().clone());
    let made = admin.post(PATH, body).await.expect(201);
    made["data"]["id"].as_str().unwrap().to_owned()
}

/// The report, once it is as it should be.
async fn report(admin: &Person, id: &str, right: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let report = admin.get(&format!("{PATH}/{id}")).await.expect(200)["data"].clone();
        if right(&report) {
            return report;
        }
        assert!(Instant::now() < until, "{report}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn sent(report: &Value) -> bool {
    report["state"] == "sent"
}

/// Each recipient as `name stage why service`.
async fn stages(admin: &Person, id: &str, query: &str) -> Vec<String> {
    let list = admin
        .get(&format!("{PATH}/{id}/recipients{query}"))
        .await
        .expect(200);
    let word = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    let lines = list["data"].as_array().unwrap().iter();
    lines
        .map(|one| {
            let words = ["userId", "stage", "why", "service"].map(|key| word(one, key));
            words.join(" ").trim_end().to_owned()
        })
        .collect()
}

#[tokio::test]
async fn each_recipient_has_a_stage_and_a_reason() {
    let (t, service) = TestApp::with_push().await;
    let admin = t.admin().await;
    let mut people = Vec::new();
    for name in ["dead", "gone", "live", "none", "off", "phone", "read"] {
        people.push(t.student(name).await);
    }
    let [dead, gone, live, _none, off, phone, read] = &people[..] else {
        panic!()
    };
    for person in [dead, gone, off, phone] {
        t.subscribe(&service, person, person.id()).await;
    }
    service.answer_device("gone", Reply::Status(410));
    service.answer_device("dead", Reply::Status(400));
    let preferences =
        json!({ "enabled": true, "mutedTypes": ["announcement"], "quietHours": null });
    off.put_json("/api/notifications/preferences", preferences)
        .await
        .expect(200);
    // A subscription that is not new.
    t.pass(std::time::Duration::from_secs(61));
    let (mut socket, _) = live.connect().await;
    let data = json!({ "token": live.token, "acks": true });
    socket.send(json!({ "event": "auth", "data": data })).await;
    let (mut reader, _) = read.connect().await;

    let id = announce(&admin, json!({ "audience": { "roles": ["student"] } })).await;
    socket.await_event("notification").await;
    let notification = reader.await_event("notification").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    read.put(&format!("/api/notifications/{notification}/read"))
        .await
        .expect(200);
    // A page says that it came.
    socket.expect_nothing().await;
    let done = report(&admin, &id, |r| r["stages"]["waiting"] == 0 && sent(r)).await;
    assert_eq!(done["recipients"], 7);
    assert_eq!(
        done["stages"],
        json!({ "read": 1, "live": 1, "pushed": 1, "waiting": 0, "failed": 2, "nobody": 2 })
    );
    assert_eq!(
        stages(&admin, &id, "").await,
        [
            "dead failed refused other",
            "gone failed device_gone other",
            "live live",
            "none nobody no_device",
            "off nobody notifications_off",
            "phone pushed",
            "read read",
        ]
    );
    assert_eq!(stages(&admin, &id, "?stage=nobody").await.len(), 2);
    assert_eq!(stages(&admin, &id, "?stage=unread").await.len(), 6);
    let page = admin
        .get(&format!("{PATH}/{id}/recipients?limit=4"))
        .await
        .expect(200);
    let before = page["paging"]["before"].as_str().unwrap();
    let rest = stages(&admin, &id, &format!("?limit=4&before={before}")).await;
    assert_eq!(rest.len(), 3);

    let csv = admin.get(&format!("{PATH}/{id}/recipients.csv")).await;
    assert_eq!(csv.text.lines().count(), 8);
    assert!(
        csv.text
            .contains("gone,gone of the school,student,failed,device_gone,other"),
        "{}",
        csv.text
    );

    // Who takes it from their list has seen it.
    live.delete(&format!("/api/notifications/{notification}"))
        .await
        .expect(200);
    let list = live.get("/api/notifications").await.expect(200);
    assert_eq!(list["data"], json!([]));
    report(&admin, &id, |r| r["stages"]["read"] == 2).await;

    // A reminder is for the others.
    let again = admin
        .post(
            &format!("{PATH}/{id}/remind"),
            json!({ "title": "Again: snow" }),
        )
        .await;
    let again = again.expect(201)["data"]["id"].as_str().unwrap().to_owned();
    let reminder = report(&admin, &again, sent).await;
    assert_eq!(
        (&reminder["recipients"], &reminder["reminderOf"]),
        (&json!(5), &json!(id))
    );
    assert_eq!(reminder["title"], "Again: snow");
    reader.await_event("unread").await;
    reader.expect_nothing().await;
}

#[tokio::test]
async fn a_service_that_refuses_the_server_is_the_reason() {
    let (t, service) = TestApp::with_push().await;
    let admin = t.admin().await;
    let ann = t.student("ann").await;
    t.subscribe(&service, &ann, "phone").await;
    service.always(Some(Reply::Status(403)));
    let id = announce(&admin, json!({ "audience": { "userIds": ["ann"] } })).await;
    report(&admin, &id, |r| r["stages"]["failed"] == 1).await;
    assert_eq!(stages(&admin, &id, "").await, ["ann failed refused other"]);
}

#[tokio::test]
async fn one_that_has_a_time_waits_for_it_and_can_be_taken_back() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let ann = t.student("ann").await;
    let later = json!({ "sendAt": "2026-11-22T10:00:00Z", "audience": { "userIds": ["ann"] } });
    let kept = announce(&admin, later.clone()).await;
    let cancelled = announce(&admin, later).await;
    admin
        .delete(&format!("{PATH}/{cancelled}"))
        .await
        .expect(200);
    admin
        .delete(&format!("{PATH}/{cancelled}"))
        .await
        .expect(200);
    t.clock.advance(Duration::from_secs(29 * 60));
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let waiting = admin.get(&format!("{PATH}/{kept}")).await.expect(200);
    assert_eq!(waiting["data"]["state"], "scheduled");
    t.clock.advance(Duration::from_secs(60));
    report(&admin, &kept, sent).await;
    let list = ann.get("/api/notifications").await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!(list["data"][0]["type"], "announcement");
    admin
        .delete(&format!("{PATH}/{kept}"))
        .await
        .refused(409, "already_sent");
    let states = admin.get(PATH).await.expect(200);
    let states: Vec<&str> = states["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["cancelled", "sent"]);
}

#[tokio::test]
async fn an_audience_is_counted_before_it_is_told() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let (ann, bob) = t.pair().await;
    t.class("7a", &[&ann, &bob]).await;
    let preview = async |audience: Value| {
        let answer = admin.post(&format!("{PATH}/audience"), audience).await;
        answer.expect(200)["data"].clone()
    };
    let class = preview(json!({ "groups": ["7a", "nowhere"], "except": ["bob"] })).await;
    assert_eq!(
        class,
        json!({ "count": 1, "names": ["ann of the school"], "unknown": ["nowhere"] })
    );
    assert_eq!(preview(json!({ "all": true })).await["count"], 3);
    admin
        .post(&format!("{PATH}/audience"), json!({}))
        .await
        .invalid("audience");
}

#[tokio::test]
async fn bad_announcements_are_refused_by_the_field() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let body = |change: Value| {
        let mut body = json!({ "title": "T", "message": "M", "audience": { "all": true } });
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        body
    };
    for (change, field) in [
        (json!({ "title": " " }), "title"),
        (json!({ "message": "" }), "message"),
        (json!({ "link": "javascript:alert(1)" }), "link"),
        (json!({ "audience": {} }), "audience"),
        (json!({ "sendAt": "tomorrow" }), "sendAt"),
        (json!({ "sendAt": "2020-01-01T00:00:00Z" }), "sendAt"),
        (json!({ "sendAt": "2036-01-01T00:00:00Z" }), "sendAt"),
    ] {
        admin.post(PATH, body(change)).await.invalid(field);
    }
    let id = "0190a0b0-c0d0-7000-8000-00000000000a";
    for path in [
        format!("{PATH}/{id}"),
        format!("{PATH}/{id}/recipients"),
        format!("{PATH}/{id}/recipients.csv"),
    ] {
        admin
            .get(&path)
            .await
            .refused(404, "announcement_not_found");
    }
    admin
        .post(&format!("{PATH}/{id}/remind"), json!({}))
        .await
        .refused(404, "announcement_not_found");
}

#[tokio::test]
async fn a_reminder_of_what_everyone_has_read_is_refused() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let ann = t.student("ann").await;
    let id = announce(&admin, json!({ "audience": { "userIds": ["ann"] } })).await;
    report(&admin, &id, sent).await;
    ann.put("/api/notifications/mark-all-read")
        .await
        .expect(200);
    admin
        .post(&format!("{PATH}/{id}/remind"), json!({}))
        .await
        .invalid("id");
}

#[tokio::test]
async fn the_same_announcement_again_is_none() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let ann = t.student("ann").await;
    let body = json!({ "title": "T", "message": "M", "audience": { "userIds": ["ann"] }, "idempotencyKey": "k" });
    let first = admin.post(PATH, body.clone()).await.expect(201)["data"]["id"].clone();
    let again = admin.post(PATH, body).await.expect(200)["data"]["id"].clone();
    assert_eq!(first, again);
    let id = first.as_str().unwrap();
    report(&admin, id, sent).await;
    let remind = json!({ "idempotencyKey": "r" });
    let path = format!("{PATH}/{id}/remind");
    let first = admin.post(&path, remind.clone()).await.expect(201)["data"]["id"].clone();
    let again = admin.post(&path, remind).await.expect(200)["data"]["id"].clone();
    assert_eq!(first, again);
    report(&admin, first.as_str().unwrap(), sent).await;
    let list = ann.get("/api/notifications").await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_device_of_later_does_not_change_what_was() {
    let (t, service) = TestApp::with_push().await;
    let admin = t.admin().await;
    let ann = t.student("ann").await;
    let id = announce(&admin, json!({ "audience": { "userIds": ["ann"] } })).await;
    report(&admin, &id, |r| r["stages"]["nobody"] == 1).await;
    t.subscribe(&service, &ann, "phone").await;
    let after = admin.get(&format!("{PATH}/{id}")).await.expect(200);
    assert_eq!(after["data"]["stages"]["nobody"], 1);
}

/// As if the server had been killed between sending it and writing down that it is sent; the audience has grown since.
#[tokio::test]
async fn what_went_out_before_a_crash_does_not_go_out_again() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let ann = t.student("ann").await;
    let id = announce(&admin, json!({ "sendAt": "2026-11-22T10:00:00Z" })).await;
    let new = NewNotification {
        kind: Type::parse("announcement").unwrap(),
        title: "Snow".into(),
        message: "School is closed.".into(),
        link: None,
        urgency: Urgency::Normal,
        ttl: 60,
        idempotency_key: Some(format!("announcement:{id}")),
    };
    let audience = Audience {
        users: ["ann".to_owned()].into(),
        ..Audience::default()
    };
    schoolbell::service::notifications::send(
        &t.app,
        schoolbell::model::audit::AuditActor::label("user:admin".into()),
        new,
        audience,
    )
    .await
    .unwrap();
    t.clock.advance(Duration::from_secs(30 * 60));
    let done = report(&admin, &id, sent).await;
    assert_eq!(done["recipients"], 1);
    let list = ann.get("/api/notifications").await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
}

/// What a report costs grows with its recipients, not with their square: counted in steps of SQLite's machine, on the one reader.
#[tokio::test]
async fn a_report_takes_as_long_as_it_has_recipients() {
    let steps = async |people: usize| {
        let t = TestApp::with(|config| config.database.readers = at_least_one(1));
        let admin = t.admin().await;
        let line = |n| format!("p{n:04},Person {n},student\n");
        let file = "username,name,role\n".to_owned() + &(0..people).map(line).collect::<String>();
        let preview = admin.post_csv("/api/admin/roster/preview", file.as_bytes());
        let digest = preview.await.expect(200)["data"]["digest"].clone();
        let path = format!("/api/admin/roster?digest={}", digest.as_str().unwrap());
        admin.post_csv(&path, file.as_bytes()).await.expect(200);
        let id = announce(&admin, json!({})).await;
        report(&admin, &id, |r| {
            sent(r) && r["recipients"] == people + 1 && r["stages"]["waiting"] == 0
        })
        .await;
        let counted = Arc::new(AtomicU64::new(0));
        let count = counted.clone();
        let watch = t.app.store.read(move |c| {
            let step = move || {
                count.fetch_add(1, Ordering::Relaxed);
                false
            };
            Ok(c.progress_handler(10, Some(step))?)
        });
        watch.await.unwrap();
        let csv = admin.get(&format!("{PATH}/{id}/recipients.csv")).await;
        assert!(csv.text.contains("p0000"), "{}", csv.text);
        assert!(stages(&admin, &id, "?stage=failed").await.is_empty());
        counted.load(Ordering::Relaxed)
    };
    let (few, many) = (steps(700).await, steps(2_800).await);
    assert!(many < few * 6, "{few} steps for 700, {many} for 2,800");
}
