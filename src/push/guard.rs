//! Where pushes may go. An endpoint is a URL that a client chose: without this check it could make the server call whatever it
//! can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Host;

use crate::config;
use crate::error::{Error, Result};
use crate::model::subscriptions::Endpoint;
use crate::model::text::is_host_name;
use crate::rule;

/// Hosts of the push services that browsers use, whose they are, and which browsers those are. A dot in front stands for
/// everything below.
const KNOWN: &[(&str, &str)] = &[
    ("fcm.googleapis.com", "Google (Chrome, Android)"),
    ("android.googleapis.com", "Google (Chrome, Android)"),
    // Builds without Google's branding: Chromium of Linux distributions, Chrome's early channels.
    ("jmt17.google.com", "Google (Chromium)"),
    (".push.services.mozilla.com", "Mozilla (Firefox)"),
    (".push.apple.com", "Apple (Safari, iPhone)"),
    (".notify.windows.com", "Microsoft (Edge)"),
];

/// Whose push service a host is, for people.
pub fn vendor(host: &str) -> &'static str {
    let known = KNOWN.iter().find(|(pattern, _)| is_of(host, pattern));
    known.map_or("another push service", |(_, name)| name)
}

/// Whose push service a host is, in a word: `Apple`.
pub fn owner(host: &str) -> &'static str {
    let (owner, _) = vendor(host).split_once(' ').unwrap_or_default();
    if owner == "another" { "other" } else { owner }
}

/// As [`owner`], of an origin: `https://host:port`.
pub fn owner_of_origin(origin: &str) -> &'static str {
    owner(host_of_origin(origin))
}

/// The host of `https://host:port`.
pub fn host_of_origin(origin: &str) -> &str {
    let authority = origin.split("://").nth(1).unwrap_or(origin);
    authority.split(':').next().unwrap_or(authority)
}

/// Compares whole labels of a host that was parsed: never a part of an URL's text.
fn is_of(host: &str, pattern: &str) -> bool {
    match pattern.strip_prefix('.') {
        Some(_) => host.strip_suffix(pattern).is_some_and(is_host_name),
        None => host == pattern,
    }
}

/// Whether pushes may go to this endpoint.
///
/// # Errors
/// [`Error::Invalid`] for anything but `https:` on the usual port of a known push service, or of one of
/// `push.endpoint_hosts`.
pub fn check(config: &config::Push, endpoint: &Endpoint) -> Result<()> {
    let refuse = |rule| Err(Error::invalid("endpoint", rule));
    let url = endpoint.url();
    if !url.username().is_empty() || url.password().is_some() {
        return refuse(rule::no_credentials());
    }
    if config.allow_private_endpoints {
        return Ok(());
    }
    if url.scheme() != "https" {
        return refuse(rule::not_https());
    }
    if url.port().is_some() {
        return refuse(rule::no_port());
    }
    let Some(Host::Domain(host)) = url.host() else {
        return refuse(rule::not_a_host());
    };
    let added = config.endpoint_hosts.iter();
    let added = added.map(|name| name.strip_prefix('*').unwrap_or(name.as_str()));
    let mut allowed = KNOWN.iter().map(|(pattern, _)| *pattern).chain(added);
    if allowed.any(|pattern| is_of(host, pattern)) {
        Ok(())
    } else {
        refuse(rule::unknown_push_service(host))
    }
}

/// Whether an address is on the public internet: what a name resolves to may be anything.
pub fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_global_v4(v4),
        IpAddr::V6(v6) => is_global_v6(v6),
    }
}

/// The IANA IPv4 Special-Purpose Address Registry (RFC 6890).
fn is_global_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let special = v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_documentation()
        || a == 0
        || a >= 224 // multicast, reserved, broadcast
        || (a == 100 && (b & 0b1100_0000) == 64) // shared by carriers, RFC 6598
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && (b & 0b1111_1110) == 18); // benchmarks, RFC 2544
    !special
}

/// Global unicast (RFC 4291 section 2.4) less what is for documentation or carries an IPv4 address inside.
fn is_global_v6(v6: Ipv6Addr) -> bool {
    let [first, second, ..] = v6.segments();
    let global = first & 0xE000 == 0x2000;
    let special = (first == 0x2001 && (second < 0x0200 || second == 0x0DB8))
        || first == 0x2002
        || (first == 0x3FFF && second < 0x1000);
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &str, hosts: &[&str]) -> Result<()> {
        let config = config::Push {
            endpoint_hosts: hosts.iter().map(|h| h.to_string()).collect(),
            ..Default::default()
        };
        check(&config, &Endpoint::parse(text)?)
    }

    #[test]
    fn browsers_push_services_are_known() {
        for good in [
            "https://fcm.googleapis.com/fcm/send/abc:def",
            "https://jmt17.google.com/fcm/send/abc",
            "https://updates.push.services.mozilla.com/wpush/v2/abc",
            "https://web.push.apple.com/QAbc",
            "https://wns2-par02p.notify.windows.com/w/?token=abc%3d",
            "https://FCM.googleapis.com:443/fcm/send/x",
        ] {
            assert!(check_text(good, &[]).is_ok(), "{good}");
        }
    }

    #[test]
    fn nothing_else_is() {
        for bad in [
            "http://fcm.googleapis.com/x",
            "https://fcm.googleapis.com:8443/x",
            "https://fcm.googleapis.com./x",
            "https://user@fcm.googleapis.com/x",
            "https://user:pass@fcm.googleapis.com/x",
            "https://evil.example/fcm.googleapis.com",
            "https://evil.example/?https://fcm.googleapis.com",
            "https://evil.example#fcm.googleapis.com",
            "https://fcm.googleapis.com.evil.example/x",
            "https://evilfcm.googleapis.com/x",
            "https://fcm.googleapis.com@evil.example/x",
            "https://fcm.googleapis.com\\@evil.example/x",
            "https://push.apple.com/x",
            "https://evilpush.apple.com/x",
            "https://.push.apple.com/x",
            "https://a..push.apple.com/x",
            "https://a_b.push.apple.com/x",
            "https://localhost/x",
            "https://127.0.0.1/x",
            "https://127.1/x",
            "https://2130706433/x",
            "https://0x7f.0.0.1/x",
            "https://0177.0.0.1/x",
            "https://[::1]/x",
            "https://[::ffff:127.0.0.1]/x",
            "https://169.254.169.254/latest/meta-data",
            "https://１２７.0.0.1/x",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "//fcm.googleapis.com/x",
            "fcm.googleapis.com/x",
            "https://",
            "",
        ] {
            assert!(check_text(bad, &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_admin_can_add_hosts() {
        assert!(check_text("https://up.example.org/x", &["up.example.org"]).is_ok());
        assert!(check_text("https://a.up.example.org/x", &["up.example.org"]).is_err());
        assert!(check_text("https://a.up.example.org/x", &["*.up.example.org"]).is_ok());
        assert!(check_text("https://up.example.org/x", &["*.up.example.org"]).is_err());
    }

    #[test]
    fn private_addresses_are_told_from_public_ones() {
        for public in [
            "8.8.8.8",
            "142.250.1.95",
            "100.63.0.1",
            "198.20.0.1",
            "2a00:1450::1",
        ] {
            assert!(is_global(public.parse().unwrap()), "{public}");
        }
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.1.1",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::10.0.0.1",
            "64:ff9b::a00:1",
            "fc00::1",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:a00:1::",
            "3fff::1",
        ] {
            assert!(!is_global(private.parse().unwrap()), "{private}");
        }
    }
}
