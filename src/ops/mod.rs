//! What operators do and need: checks, copies, personal data, retention, statistics, health, the import from another back end.

pub mod audit;
pub mod backup;
pub mod certificate;
mod changes;
pub mod check;
pub mod demo;
pub mod health;
pub mod import;
pub mod limits;
pub mod personal_data;
pub mod retention;
mod slices;
pub mod stats;
