//! Socket.IO over both of Engine.IO's transports, packet by packet. The stock client is tried in `tests/web`.

use schoolbell::config::at_least_one;
use std::time::Duration;

use schoolbell::hub::{Ack, AckSource};
use schoolbell::metrics::CodeLabel;
use schoolbell::model::events::CloseCode;
use schoolbell::model::users::Role;
use schoolbell::realtime::polling::Sessions;
use serde_json::{Value, json};

use crate::helpers::{Engine, LOST, Person, Poller, TestApp, packets};

fn token(person: &Person) -> Value {
    json!({ "token": person.token })
}

/// The CONNECT reply and what follows it, of somebody who comes back.
async fn come_back(t: &TestApp, person: &Person, pid: &Value, offset: &str) -> (Engine, Value) {
    let auth = json!({ "token": person.token, "pid": pid, "offset": offset });
    Engine::join(&t.address, auth).await
}

fn is_online(t: &TestApp, person: &Person) -> bool {
    t.app.hub.is_online(person.user.key)
}

#[tokio::test]
async fn events_come_with_an_offset_over_both_transports() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let (mut engine, reply) = Engine::join(&t.address, token(&ann)).await;
    let (connected, offset) = engine.expect("connected").await;
    assert_eq!(connected["userId"], "ann");
    assert_eq!(connected["connectionId"], reply["sid"]);
    let epoch = offset.strip_suffix(":0").unwrap();
    let (poller, payload) = Poller::join(&t.address, &ann.token).await;
    let came = packets(&payload);
    assert!(came[0].starts_with("40{"), "{came:?}");
    assert!(
        came[1].starts_with(r#"42["connected",{"userId":"ann""#),
        "{came:?}"
    );

    let message = bob.write(&ann, "hello").await;
    let offset = format!("{epoch}:{}", message["seq"]);
    assert_eq!(
        engine.expect("new_message").await,
        (message.clone(), offset.clone())
    );
    let (status, payload) = poller.poll().await;
    let event: Value = serde_json::from_str(payload.strip_prefix("42").unwrap()).unwrap();
    assert_eq!(
        (status, event),
        (200, json!(["new_message", message, offset]))
    );

    // What is not durable carries none.
    let (mut other, _) = bob.connect().await;
    other
        .send(json!({ "event": "typing", "data": { "to": "ann", "typing": true } }))
        .await;
    let typing = json!({ "userId": "bob", "typing": true });
    loop {
        // Bob's coming online is told as well.
        let text = engine.next().await.unwrap();
        let event: Value = serde_json::from_str(text.strip_prefix("42").unwrap()).unwrap();
        assert_eq!(event.as_array().unwrap().len(), 2, "{event}");
        if event[0] == "typing" {
            assert_eq!(event[1], typing);
            break;
        }
    }
}

#[tokio::test]
async fn commands_are_acknowledged_where_that_is_asked_for() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let (mut engine, _) = Engine::join(&t.address, token(&ann)).await;
    engine.expect("connected").await;
    let (mut other, _) = bob.connect().await;
    engine
        .send(r#"421["typing",{"to":"bob","typing":true}]"#)
        .await;
    assert_eq!(engine.next().await.unwrap(), r#"431[{"success":true}]"#);
    assert_eq!(other.await_event("typing").await["userId"], "ann");
    for (data, code) in [
        (r#"{"to":"nobody","typing":true}"#, "user_not_found"),
        (r#"{"to":"bob"}"#, "validation_failed"),
        (r#""bob""#, "validation_failed"),
    ] {
        engine.send(&format!("422[\"typing\",{data}]")).await;
        let ack = engine.next().await.unwrap();
        let ack: Value = serde_json::from_str(ack.strip_prefix("432").unwrap()).unwrap();
        assert_eq!(
            (&ack[0]["success"], &ack[0]["code"]),
            (&json!(false), &json!(code))
        );
    }
    engine
        .send(r#"42["typing",{"to":"noone","typing":true}]"#)
        .await;
    assert_eq!(engine.expect("error").await.0["code"], "user_not_found");
    let (mut engine, _) = Engine::join(&t.address, token(&ann)).await;
    engine.expect("connected").await;
    engine.send(&format!("425[\"auth\",{}]", token(&ann))).await;
    assert_eq!(engine.next().await.unwrap(), r#"435[{"success":true}]"#);
    engine.send(&format!("42[\"auth\",{}]", token(&bob))).await;
    let refused = engine.expect("error").await.0;
    assert_eq!(
        refused["code"], "token_invalid",
        "a socket does not change hands"
    );
}

/// Apps have events of their own: they are no business of the server's, and no reason to end a connection.
#[tokio::test]
async fn events_that_the_server_does_not_know_are_ignored() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let (mut engine, _) = Engine::join(&t.address, token(&ann)).await;
    engine.expect("connected").await;
    for event in [
        r#"["join","room"]"#,
        r#"["mark_read",{"id":5}]"#,
        r#"["typing",{"conversationId":"7","isTyping":true}]"#,
        r#"["typing"]"#,
        r#"["auth",{"userId":"ann"}]"#,
        r#"["auth","a.b.c"]"#,
        r#"["auth"]"#,
    ] {
        engine.send(&format!("42{event}")).await;
        engine.send(&format!("427{event}")).await;
        let ack = engine.next().await.unwrap();
        assert!(ack.starts_with(r#"437[{"success":false"#), "{event}: {ack}");
    }
    let ignored = t.app.metrics.unknown_events.get();
    assert!(ignored >= 5, "{ignored}");
    bob.write(&ann, "still here").await;
    assert_eq!(
        engine.expect("new_message").await.0["content"],
        "still here"
    );
}

/// Handlers that take one parameter, as Python's and Dart's do.
#[tokio::test]
async fn the_cursor_can_be_left_off() {
    for (config, auth) in [(true, json!(false)), (false, json!(null))] {
        let t = TestApp::with(|c| c.socketio.cursor = config);
        let (ann, bob) = t.pair().await;
        let auth = json!({ "token": ann.token, "cursor": auth });
        let (mut engine, _) = Engine::join(&t.address, auth).await;
        assert_eq!(engine.expect("connected").await.1, "");
        bob.write(&ann, "hello").await;
        assert_eq!(engine.expect("new_message").await.1, "");
    }
}

#[tokio::test]
async fn the_token_comes_in_several_forms() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let bearer = format!("Bearer {}", ann.token);
    let (mut engine, _) = Engine::join(&t.address, json!({ "token": bearer })).await;
    assert_eq!(engine.expect("connected").await.0["userId"], "ann");

    let cookie = format!("schoolbell_session={}", ann.token);
    let own = format!("http://{}", t.address);
    let header = [("authorization", bearer.as_str())];
    let own_page = [("cookie", cookie.as_str()), ("origin", own.as_str())];
    for headers in [&header[..], &own_page[..]] {
        for connect in ["40", r#"40{"token":null}"#, r#"40{"token":""}"#] {
            let poller = Poller::open_with(&t.address, headers).await;
            poller.post(connect).await;
            let joined = poller.poll().await.1;
            assert!(joined.starts_with("40{"), "{headers:?} {connect}: {joined}");
        }
    }
    // Of a listed page neither: it has tokens of its own.
    let listed =
        TestApp::with(|c| c.server.cors_origins = vec!["https://app.example".parse().unwrap()]);
    let ann_there = listed.student("ann").await;
    let cookie_there = format!("schoolbell_session={}", ann_there.token);
    let headers = [
        ("cookie", cookie_there.as_str()),
        ("origin", "https://app.example"),
    ];
    let poller = Poller::open_with(&listed.address, &headers).await;
    poller.post("40").await;
    assert!(poller.poll().await.1.starts_with("44{"));
    // Of another page a cookie says nothing, and what CONNECT says itself counts.
    let site = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-site")];
    for (headers, connect) in [(&site[..], "40"), (&header[..], r#"40{"token":"x"}"#)] {
        let poller = Poller::open_with(&t.address, headers).await;
        poller.post(connect).await;
        let refused = poller.poll().await.1;
        assert!(refused.starts_with("44{"), "{headers:?}: {refused}");
    }
}

#[tokio::test]
async fn a_token_that_does_not_hold_is_an_authentication_error() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    schoolbell::service::users::set_disabled(&t.app, &bob.user, true)
        .await
        .unwrap();
    let mut engine = Engine::open(&t.address).await;
    for (auth, code) in [
        (json!({}), "token_missing"),
        (json!({ "token": null }), "token_missing"),
        (json!({ "token": 5 }), "token_invalid"),
        (json!({ "token": "x" }), "token_invalid"),
        (token(&bob), "user_disabled"),
    ] {
        let refused: Value =
            serde_json::from_str(engine.connect_with(auth).await.strip_prefix("44").unwrap())
                .unwrap();
        assert_eq!(
            refused,
            json!({ "message": "Authentication error", "data": { "code": code } })
        );
    }
    engine.send("40").await;
    assert!(engine.next().await.unwrap().contains("token_missing"));
    // The connection stays: the next try may be right.
    assert!(engine.connect_with(token(&ann)).await.starts_with("40{"));

    t.clock.advance(Duration::from_secs(8 * 24 * 3_600));
    let mut engine = Engine::open(&t.address).await;
    assert!(
        engine
            .connect_with(token(&ann))
            .await
            .contains("token_expired")
    );
}

#[tokio::test]
async fn a_client_that_comes_back_gets_its_pid_and_all_that_it_missed() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let (mut engine, reply) = Engine::join(&t.address, token(&ann)).await;
    let (_, offset) = engine.expect("connected").await;
    drop(engine);
    for n in 0..50 {
        bob.write(&ann, &n.to_string()).await;
    }
    let (mut engine, again) = come_back(&t, &ann, &reply["pid"], &offset).await;
    assert_eq!(again["pid"], reply["pid"], "recovered");
    assert_ne!(again["sid"], reply["sid"]);
    engine.expect("connected").await;
    let mut last = String::new();
    for n in 0..50 {
        let (message, offset) = engine.expect("new_message").await;
        assert_eq!(message["content"], n.to_string());
        last = offset;
    }
    // Nothing missed is recovered as well.
    let (_, again) = come_back(&t, &ann, &reply["pid"], &last).await;
    assert_eq!(again["pid"], reply["pid"]);
}

#[tokio::test]
async fn who_cannot_be_given_everything_gets_another_pid() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let (mut engine, reply) = Engine::join(&t.address, token(&ann)).await;
    let (_, offset) = engine.expect("connected").await;
    let pid = &reply["pid"];
    for n in 0..301 {
        bob.write(&ann, &n.to_string()).await;
    }
    let (mut engine, again) = come_back(&t, &ann, pid, &offset).await;
    assert_ne!(&again["pid"], pid);
    let (connected, now) = engine.expect("connected").await;
    let (resync, _) = engine.expect("resync").await;
    assert_eq!(
        resync,
        json!({ "reason": "too_much_missed", "seq": connected["seq"] })
    );
    assert!(now.ends_with(&format!(":{}", connected["seq"])));

    // An offset of the future, of another history, or none at all.
    let epoch = offset.split(':').next().unwrap();
    for strange in [
        format!("{epoch}:99999"),
        "other:1".into(),
        "x".into(),
        format!("{epoch}:-1"),
    ] {
        let (mut engine, again) = come_back(&t, &ann, pid, &strange).await;
        assert_ne!(&again["pid"], pid, "{strange}");
        engine.expect("connected").await;
        if strange.starts_with(epoch) && !strange.contains('-') {
            assert_eq!(
                engine.expect("resync").await.0["reason"],
                "unknown_cursor",
                "{strange}"
            );
        }
    }
    // Somebody else on the same page: what Ann saw is no cursor of theirs.
    let (mut engine, theirs) = come_back(&t, &bob, pid, &offset).await;
    assert_ne!(&theirs["pid"], pid);
    let (connected, _) = engine.expect("connected").await;
    assert_eq!(connected["seq"], t.newest_seq().await);
}

/// After a restored backup the same numbers mean other events.
#[tokio::test]
async fn a_cursor_of_another_history_is_told_to_fetch_again() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    bob.write(&ann, "one").await;
    let auth = json!({ "token": ann.token, "since": "another:0" });
    let (mut engine, _) = Engine::join(&t.address, auth).await;
    engine.expect("connected").await;
    assert_eq!(engine.expect("resync").await.0["reason"], "unknown_cursor");
}

#[tokio::test]
async fn a_page_that_was_reloaded_comes_with_since() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let first = bob.write(&ann, "one").await;
    bob.write(&ann, "two").await;
    let (mut engine, _) = Engine::join(&t.address, token(&ann)).await;
    let (_, offset) = engine.expect("connected").await;
    let epoch = offset.split(':').next().unwrap();
    let cursor = format!("{epoch}:{}", first["seq"]);
    for since in [first["seq"].clone(), json!(cursor)] {
        let auth = json!({ "token": ann.token, "since": since });
        let (mut engine, _) = Engine::join(&t.address, auth).await;
        assert_eq!(engine.expect("connected").await.0["seq"], first["seq"]);
        assert_eq!(engine.expect("new_message").await.0["content"], "two");
    }
    // A stock client goes on sending what the page began with; its own offset is newer.
    let (mut engine, reply) = Engine::join(&t.address, token(&ann)).await;
    let (_, offset) = engine.expect("connected").await;
    let auth = json!({ "token": ann.token, "since": 0, "pid": reply["pid"], "offset": offset });
    let (mut engine, again) = Engine::join(&t.address, auth).await;
    assert_eq!(again["pid"], reply["pid"]);
    let seq = t.newest_seq().await;
    assert_eq!(engine.expect("connected").await.0["seq"], seq);

    // What a page keeps is text. A cursor that cannot be read is no reason to stay away.
    let text = first["seq"].to_string();
    let (mut engine, _) =
        Engine::join(&t.address, json!({ "token": ann.token, "since": text })).await;
    engine.expect("connected").await;
    assert_eq!(engine.expect("new_message").await.0["content"], "two");
    for since in [
        json!(-1),
        json!(1.5),
        json!("x"),
        json!(""),
        json!("99999999999999999999"),
        json!({}),
    ] {
        let auth = json!({ "token": ann.token, "since": since });
        let (mut engine, _) = Engine::join(&t.address, auth).await;
        engine.expect("connected").await;
        assert_eq!(engine.expect("resync").await.0["seq"], seq, "{since}");
    }
}

#[tokio::test]
async fn who_disconnects_may_connect_again_on_the_same_connection() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let (mut engine, first) = Engine::join(&t.address, token(&ann)).await;
    engine.expect("connected").await;
    engine.send("41").await;
    let again = engine.connect_with(token(&ann)).await;
    assert!(
        again.starts_with("40{") && !again.contains(first["sid"].as_str().unwrap()),
        "{again}"
    );
    engine.expect("connected").await;
    engine.send("41").await;
    engine.send("1").await;
    assert_eq!(engine.closed().await, 1000);
    let (poller, _) = Poller::join(&t.address, &ann.token).await;
    let (poll, post) = tokio::join!(poller.poll(), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        poller.post("1").await
    });
    assert_eq!((poll.1.as_str(), post), ("6", (200, "ok".into())));
    poller.expect_gone().await;
}

#[tokio::test]
async fn a_websocket_takes_a_polling_session_over_and_loses_nothing() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let (poller, _) = Poller::join(&t.address, &ann.token).await;
    let sid = poller.sid().to_owned();
    let mut engine = Engine::connect(&t.address, &format!("&sid={sid}"))
        .await
        .unwrap();
    let waiting = tokio::spawn({
        let poller = poller.clone();
        async move { poller.poll().await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    engine.send("2probe").await;
    assert_eq!(engine.next().await.unwrap(), "3probe");
    assert_eq!(
        waiting.await.unwrap(),
        (200, "6".into()),
        "the poll that waits comes to an end"
    );
    // A client may poll once more before it has seen the probe's answer.
    assert_eq!(poller.poll().await, (200, "6".into()));
    // What comes between the transports waits for the second, and so does an answer to what is asked now.
    bob.write(&ann, "in between").await;
    poller.post(r#"429["ping"]"#).await;
    engine.send("5").await;
    assert_eq!(engine.next().await.unwrap(), r#"439[{"success":true}]"#);
    engine.expect("pong").await;
    assert_eq!(
        engine.expect("new_message").await.0["content"],
        "in between"
    );
    bob.write(&ann, "after").await;
    assert_eq!(engine.expect("new_message").await.0["content"], "after");
    assert_eq!(t.app.metrics.connection_gauge("socketio_polling").get(), 0);
    assert_eq!(
        t.app.metrics.connection_gauge("socketio_websocket").get(),
        1
    );
    poller.expect_gone().await;
    assert!(
        Engine::connect(&t.address, &format!("&sid={sid}"))
            .await
            .is_err()
    );
    bob.write(&ann, "still").await;
    assert_eq!(engine.expect("new_message").await.0["content"], "still");
}

#[tokio::test]
async fn who_is_to_stay_away_is_disconnected_and_others_come_back() {
    let t = TestApp::with(|c| c.limits.connections_per_user = at_least_one(2));
    let (ann, bob) = t.pair().await;
    let (mut engine, _) = Engine::join(&t.address, token(&ann)).await;
    let (poller, _) = Poller::join(&t.address, &ann.token).await;
    schoolbell::service::users::set_disabled(&t.app, &ann.user, true)
        .await
        .unwrap();
    engine.expect("connected").await;
    assert_eq!(engine.next().await.unwrap(), "41");
    assert_eq!(engine.next().await, Err(4503));
    assert_eq!(poller.poll().await.1, "41");
    assert_eq!(poller.poll().await.1, "1");

    let (mut oldest, _) = Engine::join(&t.address, token(&bob)).await;
    oldest.expect("connected").await;
    let _others = [bob.connect().await, bob.connect().await];
    assert_eq!(oldest.next().await.unwrap(), "41");
    assert_eq!(oldest.next().await, Err(4504));

    let t = TestApp::with(|c| c.auth.token_ttl = at_least_one(2));
    let ann = t.student("ann").await;
    let (mut engine, _) = Engine::join(&t.address, token(&ann)).await;
    engine.expect("connected").await;
    assert_eq!(
        engine.next().await,
        Err(LOST),
        "no DISCONNECT and no close frame: every client comes back, with a new token"
    );
}

/// A stock client that finds both in one answer sees the close first, and would get the event twice.
#[tokio::test]
async fn an_event_and_the_close_after_it_are_two_answers() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let (poller, _) = Poller::join(&t.address, &ann.token).await;
    bob.write(&ann, "the last").await;
    poller.post(r#"421["ping"]"#).await;
    t.app.hub.disconnect(ann.user.key, CloseCode::Restarting);
    let answer = poller.poll().await.1;
    assert!(
        answer.contains("431[") && !packets(&answer).contains(&"1"),
        "{answer}"
    );
    poller.expect_gone().await;
}

#[tokio::test]
async fn a_stop_tells_every_transport() {
    let mut t = TestApp::new();
    let ann = t.student("ann").await;
    let (mut engine, _) = Engine::join(&t.address, token(&ann)).await;
    engine.expect("connected").await;
    let (poller, _) = Poller::join(&t.address, &ann.token).await;
    let mut waiting = Engine::open(&t.address).await;
    let poll = tokio::spawn(async move { poller.poll().await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    t.stop();
    assert_eq!(engine.next().await, Err(LOST));
    assert_eq!(waiting.next().await, Err(LOST));
    assert_eq!(poll.await.unwrap().0, 400);
}

#[tokio::test]
async fn the_next_poll_and_a_pong_confirm_what_came() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let (poller, _) = Poller::join(&t.address, &ann.token).await;
    t.app.hub.take_acks();
    let seq = bob.write(&ann, "hello").await["seq"].as_i64().unwrap();
    poller.poll().await;
    assert!(t.app.hub.take_acks().is_empty(), "sent is not seen");
    let (_, confirmed) = tokio::join!(
        tokio::time::timeout(Duration::from_millis(300), poller.poll()),
        async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            t.app.hub.take_acks()
        }
    );
    let up_to = |seq| Ack {
        user: ann.user.key,
        by: AckSource::Page,
        seq,
    };
    assert_eq!(confirmed, [up_to(seq)]);

    let (mut engine, _) = Engine::join(&t.address, token(&ann)).await;
    engine.expect("connected").await;
    t.app.hub.take_acks();
    let seq = bob.write(&ann, "again").await["seq"].as_i64().unwrap();
    engine.expect("new_message").await;
    assert_eq!(engine.next().await.unwrap(), "2", "asked soon after");
    assert!(t.app.hub.take_acks().is_empty());
    engine.send("3").await;
    engine.send(r#"421["ping"]"#).await;
    engine.next().await.unwrap();
    assert_eq!(t.app.hub.take_acks(), [up_to(seq)]);
}

/// A session whose client has been served its first poll and never comes again.
async fn abandoned(t: &TestApp, person: &Person) -> (Sessions, String) {
    let sessions = Sessions::default();
    let open = sessions.begin(&t.app, None, None).unwrap();
    let open: Value = serde_json::from_str(&open[1..]).unwrap();
    let sid = open["sid"].as_str().unwrap().to_owned();
    let link = sessions.find(&sid).unwrap();
    let connect = format!("40{}", token(person));
    link.begin_post().unwrap().deliver(connect).await.unwrap();
    link.poll("1").await.unwrap();
    (sessions, sid)
}

/// Seconds until the server has ended the session.
async fn until_gone(sessions: &Sessions, sid: &str) -> f64 {
    let started = tokio::time::Instant::now();
    while sessions.find(sid).is_some() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    started.elapsed().as_secs_f64()
}

fn closes(t: &TestApp, code: u16) -> u64 {
    t.app
        .metrics
        .closes
        .get_or_create(&CodeLabel { code })
        .get()
}

/// Minutes of a clock that is wound on.
#[tokio::test(start_paused = true)]
async fn a_client_that_polls_no_more_is_given_up() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let (sessions, sid) = abandoned(&t, &ann).await;
    let seconds = until_gone(&sessions, &sid).await;
    assert!(
        (34.0..47.0).contains(&seconds),
        "{seconds}: a ping after 25 s that nobody fetched"
    );
    assert_eq!(closes(&t, 4002) + closes(&t, 4003), 1);
}

/// Ten seconds of the real clock.
#[tokio::test]
async fn a_client_that_fetches_only_what_fits_into_one_answer_is_closed_within_ten_seconds() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let bob = t.student("bob").await;
    let (sessions, sid) = abandoned(&t, &ann).await;
    for _ in 0..24 {
        bob.write(&ann, &"x".repeat(4_000)).await;
    }
    let answer = sessions.find(&sid).unwrap().poll("2").await.unwrap();
    assert!((64 << 10..96 << 10).contains(&answer.len()));
    let seconds = until_gone(&sessions, &sid).await;
    assert!((9.0..10.5).contains(&seconds), "{seconds}");
    assert_eq!(closes(&t, 4002), 1);
}

/// Ten seconds of the real clock: a write takes none of one that is wound on.
#[tokio::test]
async fn a_client_that_leaves_an_event_unfetched_is_closed_within_ten_seconds_and_offline_after_the_grace()
 {
    let t = TestApp::new();
    let ann = t.person("ann", Role::Student).await;
    let bob = t.student("bob").await;
    let (sessions, sid) = abandoned(&t, &ann).await;
    bob.write(&ann, "are you there?").await;
    let seconds = until_gone(&sessions, &sid).await;
    assert!((9.0..10.5).contains(&seconds), "{seconds}");
    assert_eq!(closes(&t, 4002), 1);
    assert!(is_online(&t, &ann));
    let gone = t
        .app
        .hub
        .sweep(tokio::time::Instant::now() + Duration::from_secs(20));
    assert_eq!(gone.len(), 1);
    assert!(!is_online(&t, &ann));
}
