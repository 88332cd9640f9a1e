//! One SMTP server: connections to it, and one mail after the other.

use std::error::Error as _;
use std::io;
use std::time::{Duration, Instant};

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};

use super::oauth2::Token;
use crate::config::{self, Config, MailAuth, SmtpTls, SmtpUrl};
use crate::error::root_cause;
use crate::model::mails::{Failure, Stage};

/// How long a connection may take, and how long a mail.
const CONNECT_TIME: Duration = Duration::from_secs(20);
const MAIL_TIME: Duration = Duration::from_secs(60);
/// How long an idle connection is used again.
const IDLE_TIME: Duration = Duration::from_secs(15);

/// The server of the configuration.
pub struct Smtp {
    url: SmtpUrl,
    config: config::Mail,
    from: Address,
    hello: ClientId,
    token: Token,
    idle: Option<(AsyncSmtpConnection, Instant)>,
}

impl Smtp {
    /// `None`, where none is configured.
    pub fn of(config: &Config) -> Option<Self> {
        let url = config.mail.url.clone()?;
        let from = config.mail.from.as_ref()?.parsed().email.clone();
        let public = config.server.public_url.as_ref();
        let host = public.and_then(|public| public.url().host_str());
        Some(Smtp {
            url,
            config: config.mail.clone(),
            from,
            hello: ClientId::Domain(host.unwrap_or("localhost").to_owned()),
            token: Token::default(),
            idle: None,
        })
    }

    /// Connects and logs in, and sends nothing.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn probe(&mut self) -> Result<(), Failure> {
        let connection = in_time(CONNECT_TIME, self.connect()).await?;
        self.idle = Some((connection, Instant::now()));
        self.close().await;
        Ok(())
    }

    /// Sends a mail to one recipient.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn send(&mut self, to: Address, text: &[u8]) -> Result<(), Failure> {
        let mut connection = match self.idle_connection().await {
            Some(connection) => connection,
            None => in_time(CONNECT_TIME, self.connect()).await?,
        };
        let outcome = in_time(MAIL_TIME, talk(&mut connection, &self.from, to, text)).await;
        // Whatever the server made of this mail, it may take the next.
        if outcome.as_ref().err().is_none_or(Failure::is_of_mail) {
            self.idle = Some((connection, Instant::now()));
        }
        outcome
    }

    /// Says goodbye, where a connection is open.
    pub async fn close(&mut self) {
        if let Some((mut connection, _)) = self.idle.take() {
            let _ = tokio::time::timeout(Duration::from_secs(2), connection.quit()).await;
        }
    }

    /// When an open connection should be closed.
    pub fn idle_until(&self) -> Option<Instant> {
        self.idle.as_ref().map(|(_, since)| *since + IDLE_TIME)
    }

    async fn idle_connection(&mut self) -> Option<AsyncSmtpConnection> {
        let (mut connection, since) = self.idle.take()?;
        if connection.has_broken() || since.elapsed() >= IDLE_TIME {
            return None;
        }
        let reset = tokio::time::timeout(CONNECT_TIME, connection.command(Rset)).await;
        matches!(reset, Ok(Ok(_))).then_some(connection)
    }

    async fn connect(&mut self) -> Result<AsyncSmtpConnection, Failure> {
        let connecting = |error: Error| failure(Stage::Connection, &error);
        let server = (self.url.host.as_str(), self.url.port);
        let tls = self.tls()?;
        let implicit = (self.url.tls == SmtpTls::Implicit).then(|| tls.clone());
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            server,
            Some(CONNECT_TIME),
            &self.hello,
            implicit,
            None,
        )
        .await
        .map_err(connecting)?;
        if self.url.tls != SmtpTls::Implicit && connection.can_starttls() {
            let upgraded = connection.starttls(tls, &self.hello).await;
            upgraded.map_err(connecting)?;
        } else if self.url.tls == SmtpTls::Required {
            let _ = connection.quit().await;
            let why = "the server has no STARTTLS: use smtps://, or ?tls=opportunistic for a relay in your own network";
            return Err(Failure::new(Stage::Tls, None, why));
        }
        self.log_in(&mut connection).await?;
        Ok(connection)
    }

    fn tls(&self) -> Result<TlsParameters, Failure> {
        let refuse = |why: String| Failure::new(Stage::Tls, None, &why);
        let mut tls = TlsParameters::builder(self.url.host.clone());
        // As for other outgoing connections: browsers' roots beside the system's, which a container may lack.
        for der in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
            if let Ok(root) = Certificate::from_der(der.to_vec()) {
                tls = tls.add_root_certificate(root);
            }
        }
        let file = &self.config.ca;
        if !file.as_os_str().is_empty() {
            let named = |why: String| refuse(format!("mail.ca {}: {why}", file.display()));
            let pem = std::fs::read(file).map_err(|e| named(e.to_string()))?;
            let ca = Certificate::from_pem(&pem).map_err(|e| named(e.to_string()))?;
            tls = tls.add_root_certificate(ca);
        }
        tls.build().map_err(|e| refuse(e.to_string()))
    }

    async fn log_in(&mut self, connection: &mut AsyncSmtpConnection) -> Result<(), Failure> {
        let (user, mechanisms, secret): (&str, &[Mechanism], String) = match self.config.auth {
            MailAuth::None => return Ok(()),
            MailAuth::Password if self.url.user.is_empty() => return Ok(()),
            MailAuth::Password => (
                &self.url.user,
                &[Mechanism::Plain, Mechanism::Login],
                self.url.password.expose().to_owned(),
            ),
            MailAuth::Oauth2 => {
                let token = self.token.get(&self.config.oauth2).await;
                let token = token.map_err(|why| Failure::new(Stage::Login, None, &why))?;
                let user = match self.url.user.as_str() {
                    "" => self.from.as_ref(),
                    user => user,
                };
                (user, &[Mechanism::Xoauth2], token)
            }
        };
        let credentials = Credentials::new(user.to_owned(), secret);
        let entered = connection.auth(mechanisms, &credentials).await;
        entered.map(drop).map_err(|error| {
            self.token.forget();
            failure(Stage::Login, &error)
        })
    }
}

async fn in_time<T>(
    time: Duration,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::time::timeout(time, work).await.unwrap_or_else(|_| {
        let why = format!("no answer in {} s", time.as_secs());
        Err(Failure::new(Stage::Connection, None, &why))
    })
}

/// One mail (RFC 5321 section 3.3), step by step, so that it is known at which the server refuses.
async fn talk(
    connection: &mut AsyncSmtpConnection,
    from: &Address,
    to: Address,
    text: &[u8],
) -> Result<(), Failure> {
    let mut options = Vec::new();
    if !(from.as_ref() as &str).is_ascii() || !(to.as_ref() as &str).is_ascii() {
        if !connection
            .server_info()
            .supports_feature(Extension::SmtpUtfEight)
        {
            let why = "the server takes no addresses with letters beyond ASCII (SMTPUTF8)";
            return Err(Failure::new(Stage::Recipient, None, why));
        }
        options.push(MailParameter::SmtpUtfEight);
    }
    let mail = Mail::new(Some(from.clone()), options);
    let sent = connection.command(mail).await;
    sent.map_err(|error| failure(Stage::Sender, &error))?;
    let at = |stage| move |error: Error| failure(stage, &error).begun();
    let recipient = Rcpt::new(to, Vec::new());
    connection
        .command(recipient)
        .await
        .map_err(at(Stage::Recipient))?;
    connection.command(Data).await.map_err(at(Stage::Content))?;
    connection
        .message(text)
        .await
        .map(drop)
        .map_err(at(Stage::Content))
}

/// What an error means. Without a reply of the server it is the connection that failed, or its TLS.
fn failure(stage: Stage, error: &Error) -> Failure {
    let code = error.status().map(u16::from);
    let stage = match code {
        Some(_) => stage,
        None if is_of_tls(error) => Stage::Tls,
        // No mechanism that both know.
        None if error.is_client() => stage,
        None => Stage::Connection,
    };
    // A reply is a cause too.
    Failure::new(stage, code, &root_cause(error))
}

fn is_of_tls(error: &Error) -> bool {
    let mut source = error.source();
    while let Some(inner) = source {
        let io = inner
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        let is_tls = inner.is::<rustls::Error>();
        if is_tls || io.is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>) {
            return true;
        }
        source = inner.source();
    }
    error.is_tls()
}
