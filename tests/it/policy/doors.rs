//! Each door, with a pair that the policy refuses: nothing gets through any of them.

use std::time::Duration;

use schoolbell::model::users::Role;
use serde_json::json;

use super::{can, finds, keep_apart, preset, send, set, sql};
use crate::helpers::{Engine, Person, TestApp};

/// A class of one teacher and one pupil, and a pupil and a teacher who are in none, under `teacher-led`.
struct School {
    t: TestApp,
    admin: Person,
    tea: Person,
    kim: Person,
    lea: Person,
    max: Person,
}

async fn school() -> School {
    let t = TestApp::new();
    let admin = t.admin().await;
    let (tea, max) = (
        t.person("tea", Role::Teacher).await,
        t.person("max", Role::Teacher).await,
    );
    let (kim, lea) = (t.student("kim").await, t.student("lea").await);
    t.class("7a", &[&tea, &kim]).await;
    preset(&t, &admin, "teacher-led").await;
    School {
        t,
        admin,
        tea,
        kim,
        lea,
        max,
    }
}

#[tokio::test]
async fn messages_get_through_where_a_rule_lets_them_and_nowhere_else() {
    let School {
        tea, kim, lea, max, ..
    } = school().await;
    // Pupils do not write to each other, nor to teachers of others: for them there is nobody.
    for (from, to) in [(&kim, "lea"), (&kim, "max"), (&max, "kim"), (&lea, "tea")] {
        send(from, to).await.refused(404, "user_not_found");
    }
    // Pupils answer, and there is nothing to answer yet.
    send(&kim, "tea").await.refused(404, "user_not_found");
    assert_eq!(
        can(&kim, "tea").await,
        ("no".into(), Some("answer_only".into()))
    );
    assert_eq!(can(&tea, "kim").await, ("start".into(), None));
    send(&tea, "kim").await.expect(201);
    assert_eq!(can(&kim, "tea").await, ("reply".into(), None));
    send(&kim, "tea").await.expect(201);
}

#[tokio::test]
async fn an_answer_is_open_for_thirty_days() {
    let School { t, tea, kim, .. } = school().await;
    send(&tea, "kim").await.expect(201);
    t.clock.advance(Duration::from_secs(30 * 86_400 - 1));
    let kim = t.again(&kim).await;
    send(&kim, "tea").await.expect(201);
    t.clock.advance(Duration::from_secs(2));
    let denied = send(&kim, "tea").await.refused(403, "policy_denied");
    assert_eq!(
        denied["details"][0],
        json!({ "field": "receiverId", "rule": "policy", "params": { "why": "answer_only" },
                "message": "cannot be written to now: answer_only" })
    );
}

#[tokio::test]
async fn a_conversation_that_the_policy_ends_stays_readable() {
    let School {
        t,
        admin,
        tea,
        kim,
        lea,
        ..
    } = school().await;
    preset(&t, &admin, "open").await;
    let said = kim.write(&lea, "before").await;
    send(&tea, "kim").await.expect(201);
    preset(&t, &admin, "teacher-led").await;
    for (me, partner) in [(&kim, "lea"), (&lea, "kim")] {
        let denied = send(me, partner).await.refused(403, "policy_denied");
        assert_eq!(denied["details"][0]["params"]["why"], "closed");
        let history = me
            .get(&format!("/api/messages/conversation/{partner}"))
            .await
            .expect(200);
        assert_eq!(history["data"][0]["id"], said["id"]);
        let found = me.get("/api/messages/search?q=before").await.expect(200);
        assert_eq!(found["data"].as_array().unwrap().len(), 1);
        assert_eq!(can(me, partner).await, ("no".into(), Some("closed".into())));
    }
    let conversations = kim.get("/api/messages/conversations").await.expect(200);
    let of = |at: usize| {
        (
            &conversations["data"][at]["partner"]["id"],
            &conversations["data"][at]["can"],
        )
    };
    assert_eq!(of(0), (&json!("tea"), &json!({ "write": "reply" })));
    assert_eq!(
        of(1),
        (&json!("lea"), &json!({ "write": "no", "why": "closed" }))
    );
    // What was unread can be read.
    let read = lea.put("/api/messages/read/kim").await.expect(200);
    assert_eq!(read["data"]["updated"], 1);
}

#[tokio::test]
async fn people_find_whom_they_may_write_to() {
    let School {
        tea, kim, lea, max, ..
    } = school().await;
    assert_eq!(finds(&kim).await, Vec::<String>::new());
    assert_eq!(finds(&lea).await, Vec::<String>::new());
    assert_eq!(finds(&tea).await, ["admin", "kim", "max"]);
    assert_eq!(finds(&max).await, ["admin", "tea"]);
    kim.get("/api/users/lea")
        .await
        .refused(404, "user_not_found");
    kim.get("/api/users/max")
        .await
        .refused(404, "user_not_found");
    // What somebody wrote can be answered.
    send(&tea, "kim").await.expect(201);
    assert_eq!(finds(&kim).await, ["tea"]);
}

#[tokio::test]
async fn typing_gets_to_nobody_who_may_not_be_written_to() {
    let School {
        t, tea, kim, lea, ..
    } = school().await;
    let (mut from_kim, _) = kim.connect().await;
    let (mut to_lea, _) = lea.connect().await;
    let (mut from_tea, _) = tea.connect().await;
    let typing = |to: &str| json!({ "event": "typing", "data": { "to": to, "typing": true } });
    from_kim.send(typing("lea")).await;
    let refused = from_kim.await_event("error").await;
    assert_eq!(refused["code"], "user_not_found");
    to_lea.expect_nothing().await;
    from_tea.send(typing("kim")).await;
    assert_eq!(from_kim.await_event("typing").await["userId"], "tea");
    // The same by Socket.IO, from there and to there.
    let token = |person: &Person| json!({ "token": person.token });
    let (mut of_lea, _) = Engine::join(&t.address, token(&lea)).await;
    of_lea
        .send(r#"42["typing",{"to":"kim","typing":true}]"#)
        .await;
    from_kim.expect_nothing().await;
    let (mut of_kim, _) = Engine::join(&t.address, token(&kim)).await;
    of_kim.expect("connected").await;
    of_kim
        .send(r#"421["typing",{"to":"lea","typing":true}]"#)
        .await;
    let answer = of_kim.next().await.unwrap();
    assert!(
        answer.starts_with("431") && answer.contains("user_not_found"),
        "{answer}"
    );
    to_lea.expect_nothing().await;
}

#[tokio::test]
async fn presence_is_for_those_who_may_write() {
    let School {
        t,
        admin,
        tea,
        kim,
        lea,
        ..
    } = school().await;
    preset(&t, &admin, "open").await;
    kim.write(&lea, "a conversation").await;
    tea.write(&kim, "another").await;
    preset(&t, &admin, "teacher-led").await;
    let (mut of_lea, _) = lea.connect().await;
    let (mut of_tea, _) = tea.connect().await;
    let (_socket, _) = kim.connect().await;
    assert_eq!(of_tea.await_event("presence").await["userId"], "kim");
    of_lea.expect_nothing().await;
    let presence = lea.get("/api/presence?userIds=kim,tea").await.expect(200);
    assert_eq!(presence["data"], json!([]));
    let conversations = lea.get("/api/messages/conversations").await.expect(200);
    assert_eq!(conversations["data"][0]["partner"]["online"], false);
    let user = lea.get("/api/users/kim").await.expect(200);
    assert_eq!(
        (&user["data"]["online"], &user["data"]["lastSeenAt"]),
        (&json!(false), &json!(null))
    );
    let presence = tea.get("/api/presence?userIds=kim,lea").await.expect(200);
    assert_eq!(presence["data"].as_array().unwrap().len(), 1);
    assert_eq!(presence["data"][0]["online"], true);
}

#[tokio::test]
async fn what_waits_to_be_pushed_is_dropped_when_an_order_comes() {
    let (t, service) = TestApp::with_push().await;
    let admin = t.admin().await;
    let (ann, bob) = t.pair().await;
    let carl = t.student("carl").await;
    t.subscribe(&service, &bob, "phone").await;
    // At night pushes to pupils wait.
    let quiet = json!({ "rule": [{ "from": ["student"], "to": ["student"], "when": "anyone", "may": "start" }],
                        "quiet": [{ "to": ["student"], "from": "00:00", "until": "23:59" }] });
    set(&t, &admin, quiet).await.expect(200);
    send(&ann, "bob").await.expect(201);
    send(&carl, "bob").await.expect(201);
    t.waiting_for("two pushes", |waiting| waiting == 2).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(service.take().is_empty(), "quiet hours");
    keep_apart(&t, "ann", "bob", None).await;
    preset(&t, &admin, "open").await;
    sql(&t, "UPDATE push_outbox SET due_at = 1").await;
    t.pass(Duration::from_secs(1));
    t.drained().await;
    assert_eq!(service.take().len(), 1, "of carl alone");
}

#[tokio::test]
async fn the_writer_is_told_of_quiet_hours() {
    let School { t, tea, kim, .. } = school().await;
    let of_now = |user: serde_json::Value| user["data"]["can"].clone();
    // 22:00 in the zone of the school, which is UTC.
    let night = schoolbell::model::time::Time::parse("2026-11-23T22:00:00Z").unwrap();
    t.clock.set(night);
    let (tea, kim) = (t.again(&tea).await, t.again(&kim).await);
    let can = of_now(tea.get("/api/users/kim").await.expect(200));
    assert_eq!(
        can,
        json!({ "write": "start", "quietUntil": "2026-11-24T07:00:00.000Z" })
    );
    send(&tea, "kim").await.expect(201);
    // Teachers have none.
    let can = of_now(kim.get("/api/users/tea").await.expect(200));
    assert_eq!(can, json!({ "write": "reply" }));
}

#[tokio::test]
async fn announcements_go_to_ones_own_classes() {
    let School {
        t,
        admin,
        tea,
        kim,
        lea,
        ..
    } = school().await;
    let gus = t.person("gus", Role::Guardian).await;
    let links = json!({ "guardians": [{ "id": "gus" }] });
    admin
        .put_json("/api/admin/people/kim/guardians", links)
        .await
        .expect(200);
    let to = |ids: &[&Person]| {
        let ids: Vec<&str> = ids.iter().map(|person| person.id()).collect();
        json!({ "userIds": ids, "type": "note", "title": "A trip", "message": "Bring boots" })
    };
    let sent = tea
        .post("/api/notifications", to(&[&kim, &gus]))
        .await
        .expect(201);
    assert_eq!(sent["data"]["recipients"], 2);
    // A class by its id is its pupils and those who lead it.
    let to_class =
        json!({ "audience": { "groups": ["7a"] }, "type": "note", "title": "x", "message": "y" });
    let sent = tea.post("/api/notifications", to_class).await.expect(201);
    assert_eq!(sent["data"]["recipients"], 2);
    // One who is not theirs, and nobody gets it.
    let denied = tea
        .post("/api/notifications", to(&[&kim, &lea]))
        .await
        .refused(403, "policy_denied");
    assert_eq!(denied["details"][0]["field"], "audience");
    let body = json!({ "audience": { "all": true }, "type": "note", "title": "x", "message": "y" });
    tea.post("/api/notifications", body.clone())
        .await
        .refused(403, "policy_denied");
    let kims = kim.get("/api/notifications").await.expect(200);
    assert_eq!(kims["data"].as_array().unwrap().len(), 2);
    // An order about the role keeps the announcement away, too.
    let key = super::key_of(&t, "tea").await.0;
    sql(&t, &format!("INSERT INTO no_contact (id, a_key, role, reason, made_by, created_at) VALUES ('o', {key}, 'guardian', '', '', 0)")).await;
    tea.post("/api/notifications", to(&[&kim, &gus]))
        .await
        .refused(403, "policy_denied");
    tea.post("/api/notifications", to(&[&kim]))
        .await
        .expect(201);
    // Pupils announce nothing; the office to everybody.
    kim.post("/api/notifications", to(&[&lea]))
        .await
        .refused(403, "role_not_allowed");
    admin
        .post("/api/notifications", body.clone())
        .await
        .expect(201);
    let key = t.key().await;
    t.call("POST", "/api/notifications", &key, Some(body))
        .await
        .expect(201);
}

#[tokio::test]
async fn an_announcement_and_its_reminder_are_refused_when_the_policy_says_so() {
    let School { t, admin, kim, .. } = school().await;
    let body = |send_at: Option<&str>| json!({ "title": "x", "message": "y", "audience": { "all": true }, "sendAt": send_at });
    let made = admin
        .post("/api/admin/announcements", body(None))
        .await
        .expect(201);
    let in_an_hour = t.app.now().plus_seconds(3_600).to_string();
    let later = admin
        .post("/api/admin/announcements", body(Some(&in_an_hour)))
        .await
        .expect(201);
    schoolbell::service::announcements::send_due(&t.app)
        .await
        .unwrap();
    let staff_only = json!({ "rule": [{ "from": ["teacher"], "to": ["student"], "when": "teaches", "may": "start" }],
                             "announce": [{ "from": ["staff"], "to": "everybody" }] });
    set(&t, &admin, staff_only).await.expect(200);
    admin
        .post("/api/admin/announcements", body(None))
        .await
        .refused(403, "policy_denied");
    let id = made["data"]["id"].as_str().unwrap();
    let remind = format!("/api/admin/announcements/{id}/remind");
    admin
        .post(&remind, json!({}))
        .await
        .refused(403, "policy_denied");
    // One whose time comes is cancelled, and not tried again for ever.
    t.clock.advance(Duration::from_secs(3_700));
    schoolbell::service::announcements::send_due(&t.app)
        .await
        .unwrap();
    let admin = t.again(&admin).await;
    let id = later["data"]["id"].as_str().unwrap();
    let report = admin
        .get(&format!("/api/admin/announcements/{id}"))
        .await
        .expect(200);
    assert_eq!(report["data"]["state"], "cancelled", "{report}");
    let kim = t.again(&kim).await;
    let kims = kim.get("/api/notifications").await.expect(200);
    assert_eq!(kims["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_roster_that_changes_while_people_write_counts_at_the_commit() {
    let School { t, tea, kim, .. } = school().await;
    send(&tea, "kim").await.expect(201);
    // Many at once, and the class ends among them: what comes after the change is refused, whatever was kept before.
    let mut writes = Vec::new();
    for at in 0..40 {
        if at == 20 {
            sql(&t, "DELETE FROM group_members").await;
        }
        let (tea, id) = (tea.clone(), kim.id().to_owned());
        writes.push((
            at,
            tokio::spawn(async move { send(&tea, &id).await.status }),
        ));
    }
    for (at, write) in writes {
        let status = write.await.unwrap();
        if at >= 20 {
            assert_eq!(status, 403, "{at}");
        }
    }
    assert_eq!(can(&tea, "kim").await, ("no".into(), Some("closed".into())));
}

/// Whether each of these is online, as somebody sees it.
async fn online(who: &Person, ids: &str) -> Vec<bool> {
    let path = format!("/api/presence?userIds={ids}");
    let presence = who.get(&path).await.expect(200);
    let presences = presence["data"].as_array().unwrap().iter();
    presences
        .map(|one| one["online"].as_bool().unwrap())
        .collect()
}

#[tokio::test]
async fn hidden_receipts_and_hidden_presence_are_told_to_nobody() {
    let t = TestApp::with(|config| {
        config.messages.hidden_receipts = vec![Role::Teacher];
        config.presence.hidden_roles = vec![Role::Staff];
    });
    let (tea, kim) = (t.person("tea", Role::Teacher).await, t.student("kim").await);
    let office = t.person("office", Role::Staff).await;
    kim.write(&tea, "may I?").await;
    tea.write(&kim, "yes").await;
    office.write(&kim, "hello").await;
    let (mut of_kim, hello) = kim.connect().await;
    let seq = hello["seq"].as_i64();
    let read = tea.put("/api/messages/read/kim").await.expect(200);
    assert_eq!(read["data"]["updated"], 1);
    let (_tea, _) = tea.connect().await;
    let (_office, _) = office.connect().await;
    // Of the teacher it sees the presence and no receipt; of the office no presence.
    assert_eq!(of_kim.await_event("presence").await["userId"], "tea");
    of_kim.expect_nothing().await;
    let history = kim.get("/api/messages/conversation/tea").await.expect(200);
    assert_eq!(history["data"][0]["read"], false);
    let (mut again, _) = kim.connect_since(seq).await;
    again.expect_nothing().await;
    // Nor does a message that is sent again tell it.
    let again_sent = json!({ "receiverId": "tea", "content": "may I go?", "clientId": "x" });
    kim.post("/api/messages", again_sent.clone())
        .await
        .expect(201);
    tea.put("/api/messages/read/kim").await.expect(200);
    let repeated = kim.post("/api/messages", again_sent).await.expect(200);
    assert_eq!(repeated["data"]["read"], false);
    // Nor does what the school keeps of a user.
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("kim");
    let by = schoolbell::model::audit::AuditActor::command_line();
    let user = (*kim.user).clone();
    schoolbell::ops::personal_data::export(&t.app, by, user, &folder)
        .await
        .unwrap();
    let kept = std::fs::read_to_string(folder.join("messages.json")).unwrap();
    assert!(
        kept.contains("may I?")
            && !kept.contains("\"read\":true")
            && !kept.contains("\"read\": true"),
        "{kept}"
    );
    // The reader knows what they have read; a pupil's reading is told.
    let own = tea.get("/api/messages/conversation/kim").await.expect(200);
    assert_eq!(own["data"][0]["read"], true);
    kim.put("/api/messages/read/tea").await.expect(200);
    let history = tea.get("/api/messages/conversation/kim").await.expect(200);
    assert_eq!(history["data"][1]["read"], true);
    assert_eq!(online(&kim, "tea,office").await, [true, false]);
    // Everybody decides for themselves.
    let hide = json!({ "showOnline": false });
    let preferences = tea
        .put_json("/api/notifications/preferences", hide)
        .await
        .expect(200);
    assert_eq!(preferences["data"]["showOnline"], false);
    let told = again.await_event("presence").await;
    assert_eq!(
        (&told["userId"], &told["online"]),
        (&json!("tea"), &json!(false))
    );
    office
        .put_json(
            "/api/notifications/preferences",
            json!({ "showOnline": true }),
        )
        .await
        .expect(200);
    assert_eq!(again.await_event("presence").await["online"], true);
    assert_eq!(online(&kim, "tea,office").await, [false, true]);
}
