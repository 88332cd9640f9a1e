//! A schoolbell in-process ([`TestApp`]), people who use it, their sockets, and the real binary ([`Server`]).

mod binary;
mod declared;
mod engine;
mod push_service;
mod smtp_server;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use schoolbell::api::Route;
use schoolbell::model::audit::AuditActor;
use schoolbell::model::groups::{GroupKind, NewGroup};
use schoolbell::model::ids::UserId;
use schoolbell::model::keys::Scope;
use schoolbell::model::users::{Role, User};
use schoolbell::{App, Config, service, testing};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use warp::http::HeaderMap;

pub use binary::{Server, Signal, add_user, binary};
pub use engine::{Engine, LOST, Poller, packets};
pub use push_service::{Device, PushService, Reply};
pub use schoolbell::testing::{Came, SECRET, START, Socket};
pub use smtp_server::{SmtpServer, Tls};

pub const PASSWORD: &str = "blue heron on a kettle";

/// A client of HTTP. It asks for a provider of TLS although it speaks none here, and for certificates, which a machine need not
/// have.
pub fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().tls_certs_only([]);
    client.build().unwrap()
}

/// A TLS connection to `localhost` at this address, by a client that trusts this certificate alone.
pub async fn tls_connect(
    address: &str,
    root: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await
}

/// A schoolbell on a database file of its own, with a clock that the test moves.
pub struct TestApp(testing::EmptySchool);

impl Deref for TestApp {
    type Target = testing::EmptySchool;
    fn deref(&self) -> &testing::EmptySchool {
        &self.0
    }
}

impl DerefMut for TestApp {
    fn deref_mut(&mut self) -> &mut testing::EmptySchool {
        &mut self.0
    }
}

impl TestApp {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        TestApp(testing::EmptySchool::open(change))
    }

    /// As [`TestApp::with`], for a configuration that depends on the port.
    pub fn listening(change: impl FnOnce(u16, &mut Config)) -> Self {
        TestApp(testing::EmptySchool::open_at(change))
    }

    /// With a push service of its own.
    pub async fn with_push() -> (Self, PushService) {
        Self::with_push_and(|_| {}).await
    }

    pub async fn with_push_and(change: impl FnOnce(&mut Config)) -> (Self, PushService) {
        let t = Self::with(|config| {
            config.push.allow_private_endpoints = true;
            config.push.subject = "mailto:office@school.edu".into();
            change(config);
        });
        let service = PushService::start_at(t.clock.clone()).await;
        (t, service)
    }

    /// A browser of somebody's that gets pushes.
    pub async fn subscribe(&self, service: &PushService, person: &Person, name: &str) -> Device {
        let device = service.device(name, &self.app.vapid.public);
        let answer = person.post("/api/notifications/subscribe", device.json());
        answer.await.expect(201);
        device
    }

    /// Moves the clock, and lets those who wait for a time look at it.
    pub fn pass(&self, time: std::time::Duration) {
        self.clock.advance(time);
        self.app.push_due.notify_one();
    }

    /// Everything that was sent is settled: nothing is left in the outbox.
    pub async fn drained(&self) {
        self.waiting_for("an empty outbox", |waiting| waiting == 0)
            .await;
    }

    /// Waits until the number of pushes in the outbox is as it should be.
    pub async fn waiting_for(&self, what: &str, right: impl Fn(i64) -> bool) {
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
        loop {
            let read = self
                .app
                .store
                .read(schoolbell::store::push_services::waiting);
            let waiting = read.await.unwrap();
            if right(waiting) {
                return;
            }
            assert!(
                std::time::Instant::now() < patience,
                "no {what}: {waiting} wait"
            );
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// A user of this role; the id is the name.
    pub async fn person(&self, name: &str, role: Role) -> Person {
        self.of_app(self.0.person(name, role).await)
    }

    /// A token for a user, without a password.
    pub fn log_in(&self, user: Arc<User>) -> Person {
        self.of_app(self.0.log_in(user))
    }

    fn of_app(&self, person: testing::Person) -> Person {
        Person {
            person,
            routes: self.routes.clone(),
            app: self.app.clone(),
        }
    }

    /// The same person with a new token: what they had before has ended.
    pub async fn again(&self, person: &Person) -> Person {
        let user = service::users::known(&self.app, person.user.id()).await;
        self.log_in(user.unwrap())
    }

    pub async fn admin(&self) -> Person {
        self.person("admin", Role::Admin).await
    }

    /// A safeguarding lead, who does not log in here.
    pub async fn lead(&self, name: &str) -> Person {
        let lead = self.person(name, Role::Staff).await;
        let key = lead.user.key.0;
        let sql = format!(
            "INSERT INTO duties (user_key, duty) VALUES ({key}, 'safeguarding');
             UPDATE users SET username = NULL, username_key = NULL WHERE key = {key}"
        );
        let write = self.app.store.write(move |tx| Ok(tx.execute_batch(&sql)?));
        write.await.unwrap();
        lead
    }

    pub async fn student(&self, name: &str) -> Person {
        self.person(name, Role::Student).await
    }

    pub async fn pair(&self) -> (Person, Person) {
        (self.student("ann").await, self.student("bob").await)
    }

    /// A class of these people.
    pub async fn class(&self, id: &str, members: &[&Person]) {
        let id = UserId::parse(id).unwrap();
        let group = NewGroup {
            id: id.clone(),
            name: "A class".into(),
            kind: GroupKind::Class,
            by_hand: true,
        };
        service::groups::add(&self.app, AuditActor::command_line(), group)
            .await
            .unwrap();
        let members = members
            .iter()
            .map(|p| (p.user.id().clone(), None))
            .collect();
        service::groups::change_members(
            &self.app,
            AuditActor::command_line(),
            id,
            members,
            Vec::new(),
        )
        .await
        .unwrap();
    }

    /// An API key with the scope to notify.
    pub async fn key(&self) -> String {
        self.key_for(Scope::Notify).await
    }

    /// An API key with this scope.
    pub async fn key_for(&self, scope: Scope) -> String {
        let scopes = [scope];
        let secret =
            service::keys::create(&self.app, AuditActor::command_line(), "back end", &scopes).await;
        secret.unwrap().secret.expose().to_owned()
    }

    /// The seq of the newest event; 0 while nothing was written.
    pub async fn newest_seq(&self) -> i64 {
        let read = self.app.store.read(schoolbell::store::meta::seq);
        read.await.unwrap()
    }

    /// A request with this token, or with none.
    pub async fn call(&self, method: &str, path: &str, token: &str, body: Option<Value>) -> Answer {
        call(&self.routes, method, path, token, body).await
    }

    /// A request whose body is sent as it is.
    pub async fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut request = warp::test::request().method(method).path(path).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = Answer::new(request.reply(&self.routes).await);
        declared::check(method, path, &answer);
        answer
    }

    /// Confirms a session as its owner would by a password.
    pub async fn confirm(&self, token: &str) {
        confirm(&self.app, token).await;
    }
}

async fn confirm(app: &App, token: &str) {
    let identity = service::auth::identity(app, token).await.unwrap();
    service::confirmation::hold(app, &identity);
}

async fn call(
    routes: &Route,
    method: &str,
    path: &str,
    token: &str,
    body: Option<Value>,
) -> Answer {
    let mut request = warp::test::request().method(method).path(path);
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = Answer::new(request.reply(routes).await);
    declared::check(method, path, &answer);
    answer
}

/// A route's pattern with `value` in place of each parameter.
pub fn path_of(pattern: &str, value: &str) -> String {
    let fill = |segment| match segment {
        parameter if str::starts_with(parameter, '{') => value,
        literal => literal,
    };
    pattern.split('/').map(fill).collect::<Vec<_>>().join("/")
}

/// A user with a token, whose requests are held against the table of routes.
#[derive(Clone)]
pub struct Person {
    person: testing::Person,
    routes: Route,
    app: App,
}

impl Deref for Person {
    type Target = testing::Person;
    fn deref(&self) -> &testing::Person {
        &self.person
    }
}

impl Person {
    /// A request that is confirmed where it must be, as our own pages do.
    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let answer = call(&self.routes, method, path, &self.token, body.clone()).await;
        if answer.body["code"] != "confirmation_required" {
            return answer;
        }
        confirm(&self.app, &self.token).await;
        call(&self.routes, method, path, &self.token, body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", path, Some(body)).await
    }

    /// Sends a CSV file.
    pub async fn post_csv(&self, path: &str, file: &[u8]) -> Answer {
        self.post_file(path, "text/csv", file).await
    }

    pub async fn post_file(&self, path: &str, media_type: &str, file: &[u8]) -> Answer {
        let request = warp::test::request()
            .method("POST")
            .path(path)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", media_type)
            .body(file);
        let answer = Answer::new(request.reply(&self.routes).await);
        declared::check("POST", path, &answer);
        answer
    }

    pub async fn put(&self, path: &str) -> Answer {
        self.ask("PUT", path, None).await
    }

    pub async fn put_json(&self, path: &str, body: Value) -> Answer {
        self.ask("PUT", path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, None).await
    }

    /// Sends a message, which must succeed, and returns it.
    pub async fn write(&self, to: &Person, content: &str) -> Value {
        let body = json!({ "receiverId": to.id(), "content": content });
        self.post("/api/messages", body).await.expect(201)["data"].clone()
    }
}

/// An answer and its JSON.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
    pub text: String,
}

impl Answer {
    fn new(response: warp::http::Response<bytes::Bytes>) -> Self {
        let is_zip =
            response.headers().get("content-type") == Some(&"application/zip".parse().unwrap());
        let text = match is_zip {
            true => String::from_utf8_lossy(response.body()).into_owned(),
            false => String::from_utf8(response.body().to_vec()).unwrap(),
        };
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }

    /// One that a test asked for by itself.
    pub fn of(response: warp::http::Response<bytes::Bytes>) -> Self {
        Self::new(response)
    }

    /// One as it came over a socket.
    pub fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Answer {
            status: status.unwrap_or_default(),
            headers: HeaderMap::new(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
            text: body.to_owned(),
        }
    }

    /// One that came over the network.
    pub async fn received(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        Answer {
            status,
            headers,
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }

    /// The body of an answer that must have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.status < 300 && !self.body.is_null() && self.body.get("status").is_none() {
            assert_eq!(self.body["success"], true, "{}", self.text);
        }
        self.body
    }

    /// The body of a failure with this status and code, in the contract's shape.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!(
            (self.status, self.body["code"].as_str()),
            (status, Some(code)),
            "{}",
            self.text
        );
        assert_eq!(self.body["success"], false);
        assert!(self.body["message"].as_str().is_some_and(|m| !m.is_empty()));
        let id = self.headers.get("x-request-id").unwrap().to_str().unwrap();
        assert_eq!(self.body["requestId"], id);
        assert!(
            schoolbell::error::codes().contains(&code),
            "{code} is not listed"
        );
        for detail in self.body["details"].as_array().into_iter().flatten() {
            let given = detail["params"].as_object();
            let mut given: Vec<&str> = given
                .into_iter()
                .flat_map(|p| p.keys().map(|k| &**k))
                .collect();
            let rule = schoolbell::rule::RULES
                .iter()
                .find(|(id, _)| detail["rule"] == *id);
            let mut params = rule.expect("a rule that is not listed").1.to_vec();
            given.sort_unstable();
            params.sort_unstable();
            assert_eq!(given, params, "{detail}");
        }
        if status == 401 {
            assert_eq!(self.headers["www-authenticate"], "Bearer");
        }
        self.body
    }

    /// As [`Answer::refused`] with 400 `validation_failed`, for this field.
    #[track_caller]
    pub fn invalid(self, field: &str) {
        let body = self.refused(400, "validation_failed");
        assert_eq!(body["details"][0]["field"], field, "{body}");
    }
}
