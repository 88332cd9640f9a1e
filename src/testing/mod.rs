//! A whole school in a test: a database in a temporary folder, a clock that the test moves, people with tokens, and sockets over
//! the loopback interface.
//!
//! ```
//! use schoolbell::testing::School;
//! use serde_json::json;
//!
//! # #[tokio::main]
//! # async fn main() {
//! let school = School::open().await;
//! let (mut socket, _) = school.guardian.connect().await;
//!
//! let message = json!({ "receiverId": school.guardian.id(), "content": "See you at eight" });
//! let sent = school.teacher.request("POST", "/api/messages").json(&message);
//! assert_eq!(sent.reply(&school.routes).await.status(), 201);
//! assert_eq!(socket.expect("new_message").await["content"], "See you at eight");
//!
//! school.clock.advance(std::time::Duration::from_secs(8 * 24 * 3600));
//! let me = school.teacher.request("GET", "/api/auth/me");
//! assert_eq!(me.reply(&school.routes).await.status(), 401, "a week is over");
//! # }
//! ```
//!
//! What goes wrong here ends the test: functions panic with what they saw.

// A test ends where something is not as it should be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod socket;

use std::ops::Deref;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use warp::test::RequestBuilder;

pub use self::socket::{Came, Socket};
pub use crate::api::Route;
pub use crate::model::time::{ManualClock, Time};
pub use crate::model::users::Role;

use crate::config::{Secret, at_least_one};
use crate::model::ids::UserId;
use crate::model::users::{DisplayName, NewUser, Origin, User, Username};
use crate::{App, Config, api, server, service};

/// The time at which a school begins: 2026-11-22T09:30:00Z, a Sunday.
pub const START: Time = Time(1_795_339_800_000);
/// The secret that tokens are signed with, as `auth.jwt_secret` has it.
pub const SECRET: &str = "a secret that two back ends share";

/// A server with an empty database. It ends when it is dropped.
pub struct EmptySchool {
    pub app: App,
    pub routes: Route,
    pub clock: Arc<ManualClock>,
    /// `HOST:PORT` where it listens, for sockets.
    pub address: String,
    stop: Option<oneshot::Sender<()>>,
    _folder: tempfile::TempDir,
}

impl EmptySchool {
    /// Opens it, inside a tokio runtime. The limits on one caller are high: tests ask faster than people do.
    pub fn open(change: impl FnOnce(&mut Config)) -> Self {
        Self::open_at(|_, config| change(config))
    }

    /// As [`EmptySchool::open`], for a configuration that depends on the port.
    pub fn open_at(change: impl FnOnce(u16, &mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = Config::default();
        config.database.path = folder.path().join("school.db");
        config.auth.jwt_secret = Secret::new(SECRET);
        config.limits.writes_per_minute = at_least_one(1_000_000);
        config.limits.reads_per_minute = at_least_one(1_000_000);
        config.limits.test_pushes_per_minute = at_least_one(1_000_000);
        config.limits.new_partners_per_day = at_least_one(1_000_000);
        config.limits.text_bytes_per_day = at_least_one(1 << 30);
        change(address.port(), &mut config);
        let clock = Arc::new(ManualClock::at(START));
        let app = App::open_with_clock(config, clock.clone()).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async move { stopped.await.unwrap_or_default() };
        tokio::spawn(server::run(listener, app.clone(), stopped));
        EmptySchool {
            routes: api::routes(&app),
            app,
            clock,
            address: address.to_string(),
            stop: Some(stop),
            _folder: folder,
        }
    }

    /// Adds a user without a password, whose id and username are `name`.
    pub async fn person(&self, name: &str, role: Role) -> Person {
        let new = NewUser {
            id: UserId::parse(name).unwrap(),
            username: Some(Username::parse(name).unwrap()),
            name: DisplayName::parse(&format!("{name} of the school")).unwrap(),
            email: None,
            avatar: None,
            role,
            password_hash: None,
            origin: Origin::Import,
        };
        let user = service::users::add(&self.app, new).await.unwrap();
        self.log_in(Arc::new(user))
    }

    /// A token for a user, without a password.
    pub fn log_in(&self, user: Arc<User>) -> Person {
        let session = self.app.auth.tokens.begin(self.app.now());
        let session = service::auth::issue(&self.app, user.clone(), &session).unwrap();
        Person {
            user,
            token: session.token,
            address: self.address.clone(),
        }
    }

    /// An unauthenticated socket.
    pub async fn socket(&self) -> Socket {
        Socket::connect(&self.address, "/ws", &[]).await.unwrap()
    }

    /// Stops the server as SIGTERM does.
    pub fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }
}

/// What runs beside requests ends with the test.
impl Drop for EmptySchool {
    fn drop(&mut self) {
        self.app.stopping.cancel();
    }
}

/// A server with one person of each role.
pub struct School {
    server: EmptySchool,
    pub admin: Person,
    pub teacher: Person,
    pub pupil: Person,
    pub guardian: Person,
}

impl School {
    /// Opens it, inside a tokio runtime.
    pub async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    /// As [`School::open`], with another configuration.
    pub async fn open_with(change: impl FnOnce(&mut Config)) -> Self {
        let server = EmptySchool::open(change);
        School {
            admin: server.person("admin", Role::Admin).await,
            teacher: server.person("teacher", Role::Teacher).await,
            pupil: server.person("pupil", Role::Student).await,
            guardian: server.person("guardian", Role::Guardian).await,
            server,
        }
    }
}

impl Deref for School {
    type Target = EmptySchool;
    fn deref(&self) -> &EmptySchool {
        &self.server
    }
}

/// A user with a token.
#[derive(Clone)]
pub struct Person {
    pub user: Arc<User>,
    pub token: String,
    address: String,
}

impl Person {
    pub fn id(&self) -> &str {
        self.user.id().as_str()
    }

    /// A request of this user's, for [`RequestBuilder::reply`].
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let request = warp::test::request().method(method).path(path);
        request.header("authorization", format!("Bearer {}", self.token))
    }

    /// An authenticated socket, and the data of its event `connected`.
    pub async fn connect(&self) -> (Socket, serde_json::Value) {
        self.connect_since(None).await
    }

    /// As [`Person::connect`], from a cursor on.
    pub async fn connect_since(&self, since: Option<i64>) -> (Socket, serde_json::Value) {
        Socket::join(&self.address, &self.token, since).await
    }
}
