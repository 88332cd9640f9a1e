//! `schoolbell restore`, and copies by the clock.

use schoolbell::config::at_least_one;
use std::path::Path;
use std::time::Duration;

use schoolbell::ops::backup;
use serde_json::json;

use crate::helpers::{Server, Signal, TestApp, binary};

fn restore(folder: &Path, file: &str) -> std::process::Output {
    binary(folder).args(["restore", file]).output().unwrap()
}

#[track_caller]
fn refused(output: &std::process::Output, why: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(why), "{text}");
}

#[tokio::test]
async fn a_restored_backup_is_a_new_history() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (bob_id, bob) = server.person("bob").await;
    let (_, ann) = server.person("ann").await;
    let send = async |server: &Server, content: &str| {
        let body = json!({ "receiverId": bob_id, "content": content });
        let answer = server.post("/api/messages", &ann, body).await;
        assert_eq!(answer["success"], true, "{answer}");
        answer["data"]["seq"].as_i64().unwrap()
    };
    send(&server, "in the backup").await;
    let made = binary(folder.path())
        .args(["backup", "copy.db"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let lost = send(&server, "after the backup").await;
    let (mut phone, _) = server.join(&bob, Some(lost - 1)).await;
    phone.expect("new_message").await;
    // Not while it runs.
    refused(
        &restore(folder.path(), "copy.db"),
        "another schoolbell is running",
    );
    drop(phone);
    server.signal(Signal::TERM);
    server.wait();

    let output = restore(folder.path(), "copy.db");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let aside = said.trim().rsplit(' ').next().unwrap();
    let kept = rusqlite::Connection::open(folder.path().join(aside)).unwrap();
    let count = |c: &rusqlite::Connection| {
        c.query_row("SELECT count(*) FROM messages", [], |row| {
            row.get::<_, i64>(0)
        })
        .unwrap()
    };
    assert_eq!(count(&kept), 2, "what was there is kept aside");

    let server = Server::start(folder.path());
    let page = server.get("/api/messages/conversations", &bob).await;
    assert_eq!(page["data"][0]["lastMessage"]["content"], "in the backup");
    // A client from before is told to fetch again, whatever its cursor, and skips nothing from then on.
    for since in [0, lost - 1, lost, lost + 1] {
        let (mut phone, connected) = server.join(&bob, Some(since)).await;
        let resync = phone.expect("resync").await;
        assert_eq!(resync["reason"], "unknown_cursor");
        assert!(connected["seq"].as_i64().unwrap() > lost);
    }
    let (phone, connected) = server.join(&bob, None).await;
    let here = connected["seq"].as_i64().unwrap();
    drop(phone);
    let new = send(&server, "in the new history").await;
    assert!(new > here && here > lost);
    let (mut phone, _) = server.join(&bob, Some(here)).await;
    assert_eq!(
        phone.expect("new_message").await["content"],
        "in the new history"
    );
}

#[tokio::test]
async fn what_was_taken_back_after_the_backup_does_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (bob_id, bob) = server.person("bob").await;
    let (_, ann) = server.person("ann").await;
    let body = json!({ "receiverId": bob_id, "content": "taken back" });
    let sent = server.post("/api/messages", &ann, body).await;
    let made = binary(folder.path())
        .args(["backup", "copy.db"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let path = format!("/api/messages/{}", sent["data"]["id"].as_str().unwrap());
    let removed = crate::helpers::http()
        .delete(server.url(&path))
        .bearer_auth(&ann)
        .send();
    assert_eq!(removed.await.unwrap().status(), 200);
    server.kill();
    let restored = restore(folder.path(), "copy.db");
    let said = String::from_utf8_lossy(&restored.stdout).into_owned();
    assert!(restored.status.success(), "{restored:?}");
    assert!(said.contains("journal: 1 erasures"), "{said}");
    let server = Server::start(folder.path());
    let page = server.get("/api/messages/conversations", &bob).await;
    assert_eq!(page["data"][0]["lastMessage"]["content"], "");
    assert_eq!(page["data"][0]["lastMessage"]["removed"]["by"], "sender");
    // Once more, and nothing is left to be done.
    server.signal(Signal::TERM);
    server.wait();
    let verified = binary(folder.path())
        .args(["audit", "verify"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success(), "{verified:?}");
    assert!(said.contains("lines are as they were written"), "{said}");
    let wrong = format!("1:{}", "0".repeat(64));
    let broken = binary(folder.path())
        .args(["audit", "verify", "--anchor", &wrong])
        .output()
        .unwrap();
    refused(&broken, "line 1 was changed, put in or moved");
}

#[tokio::test]
async fn what_is_no_sound_backup_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    server.person("ann").await;
    binary(folder.path())
        .args(["backup", "copy.db"])
        .output()
        .unwrap();
    server.signal(Signal::TERM);
    server.wait();
    let path = |name: &str| folder.path().join(name);
    let before = std::fs::read(path("data/schoolbell.db")).unwrap();

    std::fs::write(
        path("text.db"),
        "this is no database, and it is long enough to look like one",
    )
    .unwrap();
    let mut damaged = std::fs::read(path("copy.db")).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 8_192].fill(0x5a);
    std::fs::write(path("damaged.db"), damaged).unwrap();
    rusqlite::Connection::open(path("other.db"))
        .unwrap()
        .execute_batch("CREATE TABLE t (x)")
        .unwrap();
    std::fs::copy(path("copy.db"), path("newer.db")).unwrap();
    rusqlite::Connection::open(path("newer.db"))
        .unwrap()
        .execute_batch("UPDATE refinery_schema_history SET version = version + 100")
        .unwrap();
    for (file, why) in [
        ("missing.db", "no such file"),
        ("text.db", "not a SQLite database"),
        ("damaged.db", "damaged"),
        ("other.db", "another program"),
        ("newer.db", "newer schoolbell"),
        ("data/schoolbell.db", "the database itself"),
    ] {
        refused(&restore(folder.path(), file), why);
        assert_eq!(
            std::fs::read(path("data/schoolbell.db")).unwrap(),
            before,
            "{file}"
        );
    }
    let left: Vec<_> = std::fs::read_dir(path("data"))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| {
            name.contains("restoring") || name.contains("before") || name.contains("partial")
        })
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_damaged_database_is_replaced_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (_, ann) = server.person("ann").await;
    binary(folder.path())
        .args(["backup", "copy.db"])
        .output()
        .unwrap();
    server.kill();
    std::fs::write(folder.path().join("data/schoolbell.db"), "all is lost").unwrap();
    let output = restore(folder.path(), "copy.db");
    assert!(output.status.success(), "{output:?}");
    let server = Server::start(folder.path());
    let me = server.get("/api/auth/me", &ann).await;
    assert_eq!(me["data"]["username"], "ann");
}

#[tokio::test]
async fn copies_by_the_clock_are_rotated_and_those_of_people_are_not() {
    let t = TestApp::with(|config| config.backup.keep = at_least_one(2));
    let admin = t.admin().await;
    admin
        .post("/api/admin/backups", json!({}))
        .await
        .expect(201);
    let mut made = Vec::new();
    for _ in 0..4 {
        t.clock.advance(Duration::from_secs(3_600));
        made.push(backup::keep_scheduled(&t.app).await.unwrap().name);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let list = backup::list(&t.app).await.unwrap();
    let names: Vec<&str> = list.iter().map(|b| b.name.as_str()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(names[..2], [made[3].as_str(), made[2].as_str()]);
    assert!(!names[2].contains("auto"));
    let audit = admin.get("/api/admin/audit").await.expect(200);
    assert_eq!(audit["data"][0]["actor"], "schedule");
    assert!(
        schoolbell::ops::health::metrics(&t.app)
            .contains("schoolbell_last_backup_timestamp_seconds ")
    );
}

#[tokio::test]
async fn a_backup_that_fails_or_is_old_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("copies");
    let t = TestApp::with(|config| {
        config.backup.dir = dir.clone();
        config.auth.token_ttl = at_least_one(100 * 86_400);
    });
    let admin = t.admin().await;
    let problem = async || {
        let checks = admin.get("/api/admin/checks").await.expect(200);
        let data = &checks["data"];
        (data["backupProblem"].clone(), data["backupError"].clone())
    };
    std::fs::write(&dir, "a file is in the way").unwrap();
    assert!(backup::keep_scheduled(&t.app).await.is_err());
    let (problem_now, why) = problem().await;
    assert_eq!(problem_now, "failed");
    assert!(why.as_str().unwrap().contains("copies"), "{why}");
    assert!(
        schoolbell::ops::health::metrics(&t.app).contains("schoolbell_backup_failures_total 1")
    );
    std::fs::remove_file(&dir).unwrap();
    backup::keep_scheduled(&t.app).await.unwrap();
    assert!(dir.is_dir());
    // The file's time is the machine's.
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    t.clock
        .set(schoolbell::model::time::Time(now.as_millis() as i64));
    assert_eq!(problem().await, (json!(null), json!(null)));
    t.clock.advance(Duration::from_secs(49 * 3_600));
    assert_eq!(problem().await, (json!("old"), json!(null)));
}

#[tokio::test]
async fn a_copy_of_the_future_is_reported_and_keeps_no_other_from_being_made() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let made = backup::keep_scheduled(&t.app).await.unwrap();
    let file = backup::folder(&t.app.config).join(&made.name);
    let file = std::fs::File::options().write(true).open(file).unwrap();
    let checks = async || admin.get("/api/admin/checks").await.expect(200)["data"].clone();
    let before = checks().await;
    assert_eq!(before["backupProblem"], json!(null));
    assert!(!before["lastBackupAt"].is_null());
    let future = std::time::SystemTime::now() + Duration::from_secs(400 * 86_400);
    file.set_modified(future).unwrap();
    let after = checks().await;
    assert_eq!(after["backupProblem"], "future");
    assert_eq!(after["lastBackupAt"], json!(null), "so that one is due");
    let zero = "schoolbell_last_backup_timestamp_seconds 0";
    assert!(schoolbell::ops::health::metrics(&t.app).contains(zero));
    let (text, code) = crate::check::check_at(t.app.store.path());
    assert_eq!(code, 1);
    assert!(text.contains("which is still to come"), "{text}");
}

#[tokio::test]
async fn a_log_without_its_database_does_not_get_into_the_restored_one() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (_, ann) = server.person("ann").await;
    binary(folder.path())
        .args(["backup", "copy.db"])
        .output()
        .unwrap();
    server.person("bob").await;
    server.kill();
    let path = |name: &str| folder.path().join("data").join(name);
    assert!(path("schoolbell.db-wal").metadata().unwrap().len() > 0);
    std::fs::remove_file(path("schoolbell.db")).unwrap();
    let output = restore(folder.path(), "copy.db");
    assert!(output.status.success(), "{output:?}");
    let server = Server::start(folder.path());
    let found = server.get("/api/users?search=", &ann).await;
    assert_eq!(found["data"], json!([]), "bob is not in the backup");
    let check = binary(folder.path()).arg("check").output().unwrap();
    assert!(check.status.success(), "{check:?}");
}

#[tokio::test]
async fn a_copy_of_an_older_schema_can_be_restored() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old.db");
    let mut connection = rusqlite::Connection::open(&old).unwrap();
    let sql = include_str!("../../migrations/V1__initial.sql");
    let first = refinery::Migration::unapplied("V1__initial", sql).unwrap();
    refinery::Runner::new(&[first])
        .run(&mut connection)
        .unwrap();
    drop(connection);
    let output = restore(folder.path(), "old.db");
    assert!(output.status.success(), "{output:?}");
    let server = Server::start(folder.path());
    let (mut socket, connected) = server.join(&server.person("ann").await.1, Some(0)).await;
    socket.expect("resync").await;
    assert!(connected["seq"].as_i64().unwrap() > 0);
}

#[cfg(unix)]
#[tokio::test]
async fn what_root_restores_belongs_to_whom_it_belonged() {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    server.person("ann").await;
    binary(folder.path())
        .args(["backup", "copy.db"])
        .output()
        .unwrap();
    server.signal(Signal::TERM);
    server.wait();
    let database = folder.path().join("data/schoolbell.db");
    if chown(&database, Some(12_345), Some(12_345)).is_err() {
        return eprintln!("left out: only root gives files away");
    }
    assert!(restore(folder.path(), "copy.db").status.success());
    let metadata = database.metadata().unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (12_345, 12_345));
}

#[tokio::test]
async fn what_a_crash_left_of_a_copy_is_removed_by_the_next() {
    let t = TestApp::new();
    let made = backup::keep_scheduled(&t.app).await.unwrap();
    let folder = backup::folder(&t.app.config);
    let half = folder.join("schoolbell-auto-2026-01-01T00-00-00-000Z.db.partial");
    let theirs = folder.join("notes.partial");
    std::fs::write(&half, "half").unwrap();
    std::fs::write(&theirs, "not ours").unwrap();
    let journal = folder.join("schoolbell-auto-2026-01-01T00-00-00-000Z.db.partial-journal");
    std::fs::write(&journal, "half of a journal").unwrap();
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(7_200);
    for file in [&half, &journal] {
        let file = std::fs::File::options().write(true).open(file).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    // A command's, which is being made.
    let fresh = folder.join("schoolbell-now.db.partial");
    std::fs::write(&fresh, "so far").unwrap();
    t.clock.advance(Duration::from_secs(1));
    backup::keep_scheduled(&t.app).await.unwrap();
    assert!(
        !half.exists()
            && !journal.exists()
            && fresh.exists()
            && theirs.exists()
            && folder.join(made.name).exists()
    );
}
