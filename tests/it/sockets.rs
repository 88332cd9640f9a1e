//! `/ws`: the handshake, every event, every close code.

use schoolbell::config::at_least_one;
use std::time::Duration;

use schoolbell::model::users::Role;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::helpers::{Came, SECRET, START, Socket, TestApp};

fn auth(token: &str) -> Value {
    json!({ "event": "auth", "data": { "token": token } })
}

#[tokio::test]
async fn it_works_under_warps_own_test_client() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let mut ws = warp::test::ws()
        .path("/ws")
        .handshake(t.routes.clone())
        .await
        .unwrap();
    ws.send_text(auth(&ann.token).to_string()).await;
    let frame: Value = serde_json::from_str(ws.recv().await.unwrap().to_str().unwrap()).unwrap();
    assert_eq!(frame["event"], "connected");
}

#[tokio::test]
async fn connected_says_where_one_stands() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let message = bob.write(&ann, "hi").await;
    let (_, connected) = ann.connect().await;
    assert_eq!(connected["userId"], "ann");
    assert_eq!(connected["seq"], message["seq"]);
    assert_eq!(
        connected["unread"],
        json!({ "messages": 1, "notifications": 0 })
    );
    assert_eq!(connected["serverTime"], "2026-11-22T09:30:00.000Z");
    assert!(connected["connectionId"].is_string());
}

#[tokio::test]
async fn a_token_in_the_header_needs_no_auth_frame() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let bearer = format!("Bearer {}", ann.token);
    let headers = [("authorization", bearer.as_str())];
    let mut socket = Socket::connect(&t.address, "/ws", &headers).await.unwrap();
    assert_eq!(socket.expect("connected").await["userId"], "ann");
}

#[track_caller]
fn refused(outcome: Result<Socket, tungstenite::Error>, status: u16) {
    match outcome {
        Err(tungstenite::Error::Http(response)) => assert_eq!(response.status().as_u16(), status),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was accepted"),
    }
}

#[tokio::test]
async fn handshakes_that_are_refused() {
    let t = TestApp::with(|c| c.server.cors_origins = vec!["https://app.example".parse().unwrap()]);
    let open = async |path, headers| Socket::connect(&t.address, path, headers).await;
    refused(open("/ws", &[("authorization", "Bearer x")]).await, 401);
    refused(open("/ws", &[("authorization", "Basic x")]).await, 401);
    refused(open("/ws?since=-1", &[]).await, 400);
    refused(open("/ws?since=x", &[]).await, 400);
    refused(
        open("/ws", &[("origin", "https://evil.example")]).await,
        403,
    );
    refused(open("/ws", &[("origin", "null")]).await, 403);
    refused(open("/ws/x", &[]).await, 404);
    assert!(
        open("/ws", &[("origin", "https://app.example")])
            .await
            .is_ok()
    );
    let own = format!("http://{}", t.address);
    assert!(open("/ws", &[("origin", &own)]).await.is_ok());

    t.raw("GET", "/ws", &[], b"").await.invalid("Upgrade");
    let upgrade = [("connection", "Upgrade"), ("upgrade", "websocket")];
    let refused = t.raw("GET", "/ws", &upgrade, b"").await;
    assert_eq!(refused.headers["sec-websocket-version"], "13");
    refused.invalid("Sec-WebSocket-Version");
    let version = [&upgrade[..], &[("sec-websocket-version", "13")]].concat();
    t.raw("GET", "/ws", &version, b"")
        .await
        .invalid("Sec-WebSocket-Key");
    let key = [
        &version[..],
        &[("sec-websocket-key", "!".repeat(24).leak())],
    ]
    .concat();
    t.raw("GET", "/ws", &key, b"")
        .await
        .invalid("Sec-WebSocket-Key");
    t.raw("POST", "/ws", &[], b"")
        .await
        .refused(405, "method_not_allowed");
}

#[tokio::test]
async fn a_message_reaches_every_device_of_both() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let (mut ann_phone, _) = ann.connect().await;
    let (mut ann_desk, _) = ann.connect().await;
    let (mut bob_phone, _) = bob.connect().await;
    let message = ann.write(&bob, "hi").await;
    for socket in [&mut ann_phone, &mut ann_desk, &mut bob_phone] {
        assert_eq!(socket.await_event("new_message").await, message);
    }
}

#[tokio::test]
async fn the_socket_that_sends_can_ask_to_be_left_out() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let (mut desk, connected) = ann.connect().await;
    let (mut phone, _) = ann.connect().await;
    let headers = [
        ("authorization", format!("Bearer {}", ann.token)),
        ("content-type", "application/json".into()),
        (
            "x-connection-id",
            connected["connectionId"].as_str().unwrap().into(),
        ),
    ];
    let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let body = json!({ "receiverId": bob.id(), "content": "hi" }).to_string();
    t.raw("POST", "/api/messages", &headers, body.as_bytes())
        .await
        .expect(201);
    phone.expect("new_message").await;
    desk.expect_nothing().await;
}

#[tokio::test]
async fn a_read_receipt_reaches_the_sender_and_the_readers_devices() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let message = ann.write(&bob, "hi").await;
    let (mut ann_socket, _) = ann.connect().await;
    let (mut bob_socket, _) = bob.connect().await;
    let updated = bob.put("/api/messages/read/ann").await.expect(200)["data"].clone();
    assert_eq!(updated, json!({ "updated": 1 }));
    for socket in [&mut ann_socket, &mut bob_socket] {
        let read = socket.await_event("message_read").await;
        assert_eq!(read["readerId"], "bob");
        assert_eq!(read["partnerId"], "ann");
        assert_eq!(read["upTo"], message["id"]);
        assert_eq!(read["readAt"], "2026-11-22T09:30:00.000Z");
        assert!(read["seq"].as_i64() > message["seq"].as_i64());
    }
    let unread = bob_socket.expect("unread").await;
    assert_eq!(unread, json!({ "messages": 0, "notifications": 0 }));
}

#[tokio::test]
async fn notifications_and_their_reads() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let (mut socket, _) = ann.connect().await;
    let send = async |title: &str| {
        let body =
            json!({ "userId": "ann", "type": "x", "title": title, "message": "m", "link": "/a" });
        t.call("POST", "/api/notifications", &t.key().await, Some(body))
            .await
            .expect(201)
    };
    let sent = send("one").await;
    send("two").await;
    let one = socket.expect("notification").await;
    assert_eq!(one["id"], sent["data"]["id"]);
    assert_eq!((&one["title"], &one["link"]), (&json!("one"), &json!("/a")));
    assert_eq!(one["userId"], Value::Null);
    socket.expect("notification").await;

    let path = format!("/api/notifications/{}/read", one["id"].as_str().unwrap());
    ann.put(&path).await.expect(200);
    let read = socket.expect("notifications_read").await;
    assert_eq!(read["ids"], json!([one["id"]]));
    assert!(read["seq"].is_i64());
    assert_eq!(socket.expect("unread").await["notifications"], 1);

    ann.put("/api/notifications/mark-all-read")
        .await
        .expect(200);
    assert_eq!(socket.expect("notifications_read").await["all"], true);
    assert_eq!(socket.expect("unread").await["notifications"], 0);
}

#[tokio::test]
async fn typing_reaches_that_partner_only_and_at_most_each_two_seconds() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let zoe = t.student("zoe").await;
    let (mut ann_socket, _) = ann.connect().await;
    let (mut bob_socket, _) = bob.connect().await;
    let (mut zoe_socket, _) = zoe.connect().await;
    let typing =
        |state: bool| json!({ "event": "typing", "data": { "to": "bob", "typing": state } });
    ann_socket.send(typing(true)).await;
    assert_eq!(
        bob_socket.expect("typing").await,
        json!({ "userId": "ann", "typing": true })
    );
    let first = std::time::Instant::now();
    ann_socket.send(typing(true)).await;
    ann_socket.send(typing(false)).await;
    assert_eq!(
        bob_socket.expect("typing").await,
        json!({ "userId": "ann", "typing": false })
    );
    assert!(
        first.elapsed() > Duration::from_millis(1_500),
        "{:?}",
        first.elapsed()
    );
    zoe_socket.expect_nothing().await;
    ann_socket.expect_nothing().await;
}

#[tokio::test]
async fn presence_is_told_to_those_who_share_a_conversation() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let zoe = t.student("zoe").await;
    ann.write(&bob, "hi").await;
    let (mut bob_socket, _) = bob.connect().await;
    let (mut zoe_socket, _) = zoe.connect().await;
    let (ann_socket, _) = ann.connect().await;
    let came = bob_socket.expect("presence").await;
    assert_eq!(
        came,
        json!({ "userId": "ann", "online": true, "lastSeenAt": null })
    );
    drop(ann_socket);
    let started = std::time::Instant::now();
    // The socket waits for twenty seconds at most, and so long is the grace: wait in two steps.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let gone = bob_socket.expect("presence").await;
    assert!(
        started.elapsed() > Duration::from_secs(19),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(
        gone,
        json!({ "userId": "ann", "online": false, "lastSeenAt": "2026-11-22T09:30:00.000Z" })
    );
    zoe_socket.expect_nothing().await;
    let listed = bob.get("/api/presence?userIds=ann").await.expect(200);
    assert_eq!(listed["data"], json!([gone]));
}

#[tokio::test]
async fn frames_that_are_refused_while_the_connection_stays() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let mut socket = t.socket().await;
    let typing = |data: Value| json!({ "event": "typing", "data": data });
    socket
        .send(typing(json!({ "to": "bob", "typing": true })))
        .await;
    assert_eq!(socket.expect("error").await["code"], "token_missing");
    let since = json!({ "event": "auth", "data": { "token": ann.token, "since": "x" } });
    socket.send(since).await;
    assert_eq!(socket.expect("error").await["code"], "validation_failed");
    socket.send(auth(&ann.token)).await;
    socket.expect("connected").await;
    for (frame, code) in [
        (json!({ "event": "dance" }), "validation_failed"),
        (typing(Value::Null), "validation_failed"),
        (typing(json!({ "to": "bob" })), "validation_failed"),
        (
            typing(json!({ "to": "bob", "typing": 1 })),
            "validation_failed",
        ),
        (
            typing(json!({ "to": "a b", "typing": true })),
            "validation_failed",
        ),
        (
            typing(json!({ "to": "ann", "typing": true })),
            "validation_failed",
        ),
        (
            typing(json!({ "to": "nobody", "typing": true })),
            "user_not_found",
        ),
    ] {
        socket.send(frame.clone()).await;
        let error = socket.expect("error").await;
        assert_eq!(error["code"], code, "{frame}");
        assert!(error["message"].is_string());
    }
    socket.send(json!({ "event": "ping" })).await;
    socket.expect("pong").await;
}

#[tokio::test]
async fn frames_that_end_the_connection() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let deep = format!("{{\"event\":\"x\",\"data\":{}", "[".repeat(60_000));
    for text in [
        "",
        "x",
        "[]",
        "[\"ping\",null]",
        "{}",
        "{\"event\":5}",
        "\"ping\"",
        "{\"event\":\"ping\"} x",
        deep.as_str(),
    ] {
        let (mut socket, _) = ann.connect().await;
        socket.send_text(text).await;
        assert_eq!(socket.closed().await, 4501, "{text}");
    }
    let text = |payload: &[u8]| {
        Message::Frame(Frame::message(
            payload.to_vec(),
            OpCode::Data(Data::Text),
            true,
        ))
    };
    for message in [
        Message::binary(b"{\"event\":\"ping\"}".to_vec()),
        text(b"\xFF\xFE"),
        Message::text("x".repeat(65_537)),
    ] {
        let (mut socket, _) = ann.connect().await;
        socket.send_message(message).await;
        assert_eq!(socket.closed().await, 4501);
    }
}

#[tokio::test]
async fn tokens_that_end_the_connection() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    for data in [
        json!({}),
        json!({ "token": null }),
        json!({ "token": "x" }),
        json!({ "token": "" }),
        json!({ "tokens": "x" }),
    ] {
        let mut socket = t.socket().await;
        socket.send(json!({ "event": "auth", "data": data })).await;
        assert_eq!(socket.closed().await, 4500, "{data}");
    }
    for data in [json!(null), json!([]), json!({ "token": 5 })] {
        let mut socket = t.socket().await;
        socket.send(json!({ "event": "auth", "data": data })).await;
        assert_eq!(socket.closed().await, 4501, "{data}");
    }
    let (mut socket, _) = ann.connect().await;
    socket.send(auth(&bob.token)).await;
    assert_eq!(
        socket.closed().await,
        4500,
        "a socket does not change hands"
    );

    let mut key = t.socket().await;
    key.send(auth(&t.key().await)).await;
    assert_eq!(key.closed().await, 4500, "an API key is nobody's socket");

    schoolbell::service::users::set_disabled(&t.app, &bob.user, true)
        .await
        .unwrap();
    let mut socket = t.socket().await;
    socket.send(auth(&bob.token)).await;
    assert_eq!(socket.closed().await, 4503);

    t.clock.advance(Duration::from_secs(8 * 24 * 3_600));
    let mut socket = t.socket().await;
    socket.send(auth(&ann.token)).await;
    assert_eq!(socket.closed().await, 4001);
}

#[tokio::test]
async fn a_token_that_expires_closes_and_a_newer_one_keeps_open() {
    let t = TestApp::with(|c| c.auth.token_ttl = at_least_one(2));
    let (ann, bob) = t.pair().await;
    let (mut short, _) = ann.connect().await;
    let (mut renewed, _) = ann.connect().await;
    let claims = json!({ "userId": "ann", "exp": START.seconds() + 5 });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let later = jsonwebtoken::encode(&Default::default(), &claims, &key).unwrap();
    renewed.send(auth(&later)).await;
    assert_eq!(short.closed().await, 4001);
    bob.write(&ann, "still there?").await;
    renewed.expect("new_message").await;
    assert_eq!(
        renewed.closed().await,
        4001,
        "in the end that token expires too"
    );
}

#[tokio::test]
async fn silence_about_who_it_is_ends_after_ten_seconds() {
    let t = TestApp::new();
    let mut socket = t.socket().await;
    let started = std::time::Instant::now();
    assert_eq!(socket.closed().await, 4502);
    assert!(
        started.elapsed() >= Duration::from_millis(9_500),
        "{:?}",
        started.elapsed()
    );
}

/// Half a minute and more of a clock that is wound on.
#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_no_ping_is_dropped() {
    use schoolbell::realtime::ws::{Handshake, serve};
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let identity = schoolbell::service::auth::identity(&t.app, &ann.token)
        .await
        .unwrap();
    let opening = Handshake {
        since: None,
        hidden: false,
        slot: None,
        identity: Some(identity),
        early: Default::default(),
    };
    let (ours, mut theirs) = tokio::io::duplex(1 << 20);
    let started = tokio::time::Instant::now();
    serve(&t.app, ours, opening);
    // All that it says, to the end of the stream.
    tokio::io::copy(&mut theirs, &mut tokio::io::sink())
        .await
        .unwrap();
    let seconds = started.elapsed().as_secs();
    assert!(
        (45..47).contains(&seconds),
        "{seconds}: a ping after 25 s, 20 s to answer it"
    );
    let silent = schoolbell::metrics::CodeLabel { code: 4003 };
    assert_eq!(t.app.metrics.closes.get_or_create(&silent).get(), 1);
}

#[tokio::test]
async fn too_many_frames_end_the_connection() {
    let t = TestApp::with(|c| c.limits.frames_per_second = at_least_one(2));
    let ann = t.student("ann").await;
    let (mut socket, _) = ann.connect().await;
    for _ in 0..20 {
        socket.send(json!({ "event": "ping" })).await;
    }
    assert_eq!(socket.closed().await, 4004);

    let t = TestApp::with(|c| {
        c.limits.frames_per_second = at_least_one(2);
        c.limits.enabled = false;
    });
    let (mut socket, _) = t.student("ann").await.connect().await;
    for _ in 0..20 {
        socket.send(json!({ "event": "ping" })).await;
        socket.expect("pong").await;
    }
}

#[tokio::test]
async fn one_connection_too_many_closes_the_oldest() {
    let t = TestApp::with(|c| c.limits.connections_per_user = at_least_one(2));
    let ann = t.student("ann").await;
    let (mut first, _) = ann.connect().await;
    let (mut second, _) = ann.connect().await;
    let (mut third, _) = ann.connect().await;
    assert_eq!(first.closed().await, 4504);
    second.expect_nothing().await;
    third.expect_nothing().await;
}

#[tokio::test]
async fn a_stop_tells_everyone_to_come_back() {
    let mut t = TestApp::new();
    let ann = t.student("ann").await;
    let (mut socket, _) = ann.connect().await;
    t.stop();
    assert_eq!(socket.closed().await, 4000);
    t.raw("GET", "/health", &[], b"")
        .await
        .refused(503, "unavailable");
}

#[tokio::test]
async fn pings_are_answered_and_a_close_is_returned() {
    let t = TestApp::new();
    let (mut socket, _) = t.student("ann").await.connect().await;
    socket
        .send_message(Message::Ping(b"p".to_vec().into()))
        .await;
    socket.expect_nothing().await;
    socket.send_message(Message::Close(None)).await;
    assert_eq!(socket.next().await, Came::Close(Some(1000)));
}

/// A reader that stops is dropped, and comes back with its cursor: nothing is lost.
#[tokio::test]
async fn who_does_not_read_is_dropped_and_loses_nothing() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let (stalled, connected) = ann.connect().await;
    let long = "x".repeat(3_990);
    let mut sent = 0;
    let slow = schoolbell::metrics::CodeLabel { code: 4002 };
    // Kernel buffers take megabytes before a write stalls; then the inbox fills.
    while t.app.metrics.closes.get_or_create(&slow).get() == 0 && sent < 6_000 {
        for _ in 0..50 {
            bob.write(&ann, &long).await;
        }
        sent += 50;
        if sent > 3_000 {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
    assert_eq!(
        t.app.metrics.closes.get_or_create(&slow).get(),
        1,
        "after {sent}"
    );
    drop(stalled);
    // On a busy machine the buffers grow late, and it is dropped early: more than a replay sends must be missing.
    while sent <= schoolbell::store::replay::MAX_EVENTS {
        bob.write(&ann, &long).await;
        sent += 1;
    }
    let (mut back, _) = ann.connect_since(connected["seq"].as_i64()).await;
    assert_eq!(back.expect("resync").await["reason"], "too_much_missed");
    let count = ann.get("/api/messages/unread-count").await.expect(200);
    assert_eq!(count["data"]["count"], sent);
}

#[tokio::test]
async fn two_roles_see_each_other() {
    let t = TestApp::new();
    let teacher = t.person("tea", Role::Teacher).await;
    let guardian = t.person("gus", Role::Guardian).await;
    let (mut socket, _) = guardian.connect().await;
    teacher.write(&guardian, "Could we meet?").await;
    assert_eq!(
        socket.expect("new_message").await["sender"]["name"],
        "tea of the school"
    );
}

#[tokio::test]
async fn a_user_cannot_leave_out_another_persons_socket() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let (mut socket, connected) = bob.connect().await;
    let bearer = format!("Bearer {}", ann.token);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        (
            "x-connection-id",
            connected["connectionId"].as_str().unwrap(),
        ),
    ];
    let body = json!({ "receiverId": "bob", "content": "hi" }).to_string();
    t.raw("POST", "/api/messages", &headers, body.as_bytes())
        .await
        .expect(201);
    socket.expect("new_message").await;
}

#[tokio::test]
async fn a_stop_tells_those_too_who_have_not_said_who_they_are() {
    let mut t = TestApp::new();
    let mut socket = t.socket().await;
    // The handshake is done on the client's side first.
    socket.send(json!({ "event": "ping" })).await;
    socket.expect("pong").await;
    t.stop();
    assert_eq!(socket.closed().await, 4000);
}

/// The page of somebody whose cookie is another's by now gets nothing of theirs.
#[tokio::test]
async fn a_socket_by_cookie_says_whose_page_it_is() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let own = format!("http://{}", t.address);
    let cookie = format!("schoolbell_session={}", ann.token);
    let headers = [("origin", own.as_str()), ("cookie", cookie.as_str())];
    let said = async |user: &str| {
        let mut socket = Socket::connect(&t.address, "/ws", &headers).await.unwrap();
        socket.expect("connected").await;
        let data = json!({ "acks": true, "userId": user });
        socket.send(json!({ "event": "auth", "data": data })).await;
        socket.send(json!({ "event": "ping" })).await;
        match socket.next().await {
            Came::Event(event) => event["event"].clone(),
            Came::Close(code) => json!(code),
        }
    };
    assert_eq!(said("ann").await, "pong");
    assert_eq!(said("bob").await, 4500);
}
