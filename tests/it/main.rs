//! The tests of schoolbell: one crate, a module per noun.

mod helpers;

mod access;
mod accounts;
mod announcements;
mod assets;
mod auth;
mod backups;
mod bad_input;
mod commands;
mod crash;
mod figures;
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
mod roster;
mod server;
mod session;
mod socketio;
mod socketio_bad_input;
mod sockets;
mod subscriptions;
mod tokens;
mod upgrades;
mod users;
