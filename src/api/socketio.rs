//! `/socket.io/`: the requests of Engine.IO. What they carry is `realtime::socketio`.

use std::sync::Arc;

use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use warp::Reply as _;
use warp::http::{HeaderMap, Method, StatusCode, header};

use super::http::address::{admit_stranger, direct_address};
use super::http::call::bearer;
use super::http::cookie;
use super::http::failure::failure;
use super::http::origin::check_origin;
use super::http::request::{Request, Response, body_time, read_body};
use super::http::router::Serve;
use super::http::served::{Latency, Served};
use super::http::upgrade::{Stream, switching, upgraded, websocket_key};
use crate::app::App;
use crate::error::Error;
use crate::limits::connection_limit::Slot;
use crate::limits::rates::{RequestClass, Stranger};
use crate::realtime::engineio::{MAX_PAYLOAD_BYTES, RequestError};
use crate::realtime::polling::{Link, SessionGone, Sessions, Upgrading};
use crate::realtime::socketio;

pub const PATTERN: &str = "/socket.io";

#[derive(Default)]
struct Query {
    revision: String,
    transport: String,
    sid: String,
    nonce: String,
}

/// Why a request is not served.
enum Refusal {
    Protocol(RequestError),
    /// A body over the limit.
    TooLarge,
    Other(Error),
}

impl From<RequestError> for Refusal {
    fn from(refused: RequestError) -> Self {
        Refusal::Protocol(refused)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::TooLarge(_) => Refusal::TooLarge,
            error => Refusal::Other(error),
        }
    }
}

impl From<SessionGone> for Refusal {
    fn from(_: SessionGone) -> Self {
        Refusal::Protocol(RequestError::BadRequest)
    }
}

type Result<T, E = Refusal> = std::result::Result<T, E>;

/// Serves long-polling and takes WebSockets.
pub fn serve(app: &App) -> Serve {
    let app = app.clone();
    let sessions = Sessions::default();
    Arc::new(move |request, _| {
        let (app, sessions) = (app.clone(), sessions.clone());
        Box::pin(async move {
            let served = answer(app, sessions, request).await;
            let mut response = served.unwrap_or_else(refuse);
            response.extensions_mut().insert(Served {
                pattern: PATTERN,
                latency: Latency::Poll,
                user: None,
            });
            response
        })
    })
}

impl Query {
    fn parse(raw: &str) -> Self {
        let mut query = Query::default();
        for (name, value) in form_urlencoded::parse(raw.as_bytes()) {
            let field = match &*name {
                "EIO" => &mut query.revision,
                "transport" => &mut query.transport,
                "sid" => &mut query.sid,
                "t" => &mut query.nonce,
                _ => continue,
            };
            *field = value.into_owned();
        }
        query
    }
}

async fn answer(app: App, sessions: Sessions, request: Request) -> Result<Response> {
    let query = &Query::parse(&request.query);
    check_origin(&app, &request.headers).map_err(|_| RequestError::Forbidden)?;
    match (query.transport.as_str(), query.revision.as_str()) {
        ("polling" | "websocket", "4") => {}
        ("polling" | "websocket", revision) => {
            let revision: String = revision.chars().take(8).collect();
            tracing::info!(
                revision,
                "refused a Socket.IO client: only revision 4 of Engine.IO is spoken here"
            );
            return Err(RequestError::UnsupportedProtocolVersion.into());
        }
        _ => return Err(RequestError::UnknownTransport.into()),
    }
    if query.sid.is_empty() {
        app.load.admit(RequestClass::Socket)?;
        admit_stranger(&app, request.peer, &request.headers, Stranger::Socket)?;
    }
    match (query.transport.as_str(), query.sid.as_str()) {
        (_, "") if request.method != Method::GET => Err(RequestError::BadHandshakeMethod.into()),
        (_, "") if app.stopping.is_cancelled() => {
            Err(Error::unavailable("The server is stopping.").into())
        }
        ("polling", "") => {
            let address = direct_address(&app, request.peer, &request.headers);
            let token = token(&app, &request);
            Ok(text(sessions.begin(&app, address, token)?))
        }
        ("polling", _) if request.method == Method::GET => poll(&sessions, query, request).await,
        ("polling", _) if request.method == Method::POST => {
            post(&app, &sessions, query, request).await
        }
        ("websocket", "") => connect(app, request, None),
        ("websocket", sid) => {
            let link = sessions.find(sid).ok_or(RequestError::UnknownSid)?;
            let upgrading = Upgrading::begin(&link).ok_or(RequestError::BadRequest)?;
            connect(app, request, Some(upgrading))
        }
        _ => Err(RequestError::BadRequest.into()),
    }
}

async fn poll(sessions: &Sessions, query: &Query, request: Request) -> Result<Response> {
    let link = sessions.find(&query.sid);
    let link = link.ok_or(RequestError::UnknownSid)?;
    // A poll waits long: that of an authenticated client keeps its slot.
    if link.joined() {
        request
            .slot
            .iter()
            .for_each(|slot| slot.mark_authenticated());
    }
    let answer = link.poll(&query.nonce).await;
    if answer.is_err() {
        request.slot.iter().for_each(|slot| slot.mark_anonymous());
    }
    Ok(text(answer?))
}

async fn post(
    app: &App,
    sessions: &Sessions,
    query: &Query,
    mut request: Request,
) -> Result<Response> {
    let sid = &query.sid;
    let link = sessions.find(sid).ok_or(RequestError::UnknownSid)?;
    let brought = bring(app, &link, &mut request).await;
    if brought.is_err() {
        link.break_off().await;
    }
    brought.map(|()| text("ok".into()))
}

async fn bring(app: &App, link: &Arc<Link>, request: &mut Request) -> Result<()> {
    let posting = link.begin_post().ok_or(RequestError::BadRequest)?;
    if is_binary(&request.headers) {
        return Err(RequestError::BadRequest.into());
    }
    let time = body_time(app, MAX_PAYLOAD_BYTES);
    let bytes = read_body(&request.headers, &mut request.body, MAX_PAYLOAD_BYTES, time).await?;
    let body = String::from_utf8(bytes.into()).map_err(|_| RequestError::BadRequest)?;
    Ok(posting.deliver(body).await?)
}

fn is_binary(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE);
    media_type.is_some_and(|value| value.as_bytes().starts_with(b"application/octet-stream"))
}

/// Takes the handshake of a WebSocket, which begins a session or takes one over.
fn connect(app: App, request: Request, upgrading: Option<Upgrading>) -> Result<Response> {
    let key = websocket_key(&request.headers).map_err(|_| RequestError::BadRequest)?;
    let token = token(&app, &request);
    let upgrade = request.upgrade.ok_or(RequestError::BadRequest)?;
    let slot = request.slot;
    let tasks = app.tasks.clone();
    tasks.spawn(async move {
        match upgraded(upgrade).await {
            Some(Stream::Tcp(stream, early)) => {
                start(&app, stream, &early, upgrading, (slot, token)).await;
            }
            Some(Stream::Other(stream)) => {
                start(&app, stream, &[], upgrading, (slot, token)).await;
            }
            None => {}
        }
    });
    Ok(switching(&key)?)
}

async fn start<S>(
    app: &App,
    stream: S,
    early: &[u8],
    upgrading: Option<Upgrading>,
    (slot, token): (Option<Arc<Slot>>, Option<String>),
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match upgrading {
        Some(upgrading) => upgrading.serve(app, stream, early, slot).await,
        None => socketio::serve(app, stream, early, slot, token).await,
    }
}

/// The token of a handshake's headers: a client's own header, or the cookie of our own pages.
fn token(app: &App, request: &Request) -> Option<String> {
    let headers = &request.headers;
    let by_cookie = || {
        let token = cookie::session(app, request.base, headers).ok()?;
        cookie::check_own_page(app, headers).ok().map(|()| token)
    };
    let token = bearer(headers).ok().or_else(by_cookie);
    token.map(str::to_owned)
}

fn text(body: String) -> Response {
    warp::reply::with_header(body, header::CONTENT_TYPE, "text/plain; charset=UTF-8")
        .into_response()
}

/// The shape in which the reference implementation refuses.
#[derive(Serialize)]
struct Problem {
    code: u8,
    message: &'static str,
}

fn refuse(refusal: Refusal) -> Response {
    let (status, refused) = match refusal {
        Refusal::Protocol(refused @ RequestError::Forbidden) => (StatusCode::FORBIDDEN, refused),
        Refusal::Protocol(refused) => (StatusCode::BAD_REQUEST, refused),
        Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, RequestError::BadRequest),
        Refusal::Other(error) => return failure(error),
    };
    let problem = Problem {
        code: refused as u8,
        message: refused.message(),
    };
    warp::reply::with_status(warp::reply::json(&problem), status).into_response()
}
