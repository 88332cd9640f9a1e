//! The tests of schoolbell: one crate, a module per noun.

// A test or a benchmark ends where something is not as it should be.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::pedantic
)]

mod guardians;
mod helpers;

mod access;

mod accounts;
mod acme;
mod affiliations;
mod announcements;
mod assets;
mod auth;
mod backups;
mod bad_input;
mod cases;
mod check;
mod commands;
mod compat;
mod confirmation;
mod crash;
mod docs;
mod edges;
mod failures;
mod faults;
mod import;
mod layers;
mod limits;
mod log_faults;
mod logs;
mod mail;
mod messages;
mod metrics;
mod notifications;
mod oidc;
mod openapi;
mod paging;
mod parsers;
mod password_links;
mod policy;
mod preferences;
mod push_answers;
mod push_crash;
mod pushes;
mod replay;
mod restore;
mod retention;
mod roster;
mod roster_facts;
mod roster_steps;
mod safeguarding;
mod search;
mod server;
mod session;
mod sessions;
mod socketio;
mod socketio_bad_input;
mod sockets;
mod stats;
mod subscriptions;
mod tls;
mod tokens;
mod upgrades;
mod users;
mod visibility;
