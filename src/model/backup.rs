//! Copies of the database that the server keeps.

use serde::Serialize;
use utoipa::ToSchema;

use super::time::Time;

/// A copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// Its file's name.
    pub name: String,
    pub bytes: u64,
    pub created_at: Time,
}

/// What can be wrong with backups that are made by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BackupProblem)]
pub enum Problem {
    /// The last one could not be made.
    Failed,
    /// The last one is more than twice as old as it should be.
    Old,
    /// There is one that is dated in the future: the clock was wrong when it was made, or is now.
    Future,
}

/// What the machine that the server runs on has to say.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checks {
    pub version: String,
    /// What changed in this version, in Markdown.
    pub changes: String,
    pub server_time: Time,
    /// Where the configuration says that people reach the server; empty where it does not.
    pub public_url: String,
    /// The contact that push services are given.
    pub push_contact: String,
    /// What is wrong with it.
    pub push_contact_problem: Option<String>,
    pub last_backup_at: Option<Time>,
    /// What is wrong with the backups that the server makes by itself.
    pub backup_problem: Option<Problem>,
    /// Why the last one failed, where it did.
    pub backup_error: Option<String>,
    /// When the certificate of the server's own TLS ends; null where it has none.
    pub certificate_expires_at: Option<Time>,
    /// Why the server could not get or renew it by itself.
    pub certificate_problem: Option<String>,
    /// How many pupils everybody may write to, under the policy `open`; 0 under another.
    pub open_to_pupils: u64,
    /// Rules of the school's own policy, by their places from 0, that are about nobody.
    pub unused_rules: Vec<usize>,
    /// Safeguarding leads whose duty is in force; `null` where there is no pupil.
    pub leads: Option<u64>,
    pub database_bytes: u64,
    /// Free on the disk of the database; `null` where the system does not tell.
    pub disk_free_bytes: Option<u64>,
}
