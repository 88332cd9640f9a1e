//! What one caller may take, and what goes first when there is too much to do.

use schoolbell::config::at_least_one;
use std::time::{Duration, Instant};

use schoolbell::limits::load_shedding::MAX_WRITES;
use schoolbell::model::keys::Scope;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::helpers::{Answer, Person, TestApp};

/// A refusal for a limit: it says when to come back.
#[track_caller]
fn too_many(answer: Answer) -> u64 {
    let after = answer.headers["retry-after"].to_str().unwrap().parse();
    answer.refused(429, "too_many_requests");
    after.unwrap()
}

fn refused(t: &TestApp, reason: &str) -> bool {
    let text = schoolbell::ops::health::metrics(&t.app);
    text.contains(&format!("schoolbell_refused_total{{reason=\"{reason}\"}}"))
}

#[tokio::test]
async fn writes_reads_and_searches_have_limits_of_their_own_and_each_person_has_theirs() {
    let t = TestApp::with(|config| {
        config.limits.writes_per_minute = at_least_one(3);
        config.limits.reads_per_minute = at_least_one(4);
        config.limits.searches_per_minute = at_least_one(2);
    });
    let (ann, bob) = t.pair().await;
    for _ in 0..3 {
        ann.write(&bob, "hello").await;
    }
    let body = json!({ "receiverId": bob.id(), "content": "one too many" });
    let after = too_many(ann.post("/api/messages", body).await);
    assert!((1..=20).contains(&after), "{after}");
    for _ in 0..4 {
        ann.get("/api/messages/conversations").await.expect(200);
    }
    too_many(ann.get("/api/messages/conversations").await);
    for path in ["/api/users?search=bob", "/api/messages/search?q=hello"] {
        ann.get(path).await.expect(200);
    }
    too_many(ann.get("/api/users?search=bob").await);
    bob.write(&ann, "I am another").await;
    let list = bob.get("/api/messages/conversations").await.expect(200);
    assert_eq!(
        list["data"][0]["unreadCount"], 3,
        "the refused one is not there"
    );
    for reason in ["writes", "reads", "searches"] {
        assert!(refused(&t, reason), "{reason}");
    }
}

#[tokio::test]
async fn a_key_has_a_limit() {
    let t = TestApp::with(|config| config.limits.key_requests_per_minute = at_least_one(2));
    let (one, other) = (t.key_for(Scope::Read).await, t.key_for(Scope::Read).await);
    for _ in 0..2 {
        t.call("GET", "/api/admin/push", &one, None)
            .await
            .expect(200);
    }
    too_many(t.call("GET", "/api/admin/push", &one, None).await);
    t.call("GET", "/api/admin/push", &other, None)
        .await
        .expect(200);
}

#[tokio::test]
async fn sockets_that_are_opened_again_and_again_are_told_to_back_off() {
    let t = TestApp::with(|config| config.limits.sockets_per_minute = at_least_one(2));
    let (ann, bob) = t.pair().await;
    let (mut first, _) = ann.connect().await;
    let _second = ann.connect().await;
    let mut third = t.socket().await;
    let auth = json!({ "event": "auth", "data": { "token": ann.token } });
    third.send(auth).await;
    assert_eq!(third.closed().await, 4004);
    bob.write(&ann, "hello").await;
    first.expect("new_message").await;
}

#[tokio::test]
async fn nothing_is_limited_where_limits_are_off() {
    let t = TestApp::with(|config| {
        config.limits.enabled = false;
        config.limits.writes_per_minute = at_least_one(1);
        config.limits.sockets_per_minute = at_least_one(1);
        config.limits.failed_logins_per_account = at_least_one(1);
    });
    let (ann, bob) = t.pair().await;
    let _sockets = (ann.connect().await, ann.connect().await);
    for _ in 0..3 {
        ann.write(&bob, "hello").await;
        let answer = log_in(&t, "ann", "wrong wrong wrong", None).await;
        answer.refused(401, "credentials_invalid");
    }
}

async fn log_in(t: &TestApp, name: &str, password: &str, forwarded: Option<&str>) -> Answer {
    let client = crate::helpers::http();
    let url = format!("http://{}/api/auth/login", t.address);
    let mut request = client
        .post(url)
        .json(&json!({ "username": name, "password": password }));
    if let Some(address) = forwarded {
        request = request.header("x-forwarded-for", address);
    }
    Answer::received(request.send().await.unwrap()).await
}

async fn with_password(t: &TestApp, name: &str) -> Person {
    let account = schoolbell::service::auth::NewAccount {
        username: schoolbell::model::users::Username::parse(name).unwrap(),
        name: schoolbell::model::users::DisplayName::parse(name).unwrap(),
        role: schoolbell::model::users::Role::Student,
        password: "blue heron on a kettle".into(),
    };
    let user = schoolbell::service::auth::add_account(
        &t.app,
        schoolbell::model::audit::AuditActor::command_line(),
        account,
    )
    .await;
    t.log_in(user.unwrap().into())
}

#[tokio::test]
async fn wrong_passwords_make_only_the_account_wait() {
    let t = TestApp::with(|config| config.limits.failed_logins_per_account = at_least_one(2));
    let (ann, _) = (
        with_password(&t, "ann").await,
        with_password(&t, "bob").await,
    );
    let right = "blue heron on a kettle";
    for _ in 0..2 {
        let answer = log_in(&t, "ann", "wrong wrong wrong", None).await;
        answer.refused(401, "credentials_invalid");
    }
    // The right one as well: otherwise a guesser would learn which it is.
    too_many(log_in(&t, "ANN ", right, None).await);
    log_in(&t, "bob", right, None).await.expect(200);
    ann.get("/api/auth/me").await.expect(200);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    log_in(&t, "ann", right, None).await.expect(200);
    let answer = log_in(&t, "ann", "wrong wrong wrong", None).await;
    answer.refused(401, "credentials_invalid");
    assert!(refused(&t, "login_account"));
}

#[tokio::test]
async fn an_unknown_name_waits_as_a_known_one() {
    let t = TestApp::with(|config| config.limits.failed_logins_per_account = at_least_one(2));
    for _ in 0..2 {
        let answer = log_in(&t, "nobody", "wrong wrong wrong", None).await;
        answer.refused(401, "credentials_invalid");
    }
    too_many(log_in(&t, "Nobody", "wrong wrong wrong", None).await);
}

#[tokio::test]
async fn a_hundred_guesses_at_once_are_counted_as_a_hundred() {
    let t = TestApp::with(|config| config.limits.failed_logins_per_account = at_least_one(5));
    with_password(&t, "ann").await;
    let guesses = (0..40).map(|_| log_in(&t, "ann", "wrong wrong wrong", None));
    let answers = futures_util::future::join_all(guesses).await;
    let tried = answers.iter().filter(|a| a.status == 401).count();
    let refused = answers.iter().filter(|a| a.status == 429).count();
    assert!(tried <= 8, "{tried} were tried");
    assert_eq!(tried + refused, 40);
}

/// The school is one address: whoever is behind it with the right password gets in, whatever others there do.
#[tokio::test]
async fn wrong_passwords_slow_their_address_down_and_keep_no_one_out() {
    let t = TestApp::with(|config| config.limits.failed_logins_per_address = at_least_one(3));
    with_password(&t, "ann").await;
    let school = Some("192.0.2.1");
    let wrong = async |n: usize| {
        let started = Instant::now();
        let answer = log_in(&t, &format!("user{n}"), "wrong wrong wrong", school).await;
        answer.refused(401, "credentials_invalid");
        started.elapsed()
    };
    for n in 0..3 {
        assert!(wrong(n).await < Duration::from_millis(1_500));
    }
    assert!(
        wrong(4).await >= Duration::from_millis(1_900),
        "each one takes longer now"
    );
    let flood = futures_util::future::join_all((10..60).map(wrong));
    let right = async {
        for _ in 0..5 {
            let started = Instant::now();
            log_in(&t, "ann", "blue heron on a kettle", school)
                .await
                .expect(200);
            assert!(started.elapsed() < Duration::from_secs(10));
        }
    };
    futures_util::future::join(flood, right).await;
    assert!(refused(&t, "login_address"));
}

#[tokio::test]
async fn only_a_trusted_proxy_says_where_a_request_came_from() {
    let t = TestApp::with(|config| {
        config.limits.failed_logins_per_address = at_least_one(2);
        config.server.trusted_proxies = vec!["192.0.2.0/24".parse().unwrap()];
    });
    // Each says that it comes from elsewhere; the connection tells.
    for forwarded in ["203.0.113.1", "203.0.113.2", "203.0.113.3"] {
        let answer = log_in(&t, forwarded, "wrong wrong wrong", Some(forwarded)).await;
        answer.refused(401, "credentials_invalid");
    }
    assert!(refused(&t, "login_address"));
}

/// Somebody who guesses keeps the account shut for strangers: a device on which its owner has logged in before is none.
#[tokio::test]
async fn a_known_device_gets_in_while_the_account_is_attacked() {
    let t = TestApp::with(|config| config.limits.failed_logins_per_account = at_least_one(2));
    let ann = with_password(&t, "ann").await;
    let right = "blue heron on a kettle";
    let first = log_in(&t, "ann", right, None).await;
    let set = first.headers["set-cookie"].to_str().unwrap().to_owned();
    first.expect(200);
    assert!(
        set.contains("HttpOnly") && set.contains("Max-Age=15552000"),
        "{set}"
    );
    let cookie = set.split(';').next().unwrap().to_owned();
    let with_cookie = async |name: &str, password: &str, cookie: &str| {
        let url = format!("http://{}/api/auth/login", t.address);
        let request = crate::helpers::http().post(url).header("cookie", cookie);
        let body = json!({ "username": name, "password": password });
        Answer::received(request.json(&body).send().await.unwrap()).await
    };
    for _ in 0..2 {
        log_in(&t, "ann", "wrong wrong wrong", None)
            .await
            .refused(401, "credentials_invalid");
    }
    too_many(log_in(&t, "ann", right, None).await);
    with_cookie("ann", right, &cookie).await.expect(200);
    // It is the account's own: another's, or one that was tampered with, is none.
    too_many(with_cookie("ann", right, &format!("{cookie}x")).await);
    // The device itself guesses no better than a stranger.
    for _ in 0..2 {
        with_cookie("ann", "wrong wrong wrong", &cookie)
            .await
            .refused(401, "credentials_invalid");
    }
    too_many(with_cookie("ann", right, &cookie).await);
    // Who is logged in can change the password meanwhile, and that ends what the device knew.
    let body = json!({ "currentPassword": right, "newPassword": "purple teapots in spring" });
    ann.post("/api/auth/password", body).await.expect(200);
    tokio::time::sleep(Duration::from_millis(2_200)).await;
    with_cookie("ann", "purple teapots in spring", &cookie)
        .await
        .expect(200);
    let again = with_cookie("ann", "wrong wrong wrong", &cookie).await;
    again.refused(401, "credentials_invalid");
    assert!(refused(&t, "login_device") && refused(&t, "login_account"));
}

/// Names are counted as they are compared: which of two spellings is somebody's cannot be told from who must wait.
#[tokio::test]
async fn spellings_of_one_name_wait_together() {
    let t = TestApp::with(|config| config.limits.failed_logins_per_account = at_least_one(2));
    with_password(&t, "josé").await;
    for (one, other) in [("josé", "JOSE\u{301}"), ("özlem", "ÖZLEM")] {
        for _ in 0..2 {
            log_in(&t, one, "wrong wrong wrong", None)
                .await
                .refused(401, "credentials_invalid");
        }
        too_many(log_in(&t, other, "wrong wrong wrong", None).await);
    }
}

/// What a script tries is written down by account, and so is who is refused again and again.
#[tokio::test]
async fn administrators_read_of_wrong_passwords_and_floods() {
    let t = TestApp::with(|config| config.limits.writes_per_minute = at_least_one(1));
    let admin = t.admin().await;
    let ann = with_password(&t, "ann").await;
    for name in ["ann", "ann", "nobody@home.example"] {
        log_in(&t, name, "wrong wrong wrong", None)
            .await
            .refused(401, "credentials_invalid");
    }
    for _ in 0..40 {
        ann.post(
            "/api/messages",
            json!({ "receiverId": "admin", "content": "x" }),
        )
        .await;
    }
    schoolbell::ops::limits::note(&t.app).await.unwrap();
    let log = admin.get("/api/admin/audit").await.expect(200);
    let lines: Vec<(String, String, String)> = log["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            (text("action"), text("target"), text("detail"))
        })
        .collect();
    let has = |action: &str, target: &str, detail: &str| {
        let wanted = (action.to_owned(), target.to_owned(), detail.to_owned());
        assert!(lines.contains(&wanted), "{wanted:?} in {lines:?}");
    };
    has("login.failed", ann.id(), "2 wrong passwords");
    has("login.failed", "", "1 logins with unknown names");
    has("limit.reached", ann.id(), "writes: 39 refused");
    assert!(!log.to_string().contains("nobody@home.example"));
}

/// A connection that has said nothing, closed or not.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let read = stream.read_u8();
    let read = tokio::time::timeout(Duration::from_millis(300), read).await;
    matches!(read, Ok(Err(_)))
}

#[tokio::test]
async fn connections_that_say_nothing_make_room_for_those_that_do() {
    let t = TestApp::with(|config| {
        config.limits.anonymous_per_address = at_least_one(3);
        config.server.trusted_proxies = Vec::new();
    });
    let (ann, bob) = t.pair().await;
    let (mut known, _) = ann.connect().await;
    let mut silent = Vec::new();
    for _ in 0..5 {
        silent.push(TcpStream::connect(&t.address).await.unwrap());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut closed = Vec::new();
    for stream in &mut silent {
        closed.push(is_closed(stream).await);
    }
    assert_eq!(closed, [true, true, false, false, false]);
    // A socket that does not say who it is is no better.
    let mut waiting = t.socket().await;
    for _ in 0..3 {
        silent.push(TcpStream::connect(&t.address).await.unwrap());
    }
    assert_eq!(waiting.closed().await, 4000);
    let (mut late, _) = bob.connect().await;
    bob.write(&ann, "hello").await;
    known.expect("new_message").await;
    ann.write(&bob, "hello").await;
    late.expect("new_message").await;
    assert!(refused(&t, "anonymous_connections"));
}

#[tokio::test]
async fn when_all_are_authenticated_one_more_is_told_to_come_back() {
    let t = TestApp::with(|config| config.limits.connections = at_least_one(2));
    let (ann, bob) = t.pair().await;
    let (first, _) = ann.connect().await;
    let _second = bob.connect().await;
    let mut third = TcpStream::connect(&t.address).await.unwrap();
    let mut answer = String::new();
    third.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after"),
        "{answer}"
    );
    drop(first);
    tokio::time::sleep(Duration::from_millis(200)).await;
    bob.connect().await;
    assert!(refused(&t, "connections"));
}

#[tokio::test]
async fn slow_senders_are_cut_off() {
    let t = TestApp::with(|config| {
        config.limits.header_seconds = at_least_one(1);
        config.limits.body_seconds = at_least_one(1);
    });
    let started = Instant::now();
    let mut head = TcpStream::connect(&t.address).await.unwrap();
    head.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n")
        .await
        .unwrap();
    let mut body = TcpStream::connect(&t.address).await.unwrap();
    let start = "POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    body.write_all(start.as_bytes()).await.unwrap();
    let mut answer = String::new();
    body.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("malformed_json"),
        "{answer}"
    );
    answer.clear();
    let ended = head.read_to_string(&mut answer).await;
    assert!(
        ended.is_err() || answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_client_that_does_not_read_the_answers_is_cut_off() {
    let t = TestApp::with(|config| config.limits.body_seconds = at_least_one(1));
    let mut stream = TcpStream::connect(&t.address).await.unwrap();
    let request = b"GET /api/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(400);
    let asking = async {
        // Far more answers than the kernel's buffers take.
        loop {
            stream.write_all(&request).await?;
        }
    };
    let asked: Result<std::io::Result<()>, _> =
        tokio::time::timeout(Duration::from_secs(20), asking).await;
    assert!(
        asked.is_ok_and(|ended| ended.is_err()),
        "the connection is still open"
    );
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let t = TestApp::new();
    let mut stream = TcpStream::connect(&t.address).await.unwrap();
    let head = format!(
        "GET /health HTTP/1.1\r\nhost: x\r\nx-y: {}\r\n\r\n",
        "a".repeat(100_000)
    );
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
}

#[tokio::test]
async fn overload_takes_typing_first_then_sockets_then_reads_then_writes() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    ann.write(&bob, "hello").await;
    let (mut socket, _) = bob.connect().await;
    let (mut typist, _) = ann.connect().await;
    let typing = json!({ "event": "typing", "data": { "to": bob.id(), "typing": true } });
    let queue = &t.app.queues.writes;
    let added = std::cell::Cell::new(0);
    let queued = |writes: usize| {
        queue.add(writes);
        queue.sub(added.replace(writes));
    };
    let send = || async {
        let body = json!({ "receiverId": bob.id(), "content": "hello" });
        ann.post("/api/messages", body).await
    };
    let list = || ann.get("/api/messages/conversations");

    queued(MAX_WRITES / 4);
    typist.send(typing).await;
    send().await.expect(201);
    let mut came = Vec::new();
    while !came
        .iter()
        .any(|event: &String| event.contains("new_message"))
    {
        came.push(format!("{:?}", socket.next().await));
    }
    assert!(
        !came.iter().any(|event| event.contains("typing")),
        "{came:?}"
    );
    socket.expect_nothing().await;
    ann.connect().await;

    queued(MAX_WRITES / 2);
    let upgrade = crate::helpers::Socket::connect(&t.address, "/ws", &[]).await;
    assert!(upgrade.is_err(), "no new socket");
    list().await.expect(200);

    queued(MAX_WRITES * 3 / 4);
    let answer = list().await;
    assert_eq!(answer.headers["retry-after"], "2");
    answer.refused(503, "unavailable");
    send().await.expect(201);

    queued(MAX_WRITES);
    send().await.refused(503, "unavailable");

    queued(0);
    list().await.expect(200);
    ann.connect().await;
    for reason in [
        "overload_ephemeral",
        "overload_sockets",
        "overload_reads",
        "overload_writes",
    ] {
        assert!(refused(&t, reason), "{reason}");
    }
}

#[tokio::test]
async fn an_invalid_token_is_counted_with_its_address() {
    let t = TestApp::with(|config| config.limits.anonymous_requests_per_minute = at_least_one(4));
    let ann = t.student("ann").await;
    let client = crate::helpers::http();
    let me = async |token: &str| {
        let request = client.get(format!("http://{}/api/auth/me", t.address));
        let answer = request.bearer_auth(token).send().await.unwrap();
        Answer::received(answer).await
    };
    me("x.y.z").await.refused(401, "token_invalid");
    me("sb_made-up").await.refused(401, "token_invalid");
    let upgrade = crate::helpers::Socket::connect(&t.address, "/ws", &[]).await;
    assert!(upgrade.is_ok());
    me("x.y.z").await.refused(401, "token_invalid");
    too_many(me("x.y.z").await);
    too_many(me("sb_made-up").await);
    // Sockets and logins have budgets of their own: a flood of one kind leaves the others.
    log_in(&t, "nobody", "wrong wrong wrong", None)
        .await
        .refused(401, "credentials_invalid");
    for _ in 0..3 {
        let upgrade = crate::helpers::Socket::connect(&t.address, "/ws", &[]).await;
        assert!(upgrade.is_ok());
    }
    let upgrade = crate::helpers::Socket::connect(&t.address, "/ws", &[]).await;
    assert!(upgrade.is_err(), "a socket of nobody knows whom");
    let polling = client.get(format!(
        "http://{}/socket.io/?EIO=4&transport=polling",
        t.address
    ));
    assert_eq!(polling.send().await.unwrap().status(), 429);
    // Whoever is known is not: pupils share an address.
    me(&ann.token).await.expect(200);
}

#[tokio::test]
async fn an_account_that_must_wait_does_not_use_up_its_address() {
    let t = TestApp::with(|config| {
        config.limits.failed_logins_per_account = at_least_one(1);
        config.limits.failed_logins_per_address = at_least_one(4);
    });
    with_password(&t, "bob").await;
    let answer = log_in(&t, "ann", "wrong wrong wrong", None).await;
    answer.refused(401, "credentials_invalid");
    for _ in 0..20 {
        too_many(log_in(&t, "ann", "wrong wrong wrong", None).await);
    }
    log_in(&t, "bob", "blue heron on a kettle", None)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_refusal_arrives_though_the_body_is_still_on_its_way() {
    let t = TestApp::with(|config| config.limits.writes_per_minute = at_least_one(1));
    let (ann, bob) = t.pair().await;
    let body = json!({ "receiverId": bob.id(), "content": "hello" }).to_string();
    let mut stream = TcpStream::connect(&t.address).await.unwrap();
    for status in ["201", "429", "429"] {
        let head = format!(
            "POST /api/messages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            ann.token,
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = [0; 2_048];
        let length = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
    }
}
