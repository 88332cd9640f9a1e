//! The nouns: data and its parsing. No I/O, no clock but the one handed in.
//!
//! A value of one of these types is valid: text from a client becomes a `Content`, a `UserId` or a `Link` at the
//! edge, or an error that names the field.

pub mod accounts;
pub mod announcements;
pub mod audience;
pub mod audit;
pub mod backup;
pub mod browsers;
pub mod days;
pub mod events;
pub mod grades;
pub mod groups;
pub mod guardians;
pub mod ids;
pub mod import;
pub mod journal;
pub mod keys;
pub mod language;
pub mod mails;
pub mod messages;
pub mod notifications;
pub mod object;
pub mod outcome;
pub mod page;
pub mod password_links;
pub mod personal_data;
pub mod policy;
pub mod preferences;
pub mod pushes;
pub mod qr;
pub mod quiet_hours;
pub mod random;
pub mod roster;
pub mod safeguarding;
pub mod school;
pub mod search;
pub mod second_factors;
pub mod sessions;
pub mod stats;
pub mod subscriptions;
pub mod text;
pub mod time;
pub mod users;
