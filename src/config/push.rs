//! `[push]`: Web Push.

use serde::{Deserialize, Serialize};

use super::section::section;
use super::types::optional;
use super::{ProxyUrl, Secret};

section! {
    /// Web Push.
    pub struct Push {
        /// As `schoolbell vapid generate` prints it; also `VAPID_PUBLIC_KEY`. Empty: made at first start, kept beside the
        /// database.
        pub vapid_public_key: String = String::new(),
        /// The key that belongs to it; also `VAPID_PRIVATE_KEY`.
        pub vapid_private_key: Secret = Secret::default(),
        /// `mailto:` or `https:` of a contact for push services; Apple insists on a real one. Empty: `server.public_url`, if that
        /// is https.
        pub subject: String = String::new(),
        /// `full`: a push says what arrived; `hidden`: only that something did.
        pub content: PushContent = PushContent::Full,
        /// Where the push of a chat message leads: a path or an `https:` URL. `{userId}` in it is the sender's id.
        pub message_link: String = "/?chat={userId}".into(),
        /// Seconds for which all pages of a user must be hidden before their other devices are pushed.
        pub hidden_after_seconds: u32 = 60,
        /// Hosts of push services apart from Google's, Mozilla's, Apple's and Microsoft's: `push.example.org`, or
        /// `*.example.org` for all below.
        pub endpoint_hosts: Vec<String> = Vec::new(),
        /// The proxy that pushes go through: `http://proxy.school.example:3128`. Empty: none. Variables such as `HTTPS_PROXY`
        /// are not read.
        #[serde(with = "optional")]
        pub proxy: Option<ProxyUrl> = None,
        /// For tests: lets pushes go to any host, to private addresses and over plain http.
        pub allow_private_endpoints: bool = false,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PushContent {
    Full,
    Hidden,
}
