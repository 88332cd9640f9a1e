//! A push service on loopback that does what a real one does: it checks what the standards ask of a push and decrypts it
//! as the browser would, with code that shares nothing with the code under test. It can be told to answer anything.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aes_gcm::aead::{Aead as _, KeyInit as _};
use aes_gcm::{Aes128Gcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use hkdf::Hkdf;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use p256::PublicKey;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use schoolbell::model::time::{Clock, SystemClock};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::Notify;

const PATIENCE: Duration = Duration::from_secs(20);

/// How to answer.
#[derive(Debug, Clone)]
pub enum Reply {
    Status(u16),
    /// After a while.
    Slowly(u16),
    /// With this header.
    With(u16, &'static str, String),
    /// With this body.
    Saying(u16, &'static str),
    /// Not at all.
    Never,
    /// The head of an answer, and then the end of the connection.
    Cut(u16),
    /// A body that does not end.
    Endless(u16),
}

/// A push that passed all checks.
#[derive(Debug, Clone)]
pub struct Push {
    pub device: String,
    pub ttl: u32,
    pub urgency: String,
    /// The decrypted JSON.
    pub payload: Value,
    pub bytes: usize,
    /// The claims of the VAPID token, and the token.
    pub claims: Value,
    pub token: String,
}

/// The service. Dropping it fails the test if a push broke a rule.
pub struct PushService {
    state: Arc<State>,
    pub address: String,
}

struct State {
    origin: String,
    clock: Box<dyn Clock>,
    devices: Mutex<HashMap<String, Device>>,
    pushes: Mutex<VecDeque<Push>>,
    came: Notify,
    replies: Mutex<VecDeque<Reply>>,
    always: Mutex<Option<Reply>>,
    by_device: Mutex<HashMap<String, Reply>>,
    wrong: Mutex<Vec<String>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

/// A browser with a subscription.
#[derive(Clone)]
pub struct Device {
    pub name: String,
    pub endpoint: String,
    secret: p256::SecretKey,
    auth: [u8; 16],
    /// The `applicationServerKey` that it subscribed with.
    server_key: String,
}

impl Device {
    /// As `PushSubscription.toJSON()` gives it.
    pub fn json(&self) -> Value {
        let point = VerifyingKey::from(self.secret.public_key()).to_encoded_point(false);
        json!({
            "endpoint": self.endpoint,
            "expirationTime": null,
            "keys": {
                "p256dh": URL_SAFE_NO_PAD.encode(point.as_bytes()),
                "auth": URL_SAFE_NO_PAD.encode(self.auth),
            },
        })
    }

    /// RFC 8188 and RFC 8291, from the browser's side.
    fn decrypt(&self, body: &[u8]) -> Result<Vec<u8>, String> {
        if body.len() < 86 + 17 || body[20] != 65 {
            return Err("no aes128gcm header of a push".into());
        }
        let (salt, record) = (
            &body[..16],
            u32::from_be_bytes(body[16..20].try_into().unwrap()),
        );
        let (server, text) = (&body[21..86], &body[86..]);
        if text.len() > record as usize || body.len() > 4_096 {
            return Err("more than one record, or larger than 4096 bytes".into());
        }
        let key = PublicKey::from_sec1_bytes(server).map_err(|e| e.to_string())?;
        let shared = p256::ecdh::diffie_hellman(self.secret.to_nonzero_scalar(), key.as_affine());
        let own = VerifyingKey::from(self.secret.public_key()).to_encoded_point(false);
        let mut info = b"WebPush: info\0".to_vec();
        info.extend_from_slice(own.as_bytes());
        info.extend_from_slice(server);
        let mut ikm = [0; 32];
        let (_, auth) = Hkdf::<Sha256>::extract(Some(&self.auth), shared.raw_secret_bytes());
        auth.expand(&info, &mut ikm).unwrap();
        let (_, prk) = Hkdf::<Sha256>::extract(Some(salt), &ikm);
        let (mut cek, mut nonce) = ([0; 16], [0; 12]);
        prk.expand(b"Content-Encoding: aes128gcm\0", &mut cek)
            .unwrap();
        prk.expand(b"Content-Encoding: nonce\0", &mut nonce)
            .unwrap();
        let cipher = Aes128Gcm::new(&cek.into());
        let padded = cipher.decrypt(Nonce::from_slice(&nonce), text);
        let mut plain = padded.map_err(|_| "does not decrypt")?;
        while plain.last() == Some(&0) {
            plain.pop();
        }
        match plain.pop() {
            Some(2) => Ok(plain),
            _ => Err("no delimiter of a last record".into()),
        }
    }
}

impl PushService {
    pub async fn start() -> Self {
        Self::start_at(SystemClock).await
    }

    /// With a clock of the test's own.
    pub async fn start_at(clock: impl Clock) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State {
            origin: format!("http://{address}"),
            clock: Box::new(clock),
            devices: Mutex::default(),
            pushes: Mutex::default(),
            came: Notify::new(),
            replies: Mutex::default(),
            always: Mutex::default(),
            by_device: Mutex::default(),
            wrong: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
        });
        let served = state.clone();
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                let state = served.clone();
                let service = hyper::service::service_fn(move |request| {
                    let state = state.clone();
                    async move { Ok::<_, Infallible>(state.serve(request).await) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        PushService { state, address }
    }

    /// A browser that subscribes with this key.
    pub fn device(&self, name: &str, server_key: &str) -> Device {
        let mut auth = [0; 16];
        getrandom::fill(&mut auth).unwrap();
        let device = Device {
            name: name.to_owned(),
            endpoint: format!("{}/push/{name}", self.state.origin),
            secret: p256::SecretKey::random(&mut p256::elliptic_curve::rand_core::OsRng),
            auth,
            server_key: server_key.to_owned(),
        };
        let mut devices = self.state.devices.lock().unwrap();
        devices.insert(name.to_owned(), device.clone());
        device
    }

    /// What the next pushes are answered, one after the other; then 201 again.
    pub fn answer(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state.replies.lock().unwrap().extend(replies);
    }

    /// What every push is answered from now on; `None`: 201.
    pub fn always(&self, reply: Option<Reply>) {
        *self.state.always.lock().unwrap() = reply;
    }

    /// What every push to this device is answered.
    pub fn answer_device(&self, name: &str, reply: Reply) {
        let mut by_device = self.state.by_device.lock().unwrap();
        by_device.insert(name.to_owned(), reply);
    }

    /// The next push, which must come soon.
    pub async fn next(&self) -> Push {
        let next = async {
            loop {
                let came = self.state.came.notified();
                if let Some(push) = self.state.pushes.lock().unwrap().pop_front() {
                    return push;
                }
                came.await;
            }
        };
        let came = tokio::time::timeout(PATIENCE, next).await;
        self.check();
        came.expect("no push came")
    }

    /// What has come and was not asked for yet.
    pub fn take(&self) -> Vec<Push> {
        self.check();
        self.state.pushes.lock().unwrap().drain(..).collect()
    }

    /// The most pushes that were being answered at a time.
    pub fn most_in_flight(&self) -> usize {
        self.state.most_in_flight.load(Ordering::SeqCst)
    }

    fn check(&self) {
        let wrong = self.state.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

impl Drop for PushService {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check();
        }
    }
}

type Body = BoxBody<Bytes, std::io::Error>;

impl State {
    async fn serve(&self, request: Request<Incoming>) -> Response<Body> {
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(now, Ordering::SeqCst);
        let (head, body) = request.into_parts();
        let body = body
            .collect()
            .await
            .map(|b| b.to_bytes())
            .unwrap_or_default();
        match self.check(&head, &body) {
            Ok(push) => {
                self.pushes.lock().unwrap().push_back(push);
                self.came.notify_one();
            }
            Err(why) => self.wrong.lock().unwrap().push(why),
        }
        let name = head.uri.path().trim_start_matches("/push/");
        let own = self.by_device.lock().unwrap().get(name).cloned();
        let next = own.or_else(|| self.replies.lock().unwrap().pop_front());
        let reply = next.or_else(|| self.always.lock().unwrap().clone());
        let response = answer(reply.unwrap_or(Reply::Status(201))).await;
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        response
    }

    /// What RFC 8030 section 5, RFC 8291 and RFC 8292 ask of a push.
    fn check(&self, head: &hyper::http::request::Parts, body: &[u8]) -> Result<Push, String> {
        let header = |name: &str| {
            let value = head.headers.get(name);
            value
                .and_then(|v| v.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        if head.method != "POST" {
            return Err(format!("{} is no push", head.method));
        }
        let name = head.uri.path().trim_start_matches("/push/");
        let device = self.devices.lock().unwrap().get(name).cloned();
        let device = device.ok_or(format!("nobody subscribed at {}", head.uri))?;
        let ttl = header("ttl")
            .parse()
            .map_err(|_| format!("TTL {:?}", header("ttl")))?;
        let urgency = header("urgency");
        if !["very-low", "low", "normal", "high"].contains(&urgency.as_str()) {
            return Err(format!("Urgency {urgency:?}"));
        }
        let topic = header("topic");
        let base64url = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        // Apple refuses the length that no base64url text has.
        if topic.len() > 32 || topic.len() % 4 == 1 || !topic.bytes().all(base64url) {
            return Err(format!("Topic {topic:?}"));
        }
        if header("content-encoding") != "aes128gcm" {
            return Err(format!("Content-Encoding {:?}", header("content-encoding")));
        }
        let (claims, token) = self.check_vapid(&header("authorization"), &device)?;
        let plain = device.decrypt(body)?;
        Ok(Push {
            device: device.name,
            ttl,
            urgency,
            bytes: plain.len(),
            payload: serde_json::from_slice(&plain).map_err(|e| e.to_string())?,
            claims,
            token,
        })
    }

    fn check_vapid(&self, header: &str, device: &Device) -> Result<(Value, String), String> {
        let wrong = || format!("Authorization {header:?}");
        let (scheme, params) = header.split_once(' ').ok_or_else(wrong)?;
        let params: HashMap<&str, &str> = params
            .split(',')
            .filter_map(|p| p.trim().split_once('='))
            .collect();
        let (Some(token), Some(key)) = (params.get("t"), params.get("k")) else {
            return Err(wrong());
        };
        if scheme != "vapid" || *key != device.server_key {
            return Err(format!(
                "{scheme} with a key that nobody subscribed with: {key}"
            ));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or_else(wrong)?;
        let (head, claims) = signed.split_once('.').ok_or_else(wrong)?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|e| e.to_string());
        let json =
            |text| serde_json::from_slice::<Value>(&decode(text)?).map_err(|e| e.to_string());
        let (head, claims) = (json(head)?, json(claims)?);
        let key = VerifyingKey::from_sec1_bytes(&decode(key)?).map_err(|e| e.to_string())?;
        let signature = Signature::from_slice(&decode(signature)?).map_err(|e| e.to_string())?;
        key.verify(signed.as_bytes(), &signature)
            .map_err(|_| "the signature is wrong")?;
        let left = claims["exp"].as_i64().unwrap_or(0) - self.clock.now().seconds();
        let subject = claims["sub"].as_str().unwrap_or_default();
        if head["alg"] != "ES256"
            || claims["aud"] != self.origin
            || !(1..=24 * 3_600).contains(&left)
            || !(subject.starts_with("mailto:") || subject.starts_with("https:"))
        {
            return Err(format!("token {head} {claims}, {left} s left"));
        }
        Ok((claims, token.to_string()))
    }
}

async fn answer(reply: Reply) -> Response<Body> {
    let whole = |text: &'static str| {
        let body = Full::new(Bytes::from_static(text.as_bytes()));
        body.map_err(|never| match never {}).boxed()
    };
    let response = Response::builder();
    let built = match reply {
        Reply::Status(status) => response.status(status).body(whole("")),
        Reply::Slowly(status) => {
            tokio::time::sleep(Duration::from_millis(100)).await;
            response.status(status).body(whole(""))
        }
        Reply::With(status, name, value) => {
            response.status(status).header(name, value).body(whole(""))
        }
        Reply::Saying(status, text) => response.status(status).body(whole(text)),
        Reply::Never => std::future::pending().await,
        Reply::Cut(status) => {
            let broken = async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Err(std::io::Error::other("cut"))
            };
            let half = std::future::ready(Ok(Frame::data(Bytes::from_static(b"half"))));
            let body = StreamBody::new(stream::once(half).chain(stream::once(broken)));
            response
                .status(status)
                .header("content-length", 1000)
                .body(BoxBody::new(body))
        }
        Reply::Endless(status) => {
            let chunk = Bytes::from(vec![b'x'; 64 << 10]);
            let gigabyte = stream::repeat(chunk).take(16 << 10);
            let body = StreamBody::new(gigabyte.map(|chunk| Ok(Frame::data(chunk))));
            response.status(status).body(BoxBody::new(body))
        }
    };
    built.unwrap()
}
