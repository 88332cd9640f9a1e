//! HTTP, by warp. [`table`] lists every route of the API with who may call it; all else here serves that list.
//!
//! The order in each route: path → method → actor → input → handler. Nothing rejects: [`finish`] is the one place where
//! an answer gets its final shape.

mod admin;
#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod assets;
mod auth;
mod blocks;
mod files;
mod guardians;
mod health;
#[cfg_attr(not(internal_docs), doc(hidden))]
pub mod http;
mod messages;
mod notifications;
mod oidc;
mod openapi;
mod preferences;
mod pushes;
mod safeguarding;
mod second_factors;
mod sessions;
mod socketio;
mod subscriptions;
mod users;
mod ws;

use std::sync::Arc;

use warp::Filter as _;
use warp::filters::BoxedFilter;
use warp::http::Method;

use crate::app::App;
use crate::error::{Conflict, Error, Forbidden, Noun, Unauthorized};
use admin::{
    accounts, announcements, audit, backup, groups, keys, mail, password_links, policy, roster,
    settings, stats,
};
use http::access::Access::*;
use http::context::Context;
use http::endpoint::{Endpoint, delete, get, post, put};
use http::finish::finish;
use http::request::{self, Base, Request, Response};
use http::router::{Router, Routes};

#[cfg_attr(not(internal_docs), doc(hidden))]
pub use http::request::Peer;

/// All that is served.
pub type Route = BoxedFilter<(Response,)>;

/// Methods by which existing front ends mark things as read, apart from PUT.
const READ: &[Method] = &[Method::PATCH, Method::POST];

/// Every route of the API.
#[cfg_attr(not(internal_docs), doc(hidden))]
#[rustfmt::skip]
pub fn table() -> Vec<Endpoint> {
    vec![
        post("/api/auth/setup", Anyone, auth::set_up, "Make the first administrator").fails(Unauthorized::BadSetupCode).fails(Forbidden::SetupDone).fails(Conflict::Username).fails(Conflict::SetInConfig),
        post("/api/auth/login", Anyone, auth::login, "Log in").fails(Unauthorized::BadCredentials).second_factor(),
        get("/api/auth/methods", Anyone, auth::methods, "The ways to log in"),
        get("/api/auth/oidc/start", Anyone, oidc::start, "Leave for the school's provider, to log in there"),
        get("/api/auth/oidc/callback", Anyone, oidc::callback, "Come back from the school's provider, logged in or with the reason behind #login="),
        post("/api/auth/forgot", Anyone, auth::forgot, "Mail a one-time link to who forgot the password, where that can be").detached(),
        post("/api/auth/refresh", Person, auth::refresh, "Get a new token for one that is still valid"),
        post("/api/auth/logout", Person, auth::logout, "End the session of the caller's token"),
        post("/api/auth/logout-all", Person, auth::logout_all, "End every token of the caller"),
        post("/api/auth/password", Person, auth::password, "Change the caller's password"),
        get("/api/auth/me", Person, auth::me, "The caller"),
        get("/api/users", Person, users::search, "People the caller may write to").search(),
        get("/api/users/{id}", Person, users::one, "A user the caller may write to").fails(Noun::User),
        get("/api/users/blocked", Person, blocks::list, "Users the caller has blocked, by name"),
        put("/api/users/{id}/block", Person, blocks::block, "Block a user: the caller no longer sees what they write").fails(Error::Invalid(Vec::new())).fails(Noun::User).fails(Forbidden::CannotBlock),
        delete("/api/users/{id}/block", Person, blocks::unblock, "Unblock a user").fails(Noun::User),
        get("/api/presence", Person, users::presence, "Who is online"),
        post("/api/messages", Person, messages::send, "Send a message").compat(&[], &["/api/messages/send"]).charted().fails(Noun::User).fails(Error::PolicyDenied(Vec::new())),
        delete("/api/messages/{id}", Person, messages::remove, "Take a message back: its sender for a while, a safeguarding lead at any time").fails(Noun::Message).fails(Forbidden::TooLate).fails(Forbidden::Role).fails(Forbidden::Involved),
        post("/api/messages/{id}/report", Person, safeguarding::reports::make, "Report a message to the safeguarding leads").fails(Noun::Message),
        put("/api/messages/mute/{partnerId}", Person, blocks::mute, "Stop pushing what a user writes to the caller").fails(Error::Invalid(Vec::new())).fails(Noun::User),
        delete("/api/messages/mute/{partnerId}", Person, blocks::unmute, "Push again what a user writes to the caller").fails(Noun::User),
        get("/api/messages/conversations", Person, messages::conversations, "The caller's conversations, newest first"),
        get("/api/messages/conversation/{partnerId}", Person, messages::history, "Messages with a user, oldest first").fails(Noun::User),
        put("/api/messages/read/{partnerId}", Person, messages::read, "Mark a user's messages as read").compat(READ, &[]).fails(Noun::User).fails(Noun::Message),
        get("/api/messages/unread-count", Person, messages::unread_count, "How many messages are unread"),
        get("/api/messages/search", Person, messages::search, "Messages that hold the words, newest first").search(),
        get("/api/notifications", Person, notifications::list, "The caller's notifications, newest first"),
        post("/api/notifications", Sender, notifications::send, "Send a notification").charted().fails(Conflict::Idempotency).fails(Error::PolicyDenied(Vec::new())),
        get("/api/notifications/unread-count", Person, notifications::unread_count, "How many notifications are unread"),
        put("/api/notifications/mark-all-read", Person, notifications::read_all, "Mark every notification read").compat(READ, &["/api/notifications/read-all"]),
        get("/api/notifications/vapid-public-key", Anyone, pushes::key, "The key that browsers subscribe with"),
        post("/api/notifications/test-push", Person, pushes::test, "Push a test to the caller's devices"),
        post("/api/notifications/subscribe", Person, subscriptions::subscribe, "Push to this browser").fails(Conflict::DeviceRemoved),
        put("/api/notifications/subscribe", Anyone, subscriptions::renew, "Put a new subscription in the place of one whose secret the browser knows").fails(Noun::Subscription),
        delete("/api/notifications/subscribe", Person, subscriptions::unsubscribe, "Push to this browser no more"),
        get("/api/notifications/subscriptions", Person, subscriptions::list, "The caller's devices, newest first"),
        delete("/api/notifications/subscriptions/{id}", Person, subscriptions::remove, "Push to a device no more").fails(Noun::Subscription),
        get("/api/notifications/preferences", Person, preferences::get, "What the caller wants pushed"),
        put("/api/notifications/preferences", Person, preferences::put, "Set what the caller wants pushed"),
        get("/api/notifications/display", Person, preferences::display, "How a page in the background shows what arrives"),
        put("/api/notifications/{id}/read", Person, notifications::read, "Mark a notification read").compat(READ, &[]).fails(Noun::Notification),
        delete("/api/notifications/{id}", Person, notifications::remove, "Take a notification from the list").fails(Noun::Notification),
        post("/api/auth/session", Anyone, sessions::start, "Log in with a cookie, for the server's own pages").fails(Unauthorized::BadCredentials).second_factor().fails(Forbidden::Origin),
        put("/api/auth/session", Person, sessions::renew, "Get a new cookie for one that is still valid"),
        delete("/api/auth/session", Anyone, sessions::end, "Take the cookie away").fails(Forbidden::Origin),
        get("/api/auth/confirm", Person, auth::confirmation, "Until when the caller's session is confirmed"),
        post("/api/auth/confirm", Person, auth::confirm, "Confirm that it is still the caller, for ten minutes of this session"),
        get("/api/auth/second-factor", Person, second_factors::get, "Whether the caller's login takes a code"),
        post("/api/auth/second-factor", Person, second_factors::begin, "Make a secret for the caller's authenticator app").confirmed().fails(Conflict::SecondFactor),
        put("/api/auth/second-factor", Person, second_factors::turn_on, "Ask the caller for a code at each login from now on, and make recovery codes").confirmed(),
        delete("/api/auth/second-factor", Person, second_factors::remove, "Ask the caller for no code any more").confirmed(),
        post("/api/auth/second-factor/recovery-codes", Person, second_factors::renew_recovery_codes, "Make new recovery codes").confirmed().fails(Conflict::NoSecondFactor),
        get("/api/auth/guardians", Person, guardians::list, "The caller's guardians"),
        put("/api/auth/guardians/{id}", Person, guardians::agree, "Whether the caller, who is of age, agrees to a guardian").fails(Forbidden::NotOfAge).fails(Noun::User),
        get("/api/auth/sessions", Person, sessions::list, "The caller's sessions, one for each login, the last seen first"),
        delete("/api/auth/sessions/{id}", Person, sessions::remove, "End one of the caller's sessions").fails(Noun::Session),
        post("/api/auth/password-link", Anyone, password_links::redeem, "Set a password by a one-time link").fails(Unauthorized::BadPasswordLink).second_factor(),
        post("/api/auth/password-link/user", Anyone, password_links::owner, "Whose one-time link it is").fails(Unauthorized::BadPasswordLink),
        get("/api/admin/overview", Reader, stats::overview, "How things stand, and by hour"),
        get("/api/admin/checks", Admin, backup::checks, "What an administrator should look at"),
        get("/api/admin/settings", Admin, settings::list, "Every value of the configuration and where it came from"),
        put("/api/admin/settings", Admin, settings::change, "Set what the dashboard may set").fails(Forbidden::Confirmation).fails(Conflict::SetInConfig),
        get("/api/admin/people", Roster, accounts::list, "People, by name"),
        post("/api/admin/people", Roster, accounts::add, "Add a user").fails(Forbidden::Confirmation).fails(Conflict::Username).fails(Conflict::UserId),
        post("/api/admin/people/links", Admin, password_links::make_many, "Make one-time links for many, as a CSV file, as slips to print or by mail").confirmed(),
        get("/api/admin/people/{id}", Roster, accounts::one, "A user").fails(Noun::User),
        put("/api/admin/people/{id}", Roster, accounts::change, "Change a user").fails(Forbidden::Confirmation).fails(Noun::User).fails(Conflict::Username).fails(Forbidden::ApiKey).fails(Forbidden::NeedsAdministrator),
        post("/api/admin/people/{id}/logout", Roster, accounts::log_out, "Log a user out everywhere").fails(Noun::User).fails(Forbidden::ApiKey),
        post("/api/admin/people/{id}/password-link", Admin, password_links::make, "Make a one-time link for a user to set a password").fails(Noun::User).confirmed(),
        delete("/api/admin/people/{id}/second-factor", Admin, accounts::remove_second_factor, "Take away the second factor of who has lost it").fails(Noun::User).confirmed(),
        get("/api/admin/people/{id}/export", Admin, accounts::export, "All that is stored of a user, as a zip").confirmed().fails(Noun::User),
        get("/api/admin/people/{id}/identities", Admin, accounts::identities, "The external identities linked to a user").fails(Noun::User),
        put("/api/admin/people/{id}/identities", Admin, accounts::set_identities, "Link a user to external identities").confirmed().fails(Noun::User).fails(Conflict::Identity),
        get("/api/admin/people/{id}/guardians", Roster, admin::guardians::guardians, "The guardians of a pupil").fails(Noun::User),
        put("/api/admin/people/{id}/guardians", Roster, admin::guardians::set_guardians, "Set all guardians of a pupil").fails(Noun::User),
        get("/api/admin/people/{id}/children", Roster, admin::guardians::children, "The pupils whose guardian a user is").fails(Noun::User),
        put("/api/admin/people/{id}/children", Roster, admin::guardians::set_children, "Set all pupils whose guardian a user is").fails(Noun::User),
        get("/api/admin/roster", Roster, roster::export, "Everybody who logs in here, as a CSV file"),
        get("/api/admin/roster.zip", Roster, roster::export_all, "Everybody who logs in here, with all that is known of groups and guardians, as a zip of CSV files"),
        post("/api/admin/roster/columns", Roster, roster::columns, "The columns of a CSV file of people, and what each is"),
        post("/api/admin/roster/preview", Roster, roster::preview, "What a CSV file of people would change"),
        post("/api/admin/roster", Roster, roster::import, "Do what a preview showed, step by step").fails(Conflict::Stale).fails(Conflict::ImportRunning).fails(Forbidden::NeedsAdministrator),
        get("/api/admin/roster/{digest}", Roster, roster::progress, "How far an import is").fails(Noun::Route),
        get("/api/policy/explain", Oversight, policy::explain, "Why a user may write to another, or may not").fails(Noun::User),
        get("/api/safeguarding/leads", Oversight, safeguarding::leads::list, "Who is a safeguarding lead"),
        post("/api/safeguarding/leads/{id}/confirm", Lead, safeguarding::leads::confirm, "Confirm another lead, whose duty then begins or goes on").fails(Noun::User).fails(Forbidden::SamePerson),
        get("/api/safeguarding/reports", Lead, safeguarding::reports::list, "Reports, newest first, without those that name the caller"),
        get("/api/safeguarding/reports/{id}", Lead, safeguarding::reports::one, "A report with the passage that was copied").fails(Noun::Report),
        put("/api/safeguarding/reports/{id}", Lead, safeguarding::reports::change, "Take a report up, close it, note something").fails(Noun::Report),
        get("/api/safeguarding/reports/{id}/export", Lead, safeguarding::reports::export, "A report to be kept elsewhere: a page, JSON, and the SHA-256 of each").fails(Noun::Report),
        get("/api/safeguarding/reviews", Oversight, safeguarding::reviews::list, "Reviews of conversations, newest first"),
        post("/api/safeguarding/reviews", Lead, safeguarding::reviews::ask, "Ask for the reading of a conversation").fails(Noun::User).fails(Forbidden::Involved),
        post("/api/safeguarding/reviews/{id}/approve", Oversight, safeguarding::reviews::approve, "Approve a review").fails(Noun::Review).fails(Forbidden::SamePerson).fails(Conflict::Approved),
        get("/api/safeguarding/reviews/{id}/messages", Lead, safeguarding::reviews::messages, "Read the conversation of a review, newest first").fails(Noun::Review).fails(Forbidden::ReviewClosed),
        post("/api/safeguarding/reviews/{id}/tell", Lead, safeguarding::reviews::tell, "Tell the two people that their conversation was read").fails(Noun::Review).fails(Forbidden::ReviewClosed),
        get("/api/safeguarding/holds", Lead, safeguarding::holds::list, "Holds, those in force first"),
        post("/api/safeguarding/holds", Lead, safeguarding::holds::make, "Keep all of a person's, or a conversation, from retention and erasure").fails(Noun::User).fails(Forbidden::Involved),
        delete("/api/safeguarding/holds/{id}", Lead, safeguarding::holds::end, "End a hold").fails(Noun::Hold).fails(Forbidden::Involved),
        get("/api/safeguarding/no-contact", Lead, safeguarding::no_contact::list, "No-contact orders, newest first"),
        post("/api/safeguarding/no-contact", Lead, safeguarding::no_contact::make, "Keep two people, or one and a role, from each other").fails(Noun::User).fails(Forbidden::Involved),
        delete("/api/safeguarding/no-contact/{id}", Lead, safeguarding::no_contact::remove, "Take an order back").fails(Noun::Order).fails(Forbidden::Involved),
        get("/api/safeguarding/audit", Lead, safeguarding::audit::list, "Who did what in safeguarding, with the reasons, newest first"),
        get("/api/admin/policy", Admin, policy::get, "The policy of who may write to whom, and its version as ETag"),
        put("/api/admin/policy", Admin, policy::put, "Set the policy; If-Match names the version that this replaces").fails(Conflict::SetInConfig).fails(Error::NoVersion).fails(Error::OtherVersion),
        post("/api/admin/policy/preview", Admin, policy::preview, "What a policy would mean on this roster"),
        get("/api/admin/policy/presets", Admin, policy::presets, "The policies that come with the program"),
        get("/api/admin/policy/file", Admin, policy::download, "The policy as a TOML file"),
        post("/api/admin/policy/file", Admin, policy::read, "Read a policy from a TOML file, without setting it"),
        get("/api/admin/groups", Roster, groups::list, "All groups, by name"),
        post("/api/admin/groups", Roster, groups::add, "Make a group").fails(Conflict::GroupId),
        put("/api/admin/groups/{id}", Roster, groups::change, "Rename a group").fails(Noun::Group),
        delete("/api/admin/groups/{id}", Roster, groups::remove, "Remove a group").fails(Noun::Group),
        get("/api/admin/groups/{id}/members", Roster, groups::members, "The people of a group, those who lead it first").fails(Noun::Group),
        put("/api/admin/groups/{id}/members", Roster, groups::change_members, "Add people to a group and remove them").fails(Noun::Group).fails(Noun::User),
        get("/api/admin/announcements", Reader, announcements::list, "Announcements, newest first"),
        post("/api/admin/announcements", Admin, announcements::make, "Announce something, now or at a time").fails(Error::PolicyDenied(Vec::new())),
        post("/api/admin/announcements/audience", Admin, announcements::audience, "The people an audience reaches"),
        get("/api/admin/announcements/{id}", Reader, announcements::report, "An announcement and how far it got").fails(Noun::Announcement),
        delete("/api/admin/announcements/{id}", Admin, announcements::cancel, "Take back an announcement whose time has not come").fails(Noun::Announcement).fails(Conflict::Sent),
        get("/api/admin/announcements/{id}/recipients", Reader, announcements::recipients, "How far an announcement got with each recipient").fails(Noun::Announcement),
        get("/api/admin/announcements/{id}/recipients.csv", Reader, announcements::recipients_csv, "The same as a CSV file").fails(Noun::Announcement),
        post("/api/admin/announcements/{id}/remind", Admin, announcements::remind, "Tell those again who have not read it").fails(Noun::Announcement).fails(Error::PolicyDenied(Vec::new())),
        get("/api/admin/keys", Admin, keys::list, "API keys, newest first"),
        post("/api/admin/keys", Admin, keys::add, "Make an API key").confirmed(),
        delete("/api/admin/keys/{id}", Admin, keys::revoke, "Revoke an API key").fails(Noun::Key),
        get("/api/admin/audit", Admin, audit::list, "Who did what, newest first"),
        get("/api/admin/audit/verify", Oversight, audit::verify, "Whether a line of the audit log was changed, removed, put in or moved"),
        get("/api/admin/backups", Admin, backup::list, "Backups, newest first"),
        post("/api/admin/backups", Admin, backup::make, "Make a backup"),
        get("/api/admin/backups/{name}", Admin, backup::fetch, "Download a backup").fails(Noun::Backup).confirmed(),
        delete("/api/admin/backups/{name}", Admin, backup::remove, "Remove a backup").fails(Noun::Backup),
        get("/api/admin/push", Reader, pushes::report, "What came of pushes, by push service"),
        get("/api/admin/mail", Admin, mail::report, "How mail stands, and which mails were given up"),
        post("/api/admin/mail/test", Admin, mail::test, "Send a test mail"),
        get("/api/openapi.json", Anyone, openapi::serve, "This document"),
        get("/health", Anyone, health::health, "Whether the server takes writes").fails(Error::unavailable("")),
        get("/metrics", Local, health::metrics, "Figures for Prometheus"),
    ]
}

/// The OpenAPI document.
pub fn document() -> serde_json::Value {
    http::document::document(&table())
}

/// Everything that schoolbell serves, for `warp::test` or a listener. See the [crate documentation](crate).
pub fn routes(app: &App) -> Route {
    mount(app, table())
}

/// As [`routes`], with a table of the caller's own.
#[cfg_attr(not(internal_docs), doc(hidden))]
pub fn mount(app: &App, table: Vec<Endpoint>) -> Route {
    let router = Arc::new(router(app, table));
    let app = app.clone();
    request::request()
        .then(move |request| {
            let (app, router) = (app.clone(), router.clone());
            async move { answer(&app, &router, request).await }
        })
        .boxed()
}

/// Whether something is already served at a path that is to be the base of everything.
#[cfg_attr(not(internal_docs), doc(hidden))]
pub fn is_taken(base: &str) -> bool {
    let first = base.split('/').nth(1).unwrap_or_default();
    let routes = table();
    let patterns = routes.iter().map(|endpoint| endpoint.pattern);
    let mut patterns = patterns.chain([ws::PATTERN, socketio::PATTERN]);
    let begins = |pattern: &str| pattern.split('/').nth(1) == Some(first);
    !first.is_empty() && (patterns.any(begins) || assets::is_top_level(first))
}

async fn answer(app: &App, router: &Router, mut request: Request) -> Response {
    let context = Context::new(&request);
    let path = request.path.as_str().to_owned();
    let base = app.config.server.base();
    let below = path.strip_prefix(base).filter(|_| !base.is_empty());
    let response = match below {
        Some("") => assets::redirect(&path),
        Some(path) if path.starts_with('/') => {
            request.base = Base::Path;
            serve(app, router, request, path).await
        }
        _ => serve(app, router, request, &path).await,
    };
    finish(app, context, response)
}

async fn serve(app: &App, router: &Router, request: Request, path: &str) -> Response {
    match router.find(&request.method, path) {
        Ok((serve, params)) => serve(request, params).await,
        Err(why) => {
            let asset = assets::serve(app, &request, path);
            asset.unwrap_or_else(|| why.into_response())
        }
    }
}

fn router(app: &App, table: Vec<Endpoint>) -> Router {
    let mut routes = Routes::default();
    // A handshake is a GET (RFC 6455 section 4.1).
    routes.add_bare(Method::GET, ws::PATTERN, ws::serve(app));
    let socketio = socketio::serve(app);
    routes.add(Method::GET, socketio::PATTERN, socketio.clone());
    routes.add(Method::POST, socketio::PATTERN, socketio.clone());
    routes.add_others(socketio::PATTERN, socketio);
    for endpoint in table {
        let serve = endpoint.clone().serve(app);
        for (method, pattern) in endpoint.spellings() {
            routes.add(method.clone(), pattern, serve.clone());
        }
    }
    Router::new(routes)
}
