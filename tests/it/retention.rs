//! What is too old goes, and so does what is left of somebody.

use schoolbell::config::at_least_one;
use std::time::Duration;

use schoolbell::model::audit::AuditActor;
use schoolbell::model::personal_data::Messages;
use schoolbell::ops::{personal_data, retention};
use schoolbell::store::search;
use serde_json::{Value, json};

use crate::helpers::{Person, TestApp};

const DAY: Duration = Duration::from_secs(86_400);

async fn history(of: &Person, with: &Person) -> Vec<String> {
    let path = format!("/api/messages/conversation/{}?limit=100", with.id());
    let page = of.get(&path).await.expect(200);
    let messages = page["data"].as_array().unwrap().iter();
    messages
        .map(|m| m["content"].as_str().unwrap().to_owned())
        .collect()
}

async fn unread(person: &Person) -> Value {
    person.get("/api/auth/me").await.expect(200)["data"]["unread"].clone()
}

async fn found(person: &Person, word: &str) -> usize {
    let path = format!("/api/messages/search?q={word}");
    person.get(&path).await.expect(200)["data"]
        .as_array()
        .unwrap()
        .len()
}

/// The index is written behind.
async fn indexed(t: &TestApp) {
    while t.app.store.read(search::is_behind).await.unwrap() {
        t.app.store.catch_up_search().await.unwrap();
    }
}

#[tokio::test]
async fn nothing_is_removed_unless_the_configuration_says_so() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    ann.write(&bob, "for ever").await;
    t.clock.advance(10_000 * DAY);
    let removed = retention::purge(&t.app).await.unwrap();
    assert_eq!(removed, retention::Removed::default());
    let bob = t.log_in(bob.user.clone());
    assert_eq!(history(&bob, &ann).await, ["for ever"]);
}

#[tokio::test]
async fn old_messages_go_and_the_counters_with_them() {
    let t = TestApp::with(|config| {
        config.retention.messages = 30;
        config.auth.token_ttl = at_least_one(100 * 86_400);
    });
    let (ann, bob) = t.pair().await;
    let carl = t.student("carl").await;
    for n in 0..450 {
        ann.write(&bob, &format!("old {n}")).await;
    }
    bob.write(&carl, "old too").await;
    t.clock.advance(20 * DAY);
    ann.write(&bob, "young enough").await;
    indexed(&t).await;
    assert_eq!(unread(&bob).await["messages"], 451);
    t.clock.advance(11 * DAY);
    let removed = retention::purge(&t.app).await.unwrap();
    assert_eq!(removed.messages, 451);
    assert_eq!(history(&bob, &ann).await, ["young enough"]);
    assert_eq!(unread(&bob).await["messages"], 1);
    assert_eq!(
        (found(&bob, "old").await, found(&bob, "young").await),
        (0, 1)
    );
    // Behind, the index forgets them, too: a walk that began in the middle of the purge is followed by another after a minute.
    let index = rusqlite::Connection::open(search::file(t.app.store.path())).unwrap();
    let kept = || {
        let sql = "SELECT count(*) FROM message_search_docsize";
        index
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    let until = std::time::Instant::now() + Duration::from_secs(120);
    while kept() != 1 {
        assert!(std::time::Instant::now() < until, "{} are still in", kept());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let list = bob.get("/api/messages/conversations").await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list["data"][0]["unreadCount"], 1);
    assert_eq!(unread(&carl).await["messages"], 0);
    // And what is left works as before.
    let path = format!("/api/messages/read/{}", ann.id());
    assert_eq!(bob.put(&path).await.expect(200)["data"]["updated"], 1);
    carl.write(&bob, "again").await;
    assert_eq!(unread(&bob).await["messages"], 1);
    assert_eq!(retention::purge(&t.app).await.unwrap().messages, 0);
    sound(&t).await;
}

#[tokio::test]
async fn old_notifications_and_announcements_go_with_their_recipients() {
    let t = TestApp::with(|config| {
        config.retention.notifications = 7;
        config.auth.token_ttl = at_least_one(100 * 86_400);
    });
    let (admin, ann) = (t.admin().await, t.student("ann").await);
    let body = json!({ "title": "Old", "message": "M", "audience": { "all": true } });
    let made = admin
        .post("/api/admin/announcements", body)
        .await
        .expect(201);
    let path = format!(
        "/api/admin/announcements/{}",
        made["data"]["id"].as_str().unwrap()
    );
    while unread(&ann).await["notifications"] != 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    t.clock.advance(8 * DAY);
    let body = json!({ "userId": "ann", "type": "x", "title": "New", "message": "M" });
    admin.post("/api/notifications", body).await.expect(201);
    assert_eq!(retention::purge(&t.app).await.unwrap().notifications, 2);
    let list = ann.get("/api/notifications").await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!(list["data"][0]["title"], "New");
    assert_eq!(unread(&ann).await["notifications"], 1);
    admin
        .get(&path)
        .await
        .refused(404, "announcement_not_found");
    // What is gone is not announced again.
    t.app.announcement_due.notify_one();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(unread(&ann).await["notifications"], 1);
    sound(&t).await;
}

#[tokio::test]
async fn old_lines_of_the_audit_log_go_and_young_ones_cannot() {
    let t = TestApp::with(|config| {
        config.retention.audit = 7;
        config.auth.token_ttl = at_least_one(100 * 86_400);
    });
    let admin = t.admin().await;
    let lines = async || {
        let list = admin.get("/api/admin/audit").await.expect(200);
        list["data"].as_array().unwrap().len()
    };
    t.key().await;
    t.clock.advance(8 * DAY);
    t.key().await;
    assert_eq!(lines().await, 2);
    assert_eq!(retention::purge(&t.app).await.unwrap().audit, 1);
    assert_eq!(lines().await, 1);
    let database = rusqlite::Connection::open(t.app.store.path()).unwrap();
    let cut = database.execute("DELETE FROM audit", []);
    assert!(cut.unwrap_err().to_string().contains("not cut"));
}

/// Otherwise one start with a wrong clock would make everything too old.
#[tokio::test]
async fn a_clock_that_jumps_ahead_removes_nothing_for_a_week() {
    let t = TestApp::with(|config| config.retention.messages = 365);
    let (ann, bob) = t.pair().await;
    ann.write(&bob, "young").await;
    let is_believed = async || retention::look_at_clock(&t.app).await.unwrap();
    assert!(is_believed().await);
    let right = t.app.now();
    t.clock.advance(13 * DAY);
    assert!(is_believed().await, "the holidays");
    t.clock.advance(800 * DAY);
    assert!(!is_believed().await);
    t.clock.advance(6 * DAY);
    assert!(!is_believed().await);
    t.clock.set(right);
    assert!(is_believed().await, "it was put right");

    t.clock.advance(800 * DAY);
    assert!(!is_believed().await);
    for _ in 0..6 {
        t.clock.advance(DAY);
        assert!(!is_believed().await);
    }
    t.clock.advance(DAY);
    assert!(is_believed().await, "it has run on like this");
}

/// A database from before the clock was looked at has the times of what is in it.
#[tokio::test]
async fn the_first_look_at_a_clock_compares_it_with_what_is_stored() {
    let t = TestApp::with(|config| config.retention.audit = 365);
    let (ann, bob) = t.pair().await;
    ann.write(&bob, "young").await;
    t.key().await;
    t.clock.advance(800 * DAY);
    assert!(!retention::look_at_clock(&t.app).await.unwrap());
    // What was removed with the wrong clock goes no further with the right one.
    assert_eq!(retention::purge(&t.app).await.unwrap().audit, 1);
    t.clock.set(schoolbell::model::time::Time(
        t.app.now().0 - 800 * 86_400_000,
    ));
    t.key().await;
    let database = rusqlite::Connection::open(t.app.store.path()).unwrap();
    assert_eq!(
        database.execute("DELETE FROM audit", []).unwrap(),
        1,
        "it could be cut"
    );
    t.key().await;
    assert!(retention::look_at_clock(&t.app).await.unwrap());
    let cut = database.execute("DELETE FROM audit", []);
    assert!(cut.unwrap_err().to_string().contains("not cut"));
}

#[tokio::test]
async fn an_export_has_everything_and_shows_text_as_text() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let text = "<script>alert(1)</script> \u{202e}abc 🦉";
    ann.write(&bob, text).await;
    bob.write(&ann, "an answer").await;
    let key = t.key().await;
    let body = json!({ "userId": "ann", "type": "x", "title": "A title", "message": "M" });
    t.call("POST", "/api/notifications", &key, Some(body))
        .await
        .expect(201);
    let list = ann.get("/api/notifications").await.expect(200);
    let id = list["data"][0]["id"].as_str().unwrap();
    ann.delete(&format!("/api/notifications/{id}"))
        .await
        .expect(200);
    let folder = t.app.store.path().with_file_name("ann-data");
    let user = personal_data::find(&t.app, "ann").await.unwrap();
    personal_data::export(&t.app, AuditActor::command_line(), user.clone(), &folder)
        .await
        .unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let messages: Value = serde_json::from_str(&read("messages.json")).unwrap();
    assert_eq!(messages[0]["content"], text);
    assert_eq!(messages[1]["content"], "an answer");
    let notifications: Value = serde_json::from_str(&read("notifications.json")).unwrap();
    assert_eq!(
        notifications[0]["title"], "A title",
        "taken from the list, and still stored"
    );
    let account: Value = serde_json::from_str(&read("account.json")).unwrap();
    assert_eq!(account["username"], "ann");
    let page = read("index.html");
    let private = |path: &std::path::Path| {
        use std::os::unix::fs::PermissionsExt as _;
        path.metadata().unwrap().permissions().mode() & 0o077 == 0
    };
    for entry in std::fs::read_dir(&folder).unwrap() {
        assert!(private(&entry.unwrap().path()), "others can read it");
    }
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>"));
    assert!(page.contains("an answer") && page.contains("A title"));
    let again = personal_data::export(&t.app, AuditActor::command_line(), user, &folder).await;
    assert!(again.is_err(), "nothing is overwritten");
    let admin = t.admin().await;
    let audit = admin.get("/api/admin/audit").await.expect(200);
    assert_eq!(audit["data"][0]["action"], "person.export");
}

/// The whole database, as text.
fn everything(t: &TestApp) -> String {
    let copy = t.app.store.path().with_file_name("everything.db");
    schoolbell::ops::backup::make(t.app.store.path(), &copy).unwrap();
    let bytes = std::fs::read(&copy).unwrap();
    std::fs::remove_file(copy).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn an_erased_user_leaves_no_name_and_their_messages_stay() {
    let t = TestApp::new();
    let bob = t.student("bob").await;
    let zoe = t.student("zoe-who-goes").await;
    zoe.write(&bob, "from someone").await;
    bob.write(&zoe, "to someone").await;
    let (mut socket, _) = zoe.connect().await;
    assert!(everything(&t).contains("zoe-who-goes"));
    let user = personal_data::find(&t.app, "zoe-who-goes").await.unwrap();
    personal_data::erase(&t.app, AuditActor::command_line(), user, Messages::Keep)
        .await
        .unwrap();
    assert_eq!(socket.closed().await, 4503);
    zoe.get("/api/auth/me").await.refused(401, "user_unknown");
    assert!(!everything(&t).contains("zoe-who-goes"));
    let list = bob.get("/api/messages/conversations").await.expect(200);
    let partner = &list["data"][0]["partner"];
    assert_eq!(partner["name"], "Former member");
    let id = partner["id"].as_str().unwrap();
    let page = bob
        .get(&format!("/api/messages/conversation/{id}"))
        .await
        .expect(200);
    assert_eq!(page["data"].as_array().unwrap().len(), 2);
    assert_eq!(page["data"][0]["sender"]["name"], "Former member");
    let body = json!({ "receiverId": id, "content": "hello?" });
    bob.post("/api/messages", body)
        .await
        .refused(404, "user_not_found");
    let admin = t.admin().await;
    let people = admin.get("/api/admin/people").await.expect(200);
    assert!(!people.to_string().contains("Former member"));
    let answer = admin.get(&format!("/api/admin/people/{id}")).await;
    answer.refused(404, "user_not_found");
    let audit = admin.get("/api/admin/audit").await.expect(200);
    assert_eq!(audit["data"][0]["action"], "person.erase");
    assert_eq!(audit["data"][0]["target"], id);
    sound(&t).await;
}

#[tokio::test]
async fn an_erased_user_may_take_their_messages_along() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let carl = t.student("carl").await;
    for n in 0..250 {
        ann.write(&bob, &format!("secret {n}")).await;
    }
    bob.write(&ann, "an answer").await;
    // Another conversation, of both, read half-way.
    for n in 0..25 {
        ann.write(&carl, &format!("secret {n}")).await;
        carl.write(&ann, &format!("reply {n}")).await;
        if n == 12 {
            let path = format!("/api/messages/read/{}", ann.id());
            carl.put(&path).await.expect(200);
        }
    }
    assert_eq!(unread(&carl).await["messages"], 12);
    indexed(&t).await;
    let user = personal_data::find(&t.app, "ann").await.unwrap();
    personal_data::erase(&t.app, AuditActor::command_line(), user, Messages::Remove)
        .await
        .unwrap();
    let list = bob.get("/api/messages/conversations").await.expect(200);
    assert_eq!(list["data"][0]["lastMessage"]["content"], "an answer");
    assert_eq!(unread(&bob).await["messages"], 0);
    assert_eq!(unread(&carl).await["messages"], 0);
    assert_eq!(found(&carl, "reply").await, 20, "a page of them");
    assert_eq!(
        (found(&bob, "secret").await, found(&bob, "answer").await),
        (0, 1)
    );
    sound(&t).await;
}

#[tokio::test]
async fn a_token_from_before_does_not_bring_anybody_back() {
    let t = TestApp::with(|config| config.auth.auto_provision = true);
    let bob = t.student("bob").await;
    let start = schoolbell::model::time::Clock::now(&*t.clock).seconds();
    let token = |issued: i64| {
        let claims =
            json!({ "userId": "zoe", "name": "Zoe", "iat": issued, "exp": start + 10_000 });
        let key = jsonwebtoken::EncodingKey::from_secret(crate::helpers::SECRET.as_bytes());
        jsonwebtoken::encode(&Default::default(), &claims, &key).unwrap()
    };
    let me = async |token: &str| t.call("GET", "/api/auth/me", token, None).await;
    me(&token(start)).await.expect(200);
    let user = personal_data::find(&t.app, "zoe").await.unwrap();
    t.clock.advance(Duration::from_secs(10));
    personal_data::erase(&t.app, AuditActor::command_line(), user, Messages::Keep)
        .await
        .unwrap();
    me(&token(start)).await.refused(401, "user_unknown");
    let found = bob.get("/api/users?search=zoe").await.expect(200);
    assert_eq!(found["data"], json!([]));
    // Whoever comes to the school again is somebody new.
    t.clock.advance(Duration::from_secs(10));
    me(&token(start + 15)).await.expect(200);
}

#[tokio::test]
async fn the_last_administrator_is_not_erased() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let user = personal_data::find(&t.app, "admin").await.unwrap();
    let refused =
        personal_data::erase(&t.app, AuditActor::command_line(), user, Messages::Keep).await;
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("admin of the school is the last"), "{text}");
    admin.get("/api/auth/me").await.expect(200);
}

/// Every counter is what it counts, and no reference dangles.
async fn sound(t: &TestApp) {
    let wrong = t
        .app
        .store
        .read(|c| {
            let count = |sql: &str| c.query_row(sql, [], |row| row.get::<_, i64>(0));
            let members = count(
                "SELECT count(*) FROM conversation_members m WHERE unread_count <>
                   (SELECT count(*) FROM messages x WHERE x.conversation_key = m.conversation_key
                    AND x.sender_key <> m.user_key AND x.seq > m.last_read_seq)
                 OR last_seq <> (SELECT coalesce(max(seq), 0) FROM messages x
                    WHERE x.conversation_key = m.conversation_key)",
            )?;
            let totals = count(
                "SELECT count(*) FROM unread u WHERE messages <>
                   (SELECT coalesce(sum(unread_count), 0) FROM conversation_members m WHERE m.user_key = u.user_key)
                 OR notifications <> (SELECT count(*) FROM notification_recipients r
                   WHERE r.user_key = u.user_key AND r.read_at IS NULL)",
            )?;
            let dangling = c.prepare("PRAGMA foreign_key_check")?.exists([])?;
            Ok((members, totals, dangling))
        })
        .await
        .unwrap();
    assert_eq!(wrong, (0, 0, false));
}

/// The audit log keeps ids, and nothing else is left of what administrators knew.
#[tokio::test]
async fn an_erased_users_facts_and_family_are_gone() {
    let t = TestApp::new();
    let admin = t.admin().await;
    t.student("zoe").await;
    t.student("bob").await;
    let facts = json!({ "grade": "05", "adultFrom": "2033-04-01", "phones": ["0301 556677"] });
    admin
        .put_json("/api/admin/people/zoe", facts)
        .await
        .expect(200);
    let link = json!({ "guardians": [{ "id": "bob", "kind": "her favourite uncle" }] });
    admin
        .put_json("/api/admin/people/zoe/guardians", link)
        .await
        .expect(200);
    let stored = ["0301 556677", "her favourite uncle", "2033-04-01"];
    for text in stored {
        assert!(everything(&t).contains(text), "{text}");
    }
    let user = personal_data::find(&t.app, "zoe").await.unwrap();
    let folder = t.app.store.path().with_file_name("zoe-data");
    personal_data::export(&t.app, AuditActor::command_line(), user.clone(), &folder)
        .await
        .unwrap();
    let family = std::fs::read_to_string(folder.join("family.json")).unwrap();
    assert!(family.contains("her favourite uncle"), "{family}");
    personal_data::erase(&t.app, AuditActor::command_line(), user, Messages::Keep)
        .await
        .unwrap();
    for text in stored {
        assert!(!everything(&t).contains(text), "{text}");
    }
    let children = admin
        .get("/api/admin/people/bob/children")
        .await
        .expect(200);
    assert_eq!(children["data"]["children"], json!([]));
}
