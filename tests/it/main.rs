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
mod replay;
mod server;
mod sockets;
mod tokens;
mod users;
