//! An SMTP server on loopback (RFC 5321), with TLS, logins, and any answer that it is told to give.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

const PATIENCE: Duration = Duration::from_secs(30);

/// How connections are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    No,
    /// By STARTTLS.
    Later,
    Implicit,
}

/// A mail that was taken.
#[derive(Debug, Clone)]
pub struct Mail {
    pub from: String,
    pub to: String,
    pub raw: Vec<u8>,
    pub encrypted: bool,
}

impl Mail {
    /// What `mail-parser` makes of it.
    pub fn parsed(&self) -> mail_parser::Message<'_> {
        mail_parser::MessageParser::default()
            .parse(&self.raw)
            .unwrap()
    }

    pub fn text(&self) -> String {
        self.parsed().body_text(0).unwrap().into_owned()
    }

    pub fn html(&self) -> String {
        self.parsed().body_html(0).unwrap().into_owned()
    }

    pub fn subject(&self) -> String {
        self.parsed().subject().unwrap().to_owned()
    }

    /// The code of the link in it.
    pub fn code(&self) -> String {
        let text = self.text();
        let (_, rest) = text.split_once("#code=").expect("a link");
        rest.split_whitespace().next().unwrap().to_owned()
    }
}

/// What it answers that is no success: by a part of the command, `RCPT TO:<ann@` for instance; `.` is the end of the text.
#[derive(Default)]
struct State {
    mails: Vec<Mail>,
    answers: Vec<(String, String)>,
    /// Commands that came, logins in clear.
    commands: Vec<String>,
    connections: usize,
    mute: bool,
}

pub struct SmtpServer {
    pub port: u16,
    /// The certificate that its own is issued by.
    pub ca: PathBuf,
    state: Arc<Mutex<State>>,
    came: Arc<Notify>,
    _folder: tempfile::TempDir,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SmtpServer {
    pub async fn start(tls: Tls) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let acceptor = acceptor(folder.path());
        let state = Arc::<Mutex<State>>::default();
        let came = Arc::<Notify>::default();
        let (shared, told) = (state.clone(), came.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let session = Session {
                    tls,
                    acceptor: acceptor.clone(),
                    state: shared.clone(),
                    came: told.clone(),
                };
                tokio::spawn(session.serve(stream));
            }
        });
        SmtpServer {
            port,
            ca: folder.path().join("ca.pem"),
            state,
            came,
            _folder: folder,
            task,
        }
    }

    /// From now on commands that begin so are answered with this.
    pub fn answer(&self, command: &str, reply: &str) {
        let mut state = self.state.lock().unwrap();
        state.answers.push((command.into(), reply.into()));
    }

    /// From now on all is taken.
    pub fn relent(&self) {
        let mut state = self.state.lock().unwrap();
        state.answers.clear();
        state.mute = false;
    }

    /// From now on new connections hear nothing.
    pub fn fall_silent(&self) {
        self.state.lock().unwrap().mute = true;
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.state.lock().unwrap().mails.clone()
    }

    pub fn commands(&self) -> Vec<String> {
        self.state.lock().unwrap().commands.clone()
    }

    pub fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// Waits for so many mails.
    pub async fn expect(&self, count: usize) -> Vec<Mail> {
        let waiting = async {
            loop {
                let came = self.came.notified();
                let mails = self.mails();
                if mails.len() >= count {
                    return mails;
                }
                came.await;
            }
        };
        let came = tokio::time::timeout(PATIENCE, waiting).await;
        came.unwrap_or_else(|_| panic!("{} of {count} mails came", self.mails().len()))
    }

    /// Waits until a command that begins so has come so often.
    pub async fn expect_command(&self, start: &str, count: usize) {
        let waiting = async {
            loop {
                let came = self.came.notified();
                let all = self.commands();
                if all.iter().filter(|one| one.starts_with(start)).count() >= count {
                    return;
                }
                came.await;
            }
        };
        let came = tokio::time::timeout(PATIENCE, waiting).await;
        came.unwrap_or_else(|_| {
            panic!("{start} did not come {count} times: {:?}", self.commands())
        });
    }
}

/// A certificate for localhost by an authority of its own, whose certificate goes into the folder.
fn acceptor(folder: &Path) -> TlsAcceptor {
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    let issuer = rcgen::Issuer::new(params, key);
    let own = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&own, &issuer).unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(certificate.der().to_vec())],
            PrivateKeyDer::Pkcs8(own.serialize_der().into()),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

struct Session {
    tls: Tls,
    acceptor: TlsAcceptor,
    state: Arc<Mutex<State>>,
    came: Arc<Notify>,
}

enum End {
    Closed,
    Encrypt,
}

impl Session {
    async fn serve(self, mut stream: TcpStream) {
        self.state.lock().unwrap().connections += 1;
        if self.state.lock().unwrap().mute {
            return std::future::pending().await;
        }
        if self.tls == Tls::Implicit {
            if let Ok(stream) = self.acceptor.accept(stream).await {
                self.talk(&mut BufReader::new(stream), true, true).await;
            }
            return;
        }
        let mut plain = BufReader::new(&mut stream);
        if let End::Encrypt = self.talk(&mut plain, false, true).await
            && let Ok(stream) = self.acceptor.accept(stream).await
        {
            self.talk(&mut BufReader::new(stream), true, false).await;
        }
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        encrypted: bool,
        greet: bool,
    ) -> End {
        if greet
            && stream
                .write_all(b"220 mail.example ESMTP\r\n")
                .await
                .is_err()
        {
            return End::Closed;
        }
        let (mut from, mut to) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return End::Closed;
            }
            let line = line.trim_end().to_owned();
            let shown = match line.strip_prefix("AUTH ") {
                Some(login) => {
                    let (how, what) = login.split_once(' ').unwrap_or((login, ""));
                    let what = STANDARD.decode(what).unwrap_or_default();
                    format!("AUTH {how} {}", String::from_utf8_lossy(&what))
                }
                None => line.clone(),
            };
            self.state.lock().unwrap().commands.push(shown);
            self.came.notify_waiters();
            let verb = line
                .split([' ', ':'])
                .next()
                .unwrap_or("")
                .to_ascii_uppercase();
            let mut reply = self.reply(&line);
            if reply.is_none() {
                let address = |line: &str| {
                    let start = line.find('<').map_or(0, |at| at + 1);
                    let end = line.find('>').unwrap_or(line.len());
                    line[start..end].to_owned()
                };
                match verb.as_str() {
                    "EHLO" => reply = Some(self.ehlo(encrypted)),
                    "AUTH" => reply = Some("235 2.7.0 in".into()),
                    "MAIL" => from = address(&line),
                    "RCPT" => to = address(&line),
                    "STARTTLS" => {
                        let _ = stream.write_all(b"220 go\r\n").await;
                        return End::Encrypt;
                    }
                    "DATA" => {
                        let _ = stream.write_all(b"354 go\r\n").await;
                        let Some(raw) = text(stream).await else {
                            return End::Closed;
                        };
                        reply = self.reply(".");
                        if reply.is_none() {
                            let (from, to) = (from.clone(), to.clone());
                            let mail = Mail {
                                from,
                                to,
                                raw,
                                encrypted,
                            };
                            self.state.lock().unwrap().mails.push(mail);
                            self.came.notify_waiters();
                        }
                    }
                    "QUIT" => {
                        let _ = stream.write_all(b"221 bye\r\n").await;
                        return End::Closed;
                    }
                    _ => {}
                }
            }
            let reply = reply.unwrap_or_else(|| "250 2.0.0 well".into());
            if reply == "cut" {
                return End::Closed;
            }
            if stream
                .write_all(format!("{reply}\r\n").as_bytes())
                .await
                .is_err()
            {
                return End::Closed;
            }
        }
    }

    fn reply(&self, line: &str) -> Option<String> {
        let state = self.state.lock().unwrap();
        let found = state
            .answers
            .iter()
            .find(|(start, _)| line.starts_with(start));
        found.map(|(_, reply)| reply.clone())
    }

    fn ehlo(&self, encrypted: bool) -> String {
        let mut reply = "250-mail.example\r\n250-8BITMIME\r\n".to_owned();
        if self.tls == Tls::Later && !encrypted {
            reply.push_str("250-STARTTLS\r\n");
        }
        reply + "250 AUTH PLAIN LOGIN XOAUTH2"
    }
}

/// The text up to its end, without the dots that stand for dots (RFC 5321 section 4.5.2).
async fn text<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) -> Option<Vec<u8>> {
    let mut raw = Vec::new();
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line).await.ok()? == 0 {
            return None;
        }
        if line == b".\r\n" {
            return Some(raw);
        }
        raw.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
