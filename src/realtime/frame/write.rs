//! Writing frames: a server sends them whole and unmasked (RFC 6455 section 5.1).

use bytes::{BufMut, BytesMut};

use super::{CLOSE, PING, PONG, TEXT};

/// Appends a text frame of these parts, put together.
pub fn put_text(buffer: &mut BytesMut, parts: &[&str]) {
    put_header(buffer, TEXT, parts.iter().map(|part| part.len()).sum());
    parts
        .iter()
        .for_each(|part| buffer.put_slice(part.as_bytes()));
}

/// Appends a ping; the answer has the same payload.
pub fn put_ping(buffer: &mut BytesMut, payload: &[u8]) {
    put_frame(buffer, PING, payload);
}

/// Appends the answer to a ping.
pub fn put_pong(buffer: &mut BytesMut, payload: &[u8]) {
    put_frame(buffer, PONG, payload);
}

/// Appends a close frame; `reason` is at most 123 bytes.
pub fn put_close(buffer: &mut BytesMut, code: u16, reason: &str) {
    let mut payload = Vec::with_capacity(2 + reason.len());
    payload.extend_from_slice(&code.to_be_bytes());
    payload.extend_from_slice(reason.as_bytes());
    put_frame(buffer, CLOSE, &payload);
}

fn put_frame(buffer: &mut BytesMut, opcode: u8, payload: &[u8]) {
    put_header(buffer, opcode, payload.len());
    buffer.put_slice(payload);
}

fn put_header(buffer: &mut BytesMut, opcode: u8, length: usize) {
    buffer.reserve(length + 10);
    buffer.put_u8(0x80 | opcode);
    match length {
        length @ 0..=125 => buffer.put_u8(length as u8),
        length @ 126..=65_535 => {
            buffer.put_u8(126);
            buffer.put_u16(length as u16);
        }
        length => {
            buffer.put_u8(127);
            buffer.put_u64(length as u64);
        }
    }
}
