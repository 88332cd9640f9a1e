//! So many requests a minute, of each caller and kind: the generic cell rate algorithm (ITU-T I.371), by `governor`. A
//! minute's worth may come at once.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::site;
use crate::config;
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::model::ids::UserKey;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Read,
    Write,
    Search,
    Socket,
}

impl Kind {
    /// As figures and the audit log name what is refused.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Read => "reads",
            Kind::Write => "writes",
            Kind::Search => "searches",
            Kind::Socket => "sockets",
        }
    }
}

/// Of a caller, so much a minute.
pub struct Rates {
    people: [Limiter<UserKey>; 4],
    keys: Limiter<String>,
    addresses: Limiter<IpAddr>,
    enabled: bool,
}

struct Limiter<K: Clone + Eq + Hash> {
    limiter: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
    reason: &'static str,
    metrics: Arc<Metrics>,
}

impl Rates {
    pub fn new(config: &config::Limits, metrics: Arc<Metrics>) -> Self {
        let person =
            |kind: Kind, per_minute| Limiter::new(kind.name(), per_minute, metrics.clone());
        Rates {
            // In the order of `Kind`.
            people: [
                person(Kind::Read, config.reads_per_minute),
                person(Kind::Write, config.writes_per_minute),
                person(Kind::Search, config.searches_per_minute),
                person(Kind::Socket, config.sockets_per_minute),
            ],
            keys: Limiter::new("key", config.key_requests_per_minute, metrics.clone()),
            addresses: Limiter::new("address", config.anonymous_requests_per_minute, metrics),
            enabled: config.enabled,
        }
    }

    /// Counts a request of a person.
    ///
    /// # Errors
    /// [`Error::TooMany`], here and below, with the time after which the next is taken.
    pub fn person(&self, user: UserKey, kind: Kind) -> Result<()> {
        self.people[kind as usize].take(self.enabled, &user)
    }

    /// Counts a request of an API key.
    pub fn key(&self, id: &str) -> Result<()> {
        self.keys.take(self.enabled, &id.to_owned())
    }

    /// Counts a request of somebody of whom it is not known who they are.
    pub fn address(&self, address: IpAddr) -> Result<()> {
        self.addresses.take(self.enabled, &site(address))
    }

    pub(super) fn tidy(&self) {
        self.people.iter().for_each(Limiter::tidy);
        self.keys.tidy();
        self.addresses.tidy();
    }
}

impl<K: Clone + Eq + Hash> Limiter<K> {
    fn new(reason: &'static str, per_minute: u32, metrics: Arc<Metrics>) -> Self {
        let quota = Quota::per_minute(NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN));
        Limiter {
            limiter: RateLimiter::keyed(quota),
            clock: DefaultClock::default(),
            reason,
            metrics,
        }
    }

    fn take(&self, enabled: bool, key: &K) -> Result<()> {
        if !enabled {
            return Ok(());
        }
        self.limiter.check_key(key).map_err(|early| {
            self.metrics.refused(self.reason);
            Error::TooMany(early.wait_time_from(self.clock.now()))
        })
    }

    /// Forgets callers whose minute is over.
    fn tidy(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}
