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

/// What the machine that the server runs on has to say.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checks {
    pub version: String,
    pub server_time: Time,
    /// Where the configuration says that people reach the server; empty where it does not.
    pub public_url: String,
    /// The contact that push services are given.
    pub push_contact: String,
    /// What is wrong with it.
    pub push_contact_problem: Option<String>,
    pub last_backup_at: Option<Time>,
    /// What is wrong with the backups that the server makes by itself.
    pub backup_problem: Option<String>,
    pub database_bytes: u64,
    /// Free on the disk of the database; `null` where the system does not tell.
    pub disk_free_bytes: Option<u64>,
}
