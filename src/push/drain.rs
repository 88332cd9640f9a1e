//! Empties the outbox: reads what is due, keeps a bounded number of pushes in flight, and stores their outcomes, many in one
//! write.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use super::guard;
use super::sender::Sender;
use super::throttled_devices::ThrottledDevices;
use crate::app::App;
use crate::error::Result;
use crate::metrics::PushLabels;
use crate::model::pushes::{
    DuePush, Failure, FinishedPush, LONGEST_THROTTLE, PushOutcome, ServiceKey,
};
use crate::model::subscriptions::SubscriptionKey;
use crate::model::time::Time;
use crate::store::{push_services, pushes};

/// Pushes in flight to one service, and to all of them.
const MAX_PER_SERVICE: usize = 16;
const MAX_IN_FLIGHT: usize = 64;
/// Pushes that are read at a time for one service: few, so that a message that was read or muted in between is hardly ever
/// pushed.
const READ_ROWS: usize = MAX_PER_SERVICE;
/// The furthest ahead that a pause may end.
const LONGEST_PAUSE: Duration = LONGEST_THROTTLE;
/// The longest sleep: the clock may be set meanwhile.
const MAX_SLEEP: Duration = Duration::from_secs(60);
/// How many outcomes are stored at a time, and how often: messages that a user waits for share the disk.
const SAVE_ROWS: usize = 64;
const SAVE_EVERY: Duration = Duration::from_millis(10);
/// How long to wait after the database refused a read or a write.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How long pushes may still be in flight when the server stops.
const STOP_TIME: Duration = Duration::from_secs(5);

/// Sends what is due until the server stops.
pub async fn work(app: App) {
    let sender = match Sender::new(&app) {
        Ok(sender) => Arc::new(sender),
        Err(error) => return tracing::error!(error, "cannot make the client for push services"),
    };
    let vapid = app.vapid.clone();
    let resumed = app.store.write(move |tx| {
        push_services::resume_refused(tx, &vapid.public)?;
        Ok(())
    });
    if let Err(error) = resumed.await {
        tracing::warn!(%error, "cannot resume paused push services");
    }
    Drain::new(app, sender).run().await;
}

#[derive(Clone, Copy)]
struct Pause {
    until: Time,
    /// It refuses this server, and is not just overloaded.
    refused: bool,
}

struct Drain {
    app: App,
    sender: Arc<Sender>,
    /// Read and not sent yet.
    ready: BTreeMap<ServiceKey, VecDeque<DuePush>>,
    sending: JoinSet<FinishedPush>,
    in_flight: HashMap<ServiceKey, usize>,
    /// Subscriptions with a push that was read and whose outcome is not stored: each has one at a time, in order.
    busy: HashSet<SubscriptionKey>,
    /// Services that are to be left alone, of which the database may not know yet.
    paused: HashMap<ServiceKey, Pause>,
    throttled: ThrottledDevices,
    done: Vec<FinishedPush>,
    saving: Option<JoinHandle<(Vec<FinishedPush>, Result<()>)>>,
    /// Services of which not all that is due was read.
    more: HashSet<ServiceKey>,
    /// Which service is the first to get a place, so that none is always the last.
    turn: usize,
    /// When to look into the outbox again.
    look_at: Instant,
    save_at: Instant,
}

impl Drain {
    fn new(app: App, sender: Arc<Sender>) -> Self {
        Drain {
            app,
            sender,
            ready: BTreeMap::new(),
            sending: JoinSet::new(),
            in_flight: HashMap::new(),
            busy: HashSet::new(),
            paused: HashMap::new(),
            throttled: ThrottledDevices::default(),
            done: Vec::new(),
            saving: None,
            more: HashSet::new(),
            turn: 0,
            look_at: Instant::now(),
            save_at: Instant::now(),
        }
    }

    async fn run(mut self) {
        let app = self.app.clone();
        loop {
            if self.look_at <= Instant::now() {
                self.look().await;
            }
            self.start();
            self.save_outcomes();
            tokio::select! {
                Some(sent) = self.sending.join_next() => self.sent(sent.ok()),
                (finished, outcome) = saved(&mut self.saving) => self.outcomes_saved(finished, outcome),
                () = app.push_due.notified() => self.look_at = Instant::now(),
                () = sleep_until(self.look_at) => {}
                () = sleep_until(self.save_at), if self.saving.is_none() && !self.done.is_empty() => {}
                () = app.stopping.cancelled() => break,
            }
        }
        self.stop().await;
    }

    /// Reads what is due, for services that have little to do.
    async fn look(&mut self) {
        let now = self.app.now();
        // One that ends later than any may was made by a clock that has been set since.
        let latest = Time(now.0 + LONGEST_PAUSE.as_millis() as i64);
        self.paused
            .retain(|_, pause| (now..=latest).contains(&pause.until));
        self.ready.retain(|_, ready| !ready.is_empty());
        self.in_flight.retain(|_, count| *count > 0);
        let supplied = self
            .ready
            .iter()
            .filter(|(_, ready)| ready.len() >= MAX_PER_SERVICE / 2);
        let supplied: HashSet<ServiceKey> = supplied.map(|(service, _)| *service).collect();
        let (busy, paused) = (self.busy.clone(), self.paused.clone());
        let app = self.app.clone();
        let read = self.app.store.read(move |c| {
            let (mut found, mut more) = (Vec::new(), HashSet::new());
            let mut next = None;
            for item in pushes::agenda(c, latest)? {
                let pause = paused
                    .get(&item.service)
                    .map_or(item.at, |pause| pause.until);
                let at = item.at.max(pause);
                if at > now {
                    next = Some(next.map_or(at, |next: Time| next.min(at)));
                } else if supplied.contains(&item.service) {
                    more.insert(item.service);
                } else {
                    let mut due = pushes::due(c, item.service, now, busy.clone(), READ_ROWS)?;
                    app.decisions
                        .look_at(c, &mut due, now, &app.school.get().time_zone)?;
                    if due.len() == READ_ROWS {
                        more.insert(item.service);
                    }
                    found.extend(due);
                }
            }
            Ok((found, more, next))
        });
        match read.await {
            Ok((found, more, next)) => {
                self.more = more;
                for push in found {
                    self.busy.insert(push.key.subscription);
                    self.ready.entry(push.service).or_default().push_back(push);
                }
                let wait = next.map_or(MAX_SLEEP, |at| {
                    Duration::from_millis((at.0 - now.0).max(1) as u64)
                });
                self.look_at = Instant::now() + wait.min(MAX_SLEEP);
            }
            Err(error) => {
                tracing::error!(%error, "cannot read the push outbox");
                self.look_at = Instant::now() + RETRY_PAUSE;
            }
        }
    }

    /// Sends what is ready, as far as there is room.
    fn start(&mut self) {
        let mut services: Vec<ServiceKey> = self.ready.keys().copied().collect();
        if services.is_empty() {
            return;
        }
        self.turn = (self.turn + 1) % services.len();
        services.rotate_left(self.turn);
        // One each, then another each, as long as there is room.
        let mut more = true;
        while std::mem::take(&mut more) {
            for service in &services {
                let in_flight = self.in_flight.entry(*service).or_default();
                if *in_flight < MAX_PER_SERVICE
                    && self.sending.len() + self.done.len() < MAX_IN_FLIGHT
                    && let Some(push) = self.ready.get_mut(service).and_then(VecDeque::pop_front)
                {
                    *in_flight += 1;
                    more = true;
                    self.sending.spawn(send(self.sender.clone(), push));
                }
            }
        }
    }

    fn sent(&mut self, finished: Option<FinishedPush>) {
        let more = std::iter::from_fn(|| self.sending.try_join_next());
        let all: Vec<FinishedPush> = finished
            .into_iter()
            .chain(more.filter_map(std::result::Result::ok))
            .collect();
        for finished in all {
            if let Some(in_flight) = self.in_flight.get_mut(&finished.service) {
                *in_flight -= 1;
            }
            let finished = self.throttled.judge(finished, self.app.now());
            match &finished.outcome {
                PushOutcome::Throttled(until, _) => self.pause(finished.service, *until, false),
                PushOutcome::Refused(until, _) => self.pause(finished.service, *until, true),
                // A service that accepts one push does not refuse this server.
                PushOutcome::Sent | PushOutcome::Summed(_) => self
                    .paused
                    .retain(|service, pause| *service != finished.service || !pause.refused),
                _ => {}
            }
            if self.more.contains(&finished.service) {
                self.look_at = Instant::now();
            }
            self.count(&finished);
            self.done.push(finished);
        }
    }

    /// What was read for the service stays in the outbox.
    fn pause(&mut self, service: ServiceKey, until: Time, refused: bool) {
        self.paused.insert(service, Pause { until, refused });
        for push in self.ready.remove(&service).into_iter().flatten() {
            self.busy.remove(&push.key.subscription);
        }
    }

    /// Stores the outcomes, unless the previous write is still running: those that come meanwhile share the next.
    fn save_outcomes(&mut self) {
        if self.saving.is_some() || self.done.is_empty() || self.save_at > Instant::now() {
            return;
        }
        let some = self.done.len().min(SAVE_ROWS);
        let (app, done) = (
            self.app.clone(),
            self.done.drain(..some).collect::<Vec<_>>(),
        );
        self.save_at = Instant::now() + SAVE_EVERY;
        self.saving = Some(tokio::spawn(async move {
            let batch = done.clone();
            let write = app.store.write(move |tx| {
                push_services::apply_outcomes(tx, &batch)?;
                Ok(())
            });
            let outcome = write.await;
            (done, outcome)
        }));
    }

    fn outcomes_saved(&mut self, finished: Vec<FinishedPush>, outcome: Result<()>) {
        match outcome {
            Ok(()) => {
                for one in finished {
                    self.busy.remove(&one.key.subscription);
                }
                self.look_at = Instant::now();
            }
            Err(error) => {
                // Their subscriptions stay busy: what was sent is not sent again.
                tracing::error!(%error, "cannot store the outcomes of pushes; trying again");
                self.done.extend(finished);
                self.save_at = Instant::now() + RETRY_PAUSE;
                self.look_at = self.save_at;
            }
        }
    }

    fn count(&self, finished: &FinishedPush) {
        let outcome = match &finished.outcome {
            PushOutcome::Sent => "sent",
            PushOutcome::Gone => "gone",
            PushOutcome::Retry(..) => "retried",
            PushOutcome::Throttled(..) | PushOutcome::DeviceThrottled(..) => "throttled",
            PushOutcome::OtherKey(_) => "other_key",
            PushOutcome::Refused(..) => "refused",
            PushOutcome::Dead(_) => "dead",
            PushOutcome::Expired => "expired",
            PushOutcome::Summed(_) => "sent",
            PushOutcome::OverBudget(_) => "over_budget",
            PushOutcome::Later(_) => "later",
            PushOutcome::Dropped => "dropped",
        };
        let labels = PushLabels { outcome };
        self.app.metrics.pushes.get_or_create(&labels).inc();
        let asked = !matches!(
            finished.outcome,
            PushOutcome::Expired
                | PushOutcome::Later(_)
                | PushOutcome::OverBudget(_)
                | PushOutcome::Dropped
        );
        if asked {
            let url = url::Url::parse(&finished.endpoint);
            let owner = guard::owner(
                url.as_ref()
                    .ok()
                    .and_then(|url| url.host_str())
                    .unwrap_or(""),
            );
            let taken = matches!(finished.outcome, PushOutcome::Sent | PushOutcome::Summed(_));
            self.app.metrics.hourly_stats.push_answered(owner, taken);
        }
        if let PushOutcome::Refused(_, failure) = &finished.outcome {
            tracing::error!(
                status = failure.status,
                said = failure.text,
                "a push service refused this server; see /api/admin/push"
            );
        }
    }

    /// Waits for the pushes in flight, and stores their outcomes.
    async fn stop(mut self) {
        let arrive = async {
            while let Some(sent) = self.sending.join_next().await {
                self.sent(sent.ok());
            }
        };
        let _ = timeout(STOP_TIME, arrive).await;
        // A database that refuses for longer has them repeated after the start.
        let finish = async {
            loop {
                if self.saving.is_some() {
                    let (finished, outcome) = saved(&mut self.saving).await;
                    self.outcomes_saved(finished, outcome);
                }
                if self.done.is_empty() {
                    return;
                }
                sleep_until(self.save_at).await;
                self.save_outcomes();
            }
        };
        let _ = timeout(STOP_TIME, finish).await;
    }
}

async fn send(sender: Arc<Sender>, push: DuePush) -> FinishedPush {
    let sent = AssertUnwindSafe(sender.send(&push)).catch_unwind().await;
    let outcome = sent.unwrap_or_else(|_| {
        tracing::error!("sending a push panicked");
        PushOutcome::Dead(Failure {
            status: None,
            text: "a fault of this server".into(),
        })
    });
    push.finished(outcome)
}

/// Resolves when the running write ends; never, if there is none.
async fn saved(
    saving: &mut Option<JoinHandle<(Vec<FinishedPush>, Result<()>)>>,
) -> (Vec<FinishedPush>, Result<()>) {
    let Some(handle) = saving else {
        return std::future::pending().await;
    };
    let ended = handle.await;
    *saving = None;
    // The write itself catches panics.
    ended.unwrap_or_else(|_| (Vec::new(), Ok(())))
}
