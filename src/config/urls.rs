//! URLs and origins, parsed once, when the configuration is read.

use std::fmt;
use std::str::FromStr;

use url::Url;

use super::section::as_text;
use crate::model::text::is_host_name;

/// An `http:` or `https:` URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl {
    url: Url,
    /// As it was written.
    text: String,
}

impl HttpUrl {
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }
}

impl FromStr for HttpUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| format!("{text:?} is not an http: or https: URL"))?;
        Ok(HttpUrl {
            url,
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Where people reach the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    url: HttpUrl,
    origin: String,
}

impl PublicUrl {
    pub fn url(&self) -> &Url {
        self.url.url()
    }

    /// Without a slash at its end.
    pub fn site(&self) -> &str {
        self.as_str().trim_end_matches('/')
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// The path that everything is below, without a slash at its end: `/bell`, or nothing.
    pub fn base(&self) -> &str {
        let after = self.site().split_once("://").map_or("", |(_, rest)| rest);
        after.find('/').map_or("", |at| &after[at..])
    }

    /// The origin of its pages (RFC 6454 section 6.2).
    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub fn is_https(&self) -> bool {
        self.url.is_https()
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url: HttpUrl = text.parse()?;
        let origin = url.url().origin().ascii_serialization();
        let public = PublicUrl { url, origin };
        let plain = |segment: &str| {
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
            segment.bytes().all(is_plain) && !matches!(segment, "" | "." | "..")
        };
        let base = public.base();
        if !base.split('/').skip(1).all(plain) {
            return Err(format!(
                "{base:?} is not a path of letters, digits and any of - _ . ~"
            ));
        }
        Ok(public)
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

/// The URL of a proxy. Its user name and password are secrets: it shows, and serialises, without them.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl(HttpUrl);

impl ProxyUrl {
    pub fn url(&self) -> &Url {
        self.0.url()
    }
}

impl FromStr for ProxyUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.parse().map(ProxyUrl);
        parsed.map_err(|_: String| "is not an http: or https: URL".into())
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_str().split_once('@') {
            Some((_, host)) => write!(f, "{}://***@{host}", self.url().scheme()),
            None => self.0.fmt(f),
        }
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The origin of a site as a browser sends it (RFC 6454 section 6.2): `https://app.school.example`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url: Option<HttpUrl> = text.parse().ok();
        if url.is_some_and(|url| url.url().origin().ascii_serialization() == text) {
            return Ok(Origin(text.to_owned()));
        }
        Err(format!(
            "{text:?} is not an origin such as \"https://app.school.example\""
        ))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a host that certificates are for (RFC 1123 section 2.1), in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain(String);

impl Domain {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Domain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_name = is_host_name(text) && text.parse::<std::net::Ipv4Addr>().is_err();
        is_name
            .then(|| Domain(text.to_owned()))
            .ok_or_else(|| format!("{text:?} is not a name such as \"bell.school.example\""))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text!(HttpUrl, PublicUrl, ProxyUrl, Origin, Domain);
