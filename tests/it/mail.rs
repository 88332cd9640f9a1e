//! Mail: links to who forgot the password and to many, and a server that refuses, is slow, or is not there.

use std::time::Duration;

use schoolbell::Config;
use schoolbell::config::{MailAuth, Secret, at_least_one};
use serde_json::{Value, json};

use crate::helpers::{PASSWORD, Person, SmtpServer, TestApp, Tls, http};

const LINKS: &str = "/api/admin/people/links";
const MINUTE: Duration = Duration::from_secs(60);

fn configure(config: &mut Config, server: &SmtpServer, url: &str) {
    let url = url.replace("PORT", &server.port.to_string());
    config.mail.url = Some(url.parse().unwrap());
    config.mail.from = "Hill School <bell@school.example>".parse().ok();
    config.mail.reply_to = "office@school.example".parse().ok();
    config.mail.per_minute = at_least_one(60_000);
    config.mail.ca = server.ca.clone();
    config.server.public_url = "https://bell.school.example/x".parse().ok();
    config.school.name = "Hill & Dale".into();
}

struct School {
    t: TestApp,
    admin: Person,
    smtp: SmtpServer,
}

impl School {
    async fn with(tls: Tls, url: &str, change: impl FnOnce(&mut Config)) -> Self {
        let smtp = SmtpServer::start(tls).await;
        let t = TestApp::with(|config| {
            configure(config, &smtp, url);
            change(config);
        });
        let admin = t.admin().await;
        School { t, admin, smtp }
    }

    async fn open() -> Self {
        Self::with(Tls::Later, "smtp://bell:secret@localhost:PORT", |_| {}).await
    }

    /// Somebody with an address and, where it is said, a password.
    async fn add(&self, name: &str, email: &str, password: bool) {
        let body = json!({ "id": name, "username": name, "name": format!("{name} <i>"), "email": email, "role": "guardian" });
        self.admin.post("/api/admin/people", body).await.expect(201);
        if password {
            let path = format!("/api/admin/people/{name}/password-link");
            let link = self.admin.post(&path, json!({})).await.expect(201);
            let path = link["data"]["path"].as_str().unwrap();
            let code = path.split_once("#code=").unwrap().1;
            self.redeem(code).await.expect(200);
        }
    }

    async fn redeem(&self, code: &str) -> crate::helpers::Answer {
        let body = json!({ "code": code, "password": PASSWORD });
        self.t
            .call("POST", "/api/auth/password-link", "", Some(body))
            .await
    }

    async fn forgot(&self, login: &str) {
        let body = json!({ "login": login });
        let answer = self
            .t
            .call("POST", "/api/auth/forgot", "", Some(body))
            .await;
        assert_eq!(answer.expect(202)["data"], json!({}));
    }

    async fn report(&self) -> Value {
        self.admin.get("/api/admin/mail").await.expect(200)["data"].clone()
    }

    /// Waits until the report is as it should be.
    async fn report_until(&self, right: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..1_000 {
            let report = self.report().await;
            if right(&report) {
                return report;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{:#}", self.report().await);
    }

    async fn test(&self) -> Value {
        let body = json!({ "to": "head@school.example" });
        self.admin
            .post("/api/admin/mail/test", body)
            .await
            .expect(200)["data"]
            .clone()
    }

    fn pass(&self, time: Duration) {
        self.t.pass(time);
        self.t.app.mail_due.notify_one();
    }
}

#[tokio::test]
async fn who_forgot_the_password_gets_a_link_that_works_once() {
    let s = School::open().await;
    s.add("ann", "ann@home.example", true).await;
    s.forgot("Ann@Home.example").await;
    let mail = s.smtp.expect(1).await.remove(0);
    assert_eq!(
        (&*mail.from, &*mail.to),
        ("bell@school.example", "ann@home.example")
    );
    assert!(mail.encrypted);
    assert!(
        s.smtp
            .commands()
            .contains(&"AUTH PLAIN \0bell\0secret".into()),
        "{:?}",
        s.smtp.commands()
    );

    let parsed = mail.parsed();
    let header = |name: &str| {
        parsed
            .header_raw(name)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    assert_eq!(header("Auto-Submitted"), "auto-generated");
    assert!(header("Message-ID").ends_with("@school.example>"));
    assert!(header("Reply-To").contains("office@school.example"));
    assert!(header("From").contains("Hill School"));
    assert!(
        header("Date").starts_with("Sun, 22 Nov 2026"),
        "{}",
        header("Date")
    );
    assert_eq!(mail.subject(), "A new password at Hill & Dale");
    let (text, html) = (mail.text(), mail.html());
    assert!(
        text.contains("ann <i>") && text.contains("Your username: ann"),
        "{text}"
    );
    assert!(
        html.contains("ann &lt;i&gt;") && !html.contains("<i>"),
        "{html}"
    );
    let link = format!(
        "https://bell.school.example/x/password/#code={}",
        mail.code()
    );
    assert!(
        text.contains(&link) && html.contains(&format!("href=\"{link}\"")),
        "{text}"
    );
    // 11:30 is two hours from now, in UTC.
    assert!(text.contains("2026-11-22 11:30"), "{text}");

    s.redeem(&mail.code()).await.expect(200);
    let again = s.redeem(&mail.code()).await.expect(401);
    assert_eq!(again["code"], "password_link_invalid");
    let report = s.report_until(|report| report["sent"] == 1).await;
    assert_eq!(report["waiting"], 0);
    assert!(!report.to_string().contains("home.example"));
    let log = s.admin.get("/api/admin/audit").await.expect(200);
    let lines = log["data"].as_array().unwrap();
    let asked = |line: &&Value| line["action"] == "password.link" && line["actor"] == "server";
    assert_eq!(lines.iter().filter(asked).count(), 1);
}

#[tokio::test]
async fn nothing_is_mailed_where_it_could_reach_somebody_else() {
    let s = School::open().await;
    // Two with one address; a pupil with a parent's; one who never had a way in here; one who is shut out.
    s.add("mum", "family@home.example", true).await;
    s.add("dad", "FAMILY@home.example", true).await;
    s.add("new", "new@home.example", false).await;
    s.add("gone", "gone@home.example", true).await;
    let body = json!({ "disabled": true });
    s.admin
        .put_json("/api/admin/people/gone", body)
        .await
        .expect(200);
    s.add("ann", "ann@home.example", true).await;
    for login in [
        "mum",
        "family@home.example",
        "dad",
        "new",
        "gone",
        "gone@home.example",
        "nobody",
        "",
    ] {
        s.forgot(login).await;
    }
    s.forgot("ann").await;
    let mails = s.smtp.expect(1).await;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, "ann@home.example");
    // Whoever has only ever used the app's tokens may go on with them.
    let people = s.admin.get("/api/admin/people/new").await.expect(200);
    assert_eq!(people["data"]["hasPassword"], false);
}

#[tokio::test]
async fn who_asks_often_gets_few_mails_and_the_link_of_the_office_stays() {
    let s = School::open().await;
    s.add("ann", "ann@home.example", true).await;
    let office = s
        .admin
        .post("/api/admin/people/ann/password-link", json!({}))
        .await
        .expect(201);
    let office = office["data"]["path"]
        .as_str()
        .unwrap()
        .split_once("#code=")
        .unwrap()
        .1
        .to_owned();
    for _ in 0..3 {
        s.forgot("ann").await;
    }
    s.smtp.expect(1).await;
    for sent in 2..=5 {
        s.pass(6 * MINUTE);
        s.forgot("ann").await;
        s.smtp.expect(sent).await;
    }
    s.pass(6 * MINUTE);
    s.forgot("ann").await;
    s.pass(6 * MINUTE);
    s.report_until(|report| report["waiting"] == 0).await;
    assert_eq!(s.smtp.mails().len(), 5, "five a day");
    let owner = |code: &str| {
        let body = json!({ "code": code });
        s.t.call("POST", "/api/auth/password-link/user", "", Some(body))
    };
    let mails = s.smtp.mails();
    owner(&mails[3].code()).await.expect(401);
    owner(&mails[4].code()).await.expect(200);
    owner(&office).await.expect(200);
    // Whichever is used, no other lets anybody in afterwards.
    s.redeem(&office).await.expect(200);
    owner(&mails[4].code()).await.expect(401);
}

#[tokio::test]
async fn links_for_many_go_to_those_who_have_an_address_of_their_own() {
    let s = School::open().await;
    s.add("mum", "family@home.example", false).await;
    s.add("dad", "family@home.example", false).await;
    s.add("ann", "ann@home.example", false).await;
    s.add("ben", "ben@home.example", true).await;
    let ben =
        s.t.app
            .store
            .read(|c| schoolbell::store::users::by_username(c, "ben"));
    let ben = s.t.log_in(std::sync::Arc::new(ben.await.unwrap().unwrap()));
    let german = json!({ "language": "de-AT" });
    ben.put_json("/api/notifications/preferences", german)
        .await
        .expect(200);
    let body = json!({ "filter": {}, "days": 30, "format": "mail" });
    let answer = s.admin.post(LINKS, body).await.expect(200);
    assert_eq!(answer["data"]["queued"], 2);
    assert_eq!(answer["data"]["noAddress"], json!(["dad <i>", "mum <i>"]));
    let mails = s.smtp.expect(2).await;
    let of = |name: &str| mails.iter().find(|mail| mail.to.starts_with(name)).unwrap();
    assert_eq!(of("ann").subject(), "Your login at Hill & Dale");
    assert_eq!(of("ben").subject(), "Dein Zugang zu Hill & Dale");
    assert!(of("ben").html().contains("lang=\"de\""));
    s.redeem(&of("ann").code()).await.expect(200);
    // Mails that follow each other share a connection.
    assert_eq!(s.smtp.connections(), 1);

    let nobody = json!({ "filter": { "roles": ["staff"] }, "days": 30, "format": "mail" });
    s.admin.post(LINKS, nobody).await.expect(400);
}

#[tokio::test]
async fn what_one_recipient_is_refused_for_holds_up_nobody_else() {
    let s = School::open().await;
    for name in ["ann", "ben", "cat", "dan"] {
        s.add(name, &format!("{name}@home.example"), false).await;
    }
    s.smtp.answer("RCPT TO:<ann@", "550 5.1.1 no such mailbox");
    s.smtp.answer("RCPT TO:<ben@", "450 4.2.1 greylisted");
    let body = json!({ "filter": {}, "days": 30, "format": "mail" });
    s.admin.post(LINKS, body).await.expect(200);
    let mails = s.smtp.expect(2).await;
    assert!(
        mails
            .iter()
            .all(|mail| mail.to.starts_with("cat") || mail.to.starts_with("dan"))
    );
    let report = s
        .report_until(|report| report["dead"][0].is_object() && report["waiting"] == 1)
        .await;
    assert_eq!(report["dead"][0]["user"]["id"], "ann");
    let failure = &report["dead"][0]["failure"];
    assert_eq!(failure["stage"], "recipient");
    assert_eq!(failure["code"], 550);
    assert!(
        failure["said"]
            .as_str()
            .unwrap()
            .contains("no such mailbox")
    );
    assert_eq!(report["pause"], Value::Null);
    s.smtp.relent();
    s.pass(MINUTE);
    assert_eq!(s.smtp.mails().len(), 2);
    s.pass(5 * MINUTE);
    let mails = s.smtp.expect(3).await;
    assert_eq!(mails[2].to, "ben@home.example");
}

#[tokio::test]
async fn a_server_that_takes_nothing_costs_no_mail() {
    for (command, reply, stage) in [
        ("MAIL", "550 5.7.1 not allowed to send as this", "sender"),
        ("AUTH", "535 5.7.8 wrong", "login"),
        ("RCPT", "421 4.3.2 going down", "recipient"),
        ("DATA", "cut", "connection"),
    ] {
        let s = School::open().await;
        s.smtp.answer(command, reply);
        s.add("ann", "ann@home.example", false).await;
        s.add("ben", "ben@home.example", false).await;
        let body = json!({ "filter": {}, "days": 30, "format": "mail" });
        s.admin.post(LINKS, body).await.expect(200);
        let report = s.report_until(|report| report["pause"].is_object()).await;
        assert_eq!(report["pause"]["failure"]["stage"], stage, "{report}");
        assert_eq!(report["waiting"], 2);
        // For a day.
        let mut tried = report["pause"]["until"].clone();
        for _ in 0..24 {
            s.pass(60 * MINUTE);
            let later = |report: &Value| {
                let until = &report["pause"]["until"];
                until.is_string() && *until != tried
            };
            let report = s.report_until(later).await;
            tried = report["pause"]["until"].clone();
        }
        assert!(s.smtp.connections() >= 24);
        assert_eq!(s.report().await["waiting"], 2);
        s.smtp.relent();
        s.pass(60 * MINUTE);
        s.smtp.expect(2).await;
        let report = s.report_until(|report| report["waiting"] == 0).await;
        assert_eq!(
            (&report["pause"], &report["dead"]),
            (&Value::Null, &json!([]))
        );
    }
}

#[tokio::test]
async fn a_link_that_could_not_be_sent_in_time_is_given_up() {
    let s = School::open().await;
    s.add("ann", "ann@home.example", true).await;
    s.smtp.answer("MAIL", "451 later");
    s.forgot("ann").await;
    s.report_until(|report| report["pause"].is_object()).await;
    s.smtp.relent();
    s.pass(70 * MINUTE);
    let report = s.report_until(|report| report["waiting"] == 0).await;
    assert_eq!(report["dead"][0]["kind"], "forgotten_password");
    assert_eq!(report["dead"][0]["failure"]["stage"], "sender");
    assert_eq!(s.smtp.mails().len(), 0);
}

#[tokio::test]
async fn a_mail_whose_link_is_used_or_replaced_is_not_sent() {
    let s = School::open().await;
    s.add("ann", "ann@home.example", true).await;
    s.smtp.answer("MAIL", "451 later");
    s.forgot("ann").await;
    s.report_until(|report| report["pause"].is_object()).await;
    let body = json!({ "id": "ann2", "username": "ann2", "name": "Ann", "email": "ann@home.example", "role": "guardian" });
    // Meanwhile the address has become two people's.
    s.admin.post("/api/admin/people", body).await.expect(201);
    s.smtp.relent();
    s.pass(20 * MINUTE);
    let report = s.report_until(|report| report["waiting"] == 0).await;
    assert_eq!((&report["dead"], &report["sent"]), (&json!([]), &json!(0)));
    assert!(s.smtp.mails().is_empty());
}

#[tokio::test]
async fn what_waits_is_sent_after_a_restart() {
    let smtp = SmtpServer::start(Tls::No).await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("smtp://localhost:{}?tls=opportunistic", smtp.port);
    let environment = [
        ("SCHOOLBELL_MAIL__URL", url.as_str()),
        ("SCHOOLBELL_MAIL__FROM", "bell@school.example"),
        (
            "SCHOOLBELL_SERVER__PUBLIC_URL",
            "https://bell.school.example",
        ),
    ];
    let config = |server: &crate::helpers::Server| {
        let app = server.url("/api/auth/forgot");
        let body = json!({ "login": "ann" });
        async move {
            http()
                .post(app)
                .json(&body)
                .send()
                .await
                .unwrap()
                .status()
                .as_u16()
        }
    };
    smtp.answer("MAIL", "451 later");
    let server = crate::helpers::Server::start_with(folder.path(), &environment);
    let (id, _) = server.person("ann").await;
    let database = folder.path().join("data/schoolbell.db");
    let set = |database: &std::path::Path| {
        let connection = rusqlite::Connection::open(database).unwrap();
        let sql = "UPDATE users SET email = 'ann@home.example' WHERE id = ?1";
        assert_eq!(connection.execute(sql, [&id]).unwrap(), 1);
    };
    set(&database);
    assert_eq!(config(&server).await, 202);
    smtp.expect_command("MAIL", 1).await;
    server.kill();
    smtp.relent();
    let _server = crate::helpers::Server::start_with(folder.path(), &environment);
    let mails = smtp.expect(1).await;
    assert_eq!(mails[0].to, "ann@home.example");
    assert!(!mails[0].encrypted);
}

#[tokio::test]
async fn a_test_is_answered_in_the_servers_own_words() {
    let s = School::with(Tls::Implicit, "smtps://bell:secret@localhost:PORT", |_| {}).await;
    assert_eq!(s.test().await, json!({ "sent": true, "failure": null }));
    let mails = s.smtp.expect(1).await;
    assert_eq!(mails[0].subject(), "A test from Hill & Dale");
    assert!(mails[0].encrypted);
    s.smtp
        .answer("AUTH", "535 5.7.8 Username and Password not accepted");
    let failed = s.test().await;
    assert_eq!(failed["sent"], false);
    assert_eq!(failed["failure"]["stage"], "login");
    assert!(
        failed["failure"]["said"]
            .as_str()
            .unwrap()
            .contains("not accepted"),
        "{failed}"
    );
    let bad = s
        .admin
        .post("/api/admin/mail/test", json!({ "to": "head" }))
        .await
        .expect(400);
    assert_eq!(bad["details"][0]["rule"], "not_an_email");

    let plain = TestApp::new();
    let admin = plain.admin().await;
    let body = json!({ "to": "head@school.example" });
    admin.post("/api/admin/mail/test", body).await.expect(503);
    let methods = plain
        .call("GET", "/api/auth/methods", "", None)
        .await
        .expect(200);
    assert_eq!(methods["data"]["mail"], false);
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_that_is_not_who_it_should_be() {
    // An authority that nobody knows.
    let s = School::with(
        Tls::Implicit,
        "smtps://bell:secret@localhost:PORT",
        |config| {
            config.mail.ca = std::path::PathBuf::new();
        },
    );
    let s = s.await;
    let failed = s.test().await;
    assert_eq!(failed["failure"]["stage"], "tls", "{failed}");
    // Another name.
    let s = School::with(Tls::Implicit, "smtps://bell:secret@127.0.0.1:PORT", |_| {}).await;
    assert_eq!(s.test().await["failure"]["stage"], "tls");
    // STARTTLS that somebody took out on the way: the password stays here.
    let s = School::with(Tls::No, "smtp://bell:secret@localhost:PORT", |config| {
        let url = config.mail.url.as_mut().unwrap();
        url.tls = schoolbell::config::SmtpTls::Required;
    });
    let s = s.await;
    let failed = s.test().await;
    assert_eq!(failed["failure"]["stage"], "tls");
    assert!(
        failed["failure"]["said"]
            .as_str()
            .unwrap()
            .contains("STARTTLS")
    );
    assert!(
        !s.smtp
            .commands()
            .iter()
            .any(|command| command.starts_with("AUTH"))
    );
    // Nobody is there.
    let s = School::with(Tls::No, "smtp://localhost:1", |_| {}).await;
    assert_eq!(s.test().await["failure"]["stage"], "connection");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_after_a_while() {
    let s = School::with(Tls::No, "smtp://localhost:PORT?tls=opportunistic", |_| {}).await;
    s.smtp.fall_silent();
    let failed = s.test().await;
    assert_eq!(failed["failure"]["stage"], "connection");
    assert!(
        failed["failure"]["said"].as_str().unwrap().contains("20 s"),
        "{failed}"
    );
}

/// XOAUTH2, with a token that is asked for once.
#[tokio::test]
async fn a_token_lets_in_where_passwords_do_not() {
    use warp::Filter as _;
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = asked.clone();
    let endpoint = warp::post()
        .and(warp::body::bytes())
        .map(move |body: bytes::Bytes| {
            heard
                .lock()
                .unwrap()
                .push(String::from_utf8(body.to_vec()).unwrap());
            warp::reply::json(
                &json!({ "access_token": "a.b.c", "token_type": "Bearer", "expires_in": 3600 }),
            )
        });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(warp::serve(endpoint).incoming(listener).run());
    let s = School::with(
        Tls::Later,
        "smtp://bell%40school.example@localhost:PORT",
        |config| {
            config.mail.auth = MailAuth::Oauth2;
            config.mail.oauth2.token_url = format!("http://{address}/token").parse().ok();
            config.mail.oauth2.client_id = "bell".into();
            config.mail.oauth2.client_secret = Secret::new("s&cret");
            config.mail.oauth2.scope = "https://mail.example/.default".into();
        },
    );
    let s = s.await;
    s.add("ann", "ann@home.example", false).await;
    s.add("ben", "ben@home.example", false).await;
    let body = json!({ "filter": {}, "days": 30, "format": "mail" });
    s.admin.post(LINKS, body).await.expect(200);
    s.smtp.expect(2).await;
    let login = "AUTH XOAUTH2 user=bell@school.example\u{1}auth=Bearer a.b.c\u{1}\u{1}";
    assert!(
        s.smtp.commands().contains(&login.to_owned()),
        "{:?}",
        s.smtp.commands()
    );
    let asked = asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 1);
    for part in [
        "grant_type=client_credentials",
        "client_secret=s%26cret",
        "scope=https%3A%2F%2Fmail.example",
    ] {
        assert!(asked[0].contains(part), "{}", asked[0]);
    }
}

#[tokio::test]
async fn mails_go_out_at_the_pace_of_the_provider() {
    let s = School::with(
        Tls::No,
        "smtp://localhost:PORT?tls=opportunistic",
        |config| {
            config.mail.per_minute = at_least_one(120);
        },
    );
    let s = s.await;
    for name in ["ann", "ben", "cat", "dan"] {
        s.add(name, &format!("{name}@home.example"), false).await;
    }
    let begun = std::time::Instant::now();
    let body = json!({ "filter": {}, "days": 30, "format": "mail" });
    s.admin.post(LINKS, body).await.expect(200);
    s.smtp.expect(4).await;
    assert!(
        begun.elapsed() >= Duration::from_millis(1_500),
        "{:?}",
        begun.elapsed()
    );
}

/// A DNS server on loopback that knows these texts (RFC 1035 section 4).
async fn dns(texts: &'static [(&'static str, &'static str)]) -> std::net::SocketAddr {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut query = [0; 1_500];
        while let Ok((_, from)) = socket.recv_from(&mut query).await {
            let (mut at, mut labels) = (12, Vec::new());
            while query[at] != 0 {
                let length = usize::from(query[at]);
                labels.push(String::from_utf8_lossy(&query[at + 1..=at + length]).to_lowercase());
                at += length + 1;
            }
            let name = labels.join(".");
            let found: Vec<&str> = texts
                .iter()
                .filter(|(known, _)| *known == name)
                .map(|(_, text)| *text)
                .collect();
            let mut answer = query[..2].to_vec();
            let code = if found.is_empty() { 0x83 } else { 0x80 };
            answer.extend([0x81, code, 0, 1, 0, found.len() as u8, 0, 0, 0, 0]);
            answer.extend(&query[12..at + 5]);
            for text in found {
                answer.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0]);
                answer.extend([text.len() as u8 + 1, text.len() as u8]);
                answer.extend(text.as_bytes());
            }
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn check_says_what_the_domain_lacks() {
    use schoolbell::ops::check::mail::{Dns, domain};
    let server = dns(&[
        ("good.example", "v=spf1 include:mail.example -all"),
        ("good.example", "something else"),
        (
            "selector1._domainkey.good.example",
            "v=DKIM1; k=rsa; p=MIGf",
        ),
        ("_dmarc.good.example", "v=DMARC1; p=reject"),
        ("open.example", "v=spf1 +all"),
        ("twice.example", "v=spf1 a -all"),
        ("twice.example", "v=spf1 mx -all"),
    ])
    .await;
    let dns = Dns::at(server).unwrap();
    let look = async |name: &str| -> Vec<(bool, String)> {
        let findings = domain(&dns, name).await.into_iter();
        let plain = |outcome: Result<String, String>| match outcome {
            Ok(text) => (true, text),
            Err(text) => (false, text),
        };
        findings.map(|finding| plain(finding.outcome)).collect()
    };
    let good = look("good.example").await;
    assert!(good.iter().all(|(fine, _)| *fine), "{good:?}");
    assert!(good[1].1.contains("selector1"), "{good:?}");
    // The record of the domain above it counts.
    let below = look("bell.good.example").await;
    assert_eq!([below[0].0, below[2].0], [false, true], "{below:?}");
    for (name, part) in [
        ("open.example", "everybody"),
        ("twice.example", "more than one"),
        ("none.example", "no SPF record"),
    ] {
        let found = look(name).await;
        assert!(!found[0].0 && found[0].1.contains(part), "{found:?}");
        assert!(found[1].0 && found[1].1.contains("dkim=pass"), "{found:?}");
        assert!(!found[2].0 && found[2].1.contains("DMARC"), "{found:?}");
    }
}

#[tokio::test]
async fn check_asks_the_mail_server() {
    let smtp = SmtpServer::start(Tls::Later).await;
    let look = async |url: &str| {
        let mut config = Config::default();
        configure(&mut config, &smtp, url);
        schoolbell::ops::check::mail::look(&config)
            .await
            .remove(0)
            .outcome
    };
    let fine = look("smtp://bell:secret@localhost:PORT").await;
    assert!(
        fine.as_ref().is_ok_and(|text| text.contains("lets us in")),
        "{fine:?}"
    );
    smtp.answer("AUTH", "535 5.7.8 wrong password");
    let wrong = look("smtp://bell:secret@localhost:PORT").await.unwrap_err();
    assert!(
        wrong.starts_with("login: 535 ") && wrong.contains("wrong password"),
        "{wrong}"
    );
    assert!(smtp.mails().is_empty());
}

#[test]
fn keys_that_do_not_go_together_are_named() {
    let base = [
        ("SCHOOLBELL_MAIL__URL", "smtps://u:p@mail.example"),
        ("SCHOOLBELL_MAIL__FROM", "bell@school.example"),
        (
            "SCHOOLBELL_SERVER__PUBLIC_URL",
            "https://bell.school.example",
        ),
    ];
    let load = |change: &[(&str, &str)]| {
        let mut all: std::collections::BTreeMap<String, String> = base
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        for (key, value) in change {
            all.insert((*key).to_owned(), (*value).to_owned());
        }
        Config::load(None, all).map_err(|e| e.to_string())
    };
    let config = load(&[]).unwrap();
    let shown = toml::to_string(&config).unwrap();
    assert!(shown.contains("smtps://u:***@mail.example:465"), "{shown}");
    for (key, value, named) in [
        ("SCHOOLBELL_MAIL__FROM", "", "mail.from"),
        ("SCHOOLBELL_MAIL__FROM", "the school", "mail.from"),
        ("SCHOOLBELL_MAIL__URL", "smtps://u@mail.example", "mail.url"),
        ("SCHOOLBELL_MAIL__URL", "imap://mail.example", "mail.url"),
        ("SCHOOLBELL_MAIL__AUTH", "none", "mail.auth"),
        ("SCHOOLBELL_MAIL__AUTH", "oauth2", "mail.url"),
        ("SCHOOLBELL_SERVER__PUBLIC_URL", "", "mail.url"),
        ("SCHOOLBELL_MAIL__PER_MINUTE", "0", "mail.per_minute"),
    ] {
        let why = load(&[(key, value)]).unwrap_err();
        assert!(why.contains(named), "{key}={value}: {why}");
    }
    let oauth2 = [
        ("SCHOOLBELL_MAIL__URL", "smtp://u@mail.example"),
        ("SCHOOLBELL_MAIL__AUTH", "oauth2"),
    ];
    assert!(load(&oauth2).unwrap_err().contains("mail.oauth2.token_url"));
}

/// A server that stumbles over one mail takes the others.
#[tokio::test]
async fn one_mail_holds_up_no_other() {
    let s = School::open().await;
    for name in ["ann", "ben", "cat"] {
        s.add(name, &format!("{name}@home.example"), false).await;
    }
    s.smtp.answer("RCPT TO:<ann@", "cut");
    let body = json!({ "filter": {}, "days": 30, "format": "mail" });
    s.admin.post(LINKS, body).await.expect(200);
    for _ in 0..4 {
        s.report_until(|report| report["pause"].is_object() || report["waiting"] == 1)
            .await;
        s.pass(MINUTE);
    }
    let mails = s.smtp.expect(2).await;
    assert!(mails.iter().all(|mail| !mail.to.starts_with("ann")));
    s.smtp.relent();
    s.report_until(|report| report["waiting"] == 1).await;
    s.pass(20 * MINUTE);
    assert!(s.smtp.expect(3).await[2].to.starts_with("ann"));
}

#[tokio::test]
async fn what_went_to_a_former_address_is_worth_nothing() {
    let s = School::open().await;
    s.add("ann", "ann@home.example", true).await;
    s.forgot("ann").await;
    let mail = s.smtp.expect(1).await.remove(0);
    let body = json!({ "email": "new@home.example" });
    s.admin
        .put_json("/api/admin/people/ann", body)
        .await
        .expect(200);
    s.redeem(&mail.code()).await.expect(401);
}

#[tokio::test]
async fn who_asks_for_everybody_gets_few_mails() {
    let s = School::open().await;
    s.add("ann", "ann@home.example", true).await;
    let ask = async |login: String| {
        let request = warp::test::request()
            .method("POST")
            .path("/api/auth/forgot")
            .extension(schoolbell::api::Peer("203.0.113.7:4000".parse().unwrap()))
            .json(&json!({ "login": login }));
        request.reply(&s.t.routes).await.status().as_u16()
    };
    for at in 0..40 {
        assert_eq!(ask(format!("nobody-{at}")).await, 202);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(ask("ann".into()).await, 202);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(s.smtp.mails().is_empty());
    // Another address is not concerned.
    s.forgot("ann").await;
    s.smtp.expect(1).await;
}
