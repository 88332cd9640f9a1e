//! Every failure that the URL table declares happens. That nothing else happens, [`crate::helpers`] holds against every answer.

use schoolbell::config::at_least_one;
use std::net::SocketAddr;
use std::time::Duration;

use schoolbell::api::http::access::Access;
use schoolbell::api::http::endpoint::{Endpoint, Failure};
use schoolbell::api::http::input::InputSpec;
use schoolbell::api::{Peer, table};
use schoolbell::limits::load_shedding::MAX_WRITES;
use schoolbell::model::keys::Scope;
use schoolbell::model::policy::Preset;
use schoolbell::model::users::{DisplayName, Role, Username};
use schoolbell::service;
use schoolbell::store::{second_factors, users};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::helpers::{
    Answer, Device, PASSWORD, Person, PushService, SECRET, START, TestApp, path_of,
};
use crate::tokens::hs256;

const HOST: (&str, &str) = ("host", "school.example");
const OWN: (&str, &str) = ("origin", "http://school.example");
const JSON: (&str, &str) = ("content-type", "application/json");
/// The id of nothing.
const NONE: &str = "0190a0b0-c0d0-7000-8000-00000000000a";

/// A school in which everything can go wrong.
struct School {
    t: TestApp,
    service: PushService,
    admin: Person,
    ann: Person,
    bob: Person,
    /// A safeguarding lead.
    lea: Person,
    /// Of API keys: which scope.
    notify: String,
    read: String,
    roster: String,
}

/// A request, as it is changed until it fails.
#[derive(Clone)]
struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn of(endpoint: &Endpoint, id: &str) -> Self {
        Request {
            method: endpoint.method.to_string(),
            path: path_of(endpoint.pattern, id),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    fn with(mut self, (name, value): (&str, &str)) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    fn bearer(self, token: &str) -> Self {
        self.with(("authorization", &format!("Bearer {token}")))
    }

    fn query(mut self, query: &str) -> Self {
        self.path = format!("{}?{query}", self.path);
        self
    }

    fn json(mut self, body: Value) -> Self {
        self.body = body.to_string().into();
        self.with(JSON)
    }

    fn csv(mut self, file: &str) -> Self {
        self.body = file.into();
        self.with(("content-type", "text/csv"))
    }

    async fn send(&self, t: &TestApp) -> Answer {
        let headers = self.headers.iter().map(|(n, v)| (&**n, &**v));
        let headers: Vec<(&str, &str)> = headers.collect();
        t.raw(&self.method, &self.path, &headers, &self.body).await
    }
}

impl School {
    async fn new() -> Self {
        let (t, service) = TestApp::with_push_and(|c| {
            c.school.short_address = "bell.example".into();
            c.auth.auto_provision = false;
            c.auth.issuer = String::new();
        })
        .await;
        School {
            admin: t.admin().await,
            ann: t.student("ann").await,
            bob: t.student("bob").await,
            lea: t.lead("lea").await,
            notify: t.key_for(Scope::Notify).await,
            read: t.key_for(Scope::Read).await,
            roster: t.key_for(Scope::Roster).await,
            service,
            t,
        }
    }

    /// Somebody whom the route lets in.
    fn welcome(&self, request: Request, access: Access) -> Request {
        match access {
            Access::Anyone | Access::Local => request.with(HOST).with(OWN),
            Access::Person => request.bearer(&self.ann.token),
            Access::Lead => request.bearer(&self.lea.token),
            Access::Admin
            | Access::Roster
            | Access::Reader
            | Access::Oversight
            | Access::Sender => request.bearer(&self.admin.token),
        }
    }

    /// A page of ours, of somebody whom the route lets in.
    fn page(&self, request: Request, access: Access) -> Request {
        let token = match access {
            Access::Person => &self.ann.token,
            Access::Lead => &self.lea.token,
            _ => &self.admin.token,
        };
        request
            .with(HOST)
            .with(("cookie", &format!("schoolbell_session={token}")))
    }

    /// Makes the route fail so.
    async fn provoke(&self, endpoint: &Endpoint, failure: Failure) -> Answer {
        let access = endpoint.access;
        let request = Request::of(endpoint, NONE);
        let welcome = self.welcome(request.clone(), access);
        let t = &self.t;
        t.confirm(&self.admin.token).await;
        t.confirm(&self.ann.token).await;
        let request = match failure.code {
            "token_missing" => request,
            "token_invalid" => request.bearer("x.y.z"),
            "token_expired" => request.bearer(&token("ann", -60)),
            "token_revoked" => {
                let session = t.log_in(self.ann.user.clone());
                t.call("POST", "/api/auth/logout", &session.token, None)
                    .await
                    .expect(200);
                request.bearer(&session.token)
            }
            "user_unknown" => request.bearer(&token("nobody", 60)),
            "not_linked" => request.bearer(&token("admin", 60)),
            "user_disabled" => {
                let zoe = match service::users::known(&t.app, &"zoe".parse().unwrap()).await {
                    Ok(zoe) => t.log_in(zoe),
                    Err(_) => t.student("zoe").await,
                };
                service::users::set_disabled(&t.app, &zoe.user, true)
                    .await
                    .unwrap();
                request.bearer(&zoe.token)
            }
            "origin_not_allowed" if access.takes_token() => self
                .page(request, access)
                .with(("sec-fetch-site", "cross-site")),
            "origin_not_allowed" => {
                let login = json!({ "username": "ann", "password": PASSWORD });
                request.with(HOST).json(login)
            }
            "other_person" => self
                .page(request, access)
                .with(OWN)
                .with(("x-schoolbell-user", "nobody")),
            "api_key_not_allowed" if access != Access::Roster => request.bearer(&self.roster),
            "scope_missing" if access == Access::Sender => request.bearer(&self.read),
            "scope_missing" => request.bearer(&self.notify),
            "role_not_allowed" if endpoint.pattern == "/api/messages/{id}" => {
                let sent = self.bob.write(&self.ann, "words").await;
                self.welcome(Request::of(endpoint, id_of(&sent)), access)
            }
            "role_not_allowed" => request.bearer(&self.ann.token),
            "remote_not_allowed" => request,
            "confirmation_required" => {
                // Of a session that did not begin just now.
                let user = match access {
                    Access::Person => &self.ann.user,
                    _ => &self.admin.user,
                };
                let begun = t.app.auth.tokens.begin(t.app.now().plus_seconds(-3_600));
                let session = service::auth::issue(&t.app, user.clone(), &begun).unwrap();
                let admin = json!({ "username": "x", "name": "x", "role": "admin" });
                let request = request.bearer(&session.token);
                if access == Access::Roster {
                    request.json(admin)
                } else if endpoint.pattern == "/api/admin/settings" {
                    let key = "auth.second_factor_required";
                    request.json(json!({ "settings": { key: "true" } }))
                } else {
                    request
                }
            }
            "second_factor_missing" => {
                let t = TestApp::with(|config| config.auth.second_factor_required = true);
                return request.bearer(&t.admin().await.token).send(&t).await;
            }
            "second_factor_required" => {
                let body = self.second_factor(endpoint).await;
                welcome.json(body)
            }
            "second_factor_invalid" => {
                let mut body = self.second_factor(endpoint).await;
                for field in ["code", "secondFactor"] {
                    if body.get(field).is_none() {
                        body[field] = json!("000000");
                    }
                }
                welcome.json(body)
            }
            "validation_failed"
                if endpoint.pattern.ends_with("/block") || endpoint.pattern.contains("/mute/") =>
            {
                self.welcome(Request::of(endpoint, "ann"), access)
            }
            "validation_failed" => match endpoint.input {
                InputSpec::Nothing => welcome.query("nonsense=1"),
                InputSpec::Query(_) | InputSpec::File { .. } => welcome.query("%FF"),
                InputSpec::Body { .. } => welcome.json(json!([])),
            },
            "malformed_json" => match endpoint.input {
                InputSpec::File { .. } => return self.broken_off(&welcome).await,
                _ => Request {
                    body: b"{".into(),
                    ..welcome.with(JSON)
                },
            },
            "body_too_large" => match endpoint.input {
                InputSpec::File { .. } => {
                    upload(welcome).csv("").with(("content-length", "99999999"))
                }
                _ => welcome.with(JSON).with(("content-length", "99999999")),
            },
            "not_json" | "not_csv" => {
                let request = match endpoint.input {
                    InputSpec::File { .. } => upload(welcome),
                    _ => welcome,
                };
                Request {
                    body: b"{}".into(),
                    ..request.with(("content-type", "text/plain"))
                }
            }
            "too_many_requests" => return too_many(endpoint).await,
            "unavailable" if endpoint.pattern == "/health" => {
                let t = TestApp::new();
                t.app.stopping.cancel();
                return request.send(&t).await;
            }
            "unavailable" => {
                t.app.queues.writes.add(MAX_WRITES);
                let answer = welcome.send(t).await;
                t.app.queues.writes.sub(MAX_WRITES);
                return answer;
            }
            "internal_error" => return internal(endpoint).await,
            _ => return self.provoke_own(endpoint, failure.code).await,
        };
        request.send(t).await
    }

    /// A body that lets somebody in who has a second factor, but for its code.
    async fn second_factor(&self, endpoint: &Endpoint) -> Value {
        let t = &self.t;
        let account = service::auth::NewAccount {
            username: Username::parse("two").unwrap(),
            name: DisplayName::parse("Two").unwrap(),
            role: Role::Student,
            password: PASSWORD.into(),
        };
        let by = schoolbell::model::audit::AuditActor::command_line();
        let _ = service::auth::add_account(&t.app, by, account).await;
        let user = t
            .app
            .store
            .write(|tx| {
                let user = users::by_username(tx, "two")?.unwrap();
                second_factors::put(tx, user.key, "nonce")?;
                second_factors::turn_on(tx, user.key, &[])?;
                Ok(user)
            })
            .await
            .unwrap();
        if endpoint.pattern != "/api/auth/password-link" {
            return json!({ "username": "two", "password": PASSWORD });
        }
        let path = format!("/api/admin/people/{}/password-link", user.id());
        let link = self.admin.post(&path, json!({})).await.expect(201);
        let path = link["data"]["path"].as_str().unwrap();
        json!({ "code": path.split_once("#code=").unwrap().1, "password": PASSWORD })
    }

    /// A review that the lead has asked for.
    async fn review(&self) -> String {
        let body = json!({ "userIds": ["ann", "bob"], "reason": "x" });
        let asked = self.lea.post("/api/safeguarding/reviews", body).await;
        id_of(&asked.expect(201)["data"]).to_owned()
    }

    /// Whatever its version is.
    async fn set_policy(&self, policy: Value) {
        let stored = policy.to_string();
        let set = self.t.app.store.write(move |tx| {
            schoolbell::store::settings::set(tx, "policy", &stored)?;
            Ok(())
        });
        set.await.unwrap();
    }

    /// A failure that is the route's own.
    async fn provoke_own(&self, endpoint: &Endpoint, code: &str) -> Answer {
        let (t, admin, bob) = (&self.t, &self.admin, &self.bob);
        let of = |id: &str| self.welcome(Request::of(endpoint, id), endpoint.access);
        let device = |name: &str| self.service.device(name, &t.app.vapid.public);
        let by_key = |id: &str| Request::of(endpoint, id).bearer(&self.roster);
        let request = match (endpoint.method.as_str(), endpoint.pattern, code) {
            ("POST", "/api/auth/setup", _) => return set_up(endpoint, code).await,
            ("POST", "/api/auth/login" | "/api/auth/session", "credentials_invalid") => {
                of(NONE).json(json!({ "username": "ann", "password": "x" }))
            }
            ("POST", "/api/auth/password-link/user", _) => of(NONE).json(json!({ "code": NONE })),
            ("POST", "/api/auth/password-link", _) => {
                of(NONE).json(json!({ "code": "x", "password": PASSWORD }))
            }
            ("PUT", "/api/users/{id}/block", "cannot_block") => of("admin"),
            ("GET", "/api/policy/explain", _) => of(NONE).query("from=ann&to=nobody"),
            ("PUT", "/api/admin/policy", "version_required") => {
                of(NONE).json(json!({ "preset": "open" }))
            }
            ("PUT", "/api/admin/policy", "stale") => of(NONE)
                .with(("if-match", "\"x\""))
                .json(json!({ "preset": "open" })),
            ("PUT", "/api/admin/policy", _) => {
                let t = TestApp::with(|config| config.policy.preset = Some(Preset::Open));
                let request = Request::of(endpoint, NONE).bearer(&t.admin().await.token);
                return request.json(json!({ "preset": "open" })).send(&t).await;
            }
            ("DELETE", "/api/messages/{id}", "involved") => {
                let sent = self.ann.write(&self.lea, "words").await;
                Request::of(endpoint, id_of(&sent)).bearer(&self.lea.token)
            }
            ("DELETE", "/api/messages/{id}", "too_late") => {
                let sent = self.ann.write(bob, "words").await;
                let old = "UPDATE messages SET created_at = 0";
                let write = t.app.store.write(move |tx| Ok(tx.execute_batch(old)?));
                write.await.unwrap();
                of(id_of(&sent))
            }
            ("POST", "/api/messages/{id}/report", _) => of(NONE).json(json!({ "reason": "other" })),
            ("PUT", "/api/safeguarding/reports/{id}", _) => of(NONE).json(json!({})),
            ("POST", "/api/safeguarding/leads/{id}/confirm", "same_person") => {
                let sql = "INSERT OR REPLACE INTO duties (user_key, duty, state) SELECT key, 'safeguarding', 'pending' FROM users WHERE id = 'max';
                    INSERT OR REPLACE INTO account_makers (user_key, actor, at) SELECT key, 'user:lea', 9000000000000000 FROM users WHERE id = 'max';
                    UPDATE users SET username = NULL, username_key = NULL WHERE id = 'max'";
                t.person("max", Role::Staff).await;
                let write = t.app.store.write(move |tx| Ok(tx.execute_batch(sql)?));
                write.await.unwrap();
                of("max")
            }
            ("POST", "/api/safeguarding/reviews" | "/api/safeguarding/holds", code) => {
                let other = if code == "involved" { "lea" } else { "nobody" };
                of(NONE).json(json!({ "userIds": ["ann", other], "reason": "x" }))
            }
            ("POST", "/api/safeguarding/no-contact", code) => {
                let other = if code == "involved" { "lea" } else { "nobody" };
                of(NONE).json(json!({ "a": "ann", "b": other, "reason": "x" }))
            }
            ("POST", "/api/safeguarding/reviews/{id}/approve", "same_person") => {
                let review = self.review().await;
                Request::of(endpoint, &review).bearer(&self.lea.token)
            }
            ("POST", "/api/safeguarding/reviews/{id}/approve", "already_approved") => {
                let review = self.review().await;
                let path = format!("/api/safeguarding/reviews/{review}/approve");
                admin.post(&path, json!({})).await.expect(200);
                of(&review)
            }
            (_, _, "review_not_open") => of(&self.review().await),
            ("DELETE", "/api/safeguarding/holds/{id}", "involved") => {
                let sql = "INSERT INTO holds (id, user_key, reason, made_by, created_at)
                    SELECT x'0190a0b0c0d07000800000000000000b', key, '', key, 0 FROM users WHERE id = 'lea'";
                let write = t.app.store.write(move |tx| Ok(tx.execute_batch(sql)?));
                write.await.unwrap();
                of("0190a0b0-c0d0-7000-8000-00000000000b")
            }
            ("DELETE", "/api/safeguarding/no-contact/{id}", "involved") => {
                let sql = "INSERT INTO no_contact (id, a_key, role, reason, made_by, created_at)
                    SELECT 'own', key, 'guardian', '', '', 0 FROM users WHERE id = 'lea'";
                let write = t.app.store.write(move |tx| Ok(tx.execute_batch(sql)?));
                write.await.unwrap();
                of("own")
            }
            ("POST", "/api/messages", "policy_denied") => {
                self.ann.write(bob, "hello").await;
                self.ann.put("/api/users/bob/block").await.expect(200);
                let body = json!({ "receiverId": "bob", "content": "x" });
                let answer = of(NONE).json(body).send(t).await;
                self.ann.delete("/api/users/bob/block").await.expect(200);
                return answer;
            }
            (_, pattern, "policy_denied") => {
                let id = sent(admin, announce(admin).await).await;
                // Administrators announce to their own classes, and have none.
                let rule = json!({ "from": ["admin"], "to": ["student"], "when": "anyone", "may": "start" });
                let announce = json!({ "from": ["admin"], "to": "own_classes" });
                self.set_policy(json!({ "rule": [rule], "announce": [announce] }))
                    .await;
                let body = match pattern {
                    "/api/notifications" => {
                        json!({ "type": "x", "title": "x", "message": "x", "userId": "bob" })
                    }
                    "/api/admin/announcements" => {
                        json!({ "title": "x", "message": "x", "audience": { "all": true } })
                    }
                    _ => json!({}),
                };
                let answer = of(&id).json(body).send(t).await;
                self.set_policy(json!({ "preset": "open" })).await;
                return answer;
            }
            ("POST", "/api/messages", _) => {
                of(NONE).json(json!({ "receiverId": "nobody", "content": "x" }))
            }
            ("PUT", "/api/messages/read/{partnerId}", "message_not_found") => {
                of("bob").json(json!({ "upTo": NONE }))
            }
            ("PUT", "/api/messages/read/{partnerId}", _) => of("nobody"),
            ("POST", "/api/notifications", _) => {
                let body = |title| json!({ "type": "x", "title": title, "message": "x", "userId": "bob", "idempotencyKey": "x" });
                admin.post("/api/notifications", body("x")).await;
                of(NONE).json(body("y"))
            }
            ("POST", "/api/notifications/subscribe", _) => {
                let removed: Device = device("removed");
                bob.post("/api/notifications/subscribe", removed.json())
                    .await
                    .expect(201);
                let list = bob
                    .get("/api/notifications/subscriptions")
                    .await
                    .expect(200);
                let id = list["data"][0]["id"].as_str().unwrap();
                let path = format!("/api/notifications/subscriptions/{id}");
                bob.delete(&path).await.expect(200);
                of(NONE).json(removed.json())
            }
            ("PUT", "/api/notifications/subscribe", _) => {
                of(NONE).json(json!({ "old": device("a").json(), "new": device("b").json() }))
            }
            ("POST", "/api/admin/people", "username_taken") => {
                of(NONE).json(json!({ "username": "ann", "name": "x", "role": "student" }))
            }
            ("POST", "/api/admin/people", "user_id_taken") => of(NONE)
                .json(json!({ "id": "ann", "username": "x", "name": "x", "role": "student" })),
            ("PUT", "/api/admin/people/{id}", "username_taken") => {
                of("ann").json(json!({ "username": "bob" }))
            }
            ("PUT", "/api/admin/people/{id}", "user_not_found") => of(NONE).json(json!({})),
            ("PUT", "/api/admin/people/{id}", "api_key_not_allowed") => {
                by_key("admin").json(json!({}))
            }
            ("PUT", "/api/admin/people/{id}", "needs_administrator") => {
                by_key("ann").json(json!({ "disabled": true }))
            }
            ("POST", "/api/admin/people/{id}/logout", "api_key_not_allowed") => by_key("admin"),
            ("PUT", "/api/admin/people/{id}/identities", code) => {
                let identities =
                    json!({ "identities": [{ "issuer": "https://a.example", "subject": "x" }] });
                let bobs = "/api/admin/people/bob/identities";
                admin.put_json(bobs, identities.clone()).await.expect(200);
                of(if code == "identity_taken" {
                    "ann"
                } else {
                    NONE
                })
                .json(identities)
            }
            ("POST", "/api/admin/roster", "preview_stale") => of(NONE)
                .query("digest=x")
                .csv("username,name,role\nx,X,student\n"),
            ("POST", "/api/admin/roster", _) => {
                if code == "import_running" {
                    let database = rusqlite::Connection::open(t.app.store.path()).unwrap();
                    let running = "INSERT OR REPLACE INTO roster_import (one, digest, actor, state, total, counts)
                                   VALUES (1, 'x', 'command line', 'running', 1, '{}')";
                    database.execute_batch(running).unwrap();
                }
                let file = "username,name,role\nx,X,student\n";
                let preview = Request {
                    path: "/api/admin/roster/preview".into(),
                    ..by_key(NONE)
                };
                let preview = preview.query("disableMissing=true").csv(file).send(t).await;
                let digest = preview.expect(200)["data"]["digest"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                by_key(NONE)
                    .query(&format!("disableMissing=true&digest={digest}"))
                    .csv(file)
            }
            ("POST", "/api/admin/groups", _) => {
                let group = json!({ "id": "5a", "name": "5a", "kind": "class" });
                admin.post("/api/admin/groups", group.clone()).await;
                of(NONE).json(group)
            }
            ("PUT", "/api/admin/groups/{id}/members", "user_not_found") => {
                let group = json!({ "id": "5b", "name": "5b", "kind": "class" });
                admin.post("/api/admin/groups", group).await.expect(201);
                of("5b").json(json!({ "add": [NONE] }))
            }
            ("PUT", "/api/admin/settings", _) => {
                of(NONE).json(json!({ "settings": { "school.short_address": "x" } }))
            }
            ("PUT", "/api/admin/people/{id}/guardians", _) => {
                of(NONE).json(json!({ "guardians": [] }))
            }
            ("PUT", "/api/admin/people/{id}/children", _) => {
                of(NONE).json(json!({ "children": [] }))
            }
            ("PUT", "/api/admin/groups/{id}" | "/api/admin/groups/{id}/members", _) => {
                of(NONE).json(json!({}))
            }
            ("PUT", "/api/auth/guardians/{id}", code) => {
                let day = match code {
                    "not_of_age" => "",
                    _ => "2020-01-01",
                };
                let body = json!({ "adultFrom": day });
                let path = "/api/admin/people/ann";
                admin.put_json(path, body).await.expect(200);
                of(NONE).json(json!({ "agreed": true }))
            }
            ("POST", "/api/auth/second-factor/recovery-codes", _) => {
                let user = self.ann.user.key;
                let write = t
                    .app
                    .store
                    .write(move |tx| second_factors::remove(tx, user));
                write.await.unwrap();
                of(NONE)
            }
            ("POST", "/api/auth/second-factor", _) => {
                let user = self.ann.user.key;
                let write = t
                    .app
                    .store
                    .write(move |tx| second_factors::turn_on(tx, user, &[]));
                write.await.unwrap();
                of(NONE)
            }
            ("DELETE", "/api/admin/announcements/{id}", "already_sent") => {
                of(&sent(admin, announce(admin).await).await)
            }
            // What is not there, where the id is all that is asked for.
            (_, _, code) if code.ends_with("_not_found") => of(NONE),
            (method, pattern, code) => panic!("{method} {pattern}: say how it fails with {code}"),
        };
        request.send(t).await
    }

    /// A body whose framing is broken (RFC 9112 section 7.1).
    async fn broken_off(&self, request: &Request) -> Answer {
        let mut stream = tokio::net::TcpStream::connect(&self.t.address)
            .await
            .unwrap();
        let head: String = request
            .headers
            .iter()
            .map(|(n, v)| format!("{n}: {v}\r\n"))
            .collect();
        let path = upload(request.clone()).path;
        let text = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\n{head}content-type: text/csv\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        Answer::parse(&answer)
    }
}

fn id_of(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

/// An import names the preview that it follows.
fn upload(request: Request) -> Request {
    match request.path.ends_with("/roster") {
        true => request.query("digest=x"),
        false => request,
    }
}

/// A token of the school's own back end.
fn token(id: &str, seconds: i64) -> String {
    let now = START.seconds();
    hs256(
        &json!({ "userId": id, "iat": now - 120, "exp": now + seconds }),
        SECRET,
    )
}

async fn announce(admin: &Person) -> String {
    let body = json!({ "title": "x", "message": "x", "audience": { "userIds": ["ann"] } });
    let answer = admin.post("/api/admin/announcements", body).await;
    answer.expect(201)["data"]["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The id, once it is sent.
async fn sent(admin: &Person, id: String) -> String {
    for _ in 0..500 {
        let report = admin
            .get(&format!("/api/admin/announcements/{id}"))
            .await
            .expect(200);
        if report["data"]["state"] == "sent" {
            return id;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it was not sent");
}

async fn set_up(endpoint: &Endpoint, code: &str) -> Answer {
    let t = TestApp::with(|config| {
        config.policy.preset = (code == "set_in_config").then_some(Preset::Open);
    });
    let right = t.app.auth.setup.issue(t.app.now()).unwrap();
    let body = |code: &str, username: &str| json!({ "code": code, "username": username, "name": "Head", "password": PASSWORD });
    let body = match code {
        "setup_code_invalid" => body("x", "head"),
        "setup_done" => {
            t.admin().await;
            body(&right, "head")
        }
        "set_in_config" => {
            let mut body = body(&right, "head");
            body["policy"] = json!("family");
            body
        }
        _ => {
            t.student("ann").await;
            body(&right, "ann")
        }
    };
    Request::of(endpoint, NONE).json(body).send(&t).await
}

/// Asks until a limit is reached.
async fn too_many(endpoint: &Endpoint) -> Answer {
    let t = TestApp::with(|config| {
        let limits = &mut config.limits;
        limits.writes_per_minute = at_least_one(1);
        limits.reads_per_minute = at_least_one(1);
        limits.searches_per_minute = at_least_one(1);
        limits.anonymous_requests_per_minute = at_least_one(1);
    });
    let admin = t.admin().await;
    let path = path_of(endpoint.pattern, NONE);
    let ask = async || {
        // Who does not say who they are is counted by address.
        let peer = Peer(SocketAddr::from(([192, 0, 2, 1], 4_000)));
        let mut request = warp::test::request()
            .method(endpoint.method.as_str())
            .path(&path);
        if endpoint.access.takes_token() {
            request = request.header("authorization", format!("Bearer {}", admin.token));
        }
        let answer = request.extension(peer).reply(&t.routes).await;
        Answer::of(answer)
    };
    for _ in 0..1_000 {
        let answer = ask().await;
        if answer.status == 429 {
            return answer;
        }
    }
    ask().await
}

/// Asks a server whose database is not as it was made.
async fn internal(endpoint: &Endpoint) -> Answer {
    let (t, service) = TestApp::with_push().await;
    let ann = t.student("ann").await;
    let setup = t.app.auth.setup.issue(t.app.now()).unwrap();
    let request = Request::of(endpoint, NONE).with(HOST).with(OWN);
    let login = json!({ "username": "ann", "password": PASSWORD });
    let device = |name| service.device(name, &t.app.vapid.public).json();
    let request = match (endpoint.method.as_str(), endpoint.pattern) {
        _ if endpoint.access.takes_token() => request.bearer(&token("stranger", 60)),
        ("POST", "/api/auth/setup") => request.json(
            json!({ "code": setup, "username": "head", "name": "Head", "password": PASSWORD }),
        ),
        ("POST", "/api/auth/login" | "/api/auth/session") => request.json(login),
        ("DELETE", "/api/auth/session") => {
            request.with(("cookie", &format!("schoolbell_session={}", ann.token)))
        }
        ("POST", "/api/auth/password-link/user") => request.json(json!({ "code": "x" })),
        ("POST", "/api/auth/password-link") => {
            request.json(json!({ "code": "x", "password": PASSWORD }))
        }
        ("PUT", "/api/notifications/subscribe") => {
            request.json(json!({ "old": device("a"), "new": device("b") }))
        }
        (method, pattern) => panic!("{method} {pattern}: say what it asks the database"),
    };
    let database = rusqlite::Connection::open(&t.app.config.database.path).unwrap();
    database.pragma_update(None, "foreign_keys", false).unwrap();
    let fault = match (endpoint.method.as_str(), endpoint.pattern) {
        // What only writes is not told of a fault of the commit, but of one of its own.
        ("DELETE", "/api/auth/session") => {
            "CREATE TRIGGER fault BEFORE INSERT ON ended_sessions BEGIN SELECT RAISE(ABORT, 'x'); END"
        }
        ("PUT", "/api/notifications/subscribe") => "DROP TABLE push_subscriptions",
        ("POST", "/api/auth/password-link" | "/api/auth/password-link/user") => {
            "DROP TABLE password_links"
        }
        _ => "DROP TABLE users",
    };
    database.execute_batch(fault).unwrap();
    request.send(&t).await
}

#[tokio::test]
async fn every_failure_that_is_declared_happens() {
    let school = School::new().await;
    let mut wrong = Vec::new();
    let mut count = 0;
    for endpoint in table() {
        for failure in endpoint.failures() {
            count += 1;
            let answer = school.provoke(&endpoint, failure).await;
            let found = (
                answer.status,
                answer.body["code"].as_str().unwrap_or_default(),
            );
            if found != (failure.status.as_u16(), failure.code) {
                let (method, pattern) = (&endpoint.method, endpoint.pattern);
                wrong.push(format!(
                    "{method} {pattern}: {failure:?} was {}",
                    answer.text
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(count > 500, "{count}");
}
