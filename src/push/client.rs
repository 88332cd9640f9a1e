//! The HTTP client that speaks to push services, and to no other host.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};

use super::answers::Answer;
use super::guard::is_global;
use crate::auth::roots;
use crate::config::{self, ProxyUrl};
use crate::model::time::Time;

/// How long a connection may take, and how long a whole exchange.
const CONNECT_TIME: Duration = Duration::from_secs(5);
const EXCHANGE_TIME: Duration = Duration::from_secs(15);
/// What is read of an answer's body, and what is kept of it, in bytes.
const READ_BYTES: usize = 1_024;
const KEPT_BYTES: usize = 200;

/// # Errors
/// A sentence.
pub fn build(config: &config::Push) -> Result<Client, String> {
    let builder = roots::https_client()
        .connect_timeout(CONNECT_TIME)
        .timeout(EXCHANGE_TIME)
        .redirect(Policy::none())
        .no_proxy();
    let (builder, proxy) = match config.proxy.as_ref().map(ProxyUrl::url) {
        Some(url) => {
            let proxy = reqwest::Proxy::all(url.clone()).map_err(|e| e.to_string())?;
            (builder.proxy(proxy), url.host_str().map(str::to_owned))
        }
        None => (builder, None),
    };
    let builder = if config.allow_private_endpoints {
        builder
    } else {
        let resolver = GlobalOnly { except: proxy };
        builder.https_only(true).dns_resolver(resolver)
    };
    builder.build().map_err(|e| e.to_string())
}

/// Resolves names to addresses of the public internet alone: each time that a connection is made, so that a name which
/// changes its mind is caught too.
#[derive(Debug, Clone)]
struct GlobalOnly {
    /// The proxy, which is in the school's own network. The proxy guards what it connects to; it is given known names.
    except: Option<String>,
}

impl Resolve for GlobalOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let trusted = self.except.as_deref() == Some(name.as_str());
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            if trusted {
                return Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs);
            }
            let global = only_global(found)?;
            Ok(Box::new(global.into_iter()) as Addrs)
        })
    }
}

/// # Errors
/// A sentence, when none is left.
pub fn only_global(found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, String> {
    let global: Vec<SocketAddr> = found.filter(|a| is_global(a.ip())).collect();
    if global.is_empty() {
        return Err("the host has no address on the public internet".into());
    }
    Ok(global)
}

/// What a response says. Its body is read only as far as an error message goes: the rest is not waited for.
pub async fn answer(mut response: Response, now: Time) -> Answer {
    let status = response.status().as_u16();
    let retry_after = response
        .headers()
        .get("retry-after")
        .and_then(|value| retry_after(value.to_str().ok()?, now));
    // Microsoft says why in headers, and nothing in the body.
    let said = [
        "x-wns-status",
        "x-wns-notificationstatus",
        "x-wns-error-description",
    ]
    .iter()
    .filter_map(|name| response.headers().get(*name)?.to_str().ok())
    .collect::<Vec<_>>()
    .join("; ");
    let mut body = Vec::new();
    while body.len() < READ_BYTES
        && let Ok(Some(chunk)) = response.chunk().await
    {
        let room = READ_BYTES - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    let body = printable(&String::from_utf8_lossy(&body));
    Answer {
        status,
        retry_after,
        text: match body.is_empty() {
            true => printable(&said),
            false => body,
        },
    }
}

/// `Retry-After` in seconds or as a date (RFC 9110 section 10.2.3).
fn retry_after(value: &str, now: Time) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(value.trim()).ok()?;
    let left = date.timestamp().as_millisecond() - now.0;
    Some(Duration::from_millis(left.max(0) as u64))
}

/// One line of what a service answered.
pub fn printable(text: &str) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let fits = |(at, c): &(usize, char)| at + c.len_utf8() <= KEPT_BYTES;
    line.char_indices()
        .take_while(fits)
        .map(|(_, c)| c)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Time(1_795_339_800_000);
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        let date = "Sun, 22 Nov 2026 09:31:30 GMT";
        assert_eq!(retry_after(date, now), Some(Duration::from_secs(90)));
        let past = "Sun, 22 Nov 2026 09:00:00 GMT";
        assert_eq!(retry_after(past, now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-5", now), None);
    }

    #[test]
    fn what_a_service_says_becomes_one_short_line() {
        assert_eq!(printable(" a\r\n\tb\u{0}c  "), "a b c");
        assert_eq!(printable(&"é".repeat(500)).len(), KEPT_BYTES);
    }

    #[test]
    fn a_name_that_changes_its_mind_is_caught_at_the_next_connection() {
        let public: SocketAddr = "8.8.8.8:0".parse().unwrap();
        let private: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let only = |found: Vec<SocketAddr>| only_global(found.into_iter());
        assert_eq!(only(vec![private, public]).unwrap(), [public]);
        assert!(only(vec![private]).is_err());
        assert!(only(vec![]).is_err());
    }

    #[tokio::test]
    async fn the_client_does_not_connect_to_a_private_address_by_name() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = build(&config::Push::default()).unwrap();
        let sent = client.post(format!("https://localhost:{port}/")).send();
        let error = format!("{:?}", sent.await.unwrap_err());
        assert!(
            error.contains("no address on the public internet"),
            "{error}"
        );
        let came = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(came.is_err(), "somebody connected");
        let plain = client.post(format!("http://localhost:{port}/")).send();
        assert!(plain.await.is_err());
    }

    #[tokio::test]
    async fn a_proxy_may_be_in_the_schools_own_network() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = config::Push {
            proxy: Some(format!("http://localhost:{port}").parse().unwrap()),
            ..Default::default()
        };
        let client = build(&config).unwrap();
        let sent = tokio::spawn(client.post("https://fcm.googleapis.com/x").send());
        let accepted = tokio::time::timeout(Duration::from_secs(5), listener.accept()).await;
        let (mut stream, _) = accepted.unwrap().unwrap();
        let mut asked = [0; 31];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut asked)
            .await
            .unwrap();
        assert_eq!(&asked, b"CONNECT fcm.googleapis.com:443 ");
        sent.abort();
    }
}
