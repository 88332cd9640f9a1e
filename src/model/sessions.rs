//! Sessions: one for each login, however often its token is renewed.

use std::net::IpAddr;

use serde::Serialize;

use super::time::Time;

/// What a request tells of the device that it comes from.
#[derive(Debug, Clone, Default)]
pub struct Client {
    pub address: Option<IpAddr>,
    /// Browser and system, for example `Firefox on Android`.
    pub browser: String,
}

/// A session as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LoginSession)]
pub struct SessionInfo {
    pub id: String,
    pub created_at: Time,
    /// To within five minutes.
    pub last_seen_at: Time,
    /// For example `Firefox on Android`.
    pub device: String,
    /// Whether it is the caller's.
    pub current: bool,
}
