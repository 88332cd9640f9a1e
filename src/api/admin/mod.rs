//! What administrators do: `/api/admin/…`. One file per noun, as everywhere.

pub mod accounts;
pub mod announcements;
pub mod audit;
pub mod backup;
pub mod groups;
pub mod guardians;
pub mod keys;
pub mod mail;
pub mod password_links;
pub mod policy;
pub mod roster;
pub mod settings;
pub mod stats;
