//! schoolbell: real-time notifications and messaging for schools, in one process with SQLite inside.
//!
//! # The map
//!
//! Dependencies point one way, from the bottom of this list to its top; a test holds it.
//!
//! | module | what it is |
//! |---|---|
//! | [`log`], [`threads`], [`transport`] | log lines that never block; threads that the service cannot do without; TCP and TLS |
//! | [`rule`], [`error`] | what can be wrong with a field, by id; one error type, by meaning |
//! | [`model`] | the nouns: data and parsing, no I/O |
//! | [`config`], [`metrics`] | what an operator sets, and what they watch |
//! | [`limits`] | what one caller may take, and what goes first when there is too much |
//! | [`store`] | SQL, one file per noun; the writer thread; the read pool; the thread that keeps the search index |
//! | [`hub`] | who is online, and bounded queues to them |
//! | [`auth`] | tokens, passwords, keys |
//! | [`user_cache`] | people by id, in memory |
//! | [`states`] | what one module keeps for an app |
//! | [`effects`] | where the effects of a committed write go |
//! | [`app`] | cheap-clone handles to all of the above |
//! | [`push`] | Web Push: what is in the outbox goes to push services |
//! | [`service`] | the verbs: rules, writes, events |
//! | [`ops`] | what operators do and need: checks, backups, personal data, retention, statistics |
//! | [`jobs`] | what runs beside requests, one file a job |
//! | [`realtime`] | sockets: one session type under each framing |
//! | [`api`] | the URL table and its handlers; `api::http` is how any route is served |
//! | [`server`] | the listener |
//! | [`cli`] | the commands |
//!
//! One noun has the same file name in every layer: `messages` is `model/messages.rs`, `store/messages.rs`,
//! `service/messages.rs` and `api/messages.rs`.
//!
//! # A write
//!
//! Parsed at the edge into a type of [`model`] → [`service`] decides → one closure runs on the store's writer → it is
//! committed, with whatever else was queued → [`effects`] hands what it recorded to caches and to the hub's dispatcher →
//! sockets. A recipient without an open socket gets rows in the push outbox in the same write; the push thread is woken and sends them.
//!
//! # What must stay true
//!
//! - Nothing is published before its commit: a write can only record its effects on its transaction, and the writer hands
//!   them on once it is committed.
//! - What was answered is on disk (`synchronous = full`).
//! - Durable events have one sequence. A client that comes back with the highest `seq` it saw gets every later one,
//!   once, in order.
//! - Online is not reached: an event that was sent to a socket and not acknowledged by its page is pushed when the user stays away. A pong is
//!   no acknowledgement of a page.
//! - No request waits for the search index: it is a separate file, can be rebuilt from the messages, and each hit is checked to be
//!   in one of the caller's conversations.
//! - No request waits for a push service, and a push is sent with no transaction open.
//! - No client waits for a slow one: inboxes are bounded, and a client whose inbox is full is disconnected.
//! - One caller leaves enough for the others, and whatever is queued for a caller is bounded.
//! - A restored database is another history: a cursor from before the restore is not taken for one of it.
//! - What an administrator does is in the audit log, in the same transaction, and its line is never changed.
//! - A request that is authenticated by a cookie and changes something comes from one of our own pages.
//! - Only [`api`] and [`server`] name warp; only [`store`] writes SQL.
//!
//! # Glossary
//!
//! | word | meaning |
//! |---|---|
//! | `seq` | the number of a durable event, in one sequence for the whole server |
//! | cursor | how far a client has come: a `seq`, or a place in a list |
//! | epoch | one history of the sequence; a restore begins another |
//! | effect | what a committed write does outside the database |
//! | publication | an event with its recipients |
//! | packet | an event as JSON, encoded once for all sockets |
//! | inbox | the bounded queue of one socket |
//! | acknowledgement | a client's word that its page has everything up to a `seq` |
//! | unacknowledged | sent to a socket, and not acknowledged when it closed |
//! | grace | how long a user without a socket still counts as online |
//! | outbox | pushes that are to be sent, a row for each device |
//! | push outcome | what came of a push: sent, later, gone, dead |
//! | dead letter | a push that was given up, kept for the administrator's report |
//! | delivery status | how far an announcement got with one recipient |
//! | slot | the place of one connection under the connection limit |
//! | load shedding | refusing what is cheapest to lose when queues are full |
//! | external commit | one by another process, a command for instance |
//!
//! # As a library
//!
//! An [`App`] is a whole schoolbell without a listener. With `warp::test` it is exercised in-process, on a database
//! in a temporary folder and with a clock of the test's own:
//!
//! ```
//! use std::sync::Arc;
//! use schoolbell::model::audit::AuditActor;
//! use schoolbell::model::time::{ManualClock, Time};
//! use schoolbell::model::users::{DisplayName, Role, Username};
//! use schoolbell::service::auth::{NewAccount, add_account, session};
//! use schoolbell::{App, Config, api};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let mut config = Config::default();
//! config.database.path = folder.path().join("school.db");
//! let clock = Arc::new(ManualClock::at(Time(1_795_339_800_000)));
//! let app = App::open_with_clock(config, clock.clone())?;
//!
//! let ada = add_account(&app, AuditActor::command_line(), NewAccount {
//!     username: Username::parse("ada")?,
//!     name: DisplayName::parse("Ada Lovelace")?,
//!     role: Role::Teacher,
//!     password: "blue heron on a kettle".into(),
//! }).await?;
//! let token = session(&app, Arc::new(ada))?.token;
//!
//! let routes = api::routes(&app);
//! let me = || warp::test::request()
//!     .path("/api/auth/me")
//!     .header("authorization", format!("Bearer {token}"));
//! assert_eq!(me().reply(&routes).await.status(), 200);
//!
//! clock.advance(std::time::Duration::from_secs(8 * 24 * 3600));
//! assert_eq!(me().reply(&routes).await.status(), 401, "a week is over");
//! # Ok(())
//! # }
//! ```

// A test ends where something is not as it should be.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::pedantic
    )
)]

pub mod log;
pub mod threads;
pub mod transport;

pub mod error;
pub mod model;
pub mod rule;

pub mod config;
pub mod metrics;

pub mod limits;

pub mod auth;
pub mod hub;
pub mod store;

pub mod app;
pub mod effects;
pub mod states;
pub mod user_cache;

pub mod push;
pub mod service;

pub mod ops;

pub mod jobs;

pub mod realtime;

pub mod api;

pub mod server;

pub mod cli;

pub use app::App;
pub use config::Config;
