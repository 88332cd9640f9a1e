//! The audit log's chain finds each line that is not as it was written.

use schoolbell::model::audit::{Anchor, BreakKind, Broken};
use schoolbell::ops::audit;
use serde_json::json;

use crate::helpers::TestApp;

/// A log of so many lines, without the triggers that keep it as it is: as somebody has it who opens the file.
async fn unlocked(lines: usize) -> TestApp {
    let t = TestApp::new();
    for _ in 0..lines {
        t.key().await;
    }
    let database = rusqlite::Connection::open(t.app.store.path()).unwrap();
    database
        .execute_batch(
            "DROP TRIGGER audit_is_not_edited; DROP TRIGGER audit_is_not_cut; DROP TRIGGER audit_is_not_replaced;",
        )
        .unwrap();
    t
}

async fn broken_by(sql: &str) -> Option<Broken> {
    let t = unlocked(6).await;
    let whole = audit::verify(&t.app, None).await.unwrap();
    assert_eq!((whole.lines, whole.broken), (6, None));
    let database = rusqlite::Connection::open(t.app.store.path()).unwrap();
    database.execute_batch(sql).unwrap();
    audit::verify(&t.app, None).await.unwrap().broken
}

#[tokio::test]
async fn what_was_done_to_a_line_is_found() {
    let of = |line, why| Some(Broken { line, why });
    for field in [
        "at", "actor", "address", "action", "target", "detail", "hash",
    ] {
        let value = match field {
            "at" => "at + 1",
            "hash" => "randomblob(32)",
            _ => "'x'",
        };
        let changed = format!("UPDATE audit SET {field} = {value} WHERE key = 3");
        assert_eq!(
            broken_by(&changed).await,
            of(3, BreakKind::Changed),
            "{field}"
        );
    }
    let removed = "DELETE FROM audit WHERE key = 3";
    assert_eq!(broken_by(removed).await, of(3, BreakKind::Missing));
    let first = "DELETE FROM audit WHERE key = 1";
    assert_eq!(broken_by(first).await, of(1, BreakKind::Missing));
    let last = "DELETE FROM audit WHERE key >= 5";
    assert_eq!(broken_by(last).await, of(5, BreakKind::Missing));
    let closed_up = "DELETE FROM audit WHERE key = 3; UPDATE audit SET key = key - 1 WHERE key > 3";
    assert_eq!(broken_by(closed_up).await, of(3, BreakKind::Changed));
    let put_in = "UPDATE audit SET key = -key WHERE key > 3; UPDATE audit SET key = 1 - key WHERE key < 0;
        INSERT INTO audit (key, at, actor, action, target, detail, hash) VALUES (4, 1, 'user:x', 'login', '', '', randomblob(32))";
    assert_eq!(broken_by(put_in).await, of(4, BreakKind::Changed));
    let swapped =
        "UPDATE audit SET key = 100 WHERE key = 3; UPDATE audit SET key = 3 WHERE key = 4;
        UPDATE audit SET key = 4 WHERE key = 100";
    assert_eq!(broken_by(swapped).await, of(3, BreakKind::Changed));
}

/// Whoever rewrites the whole chain cannot rewrite an anchor that was written down elsewhere.
#[tokio::test]
async fn an_anchor_from_elsewhere_finds_a_chain_that_was_rewritten() {
    let t = unlocked(4).await;
    let anchor = audit::verify(&t.app, None).await.unwrap().ends_with;
    let text = anchor.to_string();
    assert_eq!(text.parse::<Anchor>(), Ok(anchor));
    assert!("4".parse::<Anchor>().is_err() && format!("{text}0").parse::<Anchor>().is_err());
    t.key().await;
    let verify = async || audit::verify(&t.app, Some(anchor)).await.unwrap();
    assert_eq!(verify().await.broken, None);
    let database = rusqlite::Connection::open(t.app.store.path()).unwrap();
    database
        .execute_batch("DELETE FROM audit; UPDATE sqlite_sequence SET seq = 0 WHERE name = 'audit'")
        .unwrap();
    for _ in 0..2 {
        t.key().await;
    }
    assert_eq!(audit::verify(&t.app, None).await.unwrap().broken, None);
    let missing = Broken {
        line: 3,
        why: BreakKind::Missing,
    };
    assert_eq!(verify().await.broken, Some(missing));
    for _ in 0..3 {
        t.key().await;
    }
    let changed = Broken {
        line: 4,
        why: BreakKind::Changed,
    };
    assert_eq!(verify().await.broken, Some(changed));
}

#[tokio::test]
async fn the_chain_is_told_to_administrators_and_each_night_to_the_log() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let key = json!({ "name": "App", "scopes": ["read"] });
    admin.post("/api/admin/keys", key).await.expect(201);
    let chain = admin.get("/api/admin/audit/verify").await.expect(200)["data"].clone();
    assert_eq!(
        (&chain["lines"], &chain["broken"]),
        (&json!(1), &json!(null))
    );
    let line = admin.get("/api/admin/audit").await.expect(200)["data"][0].clone();
    assert_eq!(chain["endsWith"]["hash"], line["hash"]);
    assert_eq!(chain["endsWith"]["line"], line["line"]);
    // By hand, as the documentation says it: netstrings, and zeros before the first.
    let part = |text: &str| format!("{}:{text},", text.len());
    let at = t.app.now().0.to_string();
    let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
    let hashed: String = [
        "0".repeat(64),
        "1".to_owned(),
        at,
        text("actor"),
        text("address"),
        text("action"),
        text("target"),
        text("detail"),
    ]
    .iter()
    .map(|field| part(field))
    .collect();
    use sha2::Digest as _;
    let hash: String = sha2::Sha256::digest(hashed)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(line["hash"], hash);
    t.student("ann")
        .await
        .get("/api/admin/audit/verify")
        .await
        .refused(403, "role_not_allowed");
}

#[tokio::test]
async fn a_reason_that_was_rewritten_is_found_and_goes_with_its_line() {
    let t = TestApp::with(|config| {
        config.retention.audit = 30;
        config.auth.token_ttl = schoolbell::config::at_least_one(100 * 86_400);
    });
    let (_, lea, _) = super::two_leads(&t).await;
    t.pair().await;
    let hold = json!({ "userId": "ann", "reason": "A court asks" });
    let hold = lea.post("/api/safeguarding/holds", hold).await.expect(201);
    let path = format!(
        "/api/safeguarding/holds/{}",
        hold["data"]["id"].as_str().unwrap()
    );
    lea.delete(&path).await.expect(200);
    assert_eq!(audit::verify(&t.app, None).await.unwrap().broken, None);
    super::sql(&t, "UPDATE audit_texts SET text = 'A court asked'").await;
    let broken = audit::verify(&t.app, None).await.unwrap().broken;
    assert_eq!(broken.map(|broken| broken.why), Some(BreakKind::Changed));
    // A text that was erased breaks nothing.
    super::sql(&t, "UPDATE audit_texts SET text = 'A court asks'").await;
    let whole = audit::verify(&t.app, None).await.unwrap();
    t.clock.advance(std::time::Duration::from_secs(31 * 86_400));
    schoolbell::ops::retention::purge(&t.app).await.unwrap();
    let left = t.app.store.read(|c| {
        Ok(c.query_row("SELECT count(*) FROM audit_texts", [], |row| {
            row.get::<_, i64>(0)
        })?)
    });
    assert_eq!(left.await.unwrap(), 0);
    // The anchor that retention leaves is compared as well.
    let anchor = whole.ends_with;
    assert_eq!(
        audit::verify(&t.app, Some(anchor)).await.unwrap().broken,
        None
    );
    let forged = format!("{}:{}", anchor.line, "0".repeat(64))
        .parse()
        .unwrap();
    assert!(
        audit::verify(&t.app, Some(forged))
            .await
            .unwrap()
            .broken
            .is_some()
    );
}
