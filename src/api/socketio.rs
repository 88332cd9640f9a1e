//! `/socket.io/`: the requests of Engine.IO. What they carry is `realtime::socketio`.

use std::sync::Arc;

use hyper::upgrade::OnUpgrade;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use warp::http::{HeaderMap, Method, StatusCode, header};
use warp::{Filter, Reply as _};

use super::call::{admit_stranger, direct_address};
use super::endpoint::Served;
use super::reply::{Response, WrongMethod, failure};
use super::request::{BodyStream, Peer, body_time, read_stream};
use super::upgrade::{Stream, check_origin, switching, upgraded, websocket_key};
use super::{Route, request};
use crate::app::App;
use crate::error::Error;
use crate::limits::rates::{Kind, Stranger};
use crate::limits::seats::Seat;
use crate::realtime::engineio::{MAX_PAYLOAD, Refused};
use crate::realtime::polling::{Gone, Link, Sessions, Upgrading};
use crate::realtime::socketio;

pub const PATTERN: &str = "/socket.io";

/// All that a request says.
struct Request {
    method: Method,
    headers: HeaderMap,
    query: Query,
    upgrade: Option<OnUpgrade>,
    peer: Option<Peer>,
    seat: Option<Arc<Seat>>,
    body: BodyStream,
}

#[derive(Default)]
struct Query {
    revision: String,
    transport: String,
    sid: String,
    nonce: String,
}

/// Why a request is not served.
enum Refusal {
    Protocol(Refused),
    /// A body over the limit.
    TooLarge,
    Other(Error),
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
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

impl From<Gone> for Refusal {
    fn from(_: Gone) -> Self {
        Refusal::Protocol(Refused::BadRequest)
    }
}

type Result<T, E = Refusal> = std::result::Result<T, E>;

/// Serves long-polling and takes WebSockets.
pub fn route(app: &App) -> Route {
    let app = app.clone();
    let sessions = Sessions::default();
    warp::path("socket.io")
        .and(warp::path::end())
        .and(warp::method())
        .and_then(|method| async move {
            match method {
                // A preflight: `finish` answers it.
                Method::OPTIONS => Err(warp::reject::custom(WrongMethod)),
                method => Ok(method),
            }
        })
        .and(warp::header::headers_cloned())
        .and(request::raw_query())
        .and(warp::ext::optional::<OnUpgrade>())
        .and(warp::ext::optional::<Peer>())
        .and(warp::ext::optional::<Arc<Seat>>())
        .and(request::body())
        .then(
            move |method, headers, query: String, upgrade, peer, seat, body| {
                let request = Request {
                    method,
                    headers,
                    query: Query::parse(&query),
                    upgrade,
                    peer,
                    seat,
                    body,
                };
                let (app, sessions) = (app.clone(), sessions.clone());
                async move {
                    let served = serve(app, sessions, request).await;
                    let mut response = served.unwrap_or_else(refuse);
                    let pattern = PATTERN;
                    let user = None;
                    response.extensions_mut().insert(Served { pattern, user });
                    response
                }
            },
        )
        .boxed()
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

async fn serve(app: App, sessions: Sessions, request: Request) -> Result<Response> {
    let query = &request.query;
    check_origin(&app, &request.headers).map_err(|_| Refused::Forbidden)?;
    match (query.transport.as_str(), query.revision.as_str()) {
        ("polling" | "websocket", "4") => {}
        ("polling" | "websocket", _) => return Err(Refused::UnsupportedProtocolVersion.into()),
        _ => return Err(Refused::UnknownTransport.into()),
    }
    if query.sid.is_empty() {
        app.pressure.admit(Kind::Socket)?;
        admit_stranger(&app, request.peer, &request.headers, Stranger::Socket)?;
    }
    match (query.transport.as_str(), query.sid.as_str()) {
        (_, "") if request.method != Method::GET => Err(Refused::BadHandshakeMethod.into()),
        (_, "") if app.stopping.is_cancelled() => {
            Err(Error::unavailable("The server is stopping.").into())
        }
        ("polling", "") => {
            let address = direct_address(&app, request.peer, &request.headers);
            Ok(text(sessions.begin(&app, address)?))
        }
        ("polling", _) if request.method == Method::GET => poll(&sessions, request).await,
        ("polling", _) if request.method == Method::POST => post(&app, &sessions, request).await,
        ("websocket", "") => connect(app, request, None),
        ("websocket", sid) => {
            let link = sessions.find(sid).ok_or(Refused::UnknownSid)?;
            let upgrading = link.begin_upgrade().ok_or(Refused::BadRequest)?;
            connect(app, request, Some(upgrading))
        }
        _ => Err(Refused::BadRequest.into()),
    }
}

async fn poll(sessions: &Sessions, request: Request) -> Result<Response> {
    let link = sessions.find(&request.query.sid);
    let link = link.ok_or(Refused::UnknownSid)?;
    // A poll waits long: that of somebody who is known keeps its place.
    if link.joined() {
        request.seat.iter().for_each(|seat| seat.known());
    }
    let answer = link.poll(&request.query.nonce).await;
    if answer.is_err() {
        request.seat.iter().for_each(|seat| seat.unknown());
    }
    Ok(text(answer?))
}

async fn post(app: &App, sessions: &Sessions, mut request: Request) -> Result<Response> {
    let sid = &request.query.sid;
    let link = sessions.find(sid).ok_or(Refused::UnknownSid)?;
    let brought = bring(app, &link, &mut request).await;
    if brought.is_err() {
        link.break_off().await;
    }
    brought.map(|()| text("ok".into()))
}

async fn bring(app: &App, link: &Arc<Link>, request: &mut Request) -> Result<()> {
    let posting = link.begin_post().ok_or(Refused::BadRequest)?;
    if is_binary(&request.headers) {
        return Err(Refused::BadRequest.into());
    }
    let time = body_time(app, MAX_PAYLOAD);
    let bytes = read_stream(&request.headers, &mut request.body, MAX_PAYLOAD, time).await?;
    let body = String::from_utf8(bytes.into()).map_err(|_| Refused::BadRequest)?;
    Ok(posting.deliver(body).await?)
}

fn is_binary(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE);
    media_type.is_some_and(|value| value.as_bytes().starts_with(b"application/octet-stream"))
}

/// Takes the handshake of a WebSocket, which begins a session or takes one over.
fn connect(app: App, request: Request, upgrading: Option<Upgrading>) -> Result<Response> {
    let key = websocket_key(&request.headers).map_err(|_| Refused::BadRequest)?;
    let upgrade = request.upgrade.ok_or(Refused::BadRequest)?;
    let seat = request.seat;
    let tasks = app.tasks.clone();
    tasks.spawn(async move {
        match upgraded(upgrade).await {
            Some(Stream::Tcp(stream, early)) => start(&app, stream, &early, upgrading, seat).await,
            Some(Stream::Other(stream)) => start(&app, stream, &[], upgrading, seat).await,
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
    seat: Option<Arc<Seat>>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match upgrading {
        Some(upgrading) => upgrading.serve(app, stream, early, seat).await,
        None => socketio::serve(app, stream, early, seat).await,
    }
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
        Refusal::Protocol(refused @ Refused::Forbidden) => (StatusCode::FORBIDDEN, refused),
        Refusal::Protocol(refused) => (StatusCode::BAD_REQUEST, refused),
        Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, Refused::BadRequest),
        Refusal::Other(error) => return failure(error),
    };
    let problem = Problem {
        code: refused as u8,
        message: refused.message(),
    };
    warp::reply::with_status(warp::reply::json(&problem), status).into_response()
}
