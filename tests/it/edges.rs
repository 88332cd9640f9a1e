//! What strangers and pupils can make the server do is bounded, and what they do to many can be seen.

use schoolbell::config::at_least_one;
use std::time::{Duration, Instant};

use schoolbell::limits::load_shedding::MAX_READS;
use schoolbell::model::users::Role;
use schoolbell::ops::personal_data;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::helpers::{Answer, Person, Server, TestApp, http};

#[tokio::test]
async fn what_a_stranger_chose_is_cut_before_it_is_echoed_or_logged() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let name = "A".repeat(60_000);
    for path in ["/api/auth/login", "/api/auth/session", "/api/auth/setup"] {
        let request = http()
            .post(server.url(path))
            .header("origin", server.url(""))
            .json(&json!({ &name: 1 }));
        let answer = request.send().await.unwrap().text().await.unwrap();
        assert!(answer.len() < 1_000, "{path}: {} bytes", answer.len());
    }
    let path = format!("/api/openapi.json?{name}=1");
    http().get(server.url(&path)).send().await.unwrap();
    drop(server);
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.len() < 10_000, "{} bytes of log", log.len());
}

#[tokio::test]
async fn the_document_is_made_once_and_need_not_be_sent_again() {
    let t = TestApp::new();
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = warp::test::request().path("/api/openapi.json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.reply(&t.routes).await
    };
    let plain = ask(&[]).await;
    let small = ask(&[("accept-encoding", "gzip")]).await;
    assert_eq!(small.headers()["content-encoding"], "gzip");
    assert!(small.body().len() * 4 < plain.body().len());
    let etag = plain.headers()["etag"].to_str().unwrap().to_owned();
    let known = ask(&[("if-none-match", &etag)]).await;
    assert_eq!((known.status().as_u16(), known.body().len()), (304, 0));
    let started = Instant::now();
    for _ in 0..200 {
        ask(&[]).await;
    }
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "it took milliseconds each"
    );
}

/// A search holds one reader for a bounded time, and one of its person's at a time.
#[tokio::test]
async fn searches_have_a_time_and_a_turn() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    ann.write(&bob, "a b c").await;
    let never_ending = t.app.store.read_within(Duration::from_millis(100), |c| {
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        Ok(c.query_row(sql, [], |row| row.get::<_, i64>(0))?)
    });
    let started = Instant::now();
    let ended = never_ending.await;
    assert!(
        matches!(ended, Err(schoolbell::error::Error::Unavailable(..))),
        "{ended:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(5));
    // The connection is as good as before.
    ann.get("/api/messages/search?q=a+b").await.expect(200);

    let turn = t.app.limits.searching.turn(ann.user.key).await.unwrap();
    let six = futures_util::future::join_all((0..6).map(|_| ann.get("/api/messages/search?q=a")));
    let mut six = Box::pin(six);
    let soon = tokio::time::timeout(Duration::from_millis(300), &mut six).await;
    assert!(soon.is_err(), "they wait for their turn");
    let others = bob.get("/api/messages/search?q=a").await.expect(200);
    assert_eq!(others["data"].as_array().unwrap().len(), 1);
    drop(turn);
    let statuses: Vec<u16> = six.await.iter().map(|answer| answer.status).collect();
    let served = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!((served, statuses.len() - served), (3, 3), "{statuses:?}");
    ann.get("/api/messages/search?q=a").await.expect(200);
}

/// A letter alone is a word: every word that begins with it would be looked up.
#[tokio::test]
async fn a_single_letter_is_a_word() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    ann.write(&bob, "apple").await;
    ann.write(&bob, "grade a in maths").await;
    let found = ann.get("/api/messages/search?q=a").await.expect(200);
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    assert_eq!(found["data"][0]["content"], "grade a in maths");
}

/// Long reads, however many, leave readers for those who just want their messages.
#[tokio::test]
async fn long_reads_leave_readers_for_the_others() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    ann.write(&bob, "hello").await;
    let (release, _) = tokio::sync::broadcast::channel::<()>(1);
    let long: Vec<_> = (0..8)
        .map(|_| {
            let (app, mut released) = (t.app.clone(), release.subscribe());
            tokio::spawn(async move {
                let read = app.store.read_long(move |_| {
                    let _ = released.blocking_recv();
                    Ok(())
                });
                read.await.unwrap();
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let history = tokio::time::timeout(
        Duration::from_secs(5),
        bob.get("/api/messages/conversation/ann"),
    );
    history.await.expect("a reader is free").expect(200);
    drop(release);
    for read in long {
        read.await.unwrap();
    }
    assert!(t.app.queues.reads.get() < MAX_READS);
}

/// A page has fewer messages where these are long, and the next page has the others.
#[tokio::test]
async fn pages_are_bounded_by_their_size_as_well() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let owl = "🦉".repeat(4_000);
    for _ in 0..40 {
        ann.write(&bob, &owl).await;
    }
    let (mut pages, mut seen, mut before) = (0, 0, String::new());
    loop {
        let path = format!("/api/messages/conversation/bob?limit=100{before}");
        let answer = ann.get(&path).await;
        assert!(answer.text.len() < 300_000, "{} bytes", answer.text.len());
        let page = answer.expect(200);
        seen += page["data"].as_array().unwrap().len();
        pages += 1;
        if page["paging"]["hasMore"] == false {
            break;
        }
        before = format!("&before={}", page["paging"]["before"].as_str().unwrap());
    }
    assert_eq!(seen, 40);
    assert!(pages > 1, "{pages}");
}

/// Who asks for much at once is answered two reads at a time: the others' are made meanwhile.
#[tokio::test]
async fn reads_of_one_person_run_two_at_a_time() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let me = async |person: &Person| person.get("/api/auth/me").await.expect(200);
    let key = personal_data::find(&t.app, "ann").await.unwrap().key;
    let reading = &t.app.limits.reading;
    let first = reading.turn(key).await.unwrap();
    me(&ann).await;
    let _second = reading.turn(key).await.unwrap();
    let third = tokio::time::timeout(Duration::from_millis(300), me(&ann)).await;
    assert!(third.is_err(), "it did not wait");
    me(&bob).await;
    ann.write(&bob, "a write is no read").await;
    drop(first);
    me(&ann).await;
}

/// Whoever reads a few bytes at a time does not hold an answer for long, and holds few of them.
#[tokio::test]
async fn slow_readers_of_answers_are_cut_off_and_few() {
    let t = TestApp::with(|config| config.limits.requests_per_user = at_least_one(4));
    let (ann, bob) = t.pair().await;
    let owl = "🦉".repeat(4_000);
    for _ in 0..20 {
        ann.write(&bob, &owl).await;
    }
    let mut slow = Vec::new();
    for _ in 0..12 {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let mut stream = socket.connect(t.address.parse().unwrap()).await.unwrap();
        let request = format!(
            "GET /api/messages/conversation/bob?limit=100 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
            ann.token
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let started = Instant::now();
    let first = async |stream: &mut TcpStream| {
        let mut head = [0; 64];
        let read = stream.read(&mut head).await.unwrap_or(0);
        String::from_utf8_lossy(&head[..read]).into_owned()
    };
    let mut heads = Vec::new();
    for stream in &mut slow {
        heads.push(first(stream).await);
    }
    let refused = heads
        .iter()
        .filter(|head| head.starts_with("HTTP/1.1 429"))
        .count();
    assert!(refused >= 6, "{heads:?}");
    // Reads go on, a little each second: that is not enough.
    let held = heads
        .iter()
        .position(|head| head.starts_with("HTTP/1.1 200"))
        .unwrap();
    let stream = &mut slow[held];
    let cut = loop {
        let mut some = [0; 512];
        match stream.read(&mut some).await {
            Ok(0) | Err(_) => break true,
            Ok(_) if started.elapsed() > Duration::from_secs(90) => break false,
            Ok(_) => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    };
    assert!(cut, "it was served for a minute and a half");
    bob.get("/api/messages/conversation/ann").await.expect(200);
}

#[tokio::test]
async fn what_one_person_may_write_in_a_day_is_bounded() {
    let t = TestApp::with(|config| {
        config.limits.text_bytes_per_day = at_least_one(10_000);
        config.limits.new_partners_per_day = at_least_one(2);
        config.limits.recipients_per_minute = at_least_one(5);
    });
    let (ann, bob) = t.pair().await;
    let teacher = t.person("teach", Role::Teacher).await;
    let mut others = Vec::new();
    for n in 0..5 {
        others.push(t.student(&format!("other{n}")).await);
    }
    let send = async |from: &crate::helpers::Person, to: &str, content: &str| {
        from.post(
            "/api/messages",
            json!({ "receiverId": to, "content": content }),
        )
        .await
    };
    t.class("7a", &[&ann, &others[4]]).await;
    // Two strangers a day; people of one's own class, and whoever one has written with before, are free.
    for (to, status) in [
        ("other0", 201),
        ("other1", 201),
        ("other2", 429),
        ("other4", 201),
        ("other0", 201),
    ] {
        assert_eq!(send(&ann, to, "hi").await.status, status, "{to}");
    }
    for other in &others {
        send(&teacher, other.id(), "hi").await.expect(201);
    }
    let long = "x".repeat(3_000);
    for _ in 0..3 {
        send(&bob, "ann", &long).await.expect(201);
    }
    let refused = send(&bob, "ann", &long).await;
    assert!(refused.headers.contains_key("retry-after"));
    refused.refused(429, "too_many_requests");
    for _ in 0..6 {
        send(&teacher, "ann", &long).await.expect(201);
    }
    let notify = |all: bool| {
        let audience = if all {
            json!({ "all": true })
        } else {
            json!({ "userIds": ["ann"] })
        };
        json!({ "audience": audience, "type": "x", "title": "T", "message": "M" })
    };
    teacher
        .post("/api/notifications", notify(true))
        .await
        .expect(201);
    teacher
        .post("/api/notifications", notify(false))
        .await
        .refused(429, "too_many_requests");
    let admin = t.admin().await;
    for _ in 0..3 {
        admin
            .post("/api/notifications", notify(true))
            .await
            .expect(201);
    }
}

#[tokio::test]
async fn what_goes_to_many_is_written_down_and_says_who_sent_it() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let teacher = t.person("teach", Role::Teacher).await;
    let (ann, _) = t.pair().await;
    let key = t.key().await;
    let (mut socket, _) = ann.connect().await;
    let body = |audience: Value| json!({ "audience": audience, "type": "announcement", "title": "T", "message": "M" });
    teacher
        .post("/api/notifications", body(json!({ "all": true })))
        .await
        .expect(201);
    let event = socket.expect("notification").await;
    assert_eq!(
        event["sender"],
        json!({ "id": "teach", "name": "teach of the school", "role": "teacher" })
    );
    let answer = t
        .call(
            "POST",
            "/api/notifications",
            &key,
            Some(body(json!({ "roles": ["student"] }))),
        )
        .await;
    answer.expect(201);
    assert_eq!(socket.expect("notification").await["sender"], Value::Null);
    teacher
        .post("/api/notifications", body(json!({ "userIds": ["ann"] })))
        .await
        .expect(201);
    let list = ann.get("/api/notifications").await.expect(200);
    assert_eq!(list["data"][0]["sender"]["id"], "teach");
    let log = admin
        .get("/api/admin/audit?action=notification.send")
        .await
        .expect(200);
    let lines: Vec<(String, String)> = log["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            (
                text("actor").split(':').next().unwrap().to_owned(),
                text("detail"),
            )
        })
        .collect();
    let line = |actor: &str, detail: &str| (actor.to_owned(), detail.to_owned());
    assert_eq!(
        lines,
        [
            line("key", "role student: 2 people"),
            line("user", "everybody: 4 people")
        ]
    );
}

/// Through a proxy that adds no header, the request names the school and not this machine.
#[tokio::test]
async fn the_figures_are_for_this_machine_by_its_own_name() {
    let t = TestApp::with(|config| {
        config.server.public_url = "https://bell.school.example".parse().ok()
    });
    for (host, status) in [
        (t.address.clone(), 200),
        ("localhost:3000".into(), 200),
        ("[::1]:3000".into(), 200),
        ("bell.school.example".into(), 403),
        ("backend".into(), 403),
    ] {
        let request = http()
            .get(format!("http://{}/metrics", t.address))
            .header("host", host.clone());
        assert_eq!(request.send().await.unwrap().status(), status, "{host}");
    }
}

/// RFC 9112 section 3.2.
#[tokio::test]
async fn a_request_has_one_host() {
    let t = TestApp::new();
    for (hosts, good) in [
        ("", false),
        ("host: a\r\n", true),
        ("host: a\r\nhost: b\r\n", false),
    ] {
        let mut stream = TcpStream::connect(&t.address).await.unwrap();
        let request = format!("GET /health HTTP/1.1\r\n{hosts}connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.starts_with("HTTP/1.1 200"), good, "{answer}");
        assert_eq!(answer.starts_with("HTTP/1.1 400"), !good, "{answer}");
    }
}

/// A page of a listed origin is another app: what the school's own cookie opens is not for it.
#[tokio::test]
async fn a_cookie_reads_nothing_for_other_origins() {
    let t = TestApp::with(|config| {
        config.server.cors_origins = vec!["http://app.school.example".parse().unwrap()]
    });
    let admin = t.admin().await;
    let cookie = format!("schoolbell_session={}", admin.token);
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = http()
            .get(format!("http://{}/api/admin/people", t.address))
            .header("cookie", &cookie);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::received(request.send().await.unwrap()).await
    };
    ask(&[]).await.expect(200);
    ask(&[("sec-fetch-site", "same-origin")]).await.expect(200);
    ask(&[("origin", &format!("http://{}", t.address))])
        .await
        .expect(200);
    // A proxy may name the default port, which a browser leaves out.
    let ask_secure = async |origin: &str| {
        let request = http()
            .get(format!("http://{}/api/admin/people", t.address))
            .header("cookie", format!("__Host-{cookie}"))
            .header("host", "school.example:443")
            .header("origin", origin);
        Answer::received(request.send().await.unwrap()).await
    };
    ask_secure("https://school.example").await.expect(200);
    ask_secure("https://school.example:444")
        .await
        .refused(403, "origin_not_allowed");
    for headers in [
        [("origin", "http://app.school.example")],
        [("sec-fetch-site", "same-site")],
        [("sec-fetch-site", "cross-site")],
    ] {
        ask(&headers).await.refused(403, "origin_not_allowed");
    }
}

/// A key that was stolen cannot close the school, nor give somebody a voice to all of it.
#[tokio::test]
async fn what_a_key_may_do_to_people_is_bounded() {
    use schoolbell::model::keys::Scope;
    let t = TestApp::new();
    let mut names = Vec::new();
    for n in 0..20 {
        names.push(format!("p{n}"));
        t.student(&names[n]).await;
    }
    let key = t.key_for(Scope::Roster).await;
    let call =
        async |method: &str, path: &str, body: Value| t.call(method, path, &key, Some(body)).await;
    let disable = json!({ "disabled": true });
    for name in &names[..4] {
        call("PUT", &format!("/api/admin/people/{name}"), disable.clone())
            .await
            .expect(200);
    }
    let fifth = call("PUT", "/api/admin/people/p4", disable.clone()).await;
    fifth.refused(403, "needs_administrator");
    let file = "username,name,role\np10,p10 of the school,student\n";
    let csv = async |path: &str| {
        let headers = [
            ("authorization", format!("Bearer {key}")),
            ("content-type", "text/csv".into()),
        ];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        t.raw("POST", path, &headers, file.as_bytes()).await
    };
    let preview = csv("/api/admin/roster/preview?disableMissing=true")
        .await
        .expect(200);
    let digest = preview["data"]["digest"].as_str().unwrap();
    let import = csv(&format!(
        "/api/admin/roster?disableMissing=true&digest={digest}"
    ))
    .await;
    import.refused(403, "needs_administrator");
    let teacher = json!({ "username": "t", "name": "T", "role": "teacher" });
    call("POST", "/api/admin/people", teacher.clone())
        .await
        .refused(403, "scope_missing");
    call("PUT", "/api/admin/people/p9", json!({ "role": "staff" }))
        .await
        .refused(403, "scope_missing");
    // The scope for it goes beside the other.
    let scopes = [Scope::Roster, Scope::RosterRoles];
    let by = schoolbell::model::audit::AuditActor::command_line();
    let both = schoolbell::service::keys::create(&t.app, by, "sis", &scopes)
        .await
        .unwrap();
    t.call(
        "POST",
        "/api/admin/people",
        both.secret.expose(),
        Some(teacher),
    )
    .await
    .expect(201);
    // An administrator is not held back.
    let admin = t.admin().await;
    admin
        .put_json("/api/admin/people/p4", disable)
        .await
        .expect(200);
}

/// What anybody can make up the name of does not fill a table.
#[tokio::test]
async fn unknown_push_services_are_few() {
    let t = TestApp::with(|config| config.limits.test_pushes_per_minute = at_least_one(2));
    let ann = t.student("ann").await;
    let subscribe = async |n: usize| {
        let body = json!({
            "endpoint": format!("https://noise{n}.push.apple.com/x{n}"),
            "keys": {
                "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
                "auth": "BTBZMqHH6r4Tts7J_aSIgg",
            },
        });
        ann.post("/api/notifications/subscribe", body).await.status
    };
    let mut statuses = Vec::new();
    for n in 0..20 {
        statuses.push(subscribe(n).await);
    }
    let taken = statuses.iter().filter(|status| **status == 201).count();
    assert!((3..=10).contains(&taken), "{statuses:?}");
    assert!(
        statuses[taken..].iter().all(|status| *status == 429),
        "{statuses:?}"
    );
    // What is known already is no news.
    assert_eq!(subscribe(0).await, 201);
    for status in [200, 200, 429] {
        assert_eq!(
            ann.post("/api/notifications/test-push", json!({}))
                .await
                .status,
            status
        );
    }
}

/// Two tabs of one browser share the cookie, and one of them may show somebody else's page.
#[tokio::test]
async fn a_page_is_one_persons_whosever_the_cookie_is() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let cookie = format!("schoolbell_session={}", bob.token);
    let own = format!("http://{}", t.address);
    let host = t.address.as_str();
    let read = async |page: &str| {
        let headers = [
            ("cookie", cookie.as_str()),
            ("host", host),
            ("x-schoolbell-user", page),
        ];
        t.raw("GET", "/api/messages/conversations", &headers, b"")
            .await
    };
    read("bob").await.expect(200);
    read("ann").await.refused(409, "other_person");
    let headers = [
        ("cookie", cookie.as_str()),
        ("host", host),
        ("origin", own.as_str()),
        ("content-type", "application/json"),
        ("x-schoolbell-user", "ann"),
    ];
    let body = br#"{"receiverId":"ann","content":"as bob, from ann's page"}"#;
    let sent = t.raw("POST", "/api/messages", &headers, body).await;
    sent.refused(409, "other_person");
    let list = ann.get("/api/messages/conversations").await.expect(200);
    assert_eq!(list["data"], json!([]));
    // Who brings a token says with it who they are.
    let bearer = format!("Bearer {}", ann.token);
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-schoolbell-user", "bob"),
    ];
    t.raw("GET", "/api/auth/me", &headers, b"")
        .await
        .expect(200);
}
