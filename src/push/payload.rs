//! What a push says: one JSON object that service workers of existing apps read, and that is a Declarative Web Push
//! (<https://www.w3.org/TR/push-api/#declarative-push-message>) too.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use unicode_segmentation::UnicodeSegmentation as _;

use crate::config::{self, PushContent};
use crate::model::ids::Seq;
use crate::model::pushes::Subject;

/// The largest payload, in bytes of UTF-8. Push services take 4,096 encrypted (RFC 8030 section 7.2).
pub const MAX: usize = 2_500;
/// The largest one for a service that found the former too large.
pub const MAX_SMALL: usize = 1_000;
/// With less room than this for text the declarative part, which says everything a second time, is left out.
const ROOM: usize = 512;

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
    seq: Seq,
}

/// The payload, at most `max` bytes where links and ids leave that: the message is cut first, then the title, each
/// between graphemes.
pub fn encode(config: &config::Push, subject: &Subject, seq: Seq, max: usize) -> Vec<u8> {
    let parts = parts(config, subject, seq);
    let bare = parts.encode("", "", true).len();
    let declarative = bare + ROOM <= max;
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
            tag: &self.id,
            web_push: declarative.then_some(8030),
            notification: declarative.then_some(Declarative {
                title,
                body: message,
                navigate: &self.link,
                tag: &self.id,
            }),
        };
        // Nothing in it can fail to serialise.
        serde_json::to_vec(&payload).unwrap_or_default()
    }
}

fn parts(config: &config::Push, subject: &Subject, seq: Seq) -> Parts {
    let hidden = config.content == PushContent::Hidden;
    let shown = |title: &str, message: &str, instead: &str| {
        if hidden {
            (instead.to_owned(), "Open the app to read it.".to_owned())
        } else {
            (title.to_owned(), message.to_owned())
        }
    };
    match subject {
        Subject::Message {
            id,
            sender,
            sender_name,
            content,
        } => {
            let (title, message) = shown(sender_name, content, "New message");
            let sender = utf8_percent_encode(sender.as_str(), RESERVED).to_string();
            Parts {
                title,
                message,
                link: config.message_link.replace("{userId}", &sender),
                kind: "message".into(),
                id: id.to_string(),
                seq,
            }
        }
        Subject::Notification {
            id,
            kind,
            title,
            message,
            link,
        } => {
            let (title, message) = shown(title, message, "New notification");
            Parts {
                title,
                message,
                link: link.clone().unwrap_or_else(|| "/".into()),
                kind: kind.clone(),
                id: id.to_string(),
                seq,
            }
        }
        Subject::Test => Parts {
            title: "schoolbell".into(),
            message: "Notifications work on this device.".into(),
            link: "/".into(),
            kind: "test".into(),
            id: format!("test-{seq}"),
            seq,
        },
    }
}

/// The longest beginning of whole graphemes that fits with an ellipsis behind it; all of it, if that fits; else nothing.
fn cut(text: &str, fits: impl Fn(&str) -> bool) -> String {
    if fits(text) {
        return text.to_owned();
    }
    let with_ellipsis = |end: usize| format!("{}…", &text[..end]);
    let ends: Vec<usize> = text.grapheme_indices(true).map(|(at, _)| at).collect();
    let fitting = ends.partition_point(|end| fits(&with_ellipsis(*end)));
    match fitting {
        0 | 1 => String::new(),
        n => with_ellipsis(ends[n - 1]),
    }
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
        let bytes = encode(&config::Push::default(), subject, 41, max);
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
        let payload = decode(&subject, MAX);
        assert_eq!(payload["title"], "Ann");
        assert_eq!(payload["message"], "Hello");
        assert_eq!(payload["link"], "/?chat=ann%40school%3A1");
        assert_eq!(payload["type"], "message");
        assert_eq!(payload["seq"], 41);
        assert_eq!(payload["tag"], payload["id"]);
        assert_eq!(payload["web_push"], 8030);
        let declarative = &payload["notification"];
        assert_eq!(declarative["title"], "Ann");
        assert_eq!(declarative["body"], "Hello");
        assert_eq!(declarative["navigate"], payload["link"]);
        assert_eq!(declarative["tag"], payload["id"]);
    }

    #[test]
    fn hidden_tells_nothing() {
        let config = config::Push {
            content: PushContent::Hidden,
            ..Default::default()
        };
        let subject = notification("Secret title", "Secret text", Some("/a"));
        let text = String::from_utf8(encode(&config, &subject, 1, MAX)).unwrap();
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
            MAX,
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
            MAX,
        );
        assert_eq!(payload["link"], link);
        assert!(
            payload.get("notification").is_none(),
            "there is no room to say it twice"
        );
        let link = format!("/{}", "x".repeat(500));
        let payload = decode(&notification("T", &"m".repeat(4_000), Some(&link)), MAX);
        assert_eq!(payload["notification"]["navigate"], link);
    }

    proptest! {
        #[test]
        fn whatever_it_says_it_fits(title in "\\PC{0,200}", message in "[\\PC\n\t\"\\\\]{0,4000}", link in "/[a-z?&=%é]{0,900}") {
            for max in [MAX, MAX_SMALL + link.len()] {
                let payload = decode(&notification(&title, &message, Some(&link)), max);
                let said = payload["message"].as_str().unwrap();
                prop_assert!(message.starts_with(said.trim_end_matches('…')));
                prop_assert_eq!(&payload["link"], &link);
            }
        }
    }
}
