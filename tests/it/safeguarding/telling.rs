//! Who is told by mail, what stands above a chat with a lead, and what a school keeps.

use std::time::Duration;

use schoolbell::model::users::Role;
use serde_json::json;

use super::{data, list, set_duties};
use crate::helpers::{SmtpServer, TestApp, Tls, http};

#[tokio::test]
async fn leads_get_mails_of_dangers_and_a_governor_of_grants_and_anchors() {
    let smtp = SmtpServer::start(Tls::No).await;
    let t = TestApp::with(|config| {
        config.mail.url = format!("smtp://localhost:{}?tls=opportunistic", smtp.port)
            .parse()
            .ok();
        config.mail.from = "Hill School <bell@school.example>".parse().ok();
        config.mail.per_minute = schoolbell::config::at_least_one(60_000);
        config.server.public_url = "https://bell.school.example".parse().ok();
        config.school.name = "Hill School".into();
        config.safeguarding.external = "governor@example.org".parse().ok();
        config.auth.token_ttl = schoolbell::config::at_least_one(100 * 86_400);
    });
    let admin = t.admin().await;
    let lea = t.person("lea", Role::Staff).await;
    let email = json!({ "email": "lea@school.example" });
    admin
        .put_json("/api/admin/people/lea", email)
        .await
        .expect(200);
    let preferences = json!({ "language": "de" });
    lea.put_json("/api/notifications/preferences", preferences)
        .await
        .expect(200);
    set_duties(&admin, "lea", &["safeguarding"])
        .await
        .expect(200);
    let granted = smtp.expect(1).await[0].clone();
    assert_eq!(granted.to, "governor@example.org");
    assert_eq!(
        granted.subject(),
        "Hill School: lea of the school is now a safeguarding lead"
    );
    assert!(!granted.text().contains("http"), "{}", granted.text());

    let (ann, bob) = t.pair().await;
    let message = bob.write(&ann, "words").await;
    let path = format!("/api/messages/{}/report", message["id"].as_str().unwrap());
    ann.post(&path, json!({ "reason": "danger" }))
        .await
        .expect(201);
    let danger = smtp.expect(2).await[1].clone();
    assert_eq!(danger.to, "lea@school.example");
    assert!(
        danger.subject().starts_with("Hill School: Gefahr"),
        "{}",
        danger.subject()
    );
    assert!(
        danger
            .text()
            .contains("https://bell.school.example/safeguarding/")
    );
    for private in ["ann", "bob", "words"] {
        assert!(!danger.text().contains(private), "{}", danger.text());
    }

    // The nightly anchor is one of the log, once a night.
    let night = "2026-12-01T02:30:00Z".parse::<jiff::Timestamp>().unwrap();
    t.clock
        .set(schoolbell::model::time::Time(night.as_millisecond()));
    for _ in 0..2 {
        schoolbell::ops::audit::anchor_at_night(&t.app)
            .await
            .unwrap();
    }
    let mut to = Vec::new();
    for mail in smtp.expect(4).await.split_off(2) {
        let (_, anchor) = mail
            .subject()
            .rsplit_once(' ')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let chain = schoolbell::ops::audit::verify(&t.app, anchor.parse().ok())
            .await
            .unwrap();
        assert_eq!(chain.broken, None);
        to.push(mail.to);
    }
    to.sort();
    assert_eq!(to, ["governor@example.org", "lea@school.example"]);
    let sent = t
        .app
        .store
        .read(|c| Ok(c.query_row("SELECT count(*) FROM mails", [], |row| row.get::<_, i64>(0))?));
    assert_eq!(sent.await.unwrap(), 4);
}

#[tokio::test]
async fn the_notice_stands_above_a_chat_with_a_lead_and_answers_once_a_day_outside_of_the_hours() {
    let t = TestApp::with(|config| {
        config.safeguarding.notice.text = "In an emergency call 112.".into();
        config.auth.token_ttl = schoolbell::config::at_least_one(100 * 86_400);
    });
    let admin = t.admin().await;
    let lea = t.person("lea", Role::Staff).await;
    let ann = t.student("ann").await;
    let at = |text: &str| {
        let instant = text.parse::<jiff::Timestamp>().unwrap();
        t.clock
            .set(schoolbell::model::time::Time(instant.as_millisecond()));
    };
    at("2026-12-01T10:00:00Z");
    assert!(data(&ann, "/api/users/lea").await.get("notice").is_none());
    set_duties(&admin, "lea", &["safeguarding"])
        .await
        .expect(200);
    assert_eq!(
        data(&ann, "/api/users/lea").await["notice"],
        "In an emergency call 112."
    );
    assert!(data(&lea, "/api/users/ann").await.get("notice").is_none());
    let texts = async || -> Vec<String> {
        let all = list(&ann, "/api/messages/conversation/lea").await;
        all.iter()
            .map(|m| m["content"].as_str().unwrap().to_owned())
            .collect()
    };
    ann.write(&lea, "in the hours").await;
    at("2026-12-01T20:00:00Z");
    ann.write(&lea, "in the evening").await;
    ann.write(&lea, "and again").await;
    lea.write(&ann, "I am here").await;
    assert_eq!(
        texts().await,
        [
            "in the hours",
            "in the evening",
            "In an emergency call 112.",
            "and again",
            "I am here"
        ]
    );
    let conversations = list(&ann, "/api/messages/conversations").await;
    assert_eq!(
        conversations[0]["partner"]["notice"],
        "In an emergency call 112."
    );
    // A Saturday.
    at("2026-12-05T10:00:00Z");
    ann.write(&lea, "on a weekend").await;
    assert_eq!(texts().await.len(), 7);
}

#[tokio::test]
async fn set_up_says_how_long_things_are_kept_and_the_dashboard_changes_it() {
    let t = TestApp::with(|config| config.retention.notifications = 90);
    let code = t.app.auth.setup.issue(t.app.now()).unwrap();
    let set_up = async |audit: u32| {
        let retention = json!({ "messages": 730, "notifications": 365, "audit": audit });
        let body = json!({ "code": code, "username": "head", "name": "Head",
            "password": crate::helpers::PASSWORD, "retention": retention });
        t.call("POST", "/api/auth/setup", "", Some(body)).await
    };
    set_up(30).await.invalid("retention.audit");
    let made = set_up(1_095).await.expect(201);
    let kept = t.app.school.get().retention;
    assert_eq!(
        (kept.messages, kept.notifications, kept.audit),
        (730, 90, 1_095)
    );
    let token = made["data"]["token"].as_str().unwrap().to_owned();
    let put = async |key: &str, days: &str| {
        let body = json!({ "settings": { key: days } });
        t.confirm(&token).await;
        t.call("PUT", "/api/admin/settings", &token, Some(body))
            .await
    };
    put("retention.messages", "100").await.expect(200);
    put("retention.audit", "364")
        .await
        .invalid("retention.audit");
    put("retention.messages", "-1")
        .await
        .invalid("retention.messages");
    put("retention.notifications", "1")
        .await
        .refused(409, "set_in_config");
    let head = schoolbell::model::ids::UserId::parse(made["data"]["user"]["id"].as_str().unwrap())
        .unwrap();
    let head = t.log_in(
        schoolbell::service::users::known(&t.app, &head)
            .await
            .unwrap(),
    );
    let (ann, bob) = t.pair().await;
    ann.write(&bob, "old").await;
    t.clock.advance(Duration::from_secs(101 * 86_400));
    let removed = schoolbell::ops::retention::purge(&t.app).await.unwrap();
    assert_eq!(removed.messages, 1);
    drop(head);
}

#[tokio::test]
async fn an_administrator_downloads_what_is_stored_of_a_person() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let lea = t.person("lea", Role::Staff).await;
    set_duties(&admin, "lea", &["safeguarding"])
        .await
        .expect(200);
    let (ann, bob) = t.pair().await;
    ann.write(&bob, "from ann").await;
    bob.write(&ann, "to ann").await;
    let path = "/api/admin/people/ann/export";
    t.confirm(&admin.token).await;
    let url = format!("http://{}{path}", t.address);
    let answer = http()
        .get(url)
        .bearer_auth(&admin.token)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let bytes = answer.bytes().await.unwrap();
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut messages = String::new();
    std::io::Read::read_to_string(&mut zip.by_name("messages.json").unwrap(), &mut messages)
        .unwrap();
    assert!(messages.contains("from ann") && messages.contains("to ann"));
    assert!(zip.by_name("index.html").is_ok());
    assert_eq!(super::actions(&admin).await[0], "person.export");
    // An administrator reads no chat unseen.
    assert_eq!(super::told(&ann).await, ["safeguarding.you_were_exported"]);
    assert_eq!(super::told(&lea).await, ["safeguarding.person_exported"]);
    assert_eq!(
        list(&lea, "/api/safeguarding/audit").await[0]["action"],
        "person.export"
    );
    // Nothing of it stays on the disk.
    let left = std::fs::read_dir(t.app.store.path().parent().unwrap()).unwrap();
    let left = left.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("export")
    });
    assert_eq!(left.count(), 0);
}
