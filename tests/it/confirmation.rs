//! Confirmation before what a stranger at an unlocked computer must not do, and the second factor.

use std::time::Duration;

use schoolbell::auth::second_factor::SecondFactor;
use schoolbell::model::audit::AuditActor;
use schoolbell::model::users::{DisplayName, Role, Username};
use schoolbell::service::auth::{NewAccount, add_account};
use serde_json::{Value, json};

use crate::helpers::{Answer, PASSWORD, TestApp};

async fn with(t: &TestApp, name: &str, role: Role) {
    let account = NewAccount {
        username: Username::parse(name).unwrap(),
        name: DisplayName::parse(name).unwrap(),
        role,
        password: PASSWORD.into(),
    };
    add_account(&t.app, AuditActor::command_line(), account)
        .await
        .unwrap();
}

async fn login(t: &TestApp, body: Value) -> Answer {
    t.call("POST", "/api/auth/login", "", Some(body)).await
}

fn token(answer: Answer) -> String {
    let body = answer.expect(200);
    body["data"]["token"].as_str().unwrap().to_owned()
}

async fn log_in(t: &TestApp, name: &str) -> String {
    token(login(t, json!({ "username": name, "password": PASSWORD })).await)
}

async fn confirm(t: &TestApp, token: &str) {
    let body = json!({ "password": PASSWORD });
    t.call("POST", "/api/auth/confirm", token, Some(body))
        .await
        .expect(200);
}

/// The app of a user: its secret is read as from the QR code.
struct Authenticator(Vec<u8>);

impl Authenticator {
    fn read(uri: &str) -> Self {
        let secret = uri.split("secret=").nth(1).unwrap();
        let secret = secret.split('&').next().unwrap();
        Authenticator(base32(secret))
    }

    /// RFC 4226 section 5.3, with code that shares nothing with the server's.
    fn code(&self, t: &TestApp) -> String {
        use hkdf::hmac::{Hmac, Mac as _};
        let step = t.app.now().0 / 30_000;
        let mut mac =
            <Hmac<sha1::Sha1> as hkdf::hmac::digest::KeyInit>::new_from_slice(&self.0).unwrap();
        mac.update(&step.to_be_bytes());
        let hash = mac.finalize().into_bytes();
        let at = usize::from(hash[19] & 15);
        let number = u32::from_be_bytes(hash[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }
}

/// RFC 4648 section 6.
fn base32(text: &str) -> Vec<u8> {
    let (mut bits, mut count, mut bytes) = (0_u64, 0, Vec::new());
    for c in text.bytes() {
        let at = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
            .iter()
            .position(|b| *b == c);
        bits = (bits << 5) | at.unwrap() as u64;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

/// Turns the second factor on. Returns the app and the recovery codes.
async fn enroll(t: &TestApp, token: &str) -> (Authenticator, Vec<String>) {
    confirm(t, token).await;
    let path = "/api/auth/second-factor";
    let begun = t.call("POST", path, token, None).await.expect(201);
    let app = Authenticator::read(begun["data"]["uri"].as_str().unwrap());
    assert!(begun["data"]["qr"].as_str().unwrap().starts_with("<svg"));
    let wrong = json!({ "code": "000000" });
    let wrong = t.call("PUT", path, token, Some(wrong)).await.expect(400);
    assert_eq!(wrong["details"][0]["field"], "code");
    let body = json!({ "code": app.code(t) });
    let on = t.call("PUT", path, token, Some(body)).await.expect(200);
    let codes = on["data"]["recoveryCodes"].as_array().unwrap();
    let codes = codes.iter().map(|code| code.as_str().unwrap().to_owned());
    (app, codes.collect())
}

#[tokio::test]
async fn what_a_stranger_must_not_do_is_confirmed_for_ten_minutes() {
    let t = TestApp::new();
    with(&t, "root", Role::Admin).await;
    with(&t, "ann", Role::Student).await;
    let root = log_in(&t, "root").await;
    let other = log_in(&t, "root").await;
    let made = t
        .call("POST", "/api/admin/backups", &root, None)
        .await
        .expect(201);
    let backup = format!(
        "/api/admin/backups/{}",
        made["data"]["name"].as_str().unwrap()
    );
    let people = t
        .call("GET", "/api/admin/people?search=ann", &root, None)
        .await
        .expect(200);
    let ann = people["data"][0]["id"].as_str().unwrap();
    let link = format!("/api/admin/people/{ann}/password-link");
    let account = format!("/api/admin/people/{ann}");
    let identities = format!("{account}/identities");
    let requests: [(&str, &str, Option<Value>); 7] = [
        ("GET", &backup, None),
        (
            "POST",
            "/api/admin/keys",
            Some(json!({ "name": "x", "scopes": ["notify"] })),
        ),
        ("POST", &link, None),
        (
            "POST",
            "/api/admin/people/links",
            Some(json!({ "filter": {}, "days": 1, "format": "csv" })),
        ),
        ("PUT", &identities, Some(json!({ "identities": [] }))),
        (
            "POST",
            "/api/admin/people",
            Some(json!({ "username": "x", "name": "x", "role": "admin" })),
        ),
        ("PUT", &account, Some(json!({ "role": "admin" }))),
    ];
    for (method, path, body) in &requests {
        let answer = t.call(method, path, &root, body.clone()).await;
        assert_eq!(answer.status, 403, "{method} {path}");
        assert_eq!(answer.body["code"], "confirmation_required");
    }
    // What makes nobody an administrator needs none.
    let plain = json!({ "username": "y", "name": "y", "role": "teacher" });
    t.call("POST", "/api/admin/people", &root, Some(plain))
        .await
        .expect(201);

    let wrong = json!({ "password": "something else" });
    let wrong = t
        .call("POST", "/api/auth/confirm", &root, Some(wrong))
        .await
        .expect(400);
    assert_eq!(
        (&wrong["details"][0]["field"], &wrong["details"][0]["rule"]),
        (&json!("password"), &json!("wrong"))
    );
    for bad in [json!({}), json!({ "password": PASSWORD, "code": "1" })] {
        t.call("POST", "/api/auth/confirm", &root, Some(bad))
            .await
            .expect(400);
    }
    confirm(&t, &root).await;
    // It is this session's alone.
    let (method, path, body) = &requests[1];
    t.call(method, path, &other, body.clone()).await.expect(403);
    for (method, path, body) in &requests {
        let mut request = warp::test::request()
            .method(method)
            .path(path)
            .header("authorization", format!("Bearer {root}"));
        if let Some(body) = body {
            request = request.json(body);
        }
        // A backup is no text.
        let status = request.reply(&t.routes).await.status();
        assert!(status.is_success(), "{method} {path}: {status}");
    }
    t.pass(Duration::from_secs(9 * 60));
    t.call(method, path, &root, body.clone()).await.expect(201);
    t.pass(Duration::from_secs(61));
    t.call(method, path, &root, body.clone()).await.expect(403);
    // A key of the school's back end is no session.
    let key = t.key_for(schoolbell::model::keys::Scope::Roster).await;
    let body = json!({ "username": "z", "name": "z", "role": "student" });
    t.call("POST", "/api/admin/people", &key, Some(body))
        .await
        .expect(201);
}

#[tokio::test]
async fn a_second_factor_is_asked_for_and_each_code_is_accepted_once() {
    let t = TestApp::new();
    with(&t, "root", Role::Admin).await;
    let first = log_in(&t, "root").await;
    let (app, recovery) = enroll(&t, &first).await;
    assert_eq!(recovery.len(), 10);
    let state = t
        .call("GET", "/api/auth/second-factor", &first, None)
        .await
        .expect(200);
    assert_eq!(
        state["data"],
        json!({ "enabled": true, "required": false, "recoveryCodesLeft": 10 })
    );

    let body = |code: &str| json!({ "username": "root", "password": PASSWORD, "code": code });
    let missing = login(&t, json!({ "username": "root", "password": PASSWORD }))
        .await
        .expect(401);
    assert_eq!(missing["code"], "second_factor_required");
    // Who does not know the password is not told that there is one.
    let stranger = login(
        &t,
        json!({ "username": "root", "password": "x", "code": "1" }),
    )
    .await
    .expect(401);
    assert_eq!(stranger["code"], "credentials_invalid");
    let used = login(&t, body(&app.code(&t))).await.expect(401);
    assert_eq!(
        used["code"], "second_factor_invalid",
        "the code that turned it on is used up"
    );
    t.pass(Duration::from_secs(60));
    let code = app.code(&t);
    let spaced = format!("{} {}", &code[..3], &code[3..]);
    token(login(&t, body(&spaced)).await);
    assert_eq!(
        login(&t, body(&code)).await.expect(401)["code"],
        "second_factor_invalid"
    );

    // A recovery code, as people type it, once.
    let typed = recovery[0].to_uppercase().replace('-', " ");
    let session = token(login(&t, body(&typed)).await);
    login(&t, body(&typed)).await.expect(401);
    let state = t
        .call("GET", "/api/auth/second-factor", &session, None)
        .await
        .expect(200);
    assert_eq!(state["data"]["recoveryCodesLeft"], 9);
    // It confirms as well.
    t.pass(Duration::from_secs(60));
    let confirmed = json!({ "code": app.code(&t) });
    t.call("POST", "/api/auth/confirm", &session, Some(confirmed))
        .await
        .expect(200);
    let path = "/api/auth/second-factor/recovery-codes";
    let renewed = t.call("POST", path, &session, None).await.expect(201);
    assert_eq!(
        renewed["data"]["recoveryCodes"].as_array().unwrap().len(),
        10
    );
    login(&t, body(&recovery[1])).await.expect(401);

    t.call("DELETE", "/api/auth/second-factor", &session, None)
        .await
        .expect(200);
    log_in(&t, "root").await;
    let log = t
        .call("GET", "/api/admin/audit", &session, None)
        .await
        .expect(200);
    let actions: Vec<&str> = log["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|line| line["action"].as_str())
        .collect();
    assert!(actions.contains(&"second_factor.set") && actions.contains(&"second_factor.remove"));
}

#[tokio::test]
async fn codes_are_not_to_be_guessed() {
    let t = TestApp::new();
    with(&t, "root", Role::Admin).await;
    let session = log_in(&t, "root").await;
    enroll(&t, &session).await;
    let body = json!({ "username": "root", "password": PASSWORD, "code": "000000" });
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(login(&t, body.clone()).await.status);
    }
    assert_eq!(answers[0], 401);
    assert_eq!(answers[7], 429, "{answers:?}");
}

#[tokio::test]
async fn a_link_does_not_go_round_the_second_factor() {
    let t = TestApp::new();
    let admin = t.admin().await;
    with(&t, "root", Role::Admin).await;
    let session = log_in(&t, "root").await;
    let (app, _) = enroll(&t, &session).await;
    let root = t
        .app
        .store
        .read(|c| schoolbell::store::users::by_username(c, "root"));
    let id = root.await.unwrap().unwrap().id().to_string();
    let path = format!("/api/admin/people/{id}/password-link");
    let link = admin.post(&path, json!({})).await.expect(201);
    let code = link["data"]["path"]
        .as_str()
        .unwrap()
        .split_once("#code=")
        .unwrap()
        .1
        .to_owned();
    let redeem = |extra: Value| {
        let mut body = json!({ "code": code, "password": "an owl in a red canoe" });
        if !extra.is_null() {
            body["secondFactor"] = extra;
        }
        t.call("POST", "/api/auth/password-link", "", Some(body))
    };
    assert_eq!(
        redeem(Value::Null).await.expect(401)["code"],
        "second_factor_required"
    );
    assert_eq!(
        redeem(json!("000000")).await.expect(401)["code"],
        "second_factor_invalid"
    );
    t.pass(Duration::from_secs(60));
    redeem(json!(app.code(&t))).await.expect(200);

    // Who has lost the app and the codes asks another administrator, or the command line.
    let reset = format!("/api/admin/people/{id}/second-factor");
    admin.delete(&reset).await.expect(200);
    login(
        &t,
        json!({ "username": "root", "password": "an owl in a red canoe" }),
    )
    .await
    .expect(200);
    admin
        .delete("/api/admin/people/nobody/second-factor")
        .await
        .expect(404);
}

#[tokio::test]
async fn a_school_may_insist_for_administrators() {
    let t = TestApp::new();
    with(&t, "root", Role::Admin).await;
    with(&t, "ann", Role::Student).await;
    let root = log_in(&t, "root").await;
    confirm(&t, &root).await;
    let body = json!({ "settings": { "auth.second_factor_required": "perhaps" } });
    t.call("PUT", "/api/admin/settings", &root, Some(body))
        .await
        .expect(400);
    let body = json!({ "settings": { "auth.second_factor_required": "true" } });
    t.call("PUT", "/api/admin/settings", &root, Some(body))
        .await
        .expect(200);
    let refused = t
        .call("GET", "/api/admin/people", &root, None)
        .await
        .expect(403);
    assert_eq!(refused["code"], "second_factor_missing");
    let state = t
        .call("GET", "/api/auth/second-factor", &root, None)
        .await
        .expect(200);
    assert_eq!(state["data"]["required"], true);
    // The chat is open to them, and to others nothing changes.
    t.call("GET", "/api/messages/conversations", &root, None)
        .await
        .expect(200);
    let ann = log_in(&t, "ann").await;
    let state = t
        .call("GET", "/api/auth/second-factor", &ann, None)
        .await
        .expect(200);
    assert_eq!(state["data"]["required"], false);
    enroll(&t, &root).await;
    t.call("GET", "/api/admin/people", &root, None)
        .await
        .expect(200);
}

/// The database alone does not have the secret.
#[tokio::test]
async fn the_secret_is_not_stored() {
    let t = TestApp::new();
    with(&t, "root", Role::Admin).await;
    let session = log_in(&t, "root").await;
    let (app, recovery) = enroll(&t, &session).await;
    let database = rusqlite::Connection::open(t.app.store.path()).unwrap();
    let (nonce, user): (String, String) = database
        .query_row(
            "SELECT f.nonce, u.id FROM second_factors f JOIN users u ON u.key = f.user_key",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    let id = schoolbell::model::ids::UserId::parse(&user).unwrap();
    let derived = SecondFactor::derive(&t.app.auth.tokens, &id, &nonce).unwrap();
    assert_eq!(base32(&derived.secret()), app.0);
    let stranger = TestApp::new();
    let other = SecondFactor::derive(&stranger.app.auth.tokens, &id, &nonce).unwrap();
    assert_ne!(base32(&other.secret()), app.0);
    let hashes: i64 = database
        .query_row(
            "SELECT count(*) FROM recovery_codes WHERE length(hash) = 32",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(hashes, recovery.len() as i64);
}

/// An address is as good as a login link.
#[tokio::test]
async fn the_address_of_who_logs_in_here_is_changed_with_confirmation_alone() {
    let t = TestApp::new();
    with(&t, "root", Role::Admin).await;
    with(&t, "ann", Role::Student).await;
    let root = log_in(&t, "root").await;
    let people = t
        .call("GET", "/api/admin/people?search=ann", &root, None)
        .await
        .expect(200);
    let path = format!(
        "/api/admin/people/{}",
        people["data"][0]["id"].as_str().unwrap()
    );
    let body = json!({ "email": "me@evil.example" });
    let refused = t
        .call("PUT", &path, &root, Some(body.clone()))
        .await
        .expect(403);
    assert_eq!(refused["code"], "confirmation_required");
    // The same address, and everything else, need none.
    let same = json!({ "email": "", "name": "Ann Again" });
    t.call("PUT", &path, &root, Some(same)).await.expect(200);
    confirm(&t, &root).await;
    t.call("PUT", &path, &root, Some(body)).await.expect(200);
}

/// A token of the school's app has no password behind it: renewing it confirms nothing.
#[tokio::test]
async fn a_renewed_token_of_an_app_confirms_nothing() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let renewed = t
        .call("POST", "/api/auth/refresh", &admin.token, None)
        .await
        .expect(200);
    let token = renewed["data"]["token"].as_str().unwrap();
    let body = json!({ "name": "x", "scopes": ["notify"] });
    t.call("POST", "/api/admin/keys", token, Some(body))
        .await
        .expect(403);
    let state = t
        .call("GET", "/api/auth/confirm", token, None)
        .await
        .expect(200);
    assert_eq!(state["data"]["until"], Value::Null);
}
