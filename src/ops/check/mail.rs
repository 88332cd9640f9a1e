//! Whether mails can be sent, and whether those who get them can tell that they are the school's.

use std::net::SocketAddr;

use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::{Resolver, TokioResolver};

use super::{Finding, Outcome, finding};
use crate::config::{Config, SmtpUrl};
use crate::mail::smtp::Smtp;

/// Names under which providers publish their keys (RFC 6376 section 3.6.2.1). There is no way to ask which are in use.
const SELECTORS: &[&str] = &[
    "default",
    "dkim",
    "mail",
    "smtp",
    "selector1",
    "selector2",
    "google",
    "k1",
    "k2",
    "k3",
    "s1",
    "s2",
    "fm1",
    "fm2",
    "fm3",
    "key1",
    "key2",
    "zoho",
    "protonmail",
    "mxvault",
    "everlytickey1",
    "sig1",
    "mandrill",
    "pm",
    "api",
    "email",
    "dk",
    "x",
];

/// Where names are looked up.
pub struct Dns(TokioResolver);

impl Dns {
    /// As the system has it.
    ///
    /// # Errors
    /// A sentence.
    pub fn system() -> Result<Self, String> {
        let builder = TokioResolver::builder_tokio().map_err(|e| e.to_string())?;
        builder.build().map(Dns).map_err(|e| e.to_string())
    }

    /// At this server.
    ///
    /// # Errors
    /// A sentence.
    pub fn at(address: SocketAddr) -> Result<Self, String> {
        let mut server = NameServerConfig::udp(address.ip());
        for connection in &mut server.connections {
            connection.port = address.port();
        }
        let config = ResolverConfig::from_name_servers(vec![server]);
        let builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.build().map(Dns).map_err(|e| e.to_string())
    }

    /// The texts of a name; none, where there is no such name.
    async fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        let found = match self.0.txt_lookup(format!("{name}.")).await {
            Ok(found) => found,
            Err(error) if error.is_no_records_found() || error.is_nx_domain() => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(format!("the DNS cannot be asked for {name}: {error}")),
        };
        let texts = found
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::TXT(text) => Some(text.txt_data.concat()),
                _ => None,
            });
        Ok(texts
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .collect())
    }
}

/// Looks at the mail server, and at what the DNS says of the sender's domain.
pub async fn look(config: &Config) -> Vec<Finding> {
    let (Some(mut smtp), Some(from)) = (Smtp::of(config), &config.mail.from) else {
        return Vec::new();
    };
    let server = smtp.probe().await.map_err(|failure| {
        let code = failure.code.map(|code| format!("{code} "));
        let code = code.unwrap_or_default();
        format!("{}: {code}{}", failure.stage.as_str(), failure.said)
    });
    let name = config.mail.url.as_ref().map(SmtpUrl::server);
    let server = server.map(|()| format!("{} lets us in", name.unwrap_or_default()));
    let mut findings = vec![finding("mail server", server)];
    match Dns::system() {
        Ok(dns) => findings.extend(domain(&dns, from.domain()).await),
        Err(why) => findings.push(finding("mail domain", Err(why))),
    }
    findings
}

/// What the DNS says of a domain that mails are from.
pub async fn domain(dns: &Dns, domain: &str) -> Vec<Finding> {
    vec![
        finding("SPF", spf(dns, domain).await),
        finding("DKIM", dkim(dns, domain).await),
        finding("DMARC", dmarc(dns, domain).await),
    ]
}

/// Which servers may send (RFC 7208).
async fn spf(dns: &Dns, domain: &str) -> Outcome {
    let texts = dns.texts(domain).await?;
    let is_spf = |text: &&String| *text == "v=spf1" || text.starts_with("v=spf1 ");
    let records: Vec<&String> = texts.iter().filter(is_spf).collect();
    match records.as_slice() {
        [] => Err(format!(
            "{domain} has no SPF record (a TXT record v=spf1 …): many servers take its mails for spam; the mail provider says what it must be"
        )),
        [one] if one.split(' ').any(|term| matches!(term, "+all" | "all")) => Err(format!(
            "{domain} says {one:?}, which lets everybody send as the school: end it with ~all or -all"
        )),
        [one] => Ok(format!("{domain} says {one:?}")),
        _ => Err(format!(
            "{domain} has more than one SPF record, which counts as none: make one of them"
        )),
    }
}

/// A key by which mails are signed (RFC 6376).
async fn dkim(dns: &Dns, domain: &str) -> Outcome {
    for selector in SELECTORS {
        let texts = dns
            .texts(&format!("{selector}._domainkey.{domain}"))
            .await?;
        if texts.iter().any(|text| text.contains("p=")) {
            return Ok(format!("{domain} has the key {selector}"));
        }
    }
    Ok(format!(
        "{domain} has no key by a usual name; send a test from the dashboard and look for dkim=pass in its headers"
    ))
}

/// What is to become of mails that fail both (RFC 7489), by the domain or one that it is below.
async fn dmarc(dns: &Dns, domain: &str) -> Outcome {
    let mut at = domain;
    while at.contains('.') {
        let texts = dns.texts(&format!("_dmarc.{at}")).await?;
        if let Some(text) = texts.iter().find(|text| text.starts_with("v=DMARC1")) {
            return Ok(format!("{at} says {text:?}"));
        }
        at = at.split_once('.').map_or("", |(_, rest)| rest);
    }
    Err(format!(
        "{domain} has no DMARC record (a TXT record v=DMARC1 … of _dmarc.{domain}): large providers refuse or hide mails from such domains; v=DMARC1; p=none is a beginning"
    ))
}
