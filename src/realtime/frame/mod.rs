//! WebSocket frames (RFC 6455 section 5), server side, without extensions.
//!
//! Ours rather than a library's for one reason: an idle socket must hold no buffer. The libraries keep a read buffer of
//! 4 to 128 KiB for each connection, and a school has thousands of them open and silent.

mod write;

use bytes::{Buf, BytesMut};

pub use write::{put_close, put_ping, put_pong, put_text};

/// The largest message that is taken, all its fragments together, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 64 << 10;
/// RFC 6455 section 5.5: control frames carry at most this.
const MAX_CONTROL_BYTES: usize = 125;

/// What a peer sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    Text(String),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// With the status code, where there was one.
    Close(Option<u16>),
}

/// The peer does not keep to the protocol, or says what is not taken here: the connection ends.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("a reserved bit is set")]
    ReservedBits,
    #[error("the frame is not masked")]
    NotMasked,
    #[error("unknown opcode")]
    Opcode,
    #[error("the length takes more bytes than it needs")]
    Length,
    #[error("binary messages are not taken")]
    Binary,
    #[error("a control frame is fragmented or too long")]
    Control,
    #[error("a continuation without a beginning, or a beginning inside a message")]
    Fragmentation,
    #[error("larger than 64 KiB")]
    TooLarge,
    #[error("text that is not UTF-8")]
    Utf8,
    #[error("a malformed close frame")]
    Close,
}

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// Turns bytes as they come into messages. Holds only what is unfinished.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: BytesMut,
    /// The fragments so far of a message that goes on.
    message: Option<Vec<u8>>,
}

impl Decoder {
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message or control frame, if all of it is there.
    ///
    /// # Errors
    /// [`Violation`]: nothing after it can be understood.
    pub fn decode(&mut self) -> Result<Option<Incoming>, Violation> {
        loop {
            let Some((fin, opcode, payload)) = self.frame()? else {
                if self.bytes.is_empty() {
                    // An idle socket holds no buffer.
                    self.bytes = BytesMut::new();
                }
                return Ok(None);
            };
            let message = match (opcode, self.message.take()) {
                (PING, message) => {
                    self.message = message;
                    return Ok(Some(Incoming::Ping(payload)));
                }
                (PONG, message) => {
                    self.message = message;
                    return Ok(Some(Incoming::Pong(payload)));
                }
                (CLOSE, _) => return close_code(&payload).map(|c| Some(Incoming::Close(c))),
                (TEXT, None) => payload,
                (CONTINUATION, Some(mut message)) => {
                    if message.len() + payload.len() > MAX_MESSAGE_BYTES {
                        return Err(Violation::TooLarge);
                    }
                    message.extend_from_slice(&payload);
                    message
                }
                (BINARY, None) => return Err(Violation::Binary),
                (CONTINUATION | TEXT | BINARY, _) => return Err(Violation::Fragmentation),
                _ => return Err(Violation::Opcode),
            };
            if fin {
                let text = String::from_utf8(message).map_err(|_| Violation::Utf8)?;
                return Ok(Some(Incoming::Text(text)));
            }
            self.message = Some(message);
        }
    }

    /// One whole frame, unmasked: FIN, opcode, payload.
    fn frame(&mut self) -> Result<Option<(bool, u8, Vec<u8>)>, Violation> {
        let bytes = &self.bytes;
        let [first, second, ..] = bytes[..] else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return Err(Violation::ReservedBits);
        }
        if second & 0x80 == 0 {
            return Err(Violation::NotMasked);
        }
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0F);
        let (length, header) = match second & 0x7F {
            126 => match bytes.get(2..4) {
                Some(raw) => (u64::from(u16::from_be_bytes([raw[0], raw[1]])), 4),
                None => return Ok(None),
            },
            127 => match bytes.get(2..10).and_then(|raw| raw.try_into().ok()) {
                Some(raw) => (u64::from_be_bytes(raw), 10),
                None => return Ok(None),
            },
            short => (u64::from(short), 2),
        };
        if opcode & 0x8 != 0 && (!fin || length > MAX_CONTROL_BYTES as u64) {
            return Err(Violation::Control);
        }
        // RFC 6455 section 5.2: "the minimal number of bytes MUST be used".
        let needed = match length {
            0..126 => 2,
            126..=65_535 => 4,
            _ => 10,
        };
        if header != needed {
            return Err(Violation::Length);
        }
        // Before waiting for the rest: no client makes us hold more than this.
        if length > MAX_MESSAGE_BYTES as u64 {
            return Err(Violation::TooLarge);
        }
        let length = length as usize;
        let Some(mask) = bytes.get(header..header + 4) else {
            return Ok(None);
        };
        let mask = [mask[0], mask[1], mask[2], mask[3]];
        if bytes.len() < header + 4 + length {
            return Ok(None);
        }
        self.bytes.advance(header + 4);
        let mut payload = self.bytes[..length].to_vec();
        self.bytes.advance(length);
        for (i, byte) in payload.iter_mut().enumerate() {
            *byte ^= mask[i % 4];
        }
        Ok(Some((fin, opcode, payload)))
    }
}

/// RFC 6455 section 7.4: a code that may stand in a frame, and a reason in UTF-8.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    match payload {
        [] => Ok(None),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            let allowed = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            if allowed && std::str::from_utf8(reason).is_ok() {
                Ok(Some(code))
            } else {
                Err(Violation::Close)
            }
        }
        [_] => Err(Violation::Close),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
    use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

    /// A client's frame, made by another implementation.
    fn client(fin: bool, opcode: OpCode, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
        let mut frame = Frame::message(payload.to_vec(), OpCode::Data(Data::Text), fin);
        frame.header_mut().opcode = opcode;
        frame.header_mut().mask = Some(mask);
        let mut bytes = Vec::new();
        frame.format(&mut bytes).unwrap();
        bytes
    }

    fn text(fin: bool, payload: &[u8]) -> Vec<u8> {
        client(fin, OpCode::Data(Data::Text), payload, [1, 2, 3, 4])
    }

    fn more(fin: bool, payload: &[u8]) -> Vec<u8> {
        client(fin, OpCode::Data(Data::Continue), payload, [9, 8, 7, 6])
    }

    fn control(opcode: Control, payload: &[u8]) -> Vec<u8> {
        client(true, OpCode::Control(opcode), payload, [5, 5, 5, 5])
    }

    fn decode(bytes: &[u8]) -> Result<Vec<Incoming>, Violation> {
        let mut decoder = Decoder::default();
        decoder.feed(bytes);
        let mut all = Vec::new();
        while let Some(one) = decoder.decode()? {
            all.push(one);
        }
        Ok(all)
    }

    #[test]
    fn control_frames_may_stand_between_fragments() {
        let bytes = [
            text(false, b"he"),
            control(Control::Ping, b"p"),
            more(false, b"ll"),
            control(Control::Pong, b"seen"),
            more(true, b"o"),
        ]
        .concat();
        let expected = [
            Incoming::Ping(b"p".to_vec()),
            Incoming::Pong(b"seen".to_vec()),
            Incoming::Text("hello".into()),
        ];
        assert_eq!(decode(&bytes).unwrap(), expected);
    }

    #[test]
    fn violations_are_named() {
        let mut reserved = text(true, b"x");
        reserved[0] |= 0x40;
        let mut unmasked = Vec::new();
        Frame::message(b"x".to_vec(), OpCode::Data(Data::Text), true)
            .format(&mut unmasked)
            .unwrap();
        let mut fragmented_ping = control(Control::Ping, b"");
        fragmented_ping[0] &= 0x7F;
        let mut unknown = text(true, b"x");
        unknown[0] = 0x83;
        let binary = client(true, OpCode::Data(Data::Binary), b"x", [0; 4]);
        let long_ping = [&[0x89, 0x80 | 126, 0, 126, 0, 0, 0, 0][..], &[0; 126]].concat();
        let huge = [
            0x81,
            0x80 | 127,
            0xFF,
            0xFF,
            0xFF,
            0xFF,
            0xFF,
            0xFF,
            0xFF,
            0xFF,
        ];
        let half = vec![b'x'; MAX_MESSAGE_BYTES / 2 + 1];
        for (bytes, violation) in [
            (reserved, Violation::ReservedBits),
            (unmasked, Violation::NotMasked),
            (fragmented_ping, Violation::Control),
            (long_ping, Violation::Control),
            (unknown, Violation::Opcode),
            (
                [&[0x81, 0x80 | 126, 0, 5, 0, 0, 0, 0][..], b"hello"].concat(),
                Violation::Length,
            ),
            (
                vec![0x81, 0x80 | 127, 0, 0, 0, 0, 0, 0, 1, 0],
                Violation::Length,
            ),
            (binary, Violation::Binary),
            (more(true, b"x"), Violation::Fragmentation),
            (
                [text(false, b"x"), text(true, b"y")].concat(),
                Violation::Fragmentation,
            ),
            (huge.to_vec(), Violation::TooLarge),
            (
                [text(false, &half), more(true, &half)].concat(),
                Violation::TooLarge,
            ),
            (text(true, b"\xFF"), Violation::Utf8),
            (control(Control::Close, &[3]), Violation::Close),
            (
                control(Control::Close, &1005u16.to_be_bytes()),
                Violation::Close,
            ),
        ] {
            assert_eq!(decode(&bytes), Err(violation));
        }
    }

    proptest! {
        /// However the bytes are cut, the messages are the same as another implementation sent.
        #[test]
        fn messages_survive_any_cutting(
            payloads in prop::collection::vec("\\PC{0,300}", 1..6),
            cuts in prop::collection::vec(1usize..97, 1..40),
            mask: [u8; 4],
        ) {
            let bytes: Vec<u8> = payloads
                .iter()
                .flat_map(|p| client(true, OpCode::Data(Data::Text), p.as_bytes(), mask))
                .collect();
            let mut decoder = Decoder::default();
            let mut got = Vec::new();
            let mut rest = &bytes[..];
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                decoder.feed(now);
                while let Some(message) = decoder.decode().unwrap() {
                    got.push(message);
                }
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            let sent: Vec<_> = payloads.into_iter().map(Incoming::Text).collect();
            prop_assert_eq!(got, sent);
        }

        /// No bytes make the decoder panic or hold more than a message and a frame.
        #[test]
        fn garbage_is_survived(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20)) {
            let mut decoder = Decoder::default();
            for chunk in chunks {
                decoder.feed(&chunk);
                while let Ok(Some(_)) = decoder.decode() {}
            }
        }

        /// What we write, another implementation reads back.
        #[test]
        fn our_frames_are_read_by_others(payload in "\\PC{0,200}", repeat in 1usize..400) {
            let text = payload.repeat(repeat);
            let mut buffer = BytesMut::new();
            put_text(&mut buffer, &vec![payload.as_str(); repeat]);
            let mut cursor = std::io::Cursor::new(&buffer[..]);
            let (header, length) = FrameHeader::parse(&mut cursor).unwrap().unwrap();
            prop_assert!(header.is_final && header.mask.is_none());
            prop_assert_eq!(header.opcode, OpCode::Data(Data::Text));
            prop_assert_eq!(length as usize, text.len());
            prop_assert_eq!(&buffer[cursor.position() as usize..], text.as_bytes());
        }
    }
}
