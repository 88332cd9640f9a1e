//! Reports: made by one of the two people, looked at by the leads.

use std::time::Duration;

use schoolbell::model::users::Role;
use serde_json::{Value, json};

use super::{data, list, set_duties, sql, told, two_leads};
use crate::helpers::{Answer, Person, TestApp};

async fn report(who: &Person, message: &Value, reason: &str) -> Answer {
    let id = message["id"].as_str().unwrap();
    let body = json!({ "reason": reason, "note": "He writes this each day" });
    who.post(&format!("/api/messages/{id}/report"), body).await
}

const QUEUE: &str = "/api/safeguarding/reports";

fn path(report: &Value) -> String {
    format!("{QUEUE}/{}", report["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_report_copies_the_passage_unchangeably() {
    let t = TestApp::new();
    let (admin, lea, _) = two_leads(&t).await;
    let (ann, bob) = t.pair().await;
    let gus = t.person("gus", Role::Guardian).await;
    t.class("7a", &[&ann, &bob]).await;
    let link = json!({ "guardians": [{ "id": "gus" }] });
    admin
        .put_json("/api/admin/people/bob/guardians", link)
        .await
        .expect(200);
    let mut sent = Vec::new();
    for n in 0..14 {
        sent.push(bob.write(&ann, &format!("message {n}")).await);
    }
    // What was taken back is copied as it was.
    bob.delete(&format!(
        "/api/messages/{}",
        sent[6]["id"].as_str().unwrap()
    ))
    .await
    .expect(200);
    let made = report(&ann, &sent[6], "bullying").await.expect(201);
    let again = report(&ann, &sent[6], "other").await.expect(200);
    assert_eq!(made["data"], again["data"], "the first one");
    assert_eq!(made["data"]["reason"], "bullying");
    assert!(
        made["data"].get("state").is_none(),
        "nothing of what the leads do"
    );
    assert_eq!(told(&lea).await[0], "safeguarding.reported");

    let found = list(&lea, QUEUE).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["state"], "new");
    assert_eq!(found[0]["reporter"]["id"], "ann");
    assert_eq!(found[0]["partner"]["id"], "bob");
    assert_eq!(found[0]["openedAt"], Value::Null);
    let detail = data(&lea, &path(&found[0])).await;
    let texts: Vec<&str> = detail["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["content"].as_str().unwrap())
        .collect();
    let expected: Vec<String> = (1..12).map(|n| format!("message {n}")).collect();
    assert_eq!(texts, expected);
    assert_eq!(detail["messages"][5]["reported"], true);
    assert_eq!(detail["messages"][5]["removed"]["by"], "sender");
    assert_eq!(detail["reportNote"], "He writes this each day");
    assert_eq!(detail["people"][1]["classes"], json!(["A class"]));
    assert_eq!(detail["people"][1]["guardians"][0]["id"], "gus");
    assert!(list(&lea, QUEUE).await[0]["openedAt"].is_string());
    // Nothing changes it: no retention, no program.
    for change in [
        "DELETE FROM report_messages",
        "UPDATE report_messages SET content = ''",
    ] {
        let run = t.app.store.write(move |tx| Ok(tx.execute_batch(change)?));
        assert!(
            run.await
                .unwrap_err()
                .to_string()
                .contains("stays as it was")
        );
    }

    // A lead takes it up and closes it.
    let body = json!({ "state": "open", "note": "Called the parents" });
    lea.put_json(&path(&found[0]), body).await.expect(200);
    assert_eq!(list(&lea, &format!("{QUEUE}?mine=true")).await.len(), 1);
    let body = json!({ "state": "closed", "outcome": "Talked to both" });
    let closed = lea.put_json(&path(&found[0]), body).await.expect(200);
    assert_eq!(closed["data"]["outcome"], "Talked to both");
    assert_eq!(closed["data"]["note"], "Called the parents");
    assert_eq!(closed["data"]["lead"]["id"], "lea");
    assert!(list(&lea, &format!("{QUEUE}?state=new")).await.is_empty());
    lea.put_json(&path(&found[0]), json!({ "state": "lost" }))
        .await
        .refused(400, "validation_failed");

    // The log has ids and hashes; the texts stand apart, for leads.
    let lines = list(&admin, "/api/admin/audit?limit=50").await;
    let log = serde_json::to_string(&lines).unwrap();
    assert!(
        !log.contains("Called the parents") && !log.contains("user:ann"),
        "{log}"
    );
    let texts = list(&lea, "/api/safeguarding/audit").await;
    assert!(
        texts
            .iter()
            .any(|line| line["text"] == "Called the parents")
    );
    drop(gus);
}

#[tokio::test]
async fn only_the_two_report_and_only_who_is_not_named_looks() {
    let t = TestApp::new();
    let (admin, lea, max) = two_leads(&t).await;
    let (ann, bob) = t.pair().await;
    let carl = t.student("carl").await;
    let sent = bob.write(&ann, "words").await;
    report(&carl, &sent, "other")
        .await
        .refused(404, "message_not_found");
    report(&admin, &sent, "other")
        .await
        .refused(404, "message_not_found");
    let nothing = json!({ "id": "018f0000-0000-7000-8000-000000000000" });
    report(&ann, &nothing, "other")
        .await
        .refused(404, "message_not_found");
    let path_of = format!("/api/messages/{}/report", sent["id"].as_str().unwrap());
    ann.post(&path_of, json!({ "reason": "boredom" }))
        .await
        .refused(400, "validation_failed");
    ann.post(
        &path_of,
        json!({ "reason": "other", "note": "x".repeat(2_001) }),
    )
    .await
    .invalid("note");

    // A report about a lead, who has the queue open, goes to the other.
    let from_max = max.write(&ann, "from a lead").await;
    report(&ann, &from_max, "unwanted").await.expect(201);
    assert_eq!(list(&lea, QUEUE).await.len(), 1);
    let found = list(&lea, QUEUE).await;
    assert!(list(&max, QUEUE).await.is_empty());
    max.get(&path(&found[0]))
        .await
        .refused(404, "report_not_found");
    max.put_json(&path(&found[0]), json!({ "state": "closed" }))
        .await
        .refused(404, "report_not_found");
    max.get(&format!("{}/export", path(&found[0])))
        .await
        .refused(404, "report_not_found");
    assert!(
        !told(&max)
            .await
            .contains(&"safeguarding.reported".to_owned())
    );
    let seen = list(&max, "/api/safeguarding/audit").await;
    assert!(!seen.iter().any(|line| line["action"] == "report.make"));
    // A lead who reports sees it no more than any other reporter.
    let to_max = ann.write(&max, "to a lead").await;
    report(&max, &to_max, "other").await.expect(201);
    assert!(list(&max, QUEUE).await.is_empty());
    assert_eq!(list(&lea, QUEUE).await.len(), 2);
}

#[tokio::test]
async fn reports_of_a_day_are_limited() {
    let t = TestApp::with(|config| {
        config.safeguarding.reports_per_day = schoolbell::config::at_least_one(3);
    });
    let (ann, bob) = t.pair().await;
    let mut sent = Vec::new();
    for n in 0..4 {
        sent.push(bob.write(&ann, &format!("words {n}")).await);
    }
    for message in &sent[..3] {
        report(&ann, message, "other").await.expect(201);
    }
    report(&ann, &sent[3], "other")
        .await
        .refused(429, "too_many_requests");
    // What is reported already is answered still, and tomorrow is another day.
    report(&ann, &sent[0], "other").await.expect(200);
    t.clock.advance(Duration::from_secs(86_401));
    let ann = t.again(&ann).await;
    report(&ann, &sent[3], "other").await.expect(201);
}

#[tokio::test]
async fn a_danger_is_told_again_until_a_lead_has_opened_the_report() {
    let (t, service) = TestApp::with_push().await;
    let (admin, lea, max) = two_leads(&t).await;
    let (ann, bob) = t.pair().await;
    t.subscribe(&service, &lea, "phone").await;
    // It is the middle of the night for everybody.
    let night = json!({ "quietHours": { "timeZone": "UTC", "windows": [
        { "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "00:00", "to": "24:00" }] } });
    lea.put_json("/api/notifications/preferences", night)
        .await
        .expect(200);
    let sent = bob.write(&ann, "I know where you live").await;
    report(&ann, &sent, "danger").await.expect(201);
    service.next().await;
    let repeat = async || {
        schoolbell::service::safeguarding::reports::repeat_alarms(&t.app)
            .await
            .unwrap();
    };
    repeat().await;
    t.drained().await;
    assert!(service.take().is_empty(), "not yet");
    for _ in 0..2 {
        t.clock.advance(Duration::from_secs(15 * 60));
        repeat().await;
        service.next().await;
    }
    let max = t.again(&max).await;
    let found = list(&max, QUEUE).await;
    max.get(&path(&found[0])).await.expect(200);
    t.clock.advance(Duration::from_secs(15 * 60));
    repeat().await;
    t.drained().await;
    assert!(service.take().is_empty(), "somebody has it");
    drop(admin);
}

#[tokio::test]
async fn a_report_waits_for_a_lead_where_there_is_none() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let (ann, bob) = t.pair().await;
    let sent = bob.write(&ann, "words").await;
    report(&ann, &sent, "danger").await.expect(201);
    let lea = t.person("lea", Role::Staff).await;
    set_duties(&admin, "lea", &["safeguarding"])
        .await
        .expect(200);
    assert_eq!(list(&lea, QUEUE).await.len(), 1);
    // The only one leaves: nobody reads.
    sql(&t, "UPDATE users SET disabled_at = 1 WHERE id = 'lea'").await;
    t.app.user_cache.forget_all();
    assert!(lea.get(QUEUE).await.status >= 401);
}

#[tokio::test]
async fn ones_own_data_has_no_trace_of_reports_reviews_and_holds() {
    let t = TestApp::new();
    let (_, lea, max) = two_leads(&t).await;
    let (ann, bob) = t.pair().await;
    let sent = bob.write(&ann, "words").await;
    report(&ann, &sent, "other").await.expect(201);
    let review = json!({ "userIds": ["ann", "bob"], "reason": "to see" });
    let review = lea
        .post("/api/safeguarding/reviews", review)
        .await
        .expect(201);
    let id = review["data"]["id"].as_str().unwrap();
    max.post(
        &format!("/api/safeguarding/reviews/{id}/approve"),
        json!({}),
    )
    .await
    .expect(200);
    let hold = json!({ "userId": "bob", "reason": "to keep" });
    lea.post("/api/safeguarding/holds", hold).await.expect(201);
    for person in [&ann, &bob, &lea] {
        let folder = t
            .app
            .store
            .path()
            .with_file_name(format!("export-{}", person.id()));
        let by = schoolbell::model::audit::AuditActor::command_line();
        let user = (*person.user).clone();
        schoolbell::ops::personal_data::export(&t.app, by, user, &folder)
            .await
            .unwrap();
        let mut all = String::new();
        for entry in std::fs::read_dir(&folder).unwrap() {
            all += &std::fs::read_to_string(entry.unwrap().path()).unwrap();
        }
        for word in ["report", "review", "hold.make", "to see", "to keep"] {
            assert!(!all.contains(word), "{}: {word}", person.id());
        }
    }
}

#[tokio::test]
async fn nothing_tells_a_lead_that_they_were_reported() {
    let t = TestApp::new();
    let (admin, lea, max) = two_leads(&t).await;
    let (ann, bob) = t.pair().await;
    let from_max = max.write(&ann, "from a lead").await;
    let from_bob = bob.write(&ann, "from bob").await;
    report(&ann, &from_max, "danger").await.expect(201);
    report(&ann, &from_bob, "bullying").await.expect(201);
    let found = list(&max, QUEUE).await;
    assert_eq!(found.len(), 1);
    let seen = data(&max, &path(&found[0])).await;
    assert_eq!(seen["people"][0]["earlierReports"], 0);
    let of_lea = list(&lea, QUEUE).await;
    let seen = data(&lea, &path(&of_lea[0])).await;
    assert_eq!(seen["people"][0]["earlierReports"], 1);
    // Nor does the log tell administrators who reported, or why.
    let log = serde_json::to_string(&list(&admin, "/api/admin/audit").await).unwrap();
    assert!(
        !log.contains("danger") && !log.contains("bullying"),
        "{log}"
    );
}

#[tokio::test]
async fn a_text_that_has_not_changed_is_no_line_of_the_log() {
    let t = TestApp::new();
    let (_, lea, _) = two_leads(&t).await;
    let (ann, bob) = t.pair().await;
    let sent = bob.write(&ann, "words").await;
    report(&ann, &sent, "other").await.expect(201);
    let found = list(&lea, QUEUE).await;
    for _ in 0..2 {
        lea.put_json(&path(&found[0]), json!({ "note": "the same" }))
            .await
            .expect(200);
    }
    let lines = list(&lea, "/api/safeguarding/audit").await;
    let of_notes = lines.iter().filter(|line| line["text"] == "the same");
    assert_eq!(of_notes.count(), 1);
}
