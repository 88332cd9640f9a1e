//! Every parser that meets a stranger's bytes: whatever comes, it answers, and nothing breaks.

use proptest::prelude::*;
use schoolbell::model::events::Cursor;
use schoolbell::model::ids::{Id, UserId};
use schoolbell::model::messages::Content;
use schoolbell::model::notifications::Link;
use schoolbell::model::page::{self, List};
use schoolbell::model::roster;
use schoolbell::model::subscriptions::{Endpoint, PushKeys};
use schoolbell::realtime::frame::Decoder;
use serde_json::json;

use crate::helpers::{Came, TestApp};

/// Bytes of which many begin like what is expected.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..600),
        "\\PC{0,300}".prop_map(String::into_bytes),
        "[0-9{}\\[\\]\",:a-z\\\\]{0,300}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn frames(chunks in proptest::collection::vec(bytes(), 1..6)) {
        let mut decoder = Decoder::default();
        for chunk in chunks {
            decoder.feed(&chunk);
            // An error ends a connection; until then each frame takes some of the bytes.
            for _ in 0..=chunk.len() + 600 {
                match decoder.decode() {
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => break,
                }
            }
        }
    }

    #[test]
    fn a_csv_file(bytes in bytes(), header in "(username|name|role|groups|,|;|\t|\n){0,12}") {
        let mut file = header.into_bytes();
        file.extend(bytes);
        // Line numbers that are named are in the file.
        let lines = file.iter().filter(|b| **b == b'\n').count() as u64 + 1;
        let files = roster::Files::of_people(file);
        if let Ok(read) = roster::parse(&files) {
            for problem in &read.bad {
                prop_assert!(problem.line <= lines + 1, "{problem:?} of {lines}");
            }
        }
    }

    #[test]
    fn cursors_ids_and_links(text in "\\PC{0,80}|[A-Za-z0-9_=:-]{0,80}") {
        if let Ok(cursor) = text.parse::<Cursor>() {
            prop_assert_eq!(cursor.to_string().parse::<Cursor>().ok(), Some(cursor));
        }
        let _ = page::Cursor::before(Some(&text), List::Notifications);
        let _ = text.parse::<Id>();
        if let Some(id) = UserId::parse(&text) {
            prop_assert!((1..=128).contains(&id.as_str().len()));
        }
        if let Ok(link) = Link::parse(&text) {
            let link = link.as_str();
            prop_assert!(link.starts_with('/') && !link.starts_with("//") || link.starts_with("https:"), "{link}");
        }
        let _ = Endpoint::parse(&text);
        let _ = PushKeys::parse(&text, &text);
    }

    #[test]
    fn contents(text in "[\\PC\u{0}-\u{20}\u{7f}-\u{9f}]{0,200}") {
        if let Ok(content) = Content::parse(&text, 100) {
            let content = content.as_str();
            prop_assert!((1..=100).contains(&content.chars().count()));
            prop_assert_eq!(content, content.trim());
            prop_assert!(!content.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
        }
    }
}

/// Random pieces of what a token is made of, and random bytes.
fn tokens() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[A-Za-z0-9_-]{0,60}",
        Just("eyJhbGciOiJub25lIn0".to_owned()),
        Just("eyJhbGciOiJIUzI1NiJ9".to_owned()),
        Just("eyJ1c2VySWQiOiJhbm4ifQ".to_owned()),
    ];
    prop_oneof![
        proptest::collection::vec(part, 0..5).prop_map(|parts| parts.join(".")),
        "[!-~]{0,200}",
        "sb_[A-Za-z0-9_-]{0,60}",
    ]
}

fn some<S: Strategy>(strategy: S, count: usize) -> Vec<S::Value> {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::default();
    let new = |_| strategy.new_tree(&mut runner).unwrap().current();
    (0..count).map(new).collect()
}

#[tokio::test]
async fn no_made_up_token_lets_anybody_in_or_breaks_anything() {
    let t = TestApp::with(|config| config.limits.enabled = false);
    t.student("ann").await;
    for token in some(tokens(), 1_500) {
        let answer = t.call("GET", "/api/auth/me", &token, None).await;
        assert_eq!(answer.status, 401, "{token:?}: {}", answer.text);
    }
}

#[tokio::test]
async fn no_body_breaks_a_route() {
    let t = TestApp::with(|config| config.limits.enabled = false);
    let ann = t.student("ann").await;
    let bearer = format!("Bearer {}", ann.token);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let paths = [
        "/api/messages",
        "/api/auth/login",
        "/api/auth/password",
        "/api/notifications/subscribe",
        "/api/notifications/preferences",
        "/api/notifications",
    ];
    for (n, body) in some(bytes(), 1_200).into_iter().enumerate() {
        let path = paths[n % paths.len()];
        for method in ["POST", "PUT"] {
            let answer = t.raw(method, path, &headers, &body).await;
            assert!(
                (400..500).contains(&answer.status),
                "{method} {path} {body:?}: {}",
                answer.text
            );
        }
    }
}

#[tokio::test]
async fn no_frame_breaks_a_socket_without_a_close_code_of_the_contract() {
    let t = TestApp::with(|config| {
        config.limits.enabled = false;
    });
    let (ann, bob) = t.pair().await;
    for text in some(
        "\\PC{0,80}|\\{\"event\":\"(auth|typing|ping|watch|x)\",\"data\":[\\PC]{0,40}\\}",
        300,
    ) {
        let (mut socket, _) = ann.connect().await;
        socket.send_text(&text).await;
        socket.send(json!({ "event": "ping" })).await;
        loop {
            match socket.next().await {
                Came::Event(event) if event["event"] == "pong" => break,
                Came::Event(_) => {}
                Came::Close(code) => {
                    assert!(matches!(code, Some(4500 | 4501)), "{code:?} for {text:?}");
                    break;
                }
            }
        }
    }
    let (mut socket, _) = ann.connect().await;
    bob.write(&ann, "all is well").await;
    socket.expect("new_message").await;
}

#[tokio::test]
async fn no_payload_of_engine_io_breaks_the_server() {
    let t = TestApp::with(|config| config.limits.enabled = false);
    for body in some(
        prop_oneof![
            bytes(),
            "[0-6][0-6]?[\\PC\u{1e}]{0,60}".prop_map(String::into_bytes)
        ],
        400,
    ) {
        let open = t
            .raw("GET", "/socket.io/?EIO=4&transport=polling", &[], b"")
            .await;
        assert_eq!(open.status, 200);
        let sid = open
            .text
            .split("\"sid\":\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned();
        let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        let answer = t
            .raw("POST", &path, &[("content-type", "text/plain")], &body)
            .await;
        assert!(
            matches!(answer.status, 200 | 400),
            "{body:?}: {} {}",
            answer.status,
            answer.text
        );
    }
}
