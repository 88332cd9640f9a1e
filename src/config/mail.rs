//! `[mail]`: mail by the school's own SMTP server.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use lettre::message::Mailbox as Parsed;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use url::Url;

use super::section::{as_text, section};
use super::types::{at_least_one, optional};
use super::{HttpUrl, Secret};

section! {
    /// Mail, by the school's own SMTP server.
    pub struct Mail {
        /// The SMTP server: `smtps://user:password@mail.school.example` (TLS from the start, port 465), or `smtp://…` (STARTTLS,
        /// port 587). Characters such as `@` in the user or the password are percent-encoded. A relay that wants no password:
        /// `smtp://relay.school.example:25`, with `?tls=opportunistic` where it may lack TLS; one on this machine may anyway. Empty: no
        /// mail is sent.
        #[serde(with = "optional")]
        pub url: Option<SmtpUrl> = None,
        /// How the server is told who sends: `password`, by the user and the password of `mail.url`, if it has any; `oauth2`, by a
        /// token of `[mail.oauth2]`; `none`.
        pub auth: MailAuth = MailAuth::Password,
        /// Who the mails are from: `Hill School <bell@school.example>`.
        #[serde(with = "optional")]
        pub from: Option<Mailbox> = None,
        /// Where answers go. Empty: to `mail.from`.
        #[serde(with = "optional")]
        pub reply_to: Option<Mailbox> = None,
        /// The most mails in a minute. Providers refuse more than they allow.
        pub per_minute: NonZeroU32 = at_least_one(25),
        /// A certificate in PEM that the SMTP server's own is issued by, for an authority in the school's network. Empty: one that
        /// browsers or this system trust.
        pub ca: PathBuf = PathBuf::new(),
        nested {
            pub oauth2: MailOauth2,
        }
    }
}

section! {
    /// How a token for the SMTP server is got (XOAUTH2): by client credentials (RFC 6749 section 4.4).
    pub struct MailOauth2 {
        /// Where: `https://login.microsoftonline.com/TENANT/oauth2/v2.0/token`.
        #[serde(with = "optional")]
        pub token_url: Option<HttpUrl> = None,
        /// The id by which the provider knows this server.
        pub client_id: String = String::new(),
        /// The secret that goes with it.
        pub client_secret: Secret = Secret::default(),
        /// What the token is for: `https://outlook.office365.com/.default`.
        pub scope: String = String::new(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailAuth {
    Password,
    Oauth2,
    None,
}

/// Whether a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// From its start (RFC 8314 section 3).
    Implicit,
    /// By STARTTLS (RFC 3207), or not used.
    Required,
    /// By STARTTLS, where the server has it.
    Opportunistic,
    /// The same, with a server on this machine.
    Local,
}

/// An SMTP server, and as whom to log in there.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpUrl {
    pub host: String,
    pub port: u16,
    pub tls: SmtpTls,
    /// Empty: none.
    pub user: String,
    pub password: Secret,
}

impl SmtpUrl {
    /// The server, as a person names it.
    pub fn server(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl FromStr for SmtpUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // What is wrong is said without the text: it has a password.
        let wrong = || "is not smtps://USER:PASSWORD@HOST or smtp://HOST".to_owned();
        let url = Url::parse(text).map_err(|_| wrong())?;
        let (mut tls, port) = match url.scheme() {
            "smtps" => (SmtpTls::Implicit, 465),
            "smtp" => (SmtpTls::Required, 587),
            _ => return Err(wrong()),
        };
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(wrong)?.trim_matches(['[', ']']).to_owned();
        let decode = |part: &str| {
            let decoded = percent_decode_str(part).decode_utf8();
            decoded.map(Cow::into_owned).map_err(|_| wrong())
        };
        let (user, password) = (
            decode(url.username())?,
            decode(url.password().unwrap_or_default())?,
        );
        // A mail server on this machine: nobody is on the way.
        let is_local =
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if is_local && tls == SmtpTls::Required {
            tls = SmtpTls::Local;
        }
        match url.query() {
            None => {}
            Some("tls=opportunistic") if tls == SmtpTls::Local => {}
            Some("tls=opportunistic") if tls == SmtpTls::Required && password.is_empty() => {
                tls = SmtpTls::Opportunistic;
            }
            Some("tls=opportunistic") => {
                return Err("tls=opportunistic goes with smtp:// and no password: it could be read on its way".into());
            }
            Some(_) => return Err("knows nothing after ? but tls=opportunistic".into()),
        }
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(wrong());
        }
        Ok(SmtpUrl {
            host,
            port: url.port().unwrap_or(port),
            tls,
            user,
            password: Secret::new(password),
        })
    }
}

/// Without the password.
impl fmt::Display for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.tls {
            SmtpTls::Implicit => "smtps",
            _ => "smtp",
        };
        write!(f, "{scheme}://")?;
        match (self.user.as_str(), self.password.is_empty()) {
            ("", _) => {}
            (user, true) => write!(f, "{user}@")?,
            (user, false) => write!(f, "{user}:***@")?,
        }
        let (open, close) = if self.host.contains(':') {
            ("[", "]")
        } else {
            ("", "")
        };
        write!(f, "{open}{}{close}:{}", self.host, self.port)?;
        if self.tls == SmtpTls::Opportunistic {
            f.write_str("?tls=opportunistic")?;
        }
        Ok(())
    }
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A mailbox (RFC 5322 section 3.4), with or without a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox(Parsed);

impl Mailbox {
    pub fn parsed(&self) -> &Parsed {
        &self.0
    }

    pub fn domain(&self) -> &str {
        self.0.email.domain()
    }
}

impl FromStr for Mailbox {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.parse::<Parsed>();
        parsed.map(Mailbox).map_err(|_| {
            format!("{text:?} is not an address such as \"Hill School <bell@school.example>\"")
        })
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

as_text!(SmtpUrl, Mailbox);

impl Mail {
    /// Why the keys do not go together: the key, and what is wrong.
    pub(super) fn problem(&self) -> Option<(&'static str, &'static str)> {
        let url = self.url.as_ref()?;
        if self.from.is_none() {
            return Some(("mail.from", "must be set where mail.url is"));
        }
        match self.auth {
            MailAuth::None if !url.user.is_empty() => {
                Some(("mail.auth", "is \"none\", and mail.url has a user"))
            }
            MailAuth::Password if url.user.is_empty() != url.password.is_empty() => {
                Some(("mail.url", "must have a user and a password, or neither"))
            }
            MailAuth::Oauth2 if !url.password.is_empty() => {
                Some(("mail.url", "has a password, and mail.auth is \"oauth2\""))
            }
            MailAuth::Oauth2 if url.tls == SmtpTls::Opportunistic => Some((
                "mail.url",
                "must not have tls=opportunistic with mail.auth \"oauth2\"",
            )),
            MailAuth::Oauth2 if self.oauth2.token_url.is_none() => Some((
                "mail.oauth2.token_url",
                "must be set with mail.auth \"oauth2\"",
            )),
            MailAuth::Oauth2
                if self.oauth2.client_id.is_empty() || self.oauth2.client_secret.is_empty() =>
            {
                Some((
                    "mail.oauth2.client_id",
                    "and client_secret must be set with mail.auth \"oauth2\"",
                ))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> SmtpUrl {
        text.parse().unwrap()
    }

    #[test]
    fn a_url_has_server_and_user_and_hides_the_password() {
        let full = url("smtps://bell%40school.example:p%3Aw@mail.school.example");
        assert_eq!(full.server(), "mail.school.example:465");
        assert_eq!(
            (full.tls, full.user.as_str()),
            (SmtpTls::Implicit, "bell@school.example")
        );
        assert_eq!(full.password.expose(), "p:w");
        assert_eq!(
            full.to_string(),
            "smtps://bell@school.example:***@mail.school.example:465"
        );
        assert!(!format!("{full:?}").contains("p:w"));
        let relay = url("smtp://[fe80::1]:25?tls=opportunistic");
        assert_eq!(
            (relay.host.as_str(), relay.port, relay.tls),
            ("fe80::1", 25, SmtpTls::Opportunistic)
        );
        assert_eq!(relay.to_string(), "smtp://[fe80::1]:25?tls=opportunistic");
        for local in [
            "smtp://localhost",
            "smtp://u:p@127.0.0.1:25",
            "smtp://[::1]",
        ] {
            assert_eq!(url(local).tls, SmtpTls::Local, "{local}");
        }
        assert_eq!(url("smtp://relay").server(), "relay:587");
        assert_eq!(url("smtp://relay").tls, SmtpTls::Required);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for bad in [
            "mail.school.example",
            "http://u:geheim@mail",
            "smtps://",
            "smtps://u:geheim@mail/inbox",
            "smtps://u:geheim@mail?x=y",
            "smtp://u:geheim@mail?tls=opportunistic",
            "smtps://mail?tls=opportunistic",
        ] {
            let why = bad.parse::<SmtpUrl>().unwrap_err();
            assert!(!why.contains("geheim"), "{why}");
        }
        assert!("Hill School".parse::<Mailbox>().is_err());
        let named: Mailbox = "Hill School <bell@school.example>".parse().unwrap();
        assert_eq!(named.domain(), "school.example");
    }
}
