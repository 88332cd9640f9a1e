//! Web Push.

use serde::{Deserialize, Serialize, Serializer};

use super::Secret;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Push {
    /// As `schoolbell vapid generate` prints it. Empty: made at first start.
    pub vapid_public_key: String,
    pub vapid_private_key: Secret,
    /// `mailto:` or `https:` of someone whom a push service can reach.
    pub subject: String,
    /// `full`: a push says what arrived; `hidden`: only that something did.
    pub content: PushContent,
    /// Where the push of a chat message leads: a path or an `https:` URL, `{userId}` in it being the sender's id.
    pub message_link: String,
    /// Seconds for which all pages of a user are hidden before other devices are pushed.
    pub hidden_after_seconds: u32,
    /// Hosts of push services beside the known ones (Google, Mozilla, Apple, Microsoft), `*.` in front for all below.
    pub endpoint_hosts: Vec<String>,
    /// The proxy that pushes go through, `http://proxy.school.example:3128`. Empty: none, whatever the environment says.
    #[serde(serialize_with = "without_user_info")]
    pub proxy: String,
    /// Lets push go to private addresses and over plain http: for tests.
    pub allow_private_endpoints: bool,
}

/// The password of a proxy is a secret, too.
fn without_user_info<S: Serializer>(url: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let shown = match url.split_once('@') {
        Some((before, host)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}://***@{host}")
        }
        None => url.to_owned(),
    };
    serializer.serialize_str(&shown)
}

impl Default for Push {
    fn default() -> Self {
        Push {
            vapid_public_key: String::new(),
            vapid_private_key: Secret::default(),
            subject: String::new(),
            content: PushContent::Full,
            message_link: "/?chat={userId}".into(),
            hidden_after_seconds: 60,
            endpoint_hosts: Vec::new(),
            proxy: String::new(),
            allow_private_endpoints: false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PushContent {
    Full,
    Hidden,
}
