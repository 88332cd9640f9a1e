//! So many requests a minute, of each caller and kind: the generic cell rate algorithm (ITU-T I.371), by `governor`. A
//! minute's worth may come at once.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::site;
use crate::config::{self, at_least_one};
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::model::ids::UserKey;
use crate::model::users::{Role, User};

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestClass {
    Read,
    Write,
    Search,
    Socket,
}

impl RequestClass {
    /// The name of what is refused, in metrics and in the audit log.
    pub fn name(self) -> &'static str {
        match self {
            RequestClass::Read => "reads",
            RequestClass::Write => "writes",
            RequestClass::Search => "searches",
            RequestClass::Socket => "sockets",
        }
    }
}

/// How much each caller may take.
pub struct Rates {
    people: [Limiter<UserKey>; 4],
    keys: Limiter<String>,
    /// In the order of [`Stranger`].
    addresses: [Limiter<IpAddr>; 3],
    text: Limiter<UserKey>,
    text_of_staff: Limiter<UserKey>,
    partners: Limiter<UserKey>,
    recipients: Limiter<String>,
    test_pushes: Limiter<UserKey>,
    push_services: Limiter<UserKey>,
    enabled: bool,
}

/// What an unauthenticated client asks for. Each has a budget of its own: behind one address, a flood of
/// one kind leaves the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stranger {
    Request,
    Login,
    Socket,
}

struct Limiter<K: Clone + Eq + Hash> {
    limiter: DefaultKeyedRateLimiter<K>,
    /// What may come at once.
    most: NonZeroU32,
    clock: DefaultClock,
    reason: &'static str,
    metrics: Arc<Metrics>,
}

impl Rates {
    pub fn new(config: &config::Limits, metrics: Arc<Metrics>) -> Self {
        let person =
            |kind: RequestClass, per_minute| Limiter::new(kind.name(), per_minute, metrics.clone());
        Rates {
            // In the order of `RequestClass`.
            people: [
                person(RequestClass::Read, config.reads_per_minute),
                person(RequestClass::Write, config.writes_per_minute),
                person(RequestClass::Search, config.searches_per_minute),
                person(RequestClass::Socket, config.sockets_per_minute),
            ],
            keys: Limiter::new("key", config.key_requests_per_minute, metrics.clone()),
            addresses: ["address", "address_logins", "address_sockets"].map(|reason| {
                Limiter::new(
                    reason,
                    config.anonymous_requests_per_minute,
                    metrics.clone(),
                )
            }),
            text: Limiter::daily("text", config.text_bytes_per_day, metrics.clone()),
            text_of_staff: Limiter::daily(
                "text",
                config.text_bytes_per_day.saturating_mul(STAFF),
                metrics.clone(),
            ),
            partners: Limiter::daily("partners", config.new_partners_per_day, metrics.clone()),
            recipients: Limiter::new("recipients", config.recipients_per_minute, metrics.clone()),
            test_pushes: Limiter::new(
                "test_pushes",
                config.test_pushes_per_minute,
                metrics.clone(),
            ),
            push_services: Limiter::daily("push_services", PUSH_SERVICES, metrics),
            enabled: config.enabled,
        }
    }

    /// Counts a request of a person.
    ///
    /// # Errors
    /// [`Error::TooMany`], here and below, with the time after which the next is taken.
    pub fn person(&self, user: UserKey, kind: RequestClass) -> Result<()> {
        self.people[kind as usize].take(self.enabled, &user, 1)
    }

    /// Counts a request of an API key.
    pub fn key(&self, id: &str) -> Result<()> {
        self.keys.take(self.enabled, &id.to_owned(), 1)
    }

    /// Counts a request of an unauthenticated client.
    pub fn address(&self, address: IpAddr, what: Stranger) -> Result<()> {
        self.addresses[what as usize].take(self.enabled, &site(address), 1)
    }

    /// Counts what a user writes, in bytes.
    pub fn text(&self, user: &User, bytes: usize) -> Result<()> {
        let limiter = if is_bounded(user.role) {
            &self.text
        } else {
            &self.text_of_staff
        };
        limiter.take(self.enabled, &user.key, bytes)
    }

    /// Counts a user to whom a person writes for the first time.
    pub fn partner(&self, user: UserKey) -> Result<()> {
        self.partners.take(self.enabled, &user, 1)
    }

    /// Counts whom notifications of this sender go to.
    pub fn recipients(&self, sender: &str, count: usize) -> Result<()> {
        self.recipients
            .take(self.enabled, &sender.to_owned(), count)
    }

    /// Counts a push service that is new here: a client can make up the name of one.
    pub fn push_service(&self, user: UserKey) -> Result<()> {
        self.push_services.take(self.enabled, &user, 1)
    }

    pub fn test_push(&self, user: UserKey) -> Result<()> {
        self.test_pushes.take(self.enabled, &user, 1)
    }

    pub(super) fn tidy(&self) {
        self.people.iter().for_each(Limiter::tidy);
        self.keys.tidy();
        self.addresses.iter().for_each(Limiter::tidy);
        [
            &self.text,
            &self.text_of_staff,
            &self.partners,
            &self.test_pushes,
            &self.push_services,
        ]
        .into_iter()
        .for_each(Limiter::tidy);
        self.recipients.tidy();
    }
}

/// Push services that are new here, of one person in a day: browsers have one each.
const PUSH_SERVICES: NonZeroU32 = at_least_one(8);
/// How many times as much teachers and staff may write.
const STAFF: NonZeroU32 = at_least_one(50);

/// Whether a role's writing is bounded as pupils' and guardians' is.
pub fn is_bounded(role: Role) -> bool {
    matches!(role, Role::Student | Role::Guardian)
}

impl<K: Clone + Eq + Hash> Limiter<K> {
    fn new(reason: &'static str, per_minute: NonZeroU32, metrics: Arc<Metrics>) -> Self {
        Self::of(reason, per_minute, Quota::per_minute(per_minute), metrics)
    }

    /// A day's worth may come at once.
    fn daily(reason: &'static str, per_day: NonZeroU32, metrics: Arc<Metrics>) -> Self {
        let one = Duration::from_secs(86_400) / per_day.get();
        let quota = Quota::with_period(one).unwrap_or(Quota::per_second(NonZeroU32::MIN));
        Self::of(reason, per_day, quota.allow_burst(per_day), metrics)
    }

    fn of(reason: &'static str, most: NonZeroU32, quota: Quota, metrics: Arc<Metrics>) -> Self {
        Limiter {
            most,
            limiter: RateLimiter::keyed(quota),
            clock: DefaultClock::default(),
            reason,
            metrics,
        }
    }

    /// Takes `count` at once; more than the burst counts as the burst.
    fn take(&self, enabled: bool, key: &K, count: usize) -> Result<()> {
        let count = NonZeroU32::new(u32::try_from(count).unwrap_or(u32::MAX));
        let Some(count) = count.filter(|_| enabled) else {
            return Ok(());
        };
        let taken = self.limiter.check_key_n(key, count.min(self.most));
        match taken {
            Ok(Err(early)) => {
                self.metrics.refused(self.reason);
                Err(Error::TooMany(early.wait_time_from(self.clock.now())))
            }
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }

    /// Forgets callers whose minute is over.
    fn tidy(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}
