//! Where a request comes from, also behind proxies.

use std::net::{IpAddr, SocketAddr};

use warp::http::HeaderMap;

use super::request::Peer;
use crate::app::App;
use crate::config::Server;
use crate::error::Result;
use crate::limits::rates::Stranger;

/// Counts an unauthenticated request.
///
/// # Errors
/// [`Error::TooMany`](crate::error::Error::TooMany).
pub fn admit_stranger(
    app: &App,
    peer: Option<Peer>,
    headers: &HeaderMap,
    what: Stranger,
) -> Result<()> {
    let Some(Peer(peer)) = peer else {
        return Ok(());
    };
    let address = forwarded_address(&app.config.server, peer.ip(), headers);
    app.limits.rates.address(address, what)
}

/// Where a request came from, unless that is a proxy, which carries many clients.
pub fn direct_address(app: &App, peer: Option<Peer>, headers: &HeaderMap) -> Option<IpAddr> {
    let Peer(peer) = peer?;
    let server = &app.config.server;
    let address = forwarded_address(server, peer.ip(), headers);
    (!server.trusts(address)).then_some(address)
}

/// The client address behind `peer`. Each proxy appends the address that it received the request from to `X-Forwarded-For`, so
/// the header is read from its end for as long as its writers are trusted; anybody may have written the rest.
pub fn forwarded_address(server: &Server, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let values = headers.get_all("x-forwarded-for").into_iter().rev();
    let named = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.rsplit(','));
    let mut address = peer.to_canonical();
    for text in named {
        if !server.trusts(address) {
            break;
        }
        let text = text.trim();
        let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
        match text.parse().ok().or_else(with_port) {
            Some(IpAddr::V4(ip)) => address = ip.into(),
            Some(IpAddr::V6(ip)) => address = ip.to_canonical(),
            None => break,
        }
    }
    address
}

/// Whether a `Host` header names this machine for itself.
pub fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed_and_only_what_they_wrote() {
        let server = Server {
            trusted_proxies: ["10.0.0.0/8", "2001:db8::1"]
                .map(|n| n.parse().unwrap())
                .to_vec(),
            ..Server::default()
        };
        let address = |peer: &str, forwarded: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            forwarded_address(&server, peer.parse().unwrap(), &headers).to_string()
        };
        assert_eq!(
            address("192.0.2.1", &["198.51.100.7"]),
            "192.0.2.1",
            "not trusted"
        );
        assert_eq!(address("127.0.0.1", &["198.51.100.7"]), "127.0.0.1");
        assert_eq!(address("10.1.1.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(
            address("::ffff:10.1.1.1", &["198.51.100.7"]),
            "198.51.100.7"
        );
        assert_eq!(
            address("2001:db8::1", &["[2001:db8::9]:443"]),
            "2001:db8::9"
        );
        assert_eq!(
            address("10.1.1.1", &["1.1.1.1, 198.51.100.7, 10.9.9.9"]),
            "198.51.100.7",
            "what the client wrote itself is not looked at"
        );
        assert_eq!(
            address("10.1.1.1", &["1.1.1.1", "198.51.100.7"]),
            "198.51.100.7"
        );
        assert_eq!(address("10.1.1.1", &["nonsense"]), "10.1.1.1");
        assert_eq!(address("10.1.1.1", &[]), "10.1.1.1");
    }
}
