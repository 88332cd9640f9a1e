//! HTTP, by warp. [`table`] lists every route of the API with who may call it; all else here serves that list.
//!
//! The order in each route: path → method → actor → input → handler. A handler returns a value; only the path and the
//! method reject. [`reply::finish`] is the one place where an answer gets its final shape.

mod admin;
pub mod assets;
mod auth;
pub mod call;
mod cookie;
mod download;
pub mod endpoint;
mod files;
mod health;
pub mod input;
mod messages;
mod notifications;
mod openapi;
mod preferences;
mod pushes;
pub mod reply;
mod request;
mod session;
mod socketio;
mod subscriptions;
pub mod transport;
mod upgrade;
mod users;
mod ws;

use std::collections::BTreeMap;
use std::sync::Arc;

use warp::filters::BoxedFilter;
use warp::{Filter, Reply as _};

use crate::app::App;
use admin::{accounts, announcements, audit, backup, figures, groups, keys, roster, settings};
use endpoint::{Access::*, Endpoint, delete, get, post, put};
use reply::Response;

pub use openapi::document;
pub use request::Peer;

/// Any part of the URL space: boxed, so that forty routes compile as fast as one.
pub type Route = BoxedFilter<(Response,)>;

/// Every route of the API.
#[rustfmt::skip]
pub fn table() -> Vec<Endpoint> {
    vec![
        post("/api/auth/setup", Anyone, auth::set_up, "Make the first administrator"),
        post("/api/auth/login", Anyone, auth::login, "Log in"),
        post("/api/auth/refresh", Person, auth::refresh, "Get a new token for one that still holds"),
        post("/api/auth/logout", Person, auth::logout, "End the session of the caller's token"),
        post("/api/auth/logout-all", Person, auth::logout_all, "End every token of the caller"),
        post("/api/auth/password", Person, auth::password, "Change the caller's password"),
        get("/api/auth/me", Person, auth::me, "The caller"),
        get("/api/users", Person, users::search, "People whom the caller may write to"),
        get("/api/users/{id}", Person, users::one, "Somebody whom the caller may write to"),
        get("/api/presence", Person, users::presence, "Who is online"),
        post("/api/messages", Person, messages::send, "Send a message"),
        get("/api/messages/conversations", Person, messages::conversations, "The caller's conversations, newest first"),
        get("/api/messages/conversation/{partnerId}", Person, messages::history, "Messages with somebody, oldest first"),
        put("/api/messages/read/{partnerId}", Person, messages::read, "Mark what somebody wrote as read"),
        get("/api/messages/unread-count", Person, messages::unread_count, "How many messages are unread"),
        get("/api/messages/search", Person, messages::search, "Messages that hold the words, newest first"),
        get("/api/notifications", Person, notifications::list, "The caller's notifications, newest first"),
        post("/api/notifications", Sender, notifications::send, "Send a notification"),
        get("/api/notifications/unread-count", Person, notifications::unread_count, "How many notifications are unread"),
        put("/api/notifications/mark-all-read", Person, notifications::read_all, "Mark every notification read"),
        get("/api/notifications/vapid-public-key", Anyone, pushes::key, "The key that browsers subscribe with"),
        post("/api/notifications/test-push", Person, pushes::test, "Push a test to the caller's devices"),
        post("/api/notifications/subscribe", Person, subscriptions::subscribe, "Push to this browser"),
        put("/api/notifications/subscribe", Anyone, subscriptions::renew, "Put a new subscription in the place of one whose secret the browser knows"),
        delete("/api/notifications/subscribe", Person, subscriptions::unsubscribe, "Push to this browser no more"),
        get("/api/notifications/subscriptions", Person, subscriptions::list, "The caller's devices, newest first"),
        delete("/api/notifications/subscriptions/{id}", Person, subscriptions::remove, "Push to a device no more"),
        get("/api/notifications/preferences", Person, preferences::get, "What the caller wants pushed"),
        put("/api/notifications/preferences", Person, preferences::put, "Set what the caller wants pushed"),
        put("/api/notifications/{id}/read", Person, notifications::read, "Mark a notification read"),
        delete("/api/notifications/{id}", Person, notifications::remove, "Take a notification from the list"),
        post("/api/auth/session", Anyone, session::start, "Log in with a cookie, for the server's own pages"),
        put("/api/auth/session", Person, session::renew, "Get a new cookie for one that still holds"),
        delete("/api/auth/session", Anyone, session::end, "Take the cookie away"),
        post("/api/auth/password-link", Anyone, accounts::use_password_link, "Set a password by a one-time link"),
        get("/api/admin/overview", Reader, figures::overview, "How things stand, and by hour"),
        get("/api/admin/checks", Admin, backup::checks, "What an administrator should look at"),
        get("/api/admin/settings", Admin, settings::list, "Every value of the configuration and where it came from"),
        get("/api/admin/people", Roster, accounts::list, "People, by name"),
        post("/api/admin/people", Roster, accounts::add, "Add somebody"),
        get("/api/admin/people/{id}", Roster, accounts::one, "Somebody"),
        put("/api/admin/people/{id}", Roster, accounts::change, "Change somebody"),
        post("/api/admin/people/{id}/logout", Roster, accounts::log_out, "Log somebody out everywhere"),
        post("/api/admin/people/{id}/password-link", Admin, accounts::password_link, "A one-time link by which somebody sets their password"),
        get("/api/admin/people/{id}/identities", Admin, accounts::identities, "The external identities linked to a user"),
        put("/api/admin/people/{id}/identities", Admin, accounts::set_identities, "Link a user to external identities"),
        get("/api/admin/roster", Roster, roster::export, "Everybody who logs in here, as a CSV file"),
        post("/api/admin/roster/preview", Roster, roster::preview, "What a CSV file of people would change"),
        post("/api/admin/roster", Roster, roster::import, "Do what a preview showed, in one transaction"),
        get("/api/admin/roster/{digest}", Roster, roster::progress, "How far an import is"),
        get("/api/admin/groups", Roster, groups::list, "All groups, by name"),
        post("/api/admin/groups", Roster, groups::add, "Make a group"),
        put("/api/admin/groups/{id}", Roster, groups::change, "Rename a group"),
        delete("/api/admin/groups/{id}", Roster, groups::remove, "Remove a group"),
        put("/api/admin/groups/{id}/members", Roster, groups::members, "Add people to a group and remove them"),
        get("/api/admin/announcements", Reader, announcements::list, "Announcements, newest first"),
        post("/api/admin/announcements", Admin, announcements::make, "Announce something, now or at a time"),
        post("/api/admin/announcements/audience", Admin, announcements::audience, "Whom an audience comes to"),
        get("/api/admin/announcements/{id}", Reader, announcements::report, "An announcement and how far it got"),
        delete("/api/admin/announcements/{id}", Admin, announcements::cancel, "Take back an announcement whose time has not come"),
        get("/api/admin/announcements/{id}/recipients", Reader, announcements::recipients, "How far an announcement got with each recipient"),
        get("/api/admin/announcements/{id}/recipients.csv", Reader, announcements::recipients_csv, "The same as a CSV file"),
        post("/api/admin/announcements/{id}/remind", Admin, announcements::remind, "Tell those again who have not read it"),
        get("/api/admin/keys", Admin, keys::list, "API keys, newest first"),
        post("/api/admin/keys", Admin, keys::add, "Make an API key"),
        delete("/api/admin/keys/{id}", Admin, keys::revoke, "Revoke an API key"),
        get("/api/admin/audit", Admin, audit::list, "Who did what, newest first"),
        get("/api/admin/backups", Admin, backup::list, "Backups, newest first"),
        post("/api/admin/backups", Admin, backup::make, "Make a backup"),
        get("/api/admin/backups/{name}", Admin, backup::fetch, "Download a backup"),
        delete("/api/admin/backups/{name}", Admin, backup::remove, "Remove a backup"),
        get("/api/admin/push", Reader, pushes::report, "What came of pushes, by push service"),
        get("/api/openapi.json", Anyone, openapi::serve, "This document"),
        get("/health", Anyone, health::health, "Whether the server takes writes"),
        get("/metrics", Local, health::metrics, "Figures for Prometheus"),
    ]
}

/// Everything that schoolbell serves, for `warp::test` or a listener. See the [crate documentation](crate).
pub fn routes(app: &App) -> Route {
    mount(app, table())
}

/// As [`routes`], with a table of the caller's own.
pub fn mount(app: &App, table: Vec<Endpoint>) -> Route {
    let table: Arc<[Endpoint]> = table.into();
    let api = any_of(
        grouped(app, &table)
            .into_iter()
            .chain([ws::route(app), socketio::route(app)]),
    );
    let answered = api
        .or(assets::route(app))
        .unify()
        .recover(reply::recover)
        .unify();
    let app = app.clone();
    request::context()
        .and(answered)
        .map(move |context, response| reply::finish(&app, &table, context, response))
        .boxed()
}

/// One filter for each resource, behind its prefix, so that a request is compared with few patterns.
fn grouped(app: &App, table: &[Endpoint]) -> Vec<Route> {
    let mut groups: BTreeMap<(&str, Option<&str>), Vec<Route>> = BTreeMap::new();
    for endpoint in table {
        let mut segments = endpoint.pattern.split('/').skip(1);
        let first = segments.next().unwrap_or_default();
        groups
            .entry((first, segments.next()))
            .or_default()
            .push(endpoint.route(app));
    }
    groups
        .into_iter()
        .map(|((first, second), routes)| {
            let inner = any_of(routes);
            let prefix = warp::path(first.to_owned());
            match second {
                Some(second) => prefix.and(warp::path(second.to_owned())).and(inner).boxed(),
                None => prefix.and(inner).boxed(),
            }
        })
        .collect()
}

/// The first of them that does not reject.
fn any_of(routes: impl IntoIterator<Item = Route>) -> Route {
    let none = warp::any()
        .and_then(|| async { Err(warp::reject::not_found()) })
        .map(|(): ()| warp::reply().into_response());
    routes
        .into_iter()
        .reduce(|a, b| a.or(b).unify().boxed())
        .unwrap_or_else(|| none.boxed())
}
