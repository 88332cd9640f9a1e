//! Socket.IO packets, revision 5, as a client sends them: `<type>[<namespace>,][<ack id>][<JSON>]`.
//!
//! <https://socket.io/docs/v4/socket-io-protocol/>

use serde_json::value::RawValue;

/// Names that no event may have: clients raise them themselves.
const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];
/// More digits than this are no number that a client can count to (2^53).
const ID_DIGITS: usize = 16;

/// A packet for one namespace; the main one is `/`.
#[derive(Debug)]
pub struct Packet<'a> {
    pub namespace: &'a str,
    pub body: Body<'a>,
}

#[derive(Debug)]
pub enum Body<'a> {
    /// JSON of an object, where there is any.
    Connect(Option<&'a str>),
    Disconnect,
    Event {
        name: String,
        /// JSON of the first argument after the name.
        data: Option<&'a RawValue>,
        /// Under which number the client waits for an answer.
        ack: Option<u64>,
    },
    /// To an event of ours, none of which asks for one.
    Ack,
}

impl<'a> Packet<'a> {
    /// `None` for what is malformed, and for binary packets.
    pub fn parse(text: &'a str) -> Option<Self> {
        let kind = text.chars().next().filter(char::is_ascii_digit)?;
        let rest = &text[1..];
        let (namespace, rest) = match rest.strip_prefix('/') {
            Some(_) => rest.split_once(',').unwrap_or((rest, "")),
            None => ("/", rest),
        };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (id, json) = rest.split_at(digits);
        let id = match digits {
            0 => None,
            1..=ID_DIGITS => Some(id.parse().ok()?),
            _ => return None,
        };
        let body = match kind {
            '0' => {
                let object = json.is_empty() || is_object(json);
                object.then_some(Body::Connect((!json.is_empty()).then_some(json)))
            }
            '1' => json.is_empty().then_some(Body::Disconnect),
            '2' => event(json, id),
            '3' => serde_json::from_str::<Vec<&RawValue>>(json)
                .is_ok()
                .then_some(Body::Ack),
            _ => None,
        };
        Some(Packet {
            namespace,
            body: body?,
        })
    }
}

fn is_object(json: &str) -> bool {
    json.starts_with('{') && serde_json::from_str::<&RawValue>(json).is_ok()
}

fn event(json: &str, ack: Option<u64>) -> Option<Body<'_>> {
    let arguments: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    let name = arguments.first()?.get();
    // The protocol lets numbers name events as well.
    let name = match serde_json::from_str::<String>(name) {
        Ok(name) => name,
        Err(_) => serde_json::from_str::<f64>(name).ok()?.to_string(),
    };
    (!RESERVED.contains(&name.as_str())).then(|| Body::Event {
        name,
        data: arguments.get(1).copied(),
        ack,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        match Packet::parse(text) {
            None => "bad".into(),
            Some(Packet { namespace, body }) => match body {
                Body::Connect(data) => format!("{namespace} connect {data:?}"),
                Body::Disconnect => format!("{namespace} disconnect"),
                Body::Event { name, data, ack } => {
                    let data = data.map(RawValue::get);
                    format!("{namespace} {name} {data:?} {ack:?}")
                }
                Body::Ack => format!("{namespace} ack"),
            },
        }
    }

    #[test]
    fn packets_are_read_as_the_protocol_spells_them() {
        for (text, expected) in [
            ("0", "/ connect None"),
            (
                r#"0{"token":"x"}"#,
                r#"/ connect Some("{\"token\":\"x\"}")"#,
            ),
            ("0/admin", "/admin connect None"),
            ("0/admin,{}", r#"/admin connect Some("{}")"#),
            ("1", "/ disconnect"),
            ("1/admin,", "/admin disconnect"),
            (
                r#"2["typing",{"to":"a"}]"#,
                r#"/ typing Some("{\"to\":\"a\"}") None"#,
            ),
            (r#"212["ping"]"#, "/ ping None Some(12)"),
            (r#"2/admin,3["x",1,2]"#, r#"/admin x Some("1") Some(3)"#),
            ("2[7]", "/ 7 None None"),
            ("31[]", "/ ack"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for text in [
            "",
            "x",
            "é",
            "7",
            "4{}",
            "0[]",
            "0\"x\"",
            "0{",
            "1{}",
            "2",
            "2{}",
            "2[]",
            "2[null]",
            r#"2["connect"]"#,
            r#"2["disconnecting"]"#,
            "2[\"a\"",
            "2abc[\"a\"]",
            "212345678901234567[\"a\"]",
            "3abc[]",
            "3{}",
            "51-[\"a\",{\"_placeholder\":true,\"num\":0}]",
            "61-1[]",
        ] {
            assert_eq!(shown(text), "bad", "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9]?/?[a-z,]{0,5}[0-9]{0,20}\\PC{0,30}") {
            let _ = Packet::parse(&text);
        }
    }
}
