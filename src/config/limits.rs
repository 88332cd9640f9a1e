//! `[limits]`: far above what a school of 2,000 behind one address needs.

use std::num::NonZeroU32;

use super::section::section;
use super::types::at_least_one;

section! {
    /// What one caller may take, so that there is enough for the others.
    pub struct Limits {
        /// `false` turns all limits off.
        pub enabled: bool = true,
        /// Open connections in all; one more is answered 503. The system's limit of open files counts too.
        pub connections: NonZeroU32 = at_least_one(20_000),
        /// Unauthenticated connections among them; one more closes the one that was silent longest.
        pub anonymous_connections: NonZeroU32 = at_least_one(4_096),
        /// Unauthenticated connections from one address. A trusted proxy has no such limit.
        pub anonymous_per_address: NonZeroU32 = at_least_one(2_048),
        /// Open sockets of one user; one more closes the oldest with 4504.
        pub connections_per_user: NonZeroU32 = at_least_one(20),
        /// Frames a second that one socket may send, after a burst of four times as many; then it is closed with 4004.
        pub frames_per_second: NonZeroU32 = at_least_one(20),
        /// Requests of one user that change something; a minute's worth may come at once, here and below. Then 429 with
        /// `Retry-After`.
        pub writes_per_minute: NonZeroU32 = at_least_one(300),
        /// Requests of one user that only read.
        pub reads_per_minute: NonZeroU32 = at_least_one(1_200),
        /// Searches of one user.
        pub searches_per_minute: NonZeroU32 = at_least_one(120),
        /// Sockets that one user may open; one more is closed with 4004.
        pub sockets_per_minute: NonZeroU32 = at_least_one(120),
        /// Requests of one user that are answered at once; an answer counts until its last byte is read. Of reads, two are made
        /// at a time and the others wait.
        pub requests_per_user: NonZeroU32 = at_least_one(64),
        /// Requests of one API key.
        pub key_requests_per_minute: NonZeroU32 = at_least_one(12_000),
        /// Requests of one address (of IPv6, one line's network) without a valid token.
        pub anonymous_requests_per_minute: NonZeroU32 = at_least_one(30_000),
        /// Bytes of messages that a pupil or a guardian may write in a day; others may write fifty times as much.
        pub text_bytes_per_day: NonZeroU32 = at_least_one(2 << 20),
        /// People to whom a pupil or a guardian may write for the first time in a day, apart from members of their own groups.
        pub new_partners_per_day: NonZeroU32 = at_least_one(10),
        /// People whom one person's notifications may go to in a minute; administrators have no such limit.
        pub recipients_per_minute: NonZeroU32 = at_least_one(20_000),
        /// Test pushes that one user may ask for in a minute.
        pub test_pushes_per_minute: NonZeroU32 = at_least_one(5),
        /// Wrong passwords for one account before its next login must wait: 1 s, 2 s, 4 s … up to 5 min. One failure is forgotten
        /// each minute, and a success forgets them all. A browser that logged in before has a count of its own, so that the
        /// wrong passwords of others do not keep its owner out.
        pub failed_logins_per_account: NonZeroU32 = at_least_one(5),
        /// Wrong passwords from one address before further ones are answered two seconds late. Right ones are not: a school is
        /// often one address. After 20 in as many seconds, one core checks the passwords from there, and the others are for
        /// everybody else.
        pub failed_logins_per_address: NonZeroU32 = at_least_one(300),
        /// Seconds in which the head of a request must come.
        pub header_seconds: NonZeroU32 = at_least_one(10),
        /// Seconds in which a body must come (ten times as long for files), and the longest pause of a client that reads an
        /// answer; after ten seconds it must read 4 KiB a second.
        pub body_seconds: NonZeroU32 = at_least_one(30),
        /// MiB of events that may wait for slow readers, of all sockets together; then those with more than 8 KiB waiting are
        /// disconnected. Each socket has 256 KiB at most, and the kernel keeps 64 KiB for it.
        pub queue_mebibytes: NonZeroU32 = at_least_one(256),
    }
}
