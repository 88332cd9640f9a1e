//! What a push says: one JSON object that service workers of existing apps read, and that is a Declarative Web Push
//! (<https://www.w3.org/TR/push-api/#declarative-push-message>) too.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use unicode_segmentation::UnicodeSegmentation as _;

use crate::config::{Config, PublicUrl, PushContent};
use crate::model::ids::{Seq, UserId};
use crate::model::language::Language;
use crate::model::pushes::Subject;

/// The largest payload, in bytes of UTF-8. Push services take 4,096 encrypted (RFC 8030 section 7.2).
pub const MAX_BYTES: usize = 2_500;
/// The largest one for a service that found the former too large.
pub const MAX_SMALL_BYTES: usize = 1_000;
/// With less room than this for text the declarative part, which says everything a second time, is left out.
const MIN_TEXT_BYTES: usize = 512;

/// All but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

#[derive(Serialize)]
struct Payload<'a> {
    title: &'a str,
    message: &'a str,
    link: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    id: &'a str,
    seq: Seq,
    tag: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    web_push: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notification: Option<Declarative<'a>>,
}

#[derive(Serialize)]
struct Declarative<'a> {
    title: &'a str,
    body: &'a str,
    navigate: &'a str,
    tag: &'a str,
}

/// The parts of a payload.
struct Parts {
    title: String,
    message: String,
    link: String,
    kind: String,
    id: String,
    /// Pushes with the same tag are shown as one notification.
    tag: String,
    /// The link, with the site in front of it where that is known: Safari takes nothing else.
    navigate: String,
    seq: Seq,
}

/// The payload, at most `max` bytes where links and ids leave that: the message is cut first, then the title, each
/// between graphemes where that leaves anything. What the server says itself is in `language`.
pub fn encode(
    config: &Config,
    subject: &Subject,
    seq: Seq,
    language: Language,
    max: usize,
) -> Vec<u8> {
    let parts = parts(config, subject, seq, language);
    let bare = parts.encode("", "", true).len();
    let declarative = bare + MIN_TEXT_BYTES <= max;
    let whole = parts.encode(&parts.title, &parts.message, declarative);
    if whole.len() <= max {
        return whole;
    }
    let fits = |title: &str, message: &str| parts.encode(title, message, declarative).len() <= max;
    let message = cut(&parts.message, |message| fits(&parts.title, message));
    let title = cut(&parts.title, |title| fits(title, &message));
    parts.encode(&title, &message, declarative)
}

impl Parts {
    fn encode(&self, title: &str, message: &str, declarative: bool) -> Vec<u8> {
        let payload = Payload {
            title,
            message,
            link: &self.link,
            kind: &self.kind,
            id: &self.id,
            seq: self.seq,
            tag: &self.tag,
            web_push: declarative.then_some(8030),
            notification: declarative.then_some(Declarative {
                title,
                body: message,
                navigate: &self.navigate,
                tag: &self.tag,
            }),
        };
        // Nothing in it can fail to serialise.
        serde_json::to_vec(&payload).unwrap_or_default()
    }
}

fn parts(config: &Config, subject: &Subject, seq: Seq, language: Language) -> Parts {
    let hidden = config.push.content == PushContent::Hidden;
    let shown = |title: &str, message: &str, instead: &str| {
        if hidden {
            (
                language.text(instead).to_owned(),
                language.text("open").to_owned(),
            )
        } else {
            (title.to_owned(), message.to_owned())
        }
    };
    let parts =
        |(title, message), link: String, kind: &str, id: String, tag: Option<String>| Parts {
            navigate: absolute(config.server.public_url.as_ref(), &link),
            tag: tag.unwrap_or_else(|| id.clone()),
            kind: kind.to_owned(),
            title,
            message,
            link,
            id,
            seq,
        };
    let own = |message: String| ("schoolbell".to_owned(), message);
    let home = || format!("{}/", config.server.base());
    match subject {
        Subject::Message {
            id,
            sender,
            sender_name,
            content,
        } => {
            let words = shown(sender_name, content, "message");
            let link = message_link(config, sender);
            // A conversation is one notification.
            let tag = format!("message:{sender}");
            parts(words, link, "message", id.to_string(), Some(tag))
        }
        Subject::Notification {
            id,
            kind,
            title,
            message,
            link,
        } => {
            let words = shown(title, message, "notification");
            let link = link.clone().unwrap_or_else(home);
            parts(words, link, kind, id.to_string(), None)
        }
        Subject::Summary { count } => {
            let text = language.text("unread").replace("{n}", &count.to_string());
            let words = (language.text("more").to_owned(), text);
            let tag = Some("summary".to_owned());
            parts(words, home(), "summary", format!("summary-{seq}"), tag)
        }
        Subject::Test => {
            let words = own(language.text("works").to_owned());
            parts(words, home(), "test", format!("test-{seq}"), None)
        }
    }
}

/// Where the notification of a chat message leads.
fn message_link(config: &Config, sender: &UserId) -> String {
    let sender = utf8_percent_encode(sender.as_str(), RESERVED).to_string();
    config.push.message_link.replace("{userId}", &sender)
}

/// A path of the site at `public_url` as a URL; anything else as it is.
fn absolute(public_url: Option<&PublicUrl>, link: &str) -> String {
    let url = public_url.and_then(|site| site.url().join(link).ok());
    url.map_or_else(|| link.to_owned(), Into::into)
}

/// The longest beginning of whole graphemes that fits with an ellipsis behind it, or of characters, where one grapheme alone is too
/// long; all of it, if that fits.
fn cut(text: &str, fits: impl Fn(&str) -> bool) -> String {
    if fits(text) {
        return text.to_owned();
    }
    let with_ellipsis = |end: usize| format!("{}…", &text[..end]);
    let graphemes: Vec<usize> = text.grapheme_indices(true).map(|(at, _)| at).collect();
    let characters = || text.char_indices().map(|(at, _)| at).collect();
    let longest = |ends: Vec<usize>| {
        let fitting = ends.partition_point(|end| fits(&with_ellipsis(*end)));
        ends[..fitting].last().copied().filter(|end| *end > 0)
    };
    let end = longest(graphemes).or_else(|| longest(characters()));
    end.map_or_else(String::new, with_ellipsis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{Id, UserId};
    use proptest::prelude::*;
    use serde_json::Value;

    fn notification(title: &str, message: &str, link: Option<&str>) -> Subject {
        Subject::Notification {
            id: Id::from_bytes([7; 16]),
            kind: "t".repeat(64),
            title: title.into(),
            message: message.into(),
            link: link.map(Into::into),
        }
    }

    fn decode(subject: &Subject, max: usize) -> Value {
        let bytes = encode(&Config::default(), subject, 41, Language::default(), max);
        assert!(bytes.len() <= max, "{} bytes", bytes.len());
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn a_message_leads_to_its_sender() {
        let subject = Subject::Message {
            id: Id::from_bytes([7; 16]),
            sender: UserId::parse("ann@school:1").unwrap(),
            sender_name: "Ann".into(),
            content: "Hello".into(),
        };
        let payload = decode(&subject, MAX_BYTES);
        assert_eq!(payload["title"], "Ann");
        assert_eq!(payload["message"], "Hello");
        assert_eq!(payload["link"], "/?chat=ann%40school%3A1");
        assert_eq!(payload["type"], "message");
        assert_eq!(payload["seq"], 41);
        assert_eq!(payload["tag"], "message:ann@school:1");
        assert_eq!(payload["web_push"], 8030);
        let declarative = &payload["notification"];
        assert_eq!(declarative["title"], "Ann");
        assert_eq!(declarative["body"], "Hello");
        assert_eq!(declarative["navigate"], payload["link"]);
        assert_eq!(declarative["tag"], payload["tag"]);
    }

    #[test]
    fn a_declarative_push_navigates_to_a_url_where_the_site_is_known() {
        let mut config = Config::default();
        config.server.public_url = "https://school.example/bell".parse().ok();
        for (link, url) in [
            ("/bell/a?b", "https://school.example/bell/a?b"),
            ("https://elsewhere.example/x", "https://elsewhere.example/x"),
        ] {
            let subject = notification("T", "M", Some(link));
            let bytes = encode(&config, &subject, 1, Language::default(), MAX_BYTES);
            let payload: Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(payload["link"], link);
            assert_eq!(payload["notification"]["navigate"], url);
        }
    }

    #[test]
    fn what_the_server_says_itself_is_in_the_persons_language() {
        let config = Config::default();
        let german = Language::of(Some("de-AT"));
        let text = |subject| {
            let bytes = encode(&config, subject, 1, german, MAX_BYTES);
            serde_json::from_slice::<Value>(&bytes).unwrap()["message"].clone()
        };
        assert_eq!(text(&Subject::Test), german.text("works"));
        assert!(
            text(&Subject::Summary { count: 7 })
                .as_str()
                .unwrap()
                .contains(": 7.")
        );
    }

    #[test]
    fn one_grapheme_that_is_too_long_is_cut_between_characters() {
        let marks = format!("e{}", "\u{301}".repeat(3_999));
        let payload = decode(&notification("T", &marks, None), MAX_BYTES);
        let message = payload["message"].as_str().unwrap();
        assert!(message.len() > 500 && message.starts_with("e\u{301}"));
    }

    #[test]
    fn hidden_tells_nothing() {
        let mut config = Config::default();
        config.push.content = PushContent::Hidden;
        let subject = notification("Secret title", "Secret text", Some("/a"));
        let text = String::from_utf8(encode(&config, &subject, 1, Language::default(), MAX_BYTES))
            .unwrap();
        assert!(!text.contains("Secret"), "{text}");
        assert!(
            text.contains("New notification") && text.contains("\"/a\""),
            "{text}"
        );
    }

    #[test]
    fn the_message_is_cut_before_the_title_and_between_graphemes() {
        let family = "👨‍👩‍👧‍👦";
        let payload = decode(
            &notification("A title", &family.repeat(200), Some("/a")),
            MAX_BYTES,
        );
        assert_eq!(payload["title"], "A title");
        let message = payload["message"].as_str().unwrap();
        let text = message.strip_suffix('…').unwrap();
        assert!(
            text.len() > 800 && text.len().is_multiple_of(family.len()),
            "{message}"
        );
    }

    #[test]
    fn a_link_is_never_cut() {
        let link = format!("/{}", "x".repeat(2_047));
        let payload = decode(
            &notification(&"T".repeat(200), &"m".repeat(4_000), Some(&link)),
            MAX_BYTES,
        );
        assert_eq!(payload["link"], link);
        assert!(
            payload.get("notification").is_none(),
            "there is no room to say it twice"
        );
        let link = format!("/{}", "x".repeat(500));
        let payload = decode(
            &notification("T", &"m".repeat(4_000), Some(&link)),
            MAX_BYTES,
        );
        assert_eq!(payload["notification"]["navigate"], link);
    }

    proptest! {
        #[test]
        fn whatever_it_says_it_fits(title in "\\PC{0,200}", message in "[\\PC\n\t\"\\\\]{0,4000}", link in "/[a-z?&=%é]{0,900}") {
            for max in [MAX_BYTES, MAX_SMALL_BYTES + link.len()] {
                let payload = decode(&notification(&title, &message, Some(&link)), max);
                let said = payload["message"].as_str().unwrap();
                prop_assert!(message.starts_with(said.trim_end_matches('…')));
                prop_assert_eq!(&payload["link"], &link);
            }
        }
    }
}
