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
//! | [`decisions`] | who may write to whom, as it was decided and still stands |
//! | [`school`] | what is known of the school itself |
//! | [`states`] | what one module keeps for an app |
//! | [`effects`] | where the effects of a committed write go |
//! | [`app`] | cheap-clone handles to all of the above |
//! | [`push`] | Web Push: what is in the outbox goes to push services |
//! | [`mail`] | mails: what is in the outbox goes to the school's SMTP server |
//! | [`service`] | the verbs: rules, writes, events |
//! | [`ops`] | what operators do and need: checks, backups, personal data, retention, statistics |
//! | [`jobs`] | what runs beside requests, one file a job |
//! | [`realtime`] | sockets: one session type under each framing |
//! | [`api`] | the URL table and its handlers; `api::http` is how any route is served |
//! | [`server`] | the listener |
//! | [`cli`] | the commands |
//! | `testing` | a whole school in a test, with the feature of that name |
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
//! - A message is allowed inside the write that stores it, by the roster and the policy of that moment, or is not stored.
//! - What an administrator or a safeguarding lead does is in the audit log, in the same transaction; its line is never changed, and carries the
//!   hash of itself and of the line before.
//! - Nobody who is named in a report sees it, and no administrator reads a chat.
//! - What was erased, removed, ordered or ended is in the journal beside the database: no copy of before brings it back.
//! - A request that is authenticated by a cookie and changes something comes from one of our own pages.
//! - Only [`api`] and [`server`] name warp, and `testing`, which asks the routes; only [`store`] writes SQL.
//!
//! # Glossary
//!
//! | word | meaning |
//! |---|---|
//! | `seq` | the number of a durable event, in one sequence for the whole server |
//! | cursor | how far a client has come: a `seq`, or a place in a list |
//! | epoch | one history of the sequence; a restore begins another |
//! | policy | who may write to whom, who may announce, and when it is quiet |
//! | decision | what a policy says of one person who writes to another: start, reply or no |
//! | relation | what two people are to each other by the roster, seen from the writer |
//! | lead | a safeguarding lead whose duty is in force |
//! | report | a message that somebody reported, with a copy of those around it |
//! | review | a lead's reading of a conversation, with a second person's approval |
//! | hold | what neither retention nor an erasure removes |
//! | no-contact order | two people, or one and a role, who are kept apart |
//! | anchor | a line of the audit log and its hash, written down elsewhere |
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
//! An [`App`] is a whole schoolbell without a listener, [`api::routes`] is what it serves, and [`server::run`] serves it. These, [`Config`] and
//! the module `testing` (feature `testing`) are the supported surface; the other modules are public for our own tests and benchmarks, and
//! change without notice. `testing` makes a school in one line:
//!
//! ```
//! # #[tokio::main]
//! # async fn main() {
//! let school = schoolbell::testing::School::open().await;
//! let me = school.teacher.request("GET", "/api/auth/me");
//! assert_eq!(me.reply(&school.routes).await.status(), 200);
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

// What is not supported is left out of the documentation, except with --cfg internal_docs.
#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod log;
#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod threads;
#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod transport;

#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod error;
#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod model;
#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod rule;

pub mod config;
#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod metrics;

#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod limits;

#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod auth;
#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod hub;
#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod store;

pub mod app;
#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod decisions;
#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod effects;
#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod school;
#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod states;
#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod user_cache;

#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod mail;
#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod push;
#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod service;

#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod ops;

#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod jobs;

#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod realtime;

pub mod api;

pub mod server;

#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod cli;

#[cfg(feature = "testing")]
pub mod testing;

pub use app::App;
pub use config::Config;
