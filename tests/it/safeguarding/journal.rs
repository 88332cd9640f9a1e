//! A copy of before brings nothing back.

use std::path::Path;

use schoolbell::model::audit::AuditActor;
use schoolbell::model::personal_data::Messages;
use schoolbell::model::users::Role;
use schoolbell::ops::personal_data;
use schoolbell::{App, Config};
use serde_json::json;

use super::{list, two_leads};
use crate::helpers::{Person, TestApp};

/// All that must not come back, done after a copy was made.
struct Done {
    t: TestApp,
    copy: std::path::PathBuf,
}

async fn done() -> Done {
    let t = TestApp::new();
    let (admin, lea, _) = two_leads(&t).await;
    let (ann, bob) = t.pair().await;
    let gus = t.person("gus", Role::Guardian).await;
    let eva = t.student("eva").await;
    eva.write(&bob, "of eva, who goes").await;
    let sent = ann.write(&bob, "taken back").await;
    let links = "/api/admin/people/ann/guardians";
    let link = json!({ "guardians": [{ "id": "gus" }] });
    admin.put_json(links, link.clone()).await.expect(200);
    admin
        .put_json("/api/admin/people/bob/guardians", link.clone())
        .await
        .expect(200);
    let old = json!({ "a": "gus", "b": "bob", "reason": "over" });
    let old = lea
        .post("/api/safeguarding/no-contact", old)
        .await
        .expect(201);
    let copy = t.app.store.path().with_file_name("copy.db");
    schoolbell::ops::backup::make(t.app.store.path(), &copy).unwrap();

    let by = AuditActor::command_line();
    personal_data::erase(&t.app, by, (*eva.user).clone(), Messages::Remove)
        .await
        .unwrap();
    ann.delete(&format!("/api/messages/{}", sent["id"].as_str().unwrap()))
        .await
        .expect(200);
    let order = json!({ "a": "ann", "b": "bob", "reason": "new" });
    lea.post("/api/safeguarding/no-contact", order)
        .await
        .expect(201);
    let old = old["data"]["id"].as_str().unwrap();
    lea.delete(&format!("/api/safeguarding/no-contact/{old}"))
        .await
        .expect(200);
    let none = json!({ "guardians": [] });
    admin.put_json(links, none.clone()).await.expect(200);
    // This one ends and holds again: it is not ended by a replay.
    let of_bob = "/api/admin/people/bob/guardians";
    admin.put_json(of_bob, none).await.expect(200);
    admin.put_json(of_bob, link).await.expect(200);
    drop(gus);
    Done { t, copy }
}

/// What a database has of it.
async fn holds(path: &Path) -> Vec<String> {
    let mut config = Config::default();
    config.database.path = path.to_owned();
    config.auth.jwt_secret = schoolbell::config::Secret::new(crate::helpers::SECRET);
    let app = App::open(config).unwrap();
    let read = app.store.read(|c| {
        let text = |sql: &str| c.query_row(sql, [], |row| row.get::<_, String>(0));
        Ok(vec![
            text("SELECT group_concat(name, ' ') FROM (SELECT name FROM users WHERE id LIKE 'e%' ORDER BY name)")?,
            text("SELECT '[' || coalesce(group_concat(content), '') || ']' FROM messages")?,
            text("SELECT group_concat(reason, ' ') FROM no_contact")?,
            text("SELECT group_concat(u.id, ' ') FROM guardian_links l JOIN users u ON u.key = l.child_key WHERE NOT l.ended_by_hand")?,
        ])
    });
    read.await.unwrap()
}

const AFTER: [&str; 4] = ["Former member", "[]", "new", "bob"];

#[tokio::test]
async fn none_of_what_ended_comes_back_with_a_copy() {
    let Done { t, copy } = done().await;
    let database = t.app.store.path().to_owned();
    let journal = std::fs::read_to_string(database.with_file_name("school.db.journal")).unwrap();
    assert_eq!(journal.lines().count(), 8);
    assert!(!journal.contains("eva"), "{journal}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let file = database.with_file_name("school.db.journal");
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("school.db");
    std::fs::copy(&copy, &place).unwrap();
    assert_eq!(
        holds(&place).await,
        [
            "eva of the school",
            "[of eva, who goes,taken back]",
            "over",
            "ann bob"
        ],
        "a copy in another place has no journal"
    );
    // The journal beside it, however the copy came there.
    std::fs::remove_file(&place).unwrap();
    std::fs::copy(&copy, &place).unwrap();
    std::fs::copy(
        database.with_file_name("school.db.journal"),
        folder.path().join("school.db.journal"),
    )
    .unwrap();
    assert_eq!(holds(&place).await, AFTER);
    // Once more changes nothing.
    assert_eq!(holds(&place).await, AFTER);
}

#[tokio::test]
async fn the_journal_is_mended_from_the_database() {
    let Done { t, .. } = done().await;
    let database = t.app.store.path().to_owned();
    let file = database.with_file_name("school.db.journal");
    let whole = std::fs::read_to_string(&file).unwrap();
    drop(t.app.clone());
    for broken in [String::new(), whole[..whole.len() - 20].to_owned()] {
        std::fs::write(&file, broken).unwrap();
        let mut config = Config::default();
        config.database.path = database.clone();
        drop(App::open(config).unwrap());
        let mended = std::fs::read_to_string(&file).unwrap();
        let lines = |text: &str| {
            let parsed = text
                .lines()
                .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            parsed.collect::<Vec<_>>()
        };
        assert_eq!(lines(&mended), lines(&whole));
    }
}

#[tokio::test]
async fn a_removal_that_comes_back_is_told_to_clients() {
    let Done { t, copy } = done().await;
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("school.db");
    std::fs::copy(&copy, &place).unwrap();
    let journal = t.app.store.path().with_file_name("school.db.journal");
    std::fs::copy(journal, folder.path().join("school.db.journal")).unwrap();
    let restored = TestApp::with(|config| config.database.path = place.clone());
    let bob = schoolbell::model::ids::UserId::parse("bob").unwrap();
    let bob = schoolbell::service::users::known(&restored.app, &bob).await;
    let bob: Person = restored.log_in(bob.unwrap());
    let history = list(&bob, "/api/messages/conversation/ann").await;
    assert_eq!(history[0]["removed"]["by"], "sender");
    let (mut socket, _) = bob.connect_since(Some(0)).await;
    let told = socket.await_event("message_removed").await;
    assert_eq!(told["id"], history[0]["id"]);
}

/// A removal by a lead whom the copy does not know, a guardian link that an import ended and made again, and a name that was erased.
#[tokio::test]
async fn lines_about_people_whom_a_copy_does_not_know_are_not_lost() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let (ann, bob) = t.pair().await;
    let sent = ann.write(&bob, "before the copy").await;
    let copy = t.app.store.path().with_file_name("copy.db");
    schoolbell::ops::backup::make(t.app.store.path(), &copy).unwrap();
    let lea = t.person("lea", Role::Staff).await;
    super::set_duties(&admin, "lea", &["safeguarding"])
        .await
        .expect(200);
    lea.delete(&format!("/api/messages/{}", sent["id"].as_str().unwrap()))
        .await
        .expect(200);
    t.student("new").await;
    let order = json!({ "a": "new", "b": "bob", "reason": "of somebody new: ü" });
    lea.post("/api/safeguarding/no-contact", order)
        .await
        .expect(201);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("school.db");
    std::fs::copy(&copy, &place).unwrap();
    let journal = t.app.store.path().with_file_name("school.db.journal");
    // The last line was cut in the middle of a character.
    let mut bytes = std::fs::read(&journal).unwrap();
    bytes.extend("{\"id\":\"x\",\"entry\":\"ü".as_bytes());
    bytes.pop();
    std::fs::write(folder.path().join("school.db.journal"), bytes).unwrap();
    let restored = TestApp::with(|config| config.database.path = place.clone());
    let count = async |sql: &'static str| {
        let read = restored
            .app
            .store
            .read(move |c| Ok(c.query_row(sql, [], |row| row.get::<_, i64>(0))?));
        read.await.unwrap()
    };
    assert_eq!(
        count("SELECT count(*) FROM messages WHERE content <> ''").await,
        0
    );
    assert_eq!(count("SELECT count(*) FROM no_contact").await, 0);
    // Once the pupil is there again, so is the order.
    restored.student("new").await;
    drop(restored);
    let again = TestApp::with(|config| config.database.path = place.clone());
    let orders = again.app.store.read(|c| {
        Ok(c.query_row("SELECT count(*) FROM no_contact", [], |row| {
            row.get::<_, i64>(0)
        })?)
    });
    assert_eq!(orders.await.unwrap(), 1);
}

#[tokio::test]
async fn whoever_is_erased_is_in_no_line_of_the_journal() {
    let t = TestApp::new();
    let (_, lea, _) = two_leads(&t).await;
    let (ann, bob) = t.pair().await;
    let sent = ann.write(&bob, "words").await;
    ann.delete(&format!("/api/messages/{}", sent["id"].as_str().unwrap()))
        .await
        .expect(200);
    let order = json!({ "a": "ann", "b": "bob", "reason": "Ann says so" });
    lea.post("/api/safeguarding/no-contact", order)
        .await
        .expect(201);
    let by = AuditActor::command_line();
    personal_data::erase(&t.app, by, (*ann.user).clone(), Messages::Keep)
        .await
        .unwrap();
    let file = t.app.store.path().with_file_name("school.db.journal");
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(text.lines().count(), 3);
    assert!(
        !text.contains("\"ann\"") && !text.contains("Ann says so"),
        "{text}"
    );
    let left = t.app.store.read(|c| {
        Ok(c.query_row("SELECT count(*) FROM no_contact", [], |row| {
            row.get::<_, i64>(0)
        })?)
    });
    assert_eq!(left.await.unwrap(), 0);
}
