//! The server as its clients see it, where one runs: here, and through the proxy in front.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::header;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Finding, Outcome, finding};
use crate::auth::roots;
use crate::config::Config;
use crate::error::root_cause;
use crate::store::open;

const ANSWER_TIME: Duration = Duration::from_secs(5);

/// Asks the server, if there is one.
pub async fn look(config: &Config) -> Vec<Finding> {
    let Some(here) = running_at(config).await else {
        // A process that holds the lock and does not answer is not healthy.
        let stuck = open::lock(&config.database.path).is_err();
        let hint = "none runs on this database: start it and check again".to_owned();
        let outcome = if stuck {
            Err("one runs on this database and takes no connection: restart it".to_owned())
        } else {
            Ok(hint)
        };
        return vec![finding("server", outcome)];
    };
    let mut findings = vec![
        finding("server", health(&here, true).await),
        finding("socket", socket(&here, true).await),
    ];
    if let Some(public) = &config.server.public_url {
        let public = public.site();
        let reached = health(public, false).await;
        let answers = reached.is_ok();
        findings.push(finding("public server", reached));
        if answers {
            findings.push(finding("public socket", socket(public, false).await));
            findings.push(finding("public address", forwarded(public).await));
        }
    }
    findings
}

/// Asks the server of this database for its health, and nothing else.
pub async fn ask(config: &Config) -> Outcome {
    match running_at(config).await {
        Some(here) => health(&here, true).await,
        None => Err("no server takes connections for this database".into()),
    }
}

/// Where the server of this database listens, if it takes connections. One that listens everywhere is asked on the loopback
/// address.
async fn running_at(config: &Config) -> Option<String> {
    let text = std::fs::read_to_string(open::lock_file(&config.database.path)).ok()?;
    let mut address: SocketAddr = text.trim().parse().ok()?;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    TcpStream::connect(address).await.ok()?;
    let scheme = if config.server.tls() { "https" } else { "http" };
    Some(format!("{scheme}://{address}"))
}

/// `local`: the certificate is for another name than the loopback address.
fn client(local: bool) -> Result<reqwest::Client, String> {
    roots::https_client()
        .timeout(ANSWER_TIME)
        .no_proxy()
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .tls_danger_accept_invalid_certs(local)
        .build()
        .map_err(|e| e.to_string())
}

async fn health(base: &str, local: bool) -> Outcome {
    let url = format!("{base}/health");
    let answer = client(local)?.get(&url).send().await;
    match answer.map(|answer| answer.status()) {
        Ok(status) if status.is_success() => Ok(format!("{url} answers {status}")),
        Ok(status) => Err(format!("{url} answers {status}: look into the log")),
        Err(error) if error.is_connect() && !local => Err(format!(
            "{url} cannot be reached from here: {}; look at the name in the DNS, the firewall, the proxy and its certificate",
            root_cause(&error)
        )),
        Err(error) => Err(format!("{url}: {}", root_cause(&error))),
    }
}

/// Opens a WebSocket and has a ping answered: not every proxy lets them through.
async fn socket(base: &str, local: bool) -> Outcome {
    let url = format!("{base}/ws");
    match tokio::time::timeout(ANSWER_TIME, ping(&url, local)).await {
        Ok(Ok(())) => Ok(format!("{url} answers a ping")),
        Ok(Err(why)) => Err(format!(
            "{url}: {why}; a proxy in front must pass the headers Upgrade and Connection"
        )),
        Err(_) => Err(format!("{url}: no answer in {} s", ANSWER_TIME.as_secs())),
    }
}

async fn ping(url: &str, local: bool) -> Result<(), String> {
    let request = client(local)?
        .get(url)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, "c2Nob29sYmVsbC1jaGVjaw==");
    let answer = request.send().await.map_err(|e| root_cause(&e))?;
    if answer.status() != reqwest::StatusCode::SWITCHING_PROTOCOLS {
        return Err(format!("answers {}", answer.status()));
    }
    let mut stream = answer.upgrade().await.map_err(|e| root_cause(&e))?;
    // One text frame, masked by zeros (RFC 6455 section 5.2).
    let text = br#"{"event":"ping"}"#;
    let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(text);
    stream.write_all(&frame).await.map_err(|e| e.to_string())?;
    let mut answer = [0; 128];
    let length = stream.read(&mut answer).await.map_err(|e| e.to_string())?;
    let pong = answer[..length].windows(6).any(|part| part == br#""pong""#);
    pong.then_some(())
        .ok_or_else(|| "a ping gets no pong".into())
}

/// What is for this machine alone must not be served to others. A proxy on this machine that does not say for whom it asks would
/// make that happen, and everybody would count as one address too.
async fn forwarded(base: &str) -> Outcome {
    let url = format!("{base}/metrics");
    let answer = client(false)?
        .get(&url)
        .send()
        .await
        .map_err(|e| root_cause(&e))?;
    if answer.status().is_success() {
        return Err(format!(
            "{url} is open to everybody: have the proxy in front set X-Forwarded-For"
        ));
    }
    Ok("the proxy in front says for whom it asks".into())
}
