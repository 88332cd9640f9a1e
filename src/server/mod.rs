//! The listener: an accept loop of our own, and a stop with a deadline.
//!
//! Not `warp::serve`: it never sets TCP_NODELAY, has no time limit for a request's head, and waits without limit for a
//! slow request when it stops.

mod body;
mod tls;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::api::{self, Peer};
use crate::app::App;
use crate::jobs;
use crate::limits::connection_limit::Slot;
use crate::model::events::CloseCode;
use crate::transport::Transport;
use body::Holding;
use tls::Tls;

/// What is read of a request before its head must have ended, in bytes; a head of twice as much is refused in any case.
const HEADER_BYTES: usize = 32 << 10;
/// What the kernel may keep of an answer that nobody reads, in bytes; Linux doubles it.
const SEND_BUFFER_BYTES: usize = 64 << 10;
/// How long a stop may take in all.
const STOP_TIME: Duration = Duration::from_secs(10);
/// How many sockets are closed at once, and the pause before the next: their clients come back at about the same time.
const STOP_BATCH_SOCKETS: usize = 200;
const STOP_PAUSE: Duration = Duration::from_millis(20);

/// Serves `app` on `listener` until `stop` resolves, then lets running requests and sockets end, at most ten seconds
/// long.
///
/// # Errors
/// A sentence for the person who starts the server, where a certificate cannot be used.
pub async fn run(
    listener: TcpListener,
    app: App,
    stop: impl Future<Output = ()>,
) -> Result<(), String> {
    let tls = Tls::open(&app)?;
    jobs::start(&app);
    let service = warp::service(api::routes(&app));
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.as_mut() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let proxy = app.config.server.trusts(peer.ip());
                let address = (!proxy).then(|| peer.ip().to_canonical());
                match app.limits.connections.take(address) {
                    Some(slot) => {
                        let (service, tls) = (service.clone(), tls.clone());
                        let connection = Connection {
                            stream,
                            peer,
                            slot,
                            tls,
                        };
                        app.tasks.spawn(serve(app.clone(), service, connection));
                    }
                    None => turn_away(&stream),
                }
            }
            Err(error) => {
                // Out of file descriptors, for instance: what is open goes on, and frees some in time.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    wind_down(&app).await;
    Ok(())
}

/// A connection that has been accepted.
struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    slot: Arc<Slot>,
    tls: Option<Arc<Tls>>,
}

fn bad_request() -> api::http::request::Response {
    let mut response = api::http::request::Response::default();
    *response.status_mut() = hyper::StatusCode::BAD_REQUEST;
    response
}

/// All places are taken. Over TLS it costs too much to say so.
fn turn_away(stream: &TcpStream) {
    let answer = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    // A new socket has room for this little; if it has not, the client cannot be told.
    let _ = stream.try_write(answer.as_bytes());
}

async fn serve<S>(app: App, service: S, connection: Connection)
where
    S: tower_service::Service<
            warp::http::Request<hyper::body::Incoming>,
            Response = api::http::request::Response,
            Error = Infallible,
        > + Clone,
{
    let Connection {
        stream,
        peer,
        slot,
        tls,
    } = connection;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let limits = &app.config.limits;
    let header_time = Duration::from_secs(limits.header_seconds.get().into());
    let patience = Duration::from_secs(limits.body_seconds.get().into());
    let transport = match tls {
        None => Transport::plain(stream, patience),
        Some(tls) => tokio::select! {
            handshake = timeout(header_time, tls.accept(stream)) => match handshake {
                Ok(Ok(stream)) => Transport::tls(stream, patience),
                Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake failed"),
                Err(_) => return tracing::debug!("TLS handshake timed out"),
            },
            () = slot.lost() => return,
            () = app.stopping.cancelled() => return,
        },
    };
    transport.bound_send_buffer(SEND_BUFFER_BYTES);
    let of_request = slot.clone();
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        let hosts = request
            .headers()
            .get_all(hyper::header::HOST)
            .iter()
            .count();
        let bad = hosts != 1 && request.version() == hyper::Version::HTTP_11;
        let (slot, extensions) = (of_request.clone(), request.extensions_mut());
        extensions.insert(Peer(peer));
        slot.mark_anonymous();
        extensions.insert(slot);
        let answer = (!bad).then(|| service.clone().call(request));
        async move {
            match answer {
                Some(answer) => answer.await.map(Holding::of),
                // RFC 9112 section 3.2.
                None => Ok(Holding::of(bad_request())),
            }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_time)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(transport), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = slot.lost() => return tracing::debug!("closed the oldest anonymous connection to make room"),
        () = app.stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

async fn wind_down(app: &App) {
    tracing::info!("stopping");
    app.stopping.cancel();
    let goodbye = async {
        let sockets = app.hub.all_inboxes();
        for batch in sockets.chunks(STOP_BATCH_SOCKETS) {
            batch
                .iter()
                .for_each(|inbox| inbox.close(CloseCode::Restarting));
            tokio::time::sleep(STOP_PAUSE).await;
        }
        app.tasks.close();
        app.tasks.wait().await;
    };
    if let Ok(()) = tokio::time::timeout(STOP_TIME, goodbye).await {
        tracing::info!("stopped");
    } else {
        tracing::warn!("stopped with connections still open");
    }
}
