//! The cookie of our own pages.

use serde_json::{Value, json};

use crate::helpers::{Answer, PASSWORD, Socket, TestApp};

const OWN: &str = "http://school.example";
const HOST: (&str, &str) = ("host", "school.example");

async fn send(
    t: &TestApp,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Value,
) -> Answer {
    let mut all = vec![HOST, ("content-type", "application/json")];
    all.extend(headers);
    t.raw(method, path, &all, body.to_string().as_bytes()).await
}

async fn log_in(t: &TestApp) -> (Answer, String) {
    let body = json!({ "username": "root", "password": PASSWORD });
    let answer = send(t, "POST", "/api/auth/session", &[("origin", OWN)], body).await;
    let set = answer.headers["set-cookie"].to_str().unwrap().to_owned();
    (answer, set.split(';').next().unwrap().to_owned())
}

async fn with_root() -> TestApp {
    let t = TestApp::new();
    let account = schoolbell::service::auth::NewAccount {
        username: schoolbell::model::users::Username::parse("root").unwrap(),
        name: schoolbell::model::users::DisplayName::parse("Root").unwrap(),
        role: schoolbell::model::users::Role::Admin,
        password: PASSWORD.into(),
    };
    schoolbell::service::auth::add_account(
        &t.app,
        schoolbell::model::audit::AuditActor::command_line(),
        account,
    )
    .await
    .unwrap();
    t
}

#[tokio::test]
async fn the_cookie_is_out_of_reach_and_vouches_for_its_person() {
    let t = with_root().await;
    let (answer, cookie) = log_in(&t).await;
    let set = answer.headers["set-cookie"].to_str().unwrap().to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"] {
        assert!(set.contains(part), "{set}");
    }
    let body = answer.expect(200);
    assert_eq!(body["data"].get("token"), None, "scripts need not have it");
    assert_eq!(body["data"]["user"]["username"], "root");
    let me = send(&t, "GET", "/api/auth/me", &[("cookie", &cookie)], json!({}))
        .await
        .expect(200);
    assert_eq!(me["data"]["name"], "Root");
    let log = send(
        &t,
        "GET",
        "/api/admin/audit",
        &[("cookie", &cookie)],
        json!({}),
    )
    .await
    .expect(200);
    assert_eq!(log["data"][0]["action"], "login");

    let ended = send(
        &t,
        "DELETE",
        "/api/auth/session",
        &[("origin", OWN)],
        json!({}),
    )
    .await;
    assert!(
        ended.headers["set-cookie"]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
    ended.expect(200);
}

#[tokio::test]
async fn what_changes_something_must_come_from_our_own_pages() {
    let t = with_root().await;
    let (_, cookie) = log_in(&t).await;
    let group = json!({ "name": "G", "kind": "club" });
    let post = async |headers: &[(&str, &str)]| {
        send(&t, "POST", "/api/admin/groups", headers, group.clone()).await
    };
    for origin in [
        "https://evil.example",
        "http://app.school.example",
        "http://school.example.evil.example",
        "null",
    ] {
        post(&[("cookie", &cookie), ("origin", origin)])
            .await
            .refused(403, "origin_not_allowed");
    }
    post(&[("cookie", &cookie)])
        .await
        .refused(403, "origin_not_allowed");
    post(&[("cookie", &cookie), ("origin", OWN)])
        .await
        .expect(201);
    // Logging somebody in from elsewhere is refused as well.
    let body = json!({ "username": "root", "password": PASSWORD });
    let elsewhere = send(
        &t,
        "POST",
        "/api/auth/session",
        &[("origin", "https://evil.example")],
        body,
    )
    .await;
    elsewhere.refused(403, "origin_not_allowed");
    post(&[("cookie", "schoolbell_session=x.y.z"), ("origin", OWN)])
        .await
        .refused(401, "token_invalid");
    post(&[("cookie", "schoolbell_session="), ("origin", OWN)])
        .await
        .refused(401, "token_missing");
    // A token of its own needs no origin, and wins over the cookie.
    post(&[("cookie", &cookie), ("authorization", "Bearer x")])
        .await
        .refused(401, "token_invalid");
}

#[tokio::test]
async fn over_https_the_cookie_goes_over_https_only() {
    let t = with_root().await;
    let body = json!({ "username": "root", "password": PASSWORD });
    let origin = [("origin", "https://school.example")];
    let answer = send(&t, "POST", "/api/auth/session", &origin, body).await;
    assert!(
        answer.headers["set-cookie"]
            .to_str()
            .unwrap()
            .contains("; Secure")
    );
    answer.expect(200);
}

#[tokio::test]
async fn a_socket_of_our_own_page_needs_no_first_frame() {
    let t = with_root().await;
    let (_, cookie) = log_in(&t).await;
    let own = format!("http://{}", t.address);
    let headers = [("cookie", cookie.as_str()), ("origin", own.as_str())];
    let mut socket = Socket::connect(&t.address, "/ws", &headers).await.unwrap();
    socket.expect("connected").await;
    socket.send(json!({ "event": "watch" })).await;
    let overview = socket.await_event("overview").await;
    assert_eq!(overview["online"], 1);

    // Without an origin, or from another that is allowed, the cookie says nothing.
    let mut socket = Socket::connect(&t.address, "/ws", &[("cookie", cookie.as_str())])
        .await
        .unwrap();
    socket.expect_nothing().await;
}

#[tokio::test]
async fn only_administrators_watch() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let (mut socket, _) = ann.connect().await;
    socket.send(json!({ "event": "watch" })).await;
    assert_eq!(socket.expect("error").await["code"], "role_not_allowed");
}

#[tokio::test]
async fn a_cookie_is_renewed_while_it_holds() {
    let t = with_root().await;
    let (_, cookie) = log_in(&t).await;
    t.clock
        .advance(std::time::Duration::from_secs(6 * 24 * 3_600));
    let headers = [("cookie", cookie.as_str()), ("origin", OWN)];
    let renewed = send(&t, "PUT", "/api/auth/session", &headers, json!({})).await;
    let fresh = renewed.headers["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    renewed.expect(200);
    t.clock
        .advance(std::time::Duration::from_secs(6 * 24 * 3_600));
    send(&t, "GET", "/api/auth/me", &[("cookie", &cookie)], json!({}))
        .await
        .refused(401, "token_expired");
    send(&t, "GET", "/api/auth/me", &[("cookie", &fresh)], json!({}))
        .await
        .expect(200);
}
