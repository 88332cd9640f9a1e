//! Set-up, log-in, and what ends a token.

use std::time::{Duration, Instant};

use schoolbell::model::users::{DisplayName, Role, Username};
use schoolbell::service::auth::{NewAccount, add_account};
use schoolbell::service::users;
use serde_json::json;

use crate::helpers::{PASSWORD, Person, TestApp};

async fn account(t: &TestApp, username: &str) -> Person {
    let account = NewAccount {
        username: Username::parse(username).unwrap(),
        name: DisplayName::parse("Ada Lovelace").unwrap(),
        role: Role::Teacher,
        password: PASSWORD.into(),
    };
    t.log_in(
        add_account(
            &t.app,
            schoolbell::model::audit::AuditActor::command_line(),
            account,
        )
        .await
        .unwrap()
        .into(),
    )
}

#[tokio::test]
async fn the_first_admin_is_made_once_with_the_code() {
    let t = TestApp::new();
    let code = t.app.auth.setup.issue(t.app.now()).unwrap();
    let set_up = async |code: &str, username: &str, password: &str| {
        let body =
            json!({ "code": code, "username": username, "name": "Head", "password": password });
        t.call("POST", "/api/auth/setup", "", Some(body)).await
    };
    set_up("wrong", "head", PASSWORD)
        .await
        .refused(401, "setup_code_invalid");
    set_up(&code, "head", "short").await.invalid("password");
    set_up(&code, " ", PASSWORD).await.invalid("username");
    let data = set_up(&code, "head", PASSWORD).await.expect(201)["data"].clone();
    assert_eq!(data["user"]["role"], "admin");
    let me = t
        .call("GET", "/api/auth/me", data["token"].as_str().unwrap(), None)
        .await;
    assert_eq!(me.expect(200)["data"]["username"], "head");
    set_up(&code, "other", PASSWORD)
        .await
        .refused(403, "setup_done");
}

#[tokio::test]
async fn a_setup_code_is_good_for_half_an_hour() {
    let t = TestApp::new();
    let code = t.app.auth.setup.issue(t.app.now()).unwrap();
    t.clock.advance(Duration::from_secs(30 * 60 + 1));
    let body = json!({ "code": code, "username": "head", "name": "Head", "password": PASSWORD });
    t.call("POST", "/api/auth/setup", "", Some(body))
        .await
        .refused(401, "setup_code_invalid");
}

#[tokio::test]
async fn log_in_by_username_in_any_case() {
    let t = TestApp::new();
    account(&t, "ada").await;
    for field in ["username", "email"] {
        let body = json!({ field: "ADA", "password": PASSWORD });
        let data = t
            .call("POST", "/api/auth/login", "", Some(body))
            .await
            .expect(200)["data"]
            .clone();
        assert_eq!(data["expiresAt"], "2026-11-29T09:30:00.000Z");
        assert_eq!(data["user"]["name"], "Ada Lovelace");
    }
    let both = json!({ "username": "ada", "email": "ada", "password": PASSWORD });
    t.call("POST", "/api/auth/login", "", Some(both))
        .await
        .invalid("email");
}

#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_look_the_same_and_take_as_long() {
    let t = TestApp::new();
    let ada = account(&t, "ada").await;
    let attempt = async |username: &str, password: &str| {
        let body = json!({ "username": username, "password": password });
        let started = Instant::now();
        let answer = t.call("POST", "/api/auth/login", "", Some(body)).await;
        let mut body = answer.refused(401, "credentials_invalid");
        body["requestId"] = json!("");
        (body, started.elapsed())
    };
    let mut times = [Duration::MAX; 2];
    let mut bodies = Vec::new();
    for _ in 0..3 {
        for (i, name) in ["ada", "nobody"].into_iter().enumerate() {
            let (body, time) = attempt(name, "wrong horse battery").await;
            times[i] = times[i].min(time);
            bodies.push(body);
        }
    }
    assert!(bodies.windows(2).all(|two| two[0] == two[1]), "{bodies:?}");
    // Both hash; without that the second takes a hundredth of the first.
    let ratio = times[1].as_secs_f64() / times[0].as_secs_f64();
    assert!((0.3..3.0).contains(&ratio), "{times:?}");
    users::set_disabled(&t.app, &ada.user, true).await.unwrap();
    let (disabled, _) = attempt("ada", PASSWORD).await;
    assert_eq!(disabled, bodies[0], "a disabled account is not given away");
}

#[tokio::test]
async fn refresh_gives_a_later_token() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    t.clock.advance(Duration::from_secs(3_600));
    let data = ann.post("/api/auth/refresh", json!({})).await.expect(200)["data"].clone();
    assert_eq!(data["expiresAt"], "2026-11-29T10:30:00.000Z");
}

#[tokio::test]
async fn logging_out_everywhere_ends_tokens_and_sockets() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let (mut socket, _) = ann.connect().await;
    ann.post("/api/auth/logout-all", json!({}))
        .await
        .expect(200);
    assert_eq!(socket.closed().await, 4503);
    ann.get("/api/auth/me").await.refused(401, "token_revoked");
    let now = users::find(&t.app, ann.user.id()).await.unwrap().unwrap();
    t.log_in(now).get("/api/auth/me").await.expect(200);
}

#[tokio::test]
async fn a_new_password_ends_every_other_session() {
    let t = TestApp::new();
    let ada = account(&t, "ada").await;
    let (mut socket, _) = ada.connect().await;
    let change = |current: &str, new: &str| {
        let body = json!({ "currentPassword": current, "newPassword": new });
        let ada = ada.clone();
        async move { ada.post("/api/auth/password", body).await }
    };
    change("wrong", "purple teapots in spring")
        .await
        .invalid("currentPassword");
    change(PASSWORD, "1234567890").await.invalid("newPassword");
    let data = change(PASSWORD, "purple teapots in spring")
        .await
        .expect(200)["data"]
        .clone();
    assert_eq!(socket.closed().await, 4503);
    ada.get("/api/auth/me").await.refused(401, "token_revoked");
    let token = data["token"].as_str().unwrap();
    t.call("GET", "/api/auth/me", token, None).await.expect(200);
    let old = json!({ "username": "ada", "password": PASSWORD });
    t.call("POST", "/api/auth/login", "", Some(old))
        .await
        .refused(401, "credentials_invalid");
}

#[tokio::test]
async fn the_disabled_are_out_at_once_and_can_come_back() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let (mut socket, _) = ann.connect().await;
    users::set_disabled(&t.app, &ann.user, true).await.unwrap();
    assert_eq!(socket.closed().await, 4503);
    ann.get("/api/auth/me").await.refused(401, "user_disabled");
    let body = json!({ "receiverId": "ann", "content": "hi" });
    bob.post("/api/messages", body)
        .await
        .refused(404, "user_not_found");
    users::set_disabled(&t.app, &ann.user, false).await.unwrap();
    // With a new token: somebody may have had the old one.
    ann.get("/api/auth/me").await.refused(401, "token_revoked");
    t.again(&ann).await.get("/api/auth/me").await.expect(200);
}

#[tokio::test]
async fn me_tells_what_is_unread() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    bob.write(&ann, "hello").await;
    let me = ann.get("/api/auth/me").await.expect(200)["data"].clone();
    assert_eq!(me["unread"], json!({ "messages": 1, "notifications": 0 }));
    assert_eq!(me["username"], "ann");
}
