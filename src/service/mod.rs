//! The verbs: whatever has a rule, touches more than one table, or makes an event.
//!
//! A write here decides, then hands one closure to the store's writer. The closure records its effects on its transaction;
//! there is no other way to publish a durable event.

pub mod accounts;
pub mod announcements;
pub mod auth;
pub mod blocks;
pub mod confirmation;
pub mod groups;
pub mod guardians;
pub mod identity;
pub mod keys;
pub mod known;
pub mod login;
pub mod mailed_links;
pub mod mails;
pub mod messages;
pub mod notifications;
pub mod oidc;
pub mod password_links;
pub mod policy;
pub mod preferences;
pub mod presence;
pub mod pushes;
pub mod roster;
pub mod safeguarding;
pub mod search;
pub mod second_factors;
pub mod sessions;
pub mod settings;
pub mod subscriptions;
pub mod users;
