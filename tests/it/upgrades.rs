//! Databases of earlier versions, with something in them.

use std::path::Path;

use rusqlite::Connection;
use schoolbell::model::ids::UserId;
use schoolbell::service::users;
use serde_json::json;

use crate::helpers::{Person, PushService, START, TestApp};

/// Every migration, in the order of their versions.
fn migrations() -> Vec<refinery::Migration> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut found: Vec<refinery::Migration> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            refinery::Migration::unapplied(name, &std::fs::read_to_string(&path).unwrap()).unwrap()
        })
        .collect();
    found.sort_by_key(refinery::Migration::version);
    found
}

/// The schema as a binary of that version left it, with this in it.
fn database_of_version(version: usize, path: &Path, filling: &str) {
    let mut connection = Connection::open(path).unwrap();
    schoolbell::store::migrate::add_functions(&connection).unwrap();
    refinery::Runner::new(&migrations()[..version])
        .run(&mut connection)
        .unwrap();
    connection.execute_batch(filling).unwrap();
}

/// The version of the schema in a file, and the texts of its messages.
fn contents(path: &Path) -> (i64, Vec<String>) {
    let connection = Connection::open(path).unwrap();
    let version = "SELECT max(version) FROM refinery_schema_history";
    let version = connection.query_row(version, [], |row| row.get(0)).unwrap();
    let mut messages = connection.prepare("SELECT content FROM messages").unwrap();
    let messages = messages.query_map([], |row| row.get(0)).unwrap();
    (version, messages.map(Result::unwrap).collect())
}

/// As the page on upgrading has it: the copy that an upgrade makes is what an older version goes on with.
#[tokio::test]
async fn every_earlier_schema_goes_to_the_newest_and_back_by_the_copy() {
    let newest = migrations().len();
    let number = |version: usize| version as i64;
    for version in 1..newest {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("school.db");
        database_of_version(version, &path, FILLING_1);
        let messages = contents(&path).1;
        let mut t = TestApp::with(|config| config.database.path = path.clone());
        t.stop();
        drop(t);
        for _ in 0..100 {
            // The server's lock goes with its last task.
            if schoolbell::store::open::lock(&path).is_ok() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(
            contents(&path),
            (number(newest), messages.clone()),
            "{version}"
        );
        let copy = folder
            .path()
            .join(format!("school.db.schema-{version}.backup"));
        assert_eq!(
            contents(&copy),
            (number(version), messages.clone()),
            "{version}"
        );
        // The older binary: `schoolbell restore`, which knows no newer schema.
        let lock = schoolbell::store::open::lock(&path).unwrap();
        schoolbell::ops::backup::restore(&copy, &path, START).unwrap();
        drop(lock);
        assert_eq!(contents(&path), (number(version), messages), "{version}");
    }
}

/// The copy before the migration finds no room: nothing has changed, and with room the next start goes on.
#[test]
fn a_full_disk_in_the_middle_of_an_upgrade_changes_nothing() {
    if !crate::faults::mounts() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let filling = format!("{FILLING_1} UPDATE messages SET content = hex(zeroblob(2500000));");
    database_of_version(4, &at("old.db"), &filling);
    std::fs::create_dir(at("data")).unwrap();
    let script = "mount -t tmpfs -o size=8m none data && cp old.db data/schoolbell.db
        $BINARY >first 2>&1; echo $? >code
        cp data/schoolbell.db refused.db
        mount -o remount,size=64m data
        timeout -s TERM 4 $BINARY >second 2>&1
        cp data/schoolbell.db upgraded.db";
    let ran = std::process::Command::new("unshare")
        .args(["-rm", "sh", "-c", script])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("BINARY", env!("CARGO_BIN_EXE_schoolbell"))
        .env("SCHOOLBELL_SERVER__LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let read = |name: &str| std::fs::read_to_string(at(name)).unwrap();
    let first = read("first");
    assert_eq!(read("code").trim(), "1", "{first}");
    assert!(first.contains("cannot copy before migrating"), "{first}");
    assert_eq!(contents(&at("refused.db")).0, 4);
    let second = read("second");
    assert!(second.contains("listening on"), "{second}");
    let (version, messages) = contents(&at("upgraded.db"));
    assert_eq!(version as usize, migrations().len());
    assert_eq!(messages[0].len(), 5_000_000);
}

/// Somebody who is there already.
async fn person(t: &TestApp, id: &str) -> Person {
    let id = UserId::parse(id).unwrap();
    t.log_in(users::known(&t.app, &id).await.unwrap())
}

/// A person, a message that is not read.
const FILLING_1: &str = "INSERT INTO users (key, id, name, role, folded, created_at) VALUES
                 (1, 'ann', 'Ann', 'teacher', 'ann', 1), (2, 'bob', 'Bob', 'guardian', 'bob', 1);
             INSERT INTO unread (user_key, messages, notifications) VALUES (1, 0, 0), (2, 1, 0);
             INSERT INTO conversations (key, low_key, high_key, created_at) VALUES (1, 1, 2, 1);
             INSERT INTO conversation_members (conversation_key, user_key, last_seq, unread_count) VALUES
                 (1, 1, 1, 0), (1, 2, 1, 1);
             INSERT INTO messages (conversation_key, seq, id, sender_key, content, created_at) VALUES
                 (1, 1, x'0190a0b0c0d07000800000000000000a', 1, 'from before', 1);
             UPDATE sequence SET value = 1;";

#[tokio::test]
async fn a_database_of_version_1_is_taken_over_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("school.db");
    database_of_version(1, &path, FILLING_1);
    let t = TestApp::with(|config| {
        config.database.path = path.clone();
        config.push.allow_private_endpoints = true;
        config.push.subject = "mailto:office@school.edu".into();
    });
    let copy = Connection::open(folder.path().join("school.db.schema-1.backup")).unwrap();
    let content: String = copy
        .query_row("SELECT content FROM messages", [], |row| row.get(0))
        .unwrap();
    assert_eq!(content, "from before");

    let (ann, bob) = (person(&t, "ann").await, person(&t, "bob").await);
    let history = bob.get("/api/messages/conversation/ann").await.expect(200);
    assert_eq!(history["data"][0]["content"], "from before");
    assert_eq!(
        bob.get("/api/messages/unread-count").await.expect(200)["data"],
        json!({ "count": 1, "unreadCount": 1 })
    );

    // What is new works, and what is old is not pushed all of a sudden.
    let service = PushService::start_at(t.clock.clone()).await;
    t.subscribe(&service, &bob, "phone").await;
    let seq = t.newest_seq().await;
    schoolbell::service::pushes::queue_undelivered(&t.app, seq)
        .await
        .unwrap();
    ann.write(&bob, "from now").await;
    assert_eq!(service.next().await.payload["message"], "from now");
    t.drained().await;
    assert!(service.take().is_empty());
}

/// Somebody has a notification and nobody an announcement.
const FILLING_2: &str = "INSERT INTO users (key, id, name, role, folded, created_at) VALUES
                 (1, 'root', 'Root', 'admin', 'root', 1), (2, 'bob', 'Bob', 'guardian', 'bob', 1);
             INSERT INTO unread (user_key, messages, notifications) VALUES (1, 0, 0), (2, 0, 1);
             INSERT INTO notifications (key, id, type, title, message, urgency, ttl, sender, recipient_count, unknown, created_at)
                 VALUES (1, x'0190a0b0c0d07000800000000000000a', 'x', 'from before', 'm', 'normal', 60, 'key:1', 1, '[]', 1);
             INSERT INTO notification_recipients (user_key, seq, notification_key) VALUES (2, 1, 1);
             UPDATE sequence SET value = 1;";

#[tokio::test]
async fn a_database_of_version_2_is_taken_over_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("school.db");
    database_of_version(2, &path, FILLING_2);
    let t = TestApp::with(|config| config.database.path = path.clone());
    let (root, bob) = (person(&t, "root").await, person(&t, "bob").await);
    let list = bob.get("/api/notifications").await.expect(200);
    assert_eq!(list["data"][0]["title"], "from before");
    let id = list["data"][0]["id"].as_str().unwrap();
    bob.put(&format!("/api/notifications/{id}/read"))
        .await
        .expect(200);
    let body = json!({ "title": "New", "message": "M", "audience": { "all": true } });
    let made = root
        .post("/api/admin/announcements", body)
        .await
        .expect(201);
    let path = format!(
        "/api/admin/announcements/{}",
        made["data"]["id"].as_str().unwrap()
    );
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while root.get(&path).await.expect(200)["data"]["stages"]["nobody"] != 2 {
        assert!(std::time::Instant::now() < until);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// An announcement that was sent, one that waits, a line of the audit log and a conversation.
const FILLING_3: &str = "INSERT INTO users (key, id, username, name, role, folded, created_at) VALUES
                 (1, 'root', 'root', 'Root', 'admin', 'root', 1), (2, 'bob', 'bob', 'Bob', 'guardian', 'bob', 1);
             INSERT INTO unread (user_key, messages, notifications) VALUES (1, 0, 0), (2, 1, 1);
             INSERT INTO conversations (key, low_key, high_key, created_at) VALUES (1, 1, 2, 1);
             INSERT INTO conversation_members (conversation_key, user_key, last_seq, unread_count) VALUES
                 (1, 1, 2, 0), (1, 2, 2, 1);
             INSERT INTO messages (conversation_key, seq, id, sender_key, content, created_at) VALUES
                 (1, 2, x'0190a0b0c0d07000800000000000000b', 1, 'from before', 1);
             INSERT INTO notifications (key, id, type, title, message, urgency, ttl, sender, recipient_count, unknown, created_at)
                 VALUES (1, x'0190a0b0c0d07000800000000000000a', 'announcement', 'sent before', 'm', 'normal', 60, 'user:root', 1, '[]', 1);
             INSERT INTO notification_recipients (user_key, seq, notification_key) VALUES (2, 1, 1);
             INSERT INTO announcements (key, id, title, message, urgency, audience, sender, created_at, send_at, notification_key)
                 VALUES (1, x'0190a0b0c0d07000800000000000000c', 'sent before', 'm', 'normal', '{\"all\":true}', 'user:root', 1, 1, 1),
                        (2, x'0190a0b0c0d07000800000000000000d', 'still to come', 'm', 'normal', '{\"all\":true}', 'user:root', 1, 4000000000000, NULL);
             INSERT INTO audit (at, actor, action, target, detail) VALUES (1, 'user:root', 'announcement.make', 'x', '');
             UPDATE sequence SET value = 2;";

#[tokio::test]
async fn a_database_of_version_3_is_taken_over_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("school.db");
    database_of_version(3, &path, FILLING_3);
    let t = TestApp::with(|config| {
        config.database.path = path.clone();
        config.retention.notifications = 30;
    });
    let (root, bob) = (person(&t, "root").await, person(&t, "bob").await);
    let me = bob.get("/api/auth/me").await.expect(200);
    assert_eq!(
        me["data"]["unread"],
        json!({ "messages": 1, "notifications": 1 })
    );
    let list = root.get("/api/admin/announcements").await.expect(200);
    let titles: Vec<_> = list["data"].as_array().unwrap().iter().collect();
    assert_eq!(titles.len(), 2);
    let audit = root.get("/api/admin/audit").await.expect(200);
    assert_eq!(audit["data"][0]["action"], "announcement.make");
    // The log is no more to be cut than it was, until retention says so.
    let database = Connection::open(&path).unwrap();
    assert!(database.execute("DELETE FROM audit", []).is_err());

    // What is new works on what is old.
    let removed = schoolbell::ops::retention::purge(&t.app).await.unwrap();
    assert_eq!(removed.notifications, 1);
    let list = root.get("/api/admin/announcements").await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!(list["data"][0]["title"], "still to come");
    let user = schoolbell::ops::personal_data::find(&t.app, "bob")
        .await
        .unwrap();
    let by = schoolbell::model::audit::AuditActor::command_line();
    let keep = schoolbell::model::personal_data::Messages::Keep;
    schoolbell::ops::personal_data::erase(&t.app, by, user, keep)
        .await
        .unwrap();
    let list = root.get("/api/messages/conversations").await.expect(200);
    assert_eq!(list["data"][0]["partner"]["name"], "Former member");
    assert_eq!(list["data"][0]["lastMessage"]["content"], "from before");
}

/// People with names to log in with that have become one, and an audit log with names in it.
const FILLING_4: &str = "INSERT INTO users (key, id, username, name, email, role, password_hash, folded, created_at) VALUES
                 (1, 'root', 'root', 'Root', NULL, 'admin', 'x', 'root', 1),
                 (2, 'mina', 'Mina', 'Mina Rao', 'mina@home.example', 'student', 'x', 'mina', 1),
                 (3, 'jose1', 'josé', 'José', NULL, 'student', NULL, 'josé', 1),
                 (4, 'jose2', 'JOSÉ', 'José', NULL, 'student', NULL, 'josé', 1),
                 (5, 'app', NULL, 'Łukasz', NULL, 'student', NULL, 'łukasz', 1);
             INSERT INTO unread (user_key, messages, notifications) SELECT key, 0, 0 FROM users;
             INSERT INTO audit (at, actor, action, target, detail) VALUES
                 (1, 'user:root', 'person.add', 'mina', 'Mina Rao, student'),
                 (2, 'user:root', 'person.add', 'app', 'imported'),
                 (3, 'user:root', 'person.change', 'mina', 'name: Mina → Mina Rao, email: a@home.example → mina@home.example'),
                 (4, 'user:root', 'person.change', 'mina', 'role: guardian → student'),
                 (5, 'user:root', 'announcement.make', 'x', 'Mina Rao has won'),
                 (6, 'user:root', 'key.make', 'k', 'Rao laptop'),
                 (7, 'user:root', 'person.disable', 'mina', '');";

#[tokio::test]
async fn a_database_of_version_4_is_taken_over_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("school.db");
    database_of_version(4, &path, FILLING_4);
    // What another upgrade left, and what was left of one that was killed.
    let copy = folder.path().join("school.db.schema-4.backup");
    std::fs::write(&copy, "of long ago").unwrap();
    std::fs::write(
        folder.path().join("school.db.schema-4.backup.partial"),
        "half",
    )
    .unwrap();
    let t = TestApp::with(|config| config.database.path = path.clone());
    let mut files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    files.retain(|file| {
        file.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("schema-4")
    });
    assert_eq!(files.len(), 1, "{files:?}");
    let copied: i64 = Connection::open(&copy)
        .unwrap()
        .query_row("SELECT count(*) FROM audit", [], |row| row.get(0))
        .unwrap();
    assert_eq!(copied, 7, "the copy is of the database as it was");

    let root = person(&t, "root").await;
    let audit = root.get("/api/admin/audit").await.expect(200);
    let details: Vec<&str> = audit["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["detail"].as_str().unwrap())
        .collect();
    assert_eq!(details, ["", "", "", "role", "name, email", "imported", ""]);

    let database = Connection::open(&path).unwrap();
    for edit in [
        "UPDATE audit SET detail = 'x'",
        "INSERT OR REPLACE INTO audit (key, at, actor, action, target, detail, hash) VALUES (1, 1, 'a', 'b', 'c', 'd', randomblob(32))",
    ] {
        let refused = database.execute(edit, []).unwrap_err();
        assert!(refused.to_string().contains("not edited"), "{refused}");
    }
    let known = |sql: &str| -> Vec<String> {
        let mut rows = database.prepare(sql).unwrap();
        let rows = rows.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    assert_eq!(
        known(
            "SELECT id || ':' || coalesce(username_key, '-') || ':' || origin FROM users ORDER BY key"
        ),
        [
            "root:root:hand",
            "mina:mina:hand",
            "jose1:josé:import",
            "jose2:-:import",
            "app:-:token"
        ]
    );
    // What was typed without its diacritics finds who was there before.
    let found = root.get("/api/users?search=lukasz").await.expect(200);
    assert_eq!(found["data"][0]["id"], "app");
    let (text, code) = crate::check::check_at(&path);
    assert!(text.contains("josé and JOSÉ"), "{code} {text}");
}
