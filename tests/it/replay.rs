//! Resuming: whatever the interleaving of sends, cuts and reconnections, each event arrives once and in order.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::helpers::{Person, Socket, TestApp};

/// What a client and the school do.
#[derive(Debug, Clone)]
enum Act {
    Message,
    Answer,
    Notify,
    ReadMessages,
    ReadNotifications,
    Cut,
    Connect,
    /// Takes what has come so far.
    Read,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => Just(Act::Message),
        2 => Just(Act::Answer),
        3 => Just(Act::Notify),
        1 => Just(Act::ReadMessages),
        1 => Just(Act::ReadNotifications),
        2 => Just(Act::Cut),
        3 => Just(Act::Connect),
        2 => Just(Act::Read),
    ];
    prop::collection::vec(act, 1..60)
}

/// A client that keeps its cursor as the contract says: the highest seq that it has seen.
struct Client {
    who: Person,
    socket: Option<Socket>,
    cursor: i64,
    seen: Vec<(i64, Value)>,
}

impl Client {
    async fn connect(&mut self) {
        if self.socket.is_none() {
            let (socket, connected) = self.who.connect_since(Some(self.cursor)).await;
            assert_eq!(connected["seq"], self.cursor);
            self.socket = Some(socket);
        }
    }

    /// Takes events until a ping that was sent after them is answered.
    async fn read(&mut self) {
        let Some(socket) = &mut self.socket else {
            return;
        };
        socket.send(json!({ "event": "ping" })).await;
        loop {
            let frame = match socket.next().await {
                crate::helpers::Came::Event(frame) => frame,
                crate::helpers::Came::Close(code) => panic!("closed with {code:?}"),
            };
            if frame["event"] == "pong" {
                return;
            }
            if let Some(seq) = frame["data"]["seq"].as_i64() {
                self.cursor = self.cursor.max(seq);
                self.seen.push((seq, frame));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_event_once_and_in_order(acts in acts()) {
        tokio::runtime::Runtime::new().unwrap().block_on(play(acts));
    }
}

async fn play(acts: Vec<Act>) {
    // The clients ask again and again whether something came: more frames than a socket may send.
    let t = TestApp::with(|c| c.limits.enabled = false);
    let (ann, bob) = t.pair().await;
    let key = t.key().await;
    let mut client = Client {
        who: bob.clone(),
        socket: None,
        cursor: 0,
        seen: Vec::new(),
    };
    // A second device that never goes away, as the oracle.
    let mut always = Client {
        who: bob.clone(),
        socket: None,
        cursor: 0,
        seen: Vec::new(),
    };
    always.connect().await;
    for act in acts {
        match act {
            Act::Message => drop(ann.write(&bob, "m").await),
            Act::Answer => drop(bob.write(&ann, "a").await),
            Act::Notify => {
                let body = json!({ "userId": "bob", "type": "x", "title": "t", "message": "m" });
                t.call("POST", "/api/notifications", &key, Some(body))
                    .await
                    .expect(201);
            }
            Act::ReadMessages => drop(bob.put("/api/messages/read/ann").await.expect(200)),
            Act::ReadNotifications => drop(
                bob.put("/api/notifications/mark-all-read")
                    .await
                    .expect(200),
            ),
            Act::Cut => client.socket = None,
            Act::Connect => client.connect().await,
            Act::Read => client.read().await,
        }
    }
    client.connect().await;
    client.read().await;
    // What is dispatched last may come after the answer to a ping: ask again until the oracle has everything.
    let newest = ann.write(&bob, "the end").await["seq"].as_i64().unwrap();
    while always.cursor < newest {
        always.read().await;
    }
    while client.cursor < newest {
        client.read().await;
    }
    let order: Vec<i64> = client.seen.iter().map(|(seq, _)| *seq).collect();
    assert!(order.windows(2).all(|two| two[0] < two[1]), "{order:?}");
    let names = |c: &Client| -> Vec<(i64, Value)> {
        c.seen
            .iter()
            .map(|(seq, frame)| (*seq, frame["event"].clone()))
            .collect()
    };
    assert_eq!(names(&client), names(&always));
}

/// Sends from many tasks while a client is cut and comes back, all at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_or_doubled_while_many_send() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let (ann, bob) = (ann.clone(), bob.clone());
            tokio::spawn(async move {
                for i in 0..60 {
                    ann.write(&bob, &format!("{i}")).await;
                }
            })
        })
        .collect();
    let mut cursor = 0;
    let mut seen = Vec::new();
    while seen.len() < 240 {
        let (mut socket, _) = bob.connect_since(Some(cursor)).await;
        for _ in 0..17.min(240 - seen.len()) {
            let seq = socket.expect("new_message").await["seq"].as_i64().unwrap();
            assert!(seq > cursor, "{seq} after {cursor}");
            cursor = seq;
            seen.push(seq);
        }
    }
    for sender in senders {
        sender.await.unwrap();
    }
    let (mut socket, _) = bob.connect_since(Some(cursor)).await;
    socket.expect_nothing().await;
    assert_eq!(seen.len(), 240);
}

#[tokio::test]
async fn too_far_behind_is_a_resync() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    for i in 0..301 {
        ann.write(&bob, &format!("{i}")).await;
    }
    let newest = t.newest_seq().await;
    let (mut socket, connected) = bob.connect_since(Some(0)).await;
    assert_eq!(connected["seq"], newest);
    let resync = socket.expect("resync").await;
    assert_eq!(
        resync,
        json!({ "reason": "too_much_missed", "seq": newest })
    );
    ann.write(&bob, "live").await;
    assert_eq!(socket.expect("new_message").await["content"], "live");

    let (mut socket, _) = bob.connect_since(Some(2)).await;
    assert_eq!(
        socket.expect("new_message").await["content"],
        "2",
        "300 is not too far"
    );
}

#[tokio::test]
async fn a_cursor_of_another_history_is_a_resync() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    ann.write(&bob, "hi").await;
    let (mut socket, connected) = bob.connect_since(Some(1_000_000)).await;
    assert_eq!(connected["seq"], 1);
    assert_eq!(socket.expect("resync").await["reason"], "unknown_cursor");
}

#[tokio::test]
async fn the_cursor_may_stand_in_the_url_too() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    ann.write(&bob, "hi").await;
    let mut socket = Socket::connect(&t.address, "/ws?since=0", &[])
        .await
        .unwrap();
    socket
        .send(json!({ "event": "auth", "data": { "token": bob.token } }))
        .await;
    socket.expect("connected").await;
    socket.expect("new_message").await;
}

/// A replayed event is what a live one was, but for what has changed since.
#[tokio::test]
async fn replayed_events_look_like_live_ones() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let (mut live, _) = ann.connect().await;
    bob.write(&ann, "hi").await;
    ann.write(&bob, "ho").await;
    bob.put("/api/messages/read/ann").await.expect(200);
    let body = json!({ "userId": "ann", "type": "x", "title": "t", "message": "m" });
    t.call("POST", "/api/notifications", &t.key().await, Some(body))
        .await
        .expect(201);
    ann.put("/api/notifications/mark-all-read")
        .await
        .expect(200);
    let (mut replayed, _) = ann.connect_since(Some(0)).await;
    for event in [
        "new_message",
        "new_message",
        "message_read",
        "notification",
        "notifications_read",
    ] {
        let (mut a, mut b) = (live.await_event(event).await, replayed.expect(event).await);
        for value in [&mut a, &mut b] {
            value["read"] = Value::Null;
            value["readAt"] = Value::Null;
        }
        assert_eq!(a, b);
    }
    bob.write(&ann, "live").await;
    let next = replayed.await_event("new_message").await;
    assert_eq!(next["content"], "live");
}
