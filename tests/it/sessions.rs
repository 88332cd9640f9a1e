//! Sessions: one for each login, seen and ended by its owner.

use std::time::Duration;

use schoolbell::model::events::CloseCode;
use schoolbell::model::users::Role;
use schoolbell::store::sessions::MAX_PER_USER;
use serde_json::{Value, json};

use crate::helpers::{PASSWORD, Socket, TestApp};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1";

async fn with(t: &TestApp, name: &str) {
    let account = schoolbell::service::auth::NewAccount {
        username: schoolbell::model::users::Username::parse(name).unwrap(),
        name: schoolbell::model::users::DisplayName::parse(name).unwrap(),
        role: Role::Student,
        password: PASSWORD.into(),
    };
    let by = schoolbell::model::audit::AuditActor::command_line();
    schoolbell::service::auth::add_account(&t.app, by, account)
        .await
        .unwrap();
}

/// Logs in, on a browser. Returns the token.
async fn log_in(t: &TestApp, name: &str, agent: &str) -> String {
    let headers = [("content-type", "application/json"), ("user-agent", agent)];
    let body = json!({ "username": name, "password": PASSWORD }).to_string();
    let answer = t
        .raw("POST", "/api/auth/login", &headers, body.as_bytes())
        .await
        .expect(200);
    answer["data"]["token"].as_str().unwrap().to_owned()
}

async fn sessions(t: &TestApp, token: &str) -> Vec<Value> {
    let answer = t.call("GET", "/api/auth/sessions", token, None).await;
    answer.expect(200)["data"].as_array().unwrap().clone()
}

async fn status(t: &TestApp, token: &str) -> u16 {
    t.call("GET", "/api/auth/me", token, None).await.status
}

#[tokio::test]
async fn each_login_is_a_session_that_its_owner_can_end() {
    let t = TestApp::new();
    with(&t, "ann").await;
    with(&t, "bob").await;
    let desk = log_in(&t, "ann", FIREFOX).await;
    t.pass(Duration::from_secs(60));
    let phone = log_in(&t, "ann", IPHONE).await;
    let bob = log_in(&t, "bob", FIREFOX).await;

    let all = sessions(&t, &desk).await;
    let shown = |one: &Value| (one["device"].clone(), one["current"].clone());
    assert_eq!(all.len(), 2);
    assert!(
        all.iter()
            .any(|one| shown(one) == (json!("Firefox on Linux"), json!(true)))
    );
    assert!(
        all.iter()
            .any(|one| shown(one) == (json!("Safari on iPhone"), json!(false)))
    );
    let of_phone = all.iter().find(|one| one["current"] == false).unwrap();
    let id = of_phone["id"].as_str().unwrap();
    let path = format!("/api/auth/sessions/{id}");

    // Somebody else's is not there.
    let answer = t.call("DELETE", &path, &bob, None).await.expect(404);
    assert_eq!(answer["code"], "session_not_found");
    assert_eq!(status(&t, &phone).await, 200);

    let (mut socket, _) = Socket::join(&t.address, &phone, None).await;
    t.call("DELETE", &path, &desk, None).await.expect(200);
    assert_eq!(socket.closed().await, CloseCode::Revoked as u16);
    assert_eq!(status(&t, &phone).await, 401);
    assert_eq!(status(&t, &desk).await, 200);
    assert_eq!(sessions(&t, &desk).await.len(), 1);
    t.call("DELETE", &path, &desk, None).await.expect(404);

    // Logging out ends it as well.
    t.call("POST", "/api/auth/logout", &desk, None)
        .await
        .expect(200);
    let again = log_in(&t, "ann", FIREFOX).await;
    assert_eq!(sessions(&t, &again).await.len(), 1);
}

#[tokio::test]
async fn a_new_password_leaves_one_session() {
    let t = TestApp::new();
    with(&t, "ann").await;
    log_in(&t, "ann", IPHONE).await;
    let token = log_in(&t, "ann", FIREFOX).await;
    let body = json!({ "currentPassword": PASSWORD, "newPassword": "a quite different owl" });
    let answer = t
        .call("POST", "/api/auth/password", &token, Some(body))
        .await;
    let token = answer.expect(200)["data"]["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let all = sessions(&t, &token).await;
    assert_eq!(all.len(), 1);
    assert_eq!(all[0]["current"], true);
}

#[tokio::test]
async fn when_a_session_was_last_seen_is_stored() {
    let t = TestApp::new();
    with(&t, "ann").await;
    let desk = log_in(&t, "ann", FIREFOX).await;
    let phone = log_in(&t, "ann", IPHONE).await;
    t.pass(Duration::from_secs(3_600));
    let seen = t.app.now();
    assert_eq!(status(&t, &phone).await, 200);
    schoolbell::service::sessions::store_seen(&t.app)
        .await
        .unwrap();
    t.pass(Duration::from_secs(3_600));
    let all = sessions(&t, &desk).await;
    let of_phone = all
        .iter()
        .find(|one| one["device"] == "Safari on iPhone")
        .unwrap();
    assert_eq!(of_phone["lastSeenAt"], json!(seen.to_string()));
    // An open socket is a session in use.
    let (_socket, _) = Socket::join(&t.address, &phone, None).await;
    let all = sessions(&t, &desk).await;
    let of_phone = all
        .iter()
        .find(|one| one["device"] == "Safari on iPhone")
        .unwrap();
    assert_eq!(of_phone["lastSeenAt"], json!(t.app.now().to_string()));
}

#[tokio::test]
async fn past_the_limit_the_one_unused_for_longest_ends() {
    let t = TestApp::new();
    with(&t, "ann").await;
    let first = log_in(&t, "ann", FIREFOX).await;
    t.pass(Duration::from_secs(1));
    let user = t
        .app
        .store
        .read(|c| schoolbell::store::users::by_username(c, "ann"));
    let user = user.await.unwrap().unwrap();
    for _ in 0..MAX_PER_USER {
        t.pass(Duration::from_secs(1));
        let session = t.app.auth.tokens.begin(t.app.now());
        schoolbell::service::sessions::renew(&t.app, &user, &session, String::new())
            .await
            .unwrap();
    }
    assert_eq!(status(&t, &first).await, 401);
    let token = log_in(&t, "ann", FIREFOX).await;
    assert_eq!(sessions(&t, &token).await.len() as i64, MAX_PER_USER);
}

/// A token from before sessions were stored gets a row when it is renewed; one that was ended gets none.
#[tokio::test]
async fn a_session_is_stored_when_its_token_is_renewed() {
    let t = TestApp::new();
    with(&t, "ann").await;
    let token = log_in(&t, "ann", FIREFOX).await;
    t.app
        .store
        .write(|tx| Ok(tx.execute("DELETE FROM sessions", [])?))
        .await
        .unwrap();
    assert!(sessions(&t, &token).await.is_empty());
    t.call("POST", "/api/auth/refresh", &token, None)
        .await
        .expect(200);
    let all = sessions(&t, &token).await;
    assert_eq!((all.len(), &all[0]["current"]), (1, &json!(true)));
}
