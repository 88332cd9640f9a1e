//! Clients that cost next to nothing: raw HTTP/1.1 on a connection that stays open, and raw WebSocket frames.

use std::ops::Range;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::server::{Dialect, Server};

/// The opcode of a ping (RFC 6455 section 5.5.2).
const PING: u8 = 0x9;

/// One connection that sends requests one after the other.
pub struct Http {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Http {
    pub async fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Http {
            stream,
            buffer: Vec::with_capacity(64 << 10),
        }
    }

    /// Sends a message whose content is the time of its sending, and waits for the 201.
    pub async fn send_message(&mut self, token: &str, to: &str, now: u128) {
        let body = format!(
            "{{\"receiverId\":\"{to}\",\"content\":\"t={now};and some words as people write them\"}}"
        );
        let status = self.request("POST", "/api/messages", token, &body).await;
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&self.buffer));
    }

    pub async fn announce(&mut self, token: &str) {
        let body = r#"{"audience":{"all":true},"type":"snow","title":"Snow tomorrow","message":"School starts at ten","link":"/snow"}"#;
        assert_eq!(
            self.request("POST", "/api/notifications", token, body)
                .await,
            201
        );
    }

    /// An announcement to everybody of a role.
    pub async fn announce_to(&mut self, token: &str, role: &str) {
        let body = format!(
            r#"{{"audience":{{"roles":["{role}"]}},"type":"snow","title":"Snow tomorrow","message":"School starts at ten","link":"/snow"}}"#
        );
        let status = self.request("POST", "/api/notifications", token, &body);
        assert_eq!(status.await, 201);
    }

    /// The answer to a POST on a connection of its own, unless the server is gone.
    pub async fn ask(
        address: &str,
        path: &str,
        token: &str,
        body: &str,
    ) -> Option<serde_json::Value> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        serde_json::from_str(&whole(address, &head).await?).ok()
    }

    /// The JSON of a GET.
    pub async fn get(address: &str, path: &str, token: &str) -> serde_json::Value {
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        );
        serde_json::from_str(&whole(address, &head).await.unwrap()).unwrap()
    }

    /// The text of a GET that needs no token.
    pub async fn text(address: &str, path: &str) -> String {
        let head = format!("GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n");
        whole(address, &head).await.unwrap()
    }

    /// Sorted times of `count` GETs, or of as many as come in this time, in nanoseconds, after a few to warm up.
    pub async fn time_get(
        &mut self,
        path: &str,
        token: &str,
        count: usize,
        within: Duration,
    ) -> Vec<u64> {
        let mut times = Vec::with_capacity(count);
        let start = Instant::now();
        for i in 0..count + 20 {
            let began = Instant::now();
            assert_eq!(self.request("GET", path, token, "").await, 200);
            if i >= 20 {
                times.push(began.elapsed().as_nanos() as u64);
            }
            if i > 20 && start.elapsed() > within {
                break;
            }
        }
        times.sort_unstable();
        times
    }

    pub async fn request(&mut self, method: &str, path: &str, token: &str, body: &str) -> u16 {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(head.as_bytes()).await.unwrap();
        self.answer().await
    }

    async fn answer(&mut self) -> u16 {
        self.buffer.clear();
        loop {
            assert_ne!(
                self.stream.read_buf(&mut self.buffer).await.unwrap(),
                0,
                "closed"
            );
            let Some(end) = find(&self.buffer, b"\r\n\r\n") else {
                continue;
            };
            let head = std::str::from_utf8(&self.buffer[..end]).unwrap();
            let length: usize = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, length)| length.parse().unwrap());
            if self.buffer.len() >= end + 4 + length {
                return head[9..12].parse().unwrap();
            }
        }
    }
}

/// The body of the answer on a connection of its own, unless it breaks off.
async fn whole(address: &str, request: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let body = find(&answer, b"\r\n\r\n")? + 4;
    String::from_utf8(answer.split_off(body)).ok()
}

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}

/// Open sockets, whose durable events are counted and timed.
pub struct Live {
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    readers: Vec<tokio::task::JoinHandle<()>>,
    /// Nanoseconds from send to delivery of each message since the last `settle` began.
    pub latencies: Vec<u64>,
    pub last_arrival: Instant,
}

struct Arrival {
    latency: u64,
    at: Instant,
}

impl Live {
    /// Connects these people, a socket each, and waits until each has got `connected`.
    pub async fn connect_all(server: &Server, people: Range<usize>, start: Instant) -> Self {
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let mut readers = Vec::new();
        let people: Vec<usize> = people.collect();
        for chunk in people.chunks(100) {
            let connecting = chunk.iter().map(|&i| connect(server, i));
            for (stream, early) in futures_util::future::join_all(connecting).await {
                let acks = server.program.acks.then(Acks::default);
                let reading = read(stream, early, start, arrived.clone(), acks);
                readers.push(tokio::spawn(reading));
            }
        }
        Live {
            arrivals,
            readers,
            latencies: Vec::new(),
            last_arrival: start,
        }
    }

    /// Takes arrivals until there are `count`, or none for five seconds.
    pub async fn settle(&mut self, count: usize) -> usize {
        let mut got = 0;
        while got < count {
            let next = tokio::time::timeout(Duration::from_secs(5), self.arrivals.recv()).await;
            let Ok(Some(arrival)) = next else {
                panic!("{got} of {count} events arrived");
            };
            self.latencies.push(arrival.latency);
            self.last_arrival = self.last_arrival.max(arrival.at);
            got += 1;
        }
        got
    }

    /// Forgets what has come and what comes within a second.
    pub async fn drain(&mut self) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        while self.arrivals.try_recv().is_ok() {}
    }

    pub fn close(&mut self) {
        self.readers.drain(..).for_each(|reader| reader.abort());
    }
}

/// The handshake of a WebSocket, with the token of whose it is.
pub fn handshake(path: &str, token: Option<&str>) -> String {
    let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n"));
    format!(
        "GET {path} HTTP/1.1\r\nhost: bench\r\n{}connection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        authorization.unwrap_or_default()
    )
}

/// Opens a socket, authenticates, and waits for `connected`. Returns what came after it, too: part of a frame perhaps.
async fn connect(server: &Server, person: usize) -> (TcpStream, Vec<u8>) {
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let token = server.token(person);
    let socketio = server.program.dialect == Dialect::SocketIo;
    let head = match server.program.dialect {
        Dialect::Ws => handshake("/ws", Some(&token)),
        Dialect::SocketIo => handshake("/socket.io/?EIO=4&transport=websocket", None),
    };
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    wait_for(&mut stream, &mut seen, b"\r\n\r\n").await;
    if socketio {
        wait_for(&mut stream, &mut seen, b"\"maxPayload\"").await;
        let packet = masked(&format!("40{{\"token\":\"{token}\"}}"));
        stream.write_all(&packet).await.unwrap();
    }
    wait_for(&mut stream, &mut seen, b"connected\"").await;
    loop {
        let end = find(&seen, b"\r\n\r\n").unwrap() + 4;
        let mut rest = &seen[end..];
        while let Some((payload, after)) = frame(rest) {
            rest = after;
            if find(payload, b"connected\"").is_some() {
                if server.program.acks {
                    let auth = masked(r#"{"event":"auth","data":{"acks":true}}"#);
                    stream.write_all(&auth).await.unwrap();
                }
                return (stream, rest.to_vec());
            }
        }
        read_more(&mut stream, &mut seen).await;
    }
}

async fn wait_for(stream: &mut TcpStream, seen: &mut Vec<u8>, needle: &[u8]) {
    while find(seen, needle).is_none() {
        read_more(stream, seen).await;
    }
}

async fn read_more(stream: &mut TcpStream, seen: &mut Vec<u8>) {
    let read = stream.read_buf(seen).await.unwrap();
    assert_ne!(read, 0, "refused: {}", String::from_utf8_lossy(seen));
}

/// A short text frame, masked with zeros, which changes nothing.
pub fn masked(text: &str) -> Vec<u8> {
    let mut frame = match text.len() {
        short @ 0..=125 => vec![0x81, 0x80 | short as u8],
        long => [&[0x81, 0x80 | 126][..], &(long as u16).to_be_bytes()].concat(),
    };
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// Whether a frame holds one of the events that are counted, in either dialect.
fn is_durable(payload: &[u8]) -> bool {
    let packet = payload.strip_prefix(b"42[\"");
    let event = packet.or_else(|| payload.strip_prefix(b"{\"event\":\""));
    event.is_some_and(|e| e.starts_with(b"new_message\"") || e.starts_with(b"notification\""))
}

/// A page acknowledges so often at most.
const ACK_EVERY: Duration = Duration::from_secs(1);

/// What a page has acknowledged, and what it has not.
#[derive(Default)]
struct Acks {
    pending: Option<u64>,
    last: Option<Instant>,
}

impl Acks {
    /// Takes note of an event.
    fn got(&mut self, payload: &[u8]) {
        let Some(at) = find(payload, b"\"seq\":") else {
            return;
        };
        let digits = payload[at + 6..].iter().take_while(|b| b.is_ascii_digit());
        let seq = digits.fold(0, |seq, digit| seq * 10 + u64::from(digit - b'0'));
        self.pending = self.pending.max(Some(seq));
        if find(payload, b"ack_request").is_some() {
            self.last = None;
        }
    }

    fn due(&self) -> Option<Instant> {
        self.pending?;
        Some(self.last.map_or_else(Instant::now, |last| last + ACK_EVERY))
    }

    /// The frame, if it is time for one.
    fn take(&mut self) -> Option<Vec<u8>> {
        let now = Instant::now();
        let seq = self
            .pending
            .filter(|_| self.due().is_some_and(|due| due <= now))?;
        (self.pending, self.last) = (None, Some(now));
        let frame = format!(r#"{{"event":"ack","data":{{"seq":{seq}}}}}"#);
        Some(masked(&frame))
    }
}

/// Counts the frames of durable events, and answers the pings of either protocol. A message says when it was sent; anything else took no time.
async fn read(
    mut stream: TcpStream,
    mut buffer: Vec<u8>,
    start: Instant,
    arrived: mpsc::UnboundedSender<Arrival>,
    mut acks: Option<Acks>,
) {
    loop {
        let due = acks.as_ref().and_then(Acks::due);
        tokio::select! {
            read = stream.read_buf(&mut buffer) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            },
            () = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            } => {}
        }
        let at = Instant::now();
        let mut rest = &buffer[..];
        let mut pongs = Vec::new();
        while let Some((payload, after)) = frame(rest) {
            if rest[0] & 0x0F == PING {
                // Masked with zeros, which changes nothing.
                pongs.extend_from_slice(&[0x8A, 0x80 | payload.len() as u8, 0, 0, 0, 0]);
                pongs.extend_from_slice(payload);
            }
            if payload == b"2" {
                pongs.extend_from_slice(&masked("3"));
            }
            if let Some(acks) = &mut acks {
                acks.got(payload);
            }
            if is_durable(payload) {
                let now = at.duration_since(start).as_nanos() as u64;
                let latency = sent_at(payload).map_or(0, |sent| now.saturating_sub(sent));
                if arrived.send(Arrival { latency, at }).is_err() {
                    return;
                }
            }
            rest = after;
        }
        let done = buffer.len() - rest.len();
        buffer.drain(..done);
        if let Some(ack) = acks.as_mut().and_then(Acks::take) {
            pongs.extend_from_slice(&ack);
        }
        if stream.write_all(&pongs).await.is_err() {
            return;
        }
    }
}

/// The payload of a whole frame of the server's, and what follows it.
pub fn frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, header) = match *bytes.get(1)? {
        126 => (
            u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?) as usize,
            4,
        ),
        127 => (
            u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize,
            10,
        ),
        short => (short as usize, 2),
    };
    let payload = bytes.get(header..header + length)?;
    Some((payload, &bytes[header + length..]))
}

fn sent_at(payload: &[u8]) -> Option<u64> {
    let text = &payload[find(payload, b"t=")? + 2..];
    let end = text.iter().position(|b| *b == b';')?;
    std::str::from_utf8(&text[..end]).ok()?.parse().ok()
}
