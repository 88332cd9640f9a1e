//! Engine.IO by hand: what a stock client never sends can be sent too.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio_tungstenite::tungstenite::{self, Message};

use super::http;

const PATIENCE: Duration = Duration::from_secs(20);

/// The packets of a payload.
pub fn packets(payload: &str) -> Vec<&str> {
    payload.split('\u{1e}').collect()
}

/// A session by long-polling.
#[derive(Clone)]
pub struct Poller {
    pub url: String,
    http: reqwest::Client,
}

impl Poller {
    pub async fn open(address: &str) -> Self {
        Self::open_with(address, &[]).await
    }

    /// With these headers at the handshake.
    pub async fn open_with(address: &str, headers: &[(&str, &str)]) -> Self {
        let http = http();
        let url = format!("http://{address}/socket.io/?EIO=4&transport=polling");
        let request = headers
            .iter()
            .fold(http.get(&url), |r, (name, value)| r.header(*name, *value));
        let open = request.send().await.unwrap().text().await.unwrap();
        let open: Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
        assert_eq!(open["upgrades"], serde_json::json!(["websocket"]));
        let url = format!("{url}&sid={}", open["sid"].as_str().unwrap());
        Poller { url, http }
    }

    /// A session of somebody's, with the payload that came after CONNECT.
    pub async fn join(address: &str, token: &str) -> (Self, String) {
        let poller = Self::open(address).await;
        let connect = format!("40{{\"token\":\"{token}\"}}");
        assert_eq!(poller.post(&connect).await, (200, "ok".into()));
        let payload = poller.poll().await.1;
        (poller, payload)
    }

    pub fn sid(&self) -> &str {
        self.url.rsplit_once("&sid=").unwrap().1
    }

    pub async fn poll(&self) -> (u16, String) {
        self.send(self.http.get(&self.url)).await
    }

    /// With the nonce that browsers send.
    pub async fn poll_as(&self, nonce: &str) -> (u16, String) {
        let url = format!("{}&t={nonce}", self.url);
        self.send(self.http.get(url)).await
    }

    pub async fn post(&self, body: &str) -> (u16, String) {
        self.post_raw(body.into(), "text/plain;charset=UTF-8").await
    }

    pub async fn post_raw(&self, body: Vec<u8>, media_type: &str) -> (u16, String) {
        let request = self.http.post(&self.url).body(body);
        self.send(request.header("content-type", media_type)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> (u16, String) {
        let response = request.timeout(PATIENCE * 3).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// The session is not there any more.
    /// The session has ended as a lost link ends: the poll that waits is refused, and the next one too.
    pub async fn expect_lost(&self, waiting: (u16, String)) {
        let lost = r#"{"code":3,"message":"Bad request"}"#;
        assert_eq!(waiting, (400, lost.into()));
        self.expect_gone().await;
    }

    pub async fn expect_gone(&self) {
        let gone = r#"{"code":1,"message":"Session ID unknown"}"#;
        assert_eq!(self.poll().await, (400, gone.into()));
    }
}

/// What [`Engine::next`] gives where the connection has ended without a close frame.
pub const LOST: u16 = 1006;

/// An Engine.IO WebSocket.
pub struct Engine(
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>,
);

impl Engine {
    /// `query` follows `EIO=4&transport=websocket`.
    pub async fn connect(address: &str, query: &str) -> Result<Self, tungstenite::Error> {
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket{query}");
        let (socket, _) = tokio_tungstenite::connect_async(url).await?;
        Ok(Engine(socket))
    }

    /// A session that is a WebSocket from the start.
    pub async fn open(address: &str) -> Self {
        let mut engine = Self::connect(address, "").await.unwrap();
        assert!(engine.next().await.unwrap().starts_with("0{"));
        engine
    }

    /// Sends CONNECT with this and returns its answer.
    pub async fn connect_with(&mut self, auth: Value) -> String {
        self.send(&format!("40{auth}")).await;
        self.next().await.unwrap()
    }

    /// A session of somebody's, with the CONNECT reply.
    pub async fn join(address: &str, auth: Value) -> (Self, Value) {
        let mut engine = Self::open(address).await;
        let reply = engine.connect_with(auth).await;
        let reply = reply.strip_prefix("40").expect(&reply);
        (engine, serde_json::from_str(reply).unwrap())
    }

    pub async fn send(&mut self, text: &str) {
        self.send_message(Message::text(text)).await;
    }

    pub async fn send_message(&mut self, message: Message) {
        let _ = self.0.send(message).await;
    }

    /// The next packet, or the code of the close.
    pub async fn next(&mut self) -> Result<String, u16> {
        let next = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                    Some(Ok(Message::Close(frame))) => {
                        return Err(frame.map_or(1005, |f| f.code.into()));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Err(1006),
                }
            }
        };
        tokio::time::timeout(PATIENCE, next)
            .await
            .expect("nothing came")
    }

    /// The data of the next packet, which must be this event, and its offset; empty where it has none.
    pub async fn expect(&mut self, event: &str) -> (Value, String) {
        let text = self.next().await.unwrap();
        let arguments = text.strip_prefix("42").expect(&text);
        let arguments: Vec<Value> = serde_json::from_str(arguments).unwrap();
        assert_eq!(arguments[0], event, "{text}");
        assert!(arguments.len() <= 3, "{text}");
        let offset = arguments.get(2).map(|offset| offset.as_str().unwrap());
        (arguments[1].clone(), offset.unwrap_or_default().to_owned())
    }

    /// The code of the close that must come, whatever comes before it.
    pub async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }
}
