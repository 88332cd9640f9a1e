//! The listener: an accept loop of our own, and a stop with a deadline.
//!
//! Not `warp::serve`: it never sets TCP_NODELAY, has no time limit for a request's head, and waits without limit for a
//! slow request when it stops.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use crate::api::{self, Peer};
use crate::app::App;
use crate::model::events::CloseCode;
use crate::service;

/// How long the head of a request may take to come.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// The largest head of a request, in bytes.
const HEADER_BYTES: usize = 32 << 10;
/// How long a stop may take in all.
const STOP_TIME: Duration = Duration::from_secs(10);
/// Sockets that are told to go at once, and the pause before the next: their clients come back at about the same time.
const STOP_BATCH: usize = 200;
const STOP_PAUSE: Duration = Duration::from_millis(20);

/// Serves `app` on `listener` until `stop` resolves, then lets running requests and sockets end, at most ten seconds
/// long.
pub async fn run(listener: TcpListener, app: App, stop: impl Future<Output = ()>) {
    service::start_workers(&app);
    let service = warp::service(api::routes(&app));
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.as_mut() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let service = service.clone();
                app.tasks.spawn(serve(app.clone(), service, stream, peer));
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
}

async fn serve<S>(app: App, service: S, stream: TcpStream, peer: SocketAddr)
where
    S: tower_service::Service<
            warp::http::Request<hyper::body::Incoming>,
            Response = api::reply::Response,
            Error = Infallible,
        > + Clone,
{
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        service.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
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
        for batch in sockets.chunks(STOP_BATCH) {
            batch
                .iter()
                .for_each(|inbox| inbox.close(CloseCode::Restarting));
            tokio::time::sleep(STOP_PAUSE).await;
        }
        app.tasks.close();
        app.tasks.wait().await;
    };
    match tokio::time::timeout(STOP_TIME, goodbye).await {
        Ok(()) => tracing::info!("stopped"),
        Err(_) => tracing::warn!("stopped with connections still open"),
    }
}
