//! The contact that push services are told (the claim `sub`, RFC 8292 section 2.1).

use crate::config::Config;

const ADVICE: &str =
    "set push.subject to \"mailto:\" and an address that reaches you, or to an https: URL";

/// The contact as it is sent: `push.subject`, else where the school is on the web.
pub fn subject(config: &Config) -> String {
    let site = config.server.public_url.as_ref();
    match (config.push.subject.trim(), site) {
        ("", Some(site)) if site.is_https() => site.to_string(),
        ("", _) => "mailto:postmaster@localhost".to_owned(),
        (subject, _) => subject.to_owned(),
    }
}

/// Why a push service would refuse the contact, and what to do. Apple is the strict one: it answers 403 to anything but a
/// `mailto:` or `https:` URI that could be real.
pub fn problem(config: &Config) -> Option<String> {
    let why = if config.push.subject.trim().is_empty() && !config.server.is_public_https() {
        Some("push.subject is empty".to_owned())
    } else {
        let subject = subject(config);
        (!real(&subject)).then(|| format!("push.subject {subject:?} is not a real contact"))
    };
    why.map(|why| format!("{why}: Apple refuses pushes without a real one; {ADVICE}"))
}

fn real(subject: &str) -> bool {
    if subject.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c)) {
        return false;
    }
    match subject.strip_prefix("mailto:") {
        Some(address) => address.split_once('@').is_some_and(|(name, domain)| {
            !name.is_empty() && !domain.contains('@') && public(domain)
        }),
        None => url::Url::parse(subject).is_ok_and(|url| {
            url.scheme() == "https"
                && matches!(url.host(), Some(url::Host::Domain(domain)) if public(domain))
        }),
    }
}

/// A name that could be on the public internet (RFC 2606, RFC 6761 and RFC 6762 name those that are not).
fn public(domain: &str) -> bool {
    let labels: Vec<&str> = domain.split('.').collect();
    let last = labels
        .last()
        .copied()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let reserved = [
        "localhost",
        "local",
        "test",
        "invalid",
        "example",
        "internal",
        "lan",
    ];
    let documentation = ["example.com", "example.net", "example.org"];
    labels.len() > 1
        && labels.iter().all(|label| !label.is_empty())
        && !last.bytes().all(|b| b.is_ascii_digit())
        && !reserved.contains(&last.as_str())
        && !documentation.contains(&domain.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(subject: &str, public_url: &str) -> Config {
        let mut config = Config::default();
        config.push.subject = subject.into();
        config.server.public_url = public_url.parse().ok();
        config
    }

    #[test]
    fn a_real_contact_is_no_problem() {
        for good in ["mailto:office@school.edu", "https://school.edu/contact"] {
            assert_eq!(problem(&with(good, "")), None, "{good}");
            assert_eq!(subject(&with(good, "https://x.edu")), good);
        }
        let site = with("", "https://bell.school.edu");
        assert_eq!(problem(&site), None);
        assert_eq!(subject(&site), "https://bell.school.edu");
    }

    #[test]
    fn what_apple_would_refuse_is_named() {
        for bad in [
            "",
            "office@school.edu",
            "mailto:",
            "mailto:office",
            "mailto:office@localhost",
            "mailto:office@example.com",
            "mailto:office@school.local",
            "mailto: office@school.edu",
            "mailto:<office@school.edu>",
            "mailto:a@b@school.edu",
            "http://school.edu",
            "https://localhost",
            "https://192.0.2.1",
        ] {
            let problem = problem(&with(bad, "")).expect(bad);
            assert!(
                problem.contains("push.subject") && problem.contains("Apple"),
                "{problem}"
            );
        }
    }
}
