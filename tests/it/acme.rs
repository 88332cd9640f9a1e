//! A certificate that the server gets by itself, from `pebble`, an ACME server for tests. These need the program, and run by
//! `.ci/acme`.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use schoolbell::auth::acme;
use schoolbell::ops::certificate;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::helpers::{TestApp, tls_connect};

/// A certificate authority that asks at this port.
struct Pebble {
    process: Child,
    folder: tempfile::TempDir,
    port: u16,
    management: u16,
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Pebble {
    fn start(asks_at: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (port, management) = (free_port(), free_port());
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("ca.pem"), own.cert.pem()).unwrap();
        std::fs::write(at("ca.key"), own.signing_key.serialize_pem()).unwrap();
        let config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": at("ca.pem"), "privateKey": at("ca.key"),
            "httpPort": 1, "tlsPort": asks_at, "ocspResponderURL": "",
            "certificateValidityPeriod": 90 * 86_400,
        }});
        std::fs::write(at("config.json"), config.to_string()).unwrap();
        let process = Command::new("pebble")
            .arg("-config")
            .arg(at("config.json"))
            // Validation begins at once; one request in twenty is refused, as by default, and has to be sent again.
            .env("PEBBLE_VA_NOSLEEP", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pebble is not installed");
        Pebble {
            process,
            folder,
            port,
            management,
        }
    }

    fn ca(&self) -> std::path::PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The authority that issues certificates, which is not the one of its own.
    async fn root(&self) -> CertificateDer<'static> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let pem = std::fs::read(self.ca()).unwrap();
        let client = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(&pem).unwrap()])
            .build()
            .unwrap();
        let url = format!("https://localhost:{}/roots/0", self.management);
        for _ in 0..100 {
            if let Ok(answer) = client.get(&url).send().await {
                let text = answer.text().await.unwrap();
                return rustls::pki_types::pem::PemObject::from_pem_slice(text.as_bytes()).unwrap();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("pebble did not start");
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A server that gets its certificate for this name from the authority.
fn with_acme(pebble: &dyn Fn(u16) -> Pebble, name: &str) -> (TestApp, Pebble) {
    // The authority must know the port before the server is there, and the server the authority's.
    let mut made = None;
    let t = TestApp::listening(|port, config| {
        let authority = pebble(port);
        config.server.acme.domains = vec![name.parse().unwrap()];
        config.server.acme.email = "office@school.example".into();
        let directory = format!("https://localhost:{}/dir", authority.port);
        config.server.acme.directory = Some(directory.parse().unwrap());
        config.server.acme.directory_ca = authority.ca();
        made = Some(authority);
    });
    (t, made.unwrap())
}

async fn health(mut stream: TlsStream<TcpStream>) -> std::io::Result<String> {
    stream
        .write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

async fn get(address: &str, root: &CertificateDer<'static>) -> std::io::Result<(String, Vec<u8>)> {
    let stream = tls_connect(address, root).await?;
    let certificate = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    Ok((health(stream).await?, certificate))
}

/// The answer, once the server has a certificate that is not this one.
async fn served(address: &str, root: &CertificateDer<'static>, other_than: &[u8]) -> Vec<u8> {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        let answered = get(address, root).await;
        if let Ok((text, certificate)) = &answered
            && certificate != other_than
        {
            assert!(text.starts_with("HTTP/1.1 200"), "{text}");
            return certificate.clone();
        }
        assert!(Instant::now() < patience, "no certificate: {answered:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[tokio::test]
#[ignore = "needs pebble: .ci/acme"]
async fn a_certificate_is_got_and_renewed_without_dropping_a_socket() {
    let (t, pebble) = with_acme(&Pebble::start, "localhost");
    let root = pebble.root().await;
    // The job's first attempt may have come before the authority was up.
    certificate::renew(&t.app).await.unwrap();
    let first = served(&t.address, &root, &[]).await;
    let files = acme::Files::beside(&t.app.config.database.path);
    assert_eq!((mode(&files.account), mode(&files.key)), (0o600, 0o600));
    assert!(!certificate::is_due(&t.app.config, t.app.now()));
    let admin = t.admin().await;
    let checks = admin.get("/api/admin/checks").await.expect(200);
    assert_eq!(
        checks["data"]["certificateProblem"],
        serde_json::Value::Null
    );
    assert!(
        checks["data"]["certificateExpiresAt"].is_string(),
        "{checks}"
    );

    // Two thirds of its time are over.
    let open = tls_connect(&t.address, &root).await.unwrap();
    t.clock.advance(Duration::from_secs(61 * 86_400));
    let ends = certificate::expires_at(&t.app.config).unwrap();
    assert!(certificate::is_due(
        &t.app.config,
        schoolbell::model::time::Time(ends.0 - 1)
    ));
    certificate::renew(&t.app).await.unwrap();
    let second = served(&t.address, &root, &first).await;
    assert_ne!(first, second);
    let answer = health(open).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
#[ignore = "needs pebble: .ci/acme"]
async fn what_is_wrong_is_said_and_kept() {
    // A name that leads elsewhere: nothing listens where the authority asks.
    let elsewhere = free_port();
    let (t, mut pebble) = with_acme(&move |_| Pebble::start(elsewhere), "localhost");
    pebble.root().await;
    let refused = certificate::renew(&t.app).await.unwrap_err().to_string();
    assert!(refused.contains("Failed to connect to"), "{refused}");
    let known = certificate::problem(&t.app.config).unwrap();
    assert!(known.contains("Failed to connect to"), "{known}");
    let admin = t.admin().await;
    let checks = admin.get("/api/admin/checks").await.expect(200);
    assert!(checks["data"]["certificateProblem"].is_string(), "{checks}");

    // The authority has gone.
    pebble.process.kill().unwrap();
    let refused = certificate::renew(&t.app).await.unwrap_err().to_string();
    assert!(refused.contains("refused"), "{refused}");
}

#[tokio::test]
#[ignore = "needs pebble: .ci/acme"]
async fn a_clock_that_is_wrong_is_a_failure_and_not_a_certificate_each_minute() {
    let (t, pebble) = with_acme(&Pebble::start, "localhost");
    pebble.root().await;
    t.clock.advance(Duration::from_secs(70 * 86_400));
    let refused = certificate::renew(&t.app).await.unwrap_err().to_string();
    assert!(refused.contains("is the clock right?"), "{refused}");
    let known = certificate::problem(&t.app.config).unwrap();
    assert!(known.contains("is the clock right?"), "{known}");
}

/// An authority that has had enough of us, which `pebble` cannot be brought to; at other paths, a page.
async fn authority_at_its_limit() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let at = |path: &str| format!("{base}{path}");
    let directory = json!({
        "newNonce": at("/nonce"), "newAccount": at("/account"), "newOrder": at("/order"),
    });
    let problem = json!({
        "type": "urn:ietf:params:acme:error:rateLimited", "status": 429,
        "detail": "too many registrations from this address, retry after an hour",
    });
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 8192];
            let length = stream.read(&mut request).await.unwrap_or_default();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let (status, kind, body) = match request.split(' ').nth(1).unwrap_or_default() {
                "/dir" => ("200 OK", "application/json", directory.to_string()),
                "/nonce" => ("200 OK", "text/plain", String::new()),
                "/account" => (
                    "429 Too Many Requests",
                    "application/problem+json",
                    problem.to_string(),
                ),
                _ => ("404 Not Found", "text/html", "<p>Not here</p>".to_owned()),
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nreplay-nonce: bm9uY2U\r\n\
                 retry-after: 3600\r\nconnection: close\r\n\r\n{body}"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    base
}

#[tokio::test]
async fn an_authority_that_cannot_be_used_is_named_with_what_it_said() {
    let base = authority_at_its_limit().await;
    let folder = tempfile::tempdir().unwrap();
    let files = acme::Files::beside(&folder.path().join("schoolbell.db"));
    let gone = free_port();
    for (directory, expected) in [
        (format!("{base}/dir"), "too many registrations"),
        (format!("{base}/page"), "not the answer of an ACME server"),
        (format!("http://127.0.0.1:{gone}/dir"), "refused"),
        ("https://authority.invalid/dir".into(), "lookup"),
    ] {
        let config = schoolbell::config::Acme {
            domains: vec!["bell.school.example".parse().unwrap()],
            directory: Some(directory.parse().unwrap()),
            ..Default::default()
        };
        let refused = acme::obtain(&config, &files, &acme::Challenges::default()).await;
        let refused = refused.unwrap_err();
        assert!(refused.starts_with(&directory), "{refused}");
        assert!(refused.contains(expected), "{refused}");
        assert!(!files.account.exists());
    }
}
