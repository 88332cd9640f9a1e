//! The tests of schoolbell: one crate, a module per noun.

mod helpers;

mod access;
mod auth;
mod bad_input;
mod commands;
mod crash;
mod layers;
mod logs;
mod messages;
mod metrics;
mod notifications;
mod openapi;
mod paging;
mod preferences;
mod push_answers;
mod push_crash;
mod pushes;
mod replay;
mod server;
mod socketio;
mod socketio_bad_input;
mod sockets;
mod subscriptions;
mod tokens;
mod upgrades;
mod users;
