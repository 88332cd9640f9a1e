//! Empties the outbox, one mail after the other.

use std::time::Duration;

use lettre::Address;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::letter::{self, link_code};
use super::smtp::Smtp;
use super::status::{pause, set_pause};
use crate::app::App;
use crate::error::Result;
use crate::metrics::MailLabels;
use crate::model::mails::{DueMail, Failure, Kind, Outcome, Pause, Stage};
use crate::model::time::Time;
use crate::store::{mails, password_links};

/// The longest sleep: the clock may be set meanwhile.
const MAX_SLEEP: Duration = Duration::from_secs(60);
/// How long to wait after the database refused a read or a write.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How long a mail may still be on its way when the server stops.
const STOP_TIME: Duration = Duration::from_secs(5);
/// Seconds after which all is tried again where the server takes nothing: doubled each time, up to the longest.
const FIRST_PAUSE: i64 = 30;
const LONGEST_PAUSE: i64 = 15 * 60;
/// Seconds after which one mail is tried again, by how often it was.
const RETRY_AFTER: [i64; 5] = [5 * 60, 15 * 60, 3_600, 3 * 3_600, 6 * 3_600];

struct Drain {
    app: App,
    smtp: Smtp,
    /// Attempts in a row that failed for every mail.
    refusals: u32,
    /// Before then nothing is sent: the provider counts.
    next_at: Instant,
}

/// An address and the text that goes there, or why there is none.
type Letter = std::result::Result<(Address, Vec<u8>), String>;

/// What there is to do.
enum Task {
    Send(DueMail),
    Wait(Duration),
}

/// Sends what is due until the server stops.
pub async fn work(app: App, smtp: Smtp) {
    let mut drain = Drain {
        app: app.clone(),
        smtp,
        refusals: 0,
        next_at: Instant::now(),
    };
    loop {
        match drain.task().await {
            Task::Send(mail) => {
                let stopping = app.stopping.clone();
                let late = async {
                    stopping.cancelled().await;
                    sleep(STOP_TIME).await;
                };
                tokio::select! {
                    () = drain.handle(mail) => {}
                    () = late => return,
                }
            }
            Task::Wait(time) => drain.wait(time).await,
        }
        if app.stopping.is_cancelled() {
            let _ = timeout(STOP_TIME, drain.smtp.close()).await;
            return;
        }
    }
}

impl Drain {
    async fn task(&self) -> Task {
        let now = self.app.now();
        if let Some(pause) = pause(&self.app).filter(|pause| pause.until > now) {
            return Task::Wait(until(now, pause.until));
        }
        let pace = self.next_at.saturating_duration_since(Instant::now());
        if !pace.is_zero() {
            return Task::Wait(pace);
        }
        match self.app.store.read(move |c| mails::next(c, now)).await {
            Ok((Some(mail), _)) => Task::Send(mail),
            Ok((None, Some(at))) => Task::Wait(until(now, at)),
            Ok((None, None)) => Task::Wait(MAX_SLEEP),
            Err(error) => {
                tracing::error!(%error, "cannot read the outbox of mails");
                Task::Wait(RETRY_PAUSE)
            }
        }
    }

    async fn wait(&mut self, time: Duration) {
        let app = self.app.clone();
        let idle = self.smtp.idle_until().map(Instant::from_std);
        let idle = idle.unwrap_or_else(|| Instant::now() + MAX_SLEEP);
        // A mail that is put in wakes it, but does not make it send faster.
        let pace = self.next_at;
        tokio::select! {
            () = sleep(time.min(MAX_SLEEP)) => {}
            () = async { sleep_until(pace).await; app.mail_due.notified().await } => {}
            () = sleep_until(idle) => self.smtp.close().await,
            () = app.stopping.cancelled() => {}
        }
    }

    /// Sends one mail and stores what came of it.
    async fn handle(&mut self, mail: DueMail) {
        let outcome = match self.attempt(&mail).await {
            Ok(Some(outcome)) => outcome,
            // All of them wait.
            Ok(None) => return,
            Err(error) => {
                tracing::error!(%error, "cannot read what a mail is to say");
                return sleep(RETRY_PAUSE).await;
            }
        };
        let name = match &outcome {
            Outcome::Sent => "sent",
            Outcome::Later(..) => "retried",
            Outcome::Dead(_) => "dead",
            Outcome::Dropped => "dropped",
        };
        let labels = MailLabels { outcome: name };
        self.app.metrics.mails.get_or_create(&labels).inc();
        if let Outcome::Dead(failure) = &outcome {
            let Failure { stage, code, .. } = failure;
            tracing::warn!(
                mail = mail.id,
                stage = stage.as_str(),
                code,
                "mail given up; see /api/admin/mail"
            );
        }
        // What was sent is not sent again while the server runs: it goes on only once that is stored.
        loop {
            let (key, settled) = (mail.key, outcome.clone());
            let stored = self
                .app
                .store
                .write(move |tx| mails::settle(tx, key, &settled));
            match stored.await {
                Ok(()) => return,
                Err(error) => {
                    tracing::error!(%error, "cannot store what came of a mail; trying again");
                }
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    /// What comes of a mail; nothing, where the server takes none for now.
    async fn attempt(&mut self, mail: &DueMail) -> Result<Option<Outcome>> {
        let now = self.app.now();
        let Some(letter) = self.letter(mail).await? else {
            return Ok(Some(Outcome::Dropped));
        };
        if mail.expires_at <= now {
            let failure = pause(&self.app).map(|pause| pause.failure);
            let late = || Failure::new(Stage::Connection, None, "not sent in time");
            return Ok(Some(Outcome::Dead(failure.unwrap_or_else(late))));
        }
        Ok(self.send(mail, letter).await)
    }

    /// What is to be sent, and where; nothing, where that is not to be any more.
    async fn letter(&self, mail: &DueMail) -> Result<Option<Letter>> {
        let app = &self.app;
        if mail.kind == Kind::Safeguarding {
            let to = match mail.user {
                Some(user) => app.store.read(move |c| mails::recipient(c, user)).await?,
                None => None,
            };
            return Ok(letter::news(app, mail, to.as_ref()));
        }
        let Some(user) = mail.user else {
            return Ok(None);
        };
        let code = link_code(&app.auth.tokens, &mail.id);
        let hash: [u8; 32] = Sha256::digest(&code).into();
        let now = app.now();
        let found = app.store.read(move |c| {
            let valid = password_links::expiry(c, &hash, now)?;
            Ok(valid.zip(mails::recipient(c, user)?))
        });
        let found = found.await?;
        Ok(found.map(|(ends_at, to)| letter::link(app, mail, &to, &code, ends_at)))
    }

    async fn send(&mut self, mail: &DueMail, letter: Letter) -> Option<Outcome> {
        let (address, text) = match letter {
            Ok(letter) => letter,
            Err(why) => {
                let failure = Failure::new(Stage::Recipient, None, &why);
                return Some(Outcome::Dead(failure));
            }
        };
        let pace = Duration::from_secs(60) / self.app.config.mail.per_minute.get();
        self.next_at = Instant::now() + pace;
        let sent = self.smtp.send(address, &text).await;
        if sent.as_ref().err().is_none_or(Failure::is_of_mail) {
            self.refusals = 0;
            set_pause(&self.app, None);
        }
        match sent {
            Ok(()) => Some(Outcome::Sent),
            Err(failure) if failure.is_of_mail() => Some(self.judge(mail, failure)),
            Err(failure) => {
                self.pause_all(failure.clone());
                // It may be this mail that the server stumbles over: the others go first then, and none is given up for it.
                let after = pause_seconds(mail.attempts) + 1;
                let later = self.app.now().plus_seconds(after);
                failure.had_begun.then_some(Outcome::Later(later, failure))
            }
        }
    }

    /// What comes of a mail that the server does not take.
    fn judge(&self, mail: &DueMail, failure: Failure) -> Outcome {
        let at = RETRY_AFTER.get(mail.attempts as usize);
        let later = at.map(|seconds| self.app.now().plus_seconds(*seconds));
        match later.filter(|at| *at < mail.expires_at) {
            Some(at) if !failure.is_permanent() => Outcome::Later(at, failure),
            _ => Outcome::Dead(failure),
        }
    }

    fn pause_all(&mut self, failure: Failure) {
        let seconds = pause_seconds(self.refusals);
        self.refusals += 1;
        let until = self.app.now().plus_seconds(seconds);
        let Failure {
            stage, code, said, ..
        } = &failure;
        tracing::error!(stage = stage.as_str(), code, said, %until, "mail server takes nothing; mails wait");
        set_pause(&self.app, Some(Pause { until, failure }));
    }
}

/// How long to wait after so many failures.
fn pause_seconds(failures: u32) -> i64 {
    (FIRST_PAUSE << failures.min(8)).min(LONGEST_PAUSE)
}

fn until(now: Time, at: Time) -> Duration {
    Duration::from_millis((at.0 - now.0).max(1).unsigned_abs())
}
