//! A socket of `/ws`.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};

/// Longer than anything takes on a busy machine, shorter than a test may hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// One open socket.
pub struct Socket(
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>,
);

/// What a socket received.
#[derive(Debug, PartialEq)]
pub enum Came {
    Event(Value),
    Close(Option<u16>),
}

impl Socket {
    /// With these headers, unauthenticated.
    ///
    /// # Errors
    /// The server refused the upgrade, or there is none.
    pub async fn connect(
        address: &str,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, tungstenite::Error> {
        let mut request = format!("ws://{address}{path}").into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        Ok(Socket(socket))
    }

    /// Authenticated by this token, and the data of its event `connected`.
    pub async fn join(address: &str, token: &str, since: Option<i64>) -> (Self, Value) {
        let mut socket = Self::connect(address, "/ws", &[]).await.unwrap();
        let data = json!({ "token": token, "since": since });
        socket.send(json!({ "event": "auth", "data": data })).await;
        let connected = socket.expect("connected").await;
        (socket, connected)
    }

    pub async fn send(&mut self, frame: Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.send_message(Message::text(text)).await;
    }

    /// A server that has closed meanwhile is no failure here: what comes next tells.
    pub async fn send_message(&mut self, message: Message) {
        let _ = self.0.send(message).await;
    }

    /// The next event or the end.
    pub async fn next(&mut self) -> Came {
        tokio::time::timeout(PATIENCE, self.receive())
            .await
            .expect("nothing came")
    }

    async fn receive(&mut self) -> Came {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Close(frame))) => {
                    return Came::Close(frame.map(|f| f.code.into()));
                }
                Some(Ok(Message::Text(text))) => {
                    return Came::Event(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Came::Close(None),
            }
        }
    }

    /// The data of the next event, which must be this one.
    #[track_caller]
    pub fn expect<'a>(&'a mut self, event: &'a str) -> impl Future<Output = Value> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            match self.next().await {
                Came::Event(frame) if frame["event"] == event => frame["data"].clone(),
                other => panic!("{event} was expected at {caller}, but came {other:?}"),
            }
        }
    }

    /// The data of the next event of this name, whatever comes before it.
    pub async fn await_event(&mut self, event: &str) -> Value {
        loop {
            match self.next().await {
                Came::Event(frame) if frame["event"] == event => return frame["data"].clone(),
                Came::Event(_) => {}
                Came::Close(code) => panic!("{event} was expected, but came a close: {code:?}"),
            }
        }
    }

    /// The code of the close that must come next, whatever events come before it.
    pub async fn closed(&mut self) -> u16 {
        loop {
            match self.next().await {
                Came::Event(_) => {}
                Came::Close(code) => return code.unwrap_or(1006),
            }
        }
    }

    /// That nothing is on its way: a ping is answered before anything else comes.
    pub async fn expect_nothing(&mut self) {
        self.send(json!({ "event": "ping" })).await;
        self.expect("pong").await;
    }
}
