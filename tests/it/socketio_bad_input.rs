//! What breaks Engine.IO's or Socket.IO's rules ends the session, and leaves nothing behind.

use schoolbell::config::at_least_one;
use std::time::{Duration, Instant};

use schoolbell::metrics::CodeLabel;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::helpers::{Engine, LOST, Poller, TestApp, http, packets};

/// Packets that no client may send, in whatever state it is.
const MALFORMED: [&str; 20] = [
    "7",
    "abc",
    "é",
    "",
    "2",
    "2ping",
    "b4AAAA",
    "4",
    "4abc",
    "47",
    "44{}",
    "42",
    "42{}",
    "42[",
    "42[null]",
    r#"42["connect"]"#,
    r#"42abc["typing",{}]"#,
    r#"4299999999999999999["typing",{}]"#,
    r#"451-["typing",{"_placeholder":true,"num":0}]"#,
    "43abc[]",
];

/// Packets that only make sense before CONNECT, or on another namespace.
const OUT_OF_STATE: [&str; 4] = ["40", "40{}", "41{}", r#"42/admin,["typing",{}]"#];

fn sessions(t: &TestApp) -> i64 {
    let gauge = |transport| t.app.metrics.connection_gauge(transport).get();
    gauge("socketio_polling") + gauge("socketio_websocket")
}

async fn expect_no_sessions(t: &TestApp) {
    let patience = Instant::now() + Duration::from_secs(20);
    while sessions(t) > 0 {
        assert!(Instant::now() < patience, "{} sessions left", sessions(t));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn handshakes_that_are_none_are_refused_with_the_protocols_codes() {
    let t = TestApp::new();
    for (method, query, code) in [
        ("GET", "", 0),
        ("GET", "EIO=4", 0),
        ("GET", "EIO=4&transport=flashsocket", 0),
        ("GET", "EIO=4&transport=webtransport", 0),
        ("GET", "transport=polling", 5),
        ("GET", "EIO=3&transport=polling", 5),
        ("GET", "EIO=3&transport=websocket", 5),
        ("GET", "EIO=5&transport=polling", 5),
        ("POST", "EIO=4&transport=polling", 2),
        ("PUT", "EIO=4&transport=polling", 2),
        ("DELETE", "EIO=4&transport=websocket", 2),
        ("GET", "EIO=4&transport=websocket", 3),
        ("GET", "EIO=4&transport=polling&sid=nobody", 1),
        ("POST", "EIO=4&transport=polling&sid=nobody", 1),
        ("PUT", "EIO=4&transport=polling&sid=nobody", 3),
        ("GET", "EIO=4&transport=websocket&sid=nobody", 1),
    ] {
        let path = format!("/socket.io/?{query}");
        let answer = t.raw(method, &path, &[], b"").await;
        assert_eq!(answer.status, 400, "{method} {query}");
        assert_eq!(answer.body["code"], code, "{method} {query}");
        assert!(answer.body["message"].is_string());
    }
    assert!(Engine::connect(&t.address, "&sid=nobody").await.is_err());
    assert_eq!(sessions(&t), 0);
}

#[tokio::test]
async fn a_foreign_page_is_refused_and_a_listed_one_gets_cors() {
    let t =
        TestApp::with(|c| c.server.cors_origins = vec!["http://localhost:5173".parse().unwrap()]);
    let path = "/socket.io/?EIO=4&transport=polling";
    let foreign = [
        ("origin", "https://evil.example"),
        ("host", "school.example"),
    ];
    let answer = t.raw("GET", path, &foreign, b"").await;
    assert_eq!((answer.status, &answer.body["code"]), (403, &json!(4)));
    assert_eq!(sessions(&t), 0);
    let listed = [("origin", "http://localhost:5173")];
    let answer = t.raw("GET", path, &listed, b"").await;
    assert_eq!(answer.status, 200);
    let allowed = &answer.headers["access-control-allow-origin"];
    assert_eq!(allowed, "http://localhost:5173");
    assert_eq!(answer.headers["access-control-allow-credentials"], "true");
    let preflight = [listed[0], ("access-control-request-method", "POST")];
    assert_eq!(t.raw("OPTIONS", path, &preflight, b"").await.status, 204);
}

#[tokio::test]
async fn a_malformed_packet_ends_a_polling_session() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    for bad in MALFORMED.iter().chain(&OUT_OF_STATE) {
        let (poller, _) = Poller::join(&t.address, &ann.token).await;
        let (poll, post) = tokio::join!(poller.poll(), async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            poller.post(bad).await
        });
        assert_eq!(post.0, 400, "{bad}");
        poller.expect_lost(poll).await;
    }
    expect_no_sessions(&t).await;
    let bad_frame = CodeLabel { code: 4501 };
    let closes = t.app.metrics.closes.get_or_create(&bad_frame).get();
    assert_eq!(closes, (MALFORMED.len() + OUT_OF_STATE.len()) as u64);
}

#[tokio::test]
async fn a_malformed_packet_ends_a_websocket() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    for bad in MALFORMED.iter().chain(&OUT_OF_STATE) {
        let (mut engine, _) = Engine::join(&t.address, json!({ "token": ann.token })).await;
        engine.expect("connected").await;
        engine.send(bad).await;
        assert_eq!(engine.next().await, Err(LOST), "{bad}");
    }
    for bad in MALFORMED {
        let mut engine = Engine::open(&t.address).await;
        engine.send(bad).await;
        assert_eq!(engine.next().await, Err(LOST), "{bad}, before CONNECT");
    }
    for early in [r#"42["typing",{}]"#, "41", "43[]"] {
        let mut engine = Engine::open(&t.address).await;
        engine.send(early).await;
        assert_eq!(engine.next().await, Err(LOST), "{early}, before CONNECT");
    }
    let (mut engine, _) = Engine::join(&t.address, json!({ "token": ann.token })).await;
    engine.send_message(Message::binary(vec![4])).await;
    assert_eq!(engine.closed().await, LOST, "binary");
    let (mut engine, _) = Engine::join(&t.address, json!({ "token": ann.token })).await;
    engine
        .send(&format!("42[\"typing\",\"{}\"]", "x".repeat(64 << 10)))
        .await;
    assert_eq!(engine.closed().await, LOST, "over the limit");
    expect_no_sessions(&t).await;
}

#[tokio::test]
async fn packets_that_ask_for_nothing_pass() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let (mut engine, _) = Engine::join(&t.address, json!({ "token": ann.token })).await;
    engine.expect("connected").await;
    // An ack that nobody asked for, packets of the transport, a pong out of turn.
    for idle in ["43[]", r#"4312["x"]"#, "6", "5", "3", "3"] {
        engine.send(idle).await;
    }
    engine.send(r#"427["ping"]"#).await;
    assert_eq!(engine.next().await.unwrap(), r#"437[{"success":true}]"#);
    engine.expect("pong").await;
}

#[tokio::test]
async fn two_polls_at_once_end_the_session() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let (poller, _) = Poller::join(&t.address, &ann.token).await;
    let (first, second) = tokio::join!(poller.poll(), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        poller.poll_as("burst").await
    });
    assert_eq!(second.0, 400);
    poller.expect_lost(first).await;
    expect_no_sessions(&t).await;
}

/// A browser repeats a request whose connection broke; what the lost answer held would be missing.
#[tokio::test]
async fn a_poll_that_is_repeated_ends_the_session() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let (poller, _) = Poller::join(&t.address, &ann.token).await;
    bob.write(&ann, "one").await;
    assert_eq!(poller.poll_as("a").await.0, 200);
    bob.write(&ann, "two").await;
    assert_eq!(poller.poll_as("b").await.0, 200);
    assert_eq!(poller.poll_as("b").await.0, 400);
    poller.expect_gone().await;
    expect_no_sessions(&t).await;
}

#[tokio::test]
async fn bodies_that_cannot_be_taken_end_the_session() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let text = "text/plain;charset=UTF-8";
    let large = format!("42[\"typing\",\"{}\"]", "x".repeat(64 << 10)).into_bytes();
    for (body, media_type, status) in [
        (large, text, 413),
        (b"42[\"\xFF\"]".to_vec(), text, 400),
        (b"43[]".to_vec(), "application/octet-stream", 400),
    ] {
        let (poller, _) = Poller::join(&t.address, &ann.token).await;
        assert_eq!(poller.post_raw(body, media_type).await.0, status);
        let (status, last) = poller.poll().await;
        assert!((status, last.as_str()) == (200, "1") || status == 400);
        poller.expect_gone().await;
    }
    expect_no_sessions(&t).await;
}

#[tokio::test]
async fn two_posts_at_once_end_the_session() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let (poller, _) = Poller::join(&t.address, &ann.token).await;
    // The first never ends.
    let endless = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let body = reqwest::Body::wrap_stream(endless);
    let first = tokio::spawn(http().post(&poller.url).body(body).send());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(poller.post("43[]").await.0, 400);
    let (status, last) = poller.poll().await;
    assert!((status, last.as_str()) == (200, "1") || status == 400);
    poller.expect_gone().await;
    expect_no_sessions(&t).await;
    first.abort();
}

#[tokio::test]
async fn another_namespace_is_refused_and_the_connection_stays() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let mut engine = Engine::open(&t.address).await;
    let auth = json!({ "token": ann.token });
    for namespace in ["/admin", "/admin?a=b", "/socket.io"] {
        engine.send(&format!("40{namespace},{auth}")).await;
        let expected = format!("44{namespace},{{\"message\":\"Invalid namespace\"}}");
        assert_eq!(engine.next().await.unwrap(), expected);
    }
    assert!(engine.connect_with(auth).await.starts_with("40{"));
}

/// Ten seconds each, all at once.
#[tokio::test]
async fn what_never_comes_is_not_waited_for() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let silent = async { Engine::open(&t.address).await.closed().await };
    let silent_poll = async {
        let poller = Poller::open(&t.address).await;
        let last = poller.poll().await;
        poller.expect_gone().await;
        last
    };
    let (upgrading, _) = Poller::join(&t.address, &ann.token).await;
    let sid = upgrading.sid().to_owned();
    let unfinished = async {
        let mut engine = Engine::connect(&t.address, &format!("&sid={sid}"))
            .await
            .unwrap();
        engine.send("2probe").await;
        assert_eq!(engine.next().await.unwrap(), "3probe");
        engine.closed().await
    };
    let unproved = async {
        let (poller, _) = Poller::join(&t.address, &ann.token).await;
        let sid = poller.sid().to_owned();
        let mut engine = Engine::connect(&t.address, &format!("&sid={sid}"))
            .await
            .unwrap();
        let code = engine.closed().await;
        assert_eq!(poller.post("1").await.0, 200);
        code
    };
    let started = Instant::now();
    let ended = tokio::join!(silent, silent_poll, unfinished, unproved);
    assert_eq!(ended, (4502, (200, "1".into()), 4502, 4502));
    assert!(started.elapsed() >= Duration::from_millis(9_500));
    // The session whose upgrade came to nothing goes on polling, and may be taken over again.
    let (poll, _) = tokio::join!(upgrading.poll(), bob.write(&ann, "hello"));
    assert!(
        packets(&poll.1)[0].starts_with(r#"42["new_message""#),
        "{poll:?}"
    );
    let mut engine = Engine::connect(&t.address, &format!("&sid={sid}"))
        .await
        .unwrap();
    engine.send("2probe").await;
    engine.next().await.unwrap();
    engine.send("5").await;
    engine.send("1").await;
    engine.closed().await;
    expect_no_sessions(&t).await;
}

#[tokio::test]
async fn a_websocket_that_says_something_else_takes_nothing_over() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let (poller, _) = Poller::join(&t.address, &ann.token).await;
    let sid = poller.sid();
    for (first, second) in [
        ("2", ""),
        ("5", ""),
        ("40{}", ""),
        ("2probe", "2probe"),
        ("2probe", "4x"),
    ] {
        let mut engine = Engine::connect(&t.address, &format!("&sid={sid}"))
            .await
            .unwrap();
        engine.send(first).await;
        engine.send(second).await;
        assert_eq!(engine.closed().await, LOST, "{first} {second}");
    }
    let (_one, two) = (
        Engine::connect(&t.address, &format!("&sid={sid}"))
            .await
            .unwrap(),
        Engine::connect(&t.address, &format!("&sid={sid}")).await,
    );
    assert!(two.is_err(), "one at a time");
    assert_eq!(poller.post("1").await.0, 200);
    poller.expect_gone().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_no_session() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let (poller, _) = Poller::join(&t.address, &ann.token).await;
    let waiting = tokio::spawn(async move { poller.poll().await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(sessions(&t), 1);
    waiting.abort();
    expect_no_sessions(&t).await;
}

#[tokio::test]
async fn answers_that_are_not_fetched_are_not_kept_for_ever() {
    let t = TestApp::with(|c| c.limits.enabled = false);
    let poller = Poller::open(&t.address).await;
    let greedy = vec!["40/a,{}"; 7_500].join("\u{1e}");
    assert_eq!(poller.post(&greedy).await.0, 400);
    expect_no_sessions(&t).await;
    let poller = Poller::open(&t.address).await;
    assert_eq!(
        poller.post(&format!("40/{},", "a".repeat(300))).await.0,
        400
    );
    expect_no_sessions(&t).await;
}

/// One request makes a session and holds no connection open: the oldest that nobody has joined makes room for the next.
#[tokio::test]
async fn unauthenticated_sessions_are_bounded_and_no_one_is_refused() {
    let t = TestApp::with(|config| config.limits.anonymous_connections = at_least_one(16));
    let sessions = schoolbell::realtime::polling::Sessions::default();
    let begin = |address: Option<[u8; 4]>| {
        let address = address.map(Into::into);
        let open = sessions.begin(&t.app, address, None).unwrap();
        let open: serde_json::Value = serde_json::from_str(&open[1..]).unwrap();
        open["sid"].as_str().unwrap().to_owned()
    };
    let ann = t.student("ann").await;
    let connect = |sid: &str| {
        let link = sessions.find(sid);
        let connect = format!("40{}", json!({ "token": ann.token }));
        async move { link?.begin_post()?.deliver(connect).await.ok() }
    };
    let joined = begin(None);
    assert!(connect(&joined).await.is_some());
    let first = begin(None);
    // Of one address there are two at most.
    let crowd: Vec<String> = (0..100).map(|_| begin(Some([192, 0, 2, 1]))).collect();
    assert!(
        connect(&first).await.is_some(),
        "another address does not push it out"
    );
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while sessions.find(&crowd[97]).is_some() {
        assert!(std::time::Instant::now() < patience, "it holds its place");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(connect(&crowd[99]).await.is_some());
    // From everywhere: the newest has its turn, and who has joined stays.
    for i in 0..=255 {
        begin(Some([198, 51, 100, i]));
    }
    assert!(connect(&begin(None)).await.is_some());
    let link = sessions.find(&joined).unwrap();
    assert!(link.joined());
}

#[tokio::test]
async fn too_many_packets_end_the_session() {
    let t = TestApp::with(|c| c.limits.frames_per_second = at_least_one(2));
    let ann = t.student("ann").await;
    let (poller, _) = Poller::join(&t.address, &ann.token).await;
    let many = vec!["43[]"; 30].join("\u{1e}");
    assert_eq!(poller.post(&many).await.0, 400);
    let (mut engine, _) = Engine::join(&t.address, json!({ "token": ann.token })).await;
    for _ in 0..30 {
        engine.send("43[]").await;
    }
    assert_eq!(engine.closed().await, LOST);
    expect_no_sessions(&t).await;
}
