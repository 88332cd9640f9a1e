//! `[limits]`: far above what a school of 2,000 behind one address needs.

use serde::{Deserialize, Serialize};

/// What one caller may take, so that there is enough for the others.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    pub enabled: bool,
    /// Open connections in all.
    pub connections: usize,
    /// Of these, the unauthenticated ones; one more closes the one that was silent longest.
    pub anonymous_connections: usize,
    /// As `anonymous_connections`, from one address.
    pub anonymous_per_address: usize,
    /// Open sockets of one user; one more closes the oldest.
    pub connections_per_user: usize,
    /// Frames a second that one socket may send, after a burst of four times as many.
    pub frames_per_second: u32,
    /// Requests that change something, of one user; a minute's worth may come at once, here and below.
    pub writes_per_minute: u32,
    /// Requests that only read, of one user.
    pub reads_per_minute: u32,
    /// Searches of one user.
    pub searches_per_minute: u32,
    /// Sockets that one user may open.
    pub sockets_per_minute: u32,
    /// Requests of one user that are answered at once, the reading of their answers included.
    pub requests_per_user: usize,
    /// Requests of one API key.
    pub key_requests_per_minute: u32,
    /// Requests of one address that say not who calls.
    pub anonymous_requests_per_minute: u32,
    /// Bytes of messages that a pupil or a guardian may write in a day; others fifty times as many.
    pub text_bytes_per_day: u32,
    /// People to whom a pupil or a guardian may write for the first time in a day, those of their own groups aside.
    pub new_partners_per_day: u32,
    /// People whom one person's notifications may go to in a minute, administrators' aside.
    pub recipients_per_minute: u32,
    /// Test pushes that one user may ask for in a minute.
    pub test_pushes_per_minute: u32,
    /// Wrong passwords for one account before its logins must wait, longer each time.
    pub failed_logins_per_account: u32,
    /// Wrong passwords from one address before its logins must wait.
    pub failed_logins_per_address: u32,
    /// Seconds in which the head of a request must come.
    pub header_seconds: u32,
    /// Seconds in which a body must come, and the longest pause of a client that reads an answer.
    pub body_seconds: u32,
    /// MiB of events that may wait for slow readers, of all sockets together.
    pub queue_mebibytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            enabled: true,
            connections: 20_000,
            anonymous_connections: 4_096,
            anonymous_per_address: 2_048,
            connections_per_user: 20,
            frames_per_second: 20,
            writes_per_minute: 300,
            reads_per_minute: 1_200,
            searches_per_minute: 120,
            sockets_per_minute: 120,
            requests_per_user: 64,
            key_requests_per_minute: 12_000,
            anonymous_requests_per_minute: 30_000,
            text_bytes_per_day: 2 << 20,
            new_partners_per_day: 10,
            recipients_per_minute: 20_000,
            test_pushes_per_minute: 5,
            failed_logins_per_account: 5,
            failed_logins_per_address: 300,
            header_seconds: 10,
            body_seconds: 30,
            queue_mebibytes: 256,
        }
    }
}
