//! TLS by the server itself.

use schoolbell::config::at_least_one;
use std::path::Path;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::helpers::{TestApp, binary, tls_connect};

/// A new certificate for localhost in these files.
fn certificate(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    // The key first: for a moment the pair does not fit, as when a person copies them.
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    made.cert.der().clone()
}

fn with_tls(folder: &Path) -> TestApp {
    TestApp::with(|config| {
        config.server.tls_cert = folder.join("cert.pem");
        config.server.tls_key = folder.join("key.pem");
        config.limits.header_seconds = at_least_one(1);
    })
}

async fn connect(
    t: &TestApp,
    root: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    tls_connect(&t.address, root).await
}

async fn socket(
    t: &TestApp,
    root: &CertificateDer<'static>,
) -> tokio_tungstenite::WebSocketStream<TlsStream<TcpStream>> {
    let stream = connect(t, root).await.unwrap();
    let (socket, _) = tokio_tungstenite::client_async("wss://localhost/ws", stream)
        .await
        .unwrap();
    socket
}

async fn answers_a_ping(socket: &mut tokio_tungstenite::WebSocketStream<TlsStream<TcpStream>>) {
    use futures_util::{SinkExt as _, StreamExt as _};
    let ping = json!({ "event": "ping" }).to_string();
    socket.send(ping.into()).await.unwrap();
    let pong = socket.next().await.unwrap().unwrap().into_text().unwrap();
    assert!(pong.contains("pong"), "{pong}");
}

#[tokio::test]
async fn requests_and_sockets_go_over_tls_and_a_new_certificate_drops_no_one() {
    let folder = tempfile::tempdir().unwrap();
    let first = certificate(folder.path());
    let t = with_tls(folder.path());
    let mut stream = connect(&t, &first).await.unwrap();
    stream
        .write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut old = socket(&t, &first).await;
    answers_a_ping(&mut old).await;

    let second = certificate(folder.path());
    let patience = Instant::now() + Duration::from_secs(20);
    while connect(&t, &second).await.is_err() {
        assert!(
            Instant::now() < patience,
            "the new certificate is not served"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(
        connect(&t, &first).await.is_err(),
        "the old one is served no more"
    );
    answers_a_ping(&mut old).await;
    answers_a_ping(&mut socket(&t, &second).await).await;

    // Half of a pair, and no pair at all, change nothing.
    std::fs::write(folder.path().join("key.pem"), "nonsense").unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    answers_a_ping(&mut socket(&t, &second).await).await;
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let t = with_tls(folder.path());
    let mut stream = TcpStream::connect(&t.address).await.unwrap();
    // The first bytes of a ClientHello.
    stream
        .write_all(&[0x16, 0x03, 0x01, 0x02, 0x00])
        .await
        .unwrap();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_u8()).await;
    assert!(read.expect("cut off").is_err());
}

#[test]
fn a_pair_that_does_not_fit_is_named_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let key = std::fs::read(folder.path().join("key.pem")).unwrap();
    certificate(folder.path());
    std::fs::write(folder.path().join("other.pem"), key).unwrap();
    for (cert, key, why) in [
        ("cert.pem", "other.pem", "server.tls_key"),
        ("missing.pem", "key.pem", "server.tls_cert"),
        ("key.pem", "key.pem", "no certificate"),
        ("cert.pem", "", "set both or neither"),
    ] {
        let output = binary(folder.path())
            .env("SCHOOLBELL_SERVER__TLS_CERT", cert)
            .env("SCHOOLBELL_SERVER__TLS_KEY", key)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(why), "{text}");
        assert!(output.stdout.is_empty(), "it does not say that it listens");
    }
}
