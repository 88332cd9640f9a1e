//! What strangers send. Each route that takes a body or a query gets all of it, from the URL table.

use schoolbell::api::http::access::Access;
use schoolbell::api::http::input::InputSpec;
use schoolbell::api::table;
use schoolbell::config::at_least_one;
use schoolbell::model::users::Role;
use serde_json::{Value, json};

use crate::helpers::{Answer, Person, TestApp, http, path_of};

async fn raw(
    t: &TestApp,
    who: &Person,
    method: &str,
    path: &str,
    kind: &str,
    body: &[u8],
) -> Answer {
    let bearer = format!("Bearer {}", who.token);
    t.raw(
        method,
        path,
        &[("authorization", &bearer), ("content-type", kind)],
        body,
    )
    .await
}

const JSON: &str = "application/json";

#[tokio::test]
async fn bodies_that_no_route_takes() {
    let t = TestApp::new();
    t.student("bob").await;
    let admin = t.person("admin", Role::Admin).await;
    let lea = t.lead("lea").await;
    t.confirm(&admin.token).await;
    let deep = "[".repeat(50_000);
    let huge = format!("{{\"content\":\"{}\"}}", "x".repeat(65_536));
    for endpoint in table() {
        let InputSpec::Body { required, .. } = endpoint.input else {
            continue;
        };
        let (method, path) = (endpoint.method.as_str(), path_of(endpoint.pattern, "bob"));
        let who = match endpoint.access {
            Access::Lead => &lea,
            _ => &admin,
        };
        let send = async |kind: &str, body: &[u8]| raw(&t, who, method, &path, kind, body).await;
        for body in [&b"{"[..], b"nul", b"{,}", b"\xFF", b"{\"\xFF\":1}"] {
            send(JSON, body).await.refused(400, "malformed_json");
        }
        for body in [
            "[]",
            "\"x\"",
            "5",
            "null",
            "true",
            "[\"bob\",\"hi\"]",
            &deep,
        ] {
            let answer = send(JSON, body.as_bytes()).await;
            assert_eq!(answer.status, 400, "{path} {body}: {}", answer.text);
        }
        // Where it matters who may do what, a slip of the pen is said; elsewhere front ends send what they like.
        if endpoint.access.is_strict() {
            let nonsense = br#"{"nonsense":1}"#;
            let answer = send(JSON, nonsense).await;
            assert_eq!(answer.status, 400, "{path}: {}", answer.text);
        }
        send(JSON, huge.as_bytes())
            .await
            .refused(413, "body_too_large");
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "",
            "application/jsonx",
        ] {
            send(kind, b"{}").await.refused(415, "not_json");
        }
        if required {
            send(JSON, b"").await.refused(400, "malformed_json");
        }
        for accepted in ["application/json; charset=utf-8", "Application/JSON"] {
            assert_ne!(send(accepted, b"{\"nonsense\":1}").await.status, 415);
        }
    }
    let seq = t.newest_seq().await;
    assert_eq!(seq, 0, "nothing was written");
}

#[tokio::test]
async fn a_body_without_a_length_is_limited_too() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    // Chunks, as a client sends that does not know how much there will be.
    let chunks = (0..70).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1_024]));
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let url = format!("http://{}/api/messages", t.address);
    let request = http().post(url).bearer_auth(&ann.token);
    let response = request
        .header("content-type", JSON)
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 413);
}

#[tokio::test]
async fn limits_and_cursors_of_every_list() {
    let t = TestApp::new();
    t.student("bob").await;
    let admin = t.person("admin", Role::Admin).await;
    let body = json!({ "title": "T", "message": "M", "audience": { "all": true } });
    let made = admin
        .post("/api/admin/announcements", body)
        .await
        .expect(201);
    let announcement = made["data"]["id"].as_str().unwrap().to_owned();
    t.student("carl").await;
    let lea = t.lead("lea").await;
    let body = json!({ "userIds": ["bob", "carl"], "reason": "R", "urgent": true });
    let review = lea
        .post("/api/safeguarding/reviews", body)
        .await
        .expect(201);
    let review = review["data"]["id"].as_str().unwrap().to_owned();
    let mut lists = 0;
    for endpoint in table() {
        let InputSpec::Query(params) = endpoint.input else {
            continue;
        };
        let params = params();
        let has = |name: &str| params.as_array().unwrap().iter().any(|p| p["name"] == name);
        let who = match endpoint.access {
            Access::Lead => &lea,
            _ => &admin,
        };
        let id = match endpoint.pattern {
            pattern if pattern.contains("announcements") => &announcement,
            pattern if pattern.contains("reviews") => &review,
            _ => "bob",
        };
        let path = path_of(endpoint.pattern, id);
        let base = match () {
            _ if has("q") => "q=x&",
            _ if has("userIds") => "userIds=x&",
            _ => "",
        };
        if has("limit") {
            lists += 1;
            for bad in ["0", "-1", "x", "", "1.5"] {
                who.get(&format!("{path}?{base}limit={bad}"))
                    .await
                    .invalid("limit");
            }
            for good in ["1", "1000000", "99999999999999999999"] {
                who.get(&format!("{path}?{base}limit={good}"))
                    .await
                    .expect(200);
            }
        }
        for name in ["page", "offset"] {
            if has(name) {
                for bad in ["-1", "x", "", "1.5"] {
                    who.get(&format!("{path}?{base}{name}={bad}"))
                        .await
                        .invalid(name);
                }
            }
        }
        for name in ["before", "after"] {
            if has(name) {
                for bad in ["", "x", "AAAAAAAAAAAAAAAA", "%00", "ÿ", &"A".repeat(5_000)] {
                    let bad: String = form_urlencoded::byte_serialize(bad.as_bytes()).collect();
                    who.get(&format!("{path}?{base}{name}={bad}"))
                        .await
                        .invalid(name);
                }
            }
        }
    }
    assert!(lists >= 5, "{lists}");
}

#[tokio::test]
async fn a_cursor_of_one_list_is_none_of_another() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    ann.write(&bob, "1").await;
    ann.write(&bob, "2").await;
    let page = bob
        .get("/api/messages/conversation/ann?limit=1")
        .await
        .expect(200);
    let cursor = page["paging"]["before"].as_str().unwrap();
    bob.get(&format!("/api/notifications?before={cursor}"))
        .await
        .invalid("before");
    bob.get(&format!("/api/messages/conversations?before={cursor}"))
        .await
        .invalid("before");
}

#[tokio::test]
async fn fields_of_a_message() {
    let t = TestApp::new();
    let (ann, _) = t.pair().await;
    let send =
        async |body: &str| raw(&t, &ann, "POST", "/api/messages", JSON, body.as_bytes()).await;
    let body = |content: Value| json!({ "receiverId": "bob", "content": content }).to_string();
    for bad in [
        json!(""),
        json!(" \n\t "),
        json!("a\u{0}b"),
        json!("a\u{1b}b"),
        json!("\u{200b}\u{3164}"),
        json!("x".repeat(4_001)),
        json!(5),
        json!(null),
        json!(["x"]),
        json!({}),
    ] {
        send(&body(bad)).await.invalid("content");
    }
    send(r#"{"receiverId":"bob"}"#).await.invalid("content");
    send(r#"{"content":"x"}"#).await.invalid("receiverId");
    for bad in ["9007199254740992", "1.5", "-1", "true", "[\"bob\"]", "null"] {
        send(&format!(r#"{{"receiverId":{bad},"content":"x"}}"#))
            .await
            .invalid("receiverId");
    }
    send(r#"{"receiverId":5,"content":"x"}"#)
        .await
        .refused(404, "user_not_found");
    send(r#"{"receiverId":"bob","to":"ann","content":"x"}"#)
        .await
        .invalid("receiverId");
    send(r#"{"receiverId":"bob","content":"a","message":"b"}"#)
        .await
        .invalid("content");
    send(r#"{"receiverId":"bob","message":"a","text":"b"}"#)
        .await
        .invalid("content");
    send(r#"{"receiverId":"bob","content":"a","content":"b"}"#)
        .await
        .invalid("content");
    send(r#"{"receiverId":"bob","content":"a","clientId":""}"#)
        .await
        .invalid("clientId");
    send(r#"{"receiverId":"bob","content":"a","clientId":"x\ny"}"#)
        .await
        .invalid("clientId");
    send(r#"{"receiverId":"ann","content":"a"}"#)
        .await
        .invalid("receiverId");
    let lone = r#"{"receiverId":"bob","content":"\ud800"}"#;
    assert_eq!(
        send(lone).await.status,
        400,
        "half a surrogate pair is no text"
    );
    let seq = t.newest_seq().await;
    assert_eq!(seq, 0, "nothing was written");

    for good in [
        "x".repeat(4_000),
        "🐚".repeat(4_000),
        "\u{202e}rtl <script>alert(1)</script> e\u{301}".into(),
    ] {
        let sent = send(&body(json!(good))).await.expect(201);
        assert_eq!(sent["data"]["content"], good, "stored as sent");
    }
}

#[tokio::test]
async fn the_longest_message_is_configured() {
    let t = TestApp::with(|c| c.messages.max_length = at_least_one(3));
    let (ann, bob) = t.pair().await;
    ann.write(&bob, "abc").await;
    let body = json!({ "receiverId": "bob", "content": "abcd" });
    ann.post("/api/messages", body).await.invalid("content");
}

#[tokio::test]
async fn a_duplicate_query_key_is_refused() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    ann.get("/api/notifications?limit=1&limit=2")
        .await
        .invalid("limit");
}

#[tokio::test]
async fn a_panic_is_an_answer() {
    use schoolbell::api::http::access::Access;
    use schoolbell::api::http::call::Call;
    use schoolbell::api::http::endpoint::get;
    use schoolbell::api::{
        http::input::Nothing,
        http::reply::{Data, Empty},
        mount,
    };
    let t = TestApp::new();
    let boom = async |_: Call, _: Nothing| -> schoolbell::error::Result<Data<Empty>> {
        panic!("on purpose")
    };
    let routes = mount(
        &t.app,
        vec![get("/api/boom", Access::Anyone, boom, "Panics")],
    );
    let answer = warp::test::request().path("/api/boom").reply(&routes).await;
    let text = String::from_utf8(answer.body().to_vec()).unwrap();
    assert_eq!(answer.status(), 500);
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&body["success"], &body["code"]),
        (&json!(false), &json!("internal_error"))
    );
    assert!(
        !text.contains("purpose") && !text.contains("boom"),
        "{text}"
    );

    // In a write as well; the writer goes on.
    let outcome: Result<(), _> = t.app.store.write(|_| panic!("on purpose")).await;
    assert_eq!(outcome.unwrap_err().code(), "internal_error");
    t.call("GET", "/health", "", None).await.expect(200);
}

#[tokio::test]
async fn what_a_write_recorded_that_fails_does_not_leave() {
    use schoolbell::error::Error;
    use schoolbell::model::events::{Effect, Event, Publication, Resync};
    use schoolbell::model::stats::Count;
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let (mut socket, _) = ann.connect().await;
    let key = ann.user.key;
    let write = |fails: bool| {
        t.app.store.write(move |tx| {
            tx.emit(Effect::Count(Count::Missed, 1));
            tx.emit(Publication {
                to: vec![key],
                except: None,
                event: Event::Resync(Resync {
                    reason: "unknown_cursor",
                    seq: if fails { 1 } else { 2 },
                }),
            });
            match fails {
                true => Err(Error::invalid("x", schoolbell::rule::wrong())),
                false => Ok(()),
            }
        })
    };
    // They share a commit.
    let (failed, held, failed_too) = tokio::join!(write(true), write(false), write(true));
    assert!(failed.is_err() && held.is_ok() && failed_too.is_err());
    assert_eq!(socket.expect("resync").await["seq"], 2);
    socket.expect_nothing().await;
    let figures = schoolbell::ops::stats::overview(&t.app, 1).await;
    assert_eq!(figures.unwrap().now.hour.missed, 1);
}

#[tokio::test]
async fn a_full_queue_is_an_answer_at_once() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (begun, begins) = tokio::sync::oneshot::channel();
    let mut waiting: Vec<futures_util::future::BoxFuture<_>> = Vec::new();
    let store = t.app.clone();
    let stuck = tokio::spawn(async move {
        let work = move |_: &schoolbell::store::WriteTx| {
            let _ = begun.send(());
            let _ = wait.recv();
            Ok(())
        };
        store.store.write(work).await
    });
    // It has left the queue: what is counted from here on waits behind it.
    begins.await.unwrap();
    for _ in 0..5_000 {
        waiting.push(Box::pin(t.app.store.write(|_| Ok(()))));
    }
    // Each is queued when it is first polled.
    let mut refused = 0;
    for write in &mut waiting {
        if let Some(Err(error)) = futures_util::future::poll_immediate(write).await {
            assert_eq!(error.code(), "unavailable");
            refused += 1;
        }
    }
    // What the server writes of its own accord may have taken a place or two.
    let full = 5_000 - 4_096;
    assert!((full..full + 10).contains(&refused), "{refused}");
    let body = json!({ "receiverId": bob.id(), "content": "hi" });
    let answer = ann.post("/api/messages", body.clone()).await;
    assert_eq!(answer.headers["retry-after"], "2");
    answer.refused(503, "unavailable");
    go.send(()).unwrap();
    drop(waiting);
    stuck.await.unwrap().unwrap();
    let mut tries = 0;
    while ann.post("/api/messages", body.clone()).await.status == 503 {
        tries += 1;
        assert!(tries < 1_000);
    }
}

#[tokio::test]
async fn unreadable_query_fields_are_refused_and_unknown_ones_where_it_matters() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    ann.get("/api/notifications?limt=1").await.expect(200);
    let admin = t.person("admin", Role::Admin).await;
    admin.get("/api/admin/people?limt=1").await.invalid("limt");
    ann.get("/api/notifications?type=%FF")
        .await
        .invalid("query");
    ann.get("/api/notifications?type=%00").await.invalid("type");
    ann.get("/api/presence?userIds=x&limit=0")
        .await
        .invalid("limit");
}

/// Programs go by the rule and its parameters: the sentence may be worded anew.
#[tokio::test]
async fn what_is_wrong_with_a_field_has_an_id_and_parameters() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let body = json!({ "username": "x", "name": "n".repeat(129), "role": "student" });
    let answer = admin.post("/api/admin/people", body).await;
    assert_eq!(
        answer.refused(400, "validation_failed")["details"],
        json!([{
            "field": "name",
            "rule": "too_long",
            "params": { "max": 128 },
            "message": "must not be longer than 128 characters",
        }])
    );
    let answer = admin.post("/api/admin/people", json!({})).await;
    let details = answer.refused(400, "validation_failed")["details"].clone();
    assert_eq!(details[0]["rule"], "required");
    assert!(details[0]["params"].is_null());
}
