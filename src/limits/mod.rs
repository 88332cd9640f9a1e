//! What one caller may take, so that there is enough for the others, and what is let go first when there is not.
//!
//! - [`rates`]: so many requests a minute of one caller.
//! - [`attempts`]: wrong passwords make the next login wait.
//! - [`seats`]: so many connections, and whose goes first.
//! - [`turns`]: so much at once of one person.
//! - [`pressure`]: how full the server is, and what it does without.
//! - [`priority`]: what can wait yields.
//!
//! All of it is in memory: a restart forgets it.

pub mod attempts;
pub mod pressure;
pub mod priority;
pub mod rates;
pub mod seats;
pub mod turns;

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::config;
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::model::ids::UserKey;
use attempts::Attempts;
use rates::Rates;
use seats::Seats;
use turns::Turns;

/// All limits on callers.
pub struct Limits {
    pub rates: Rates,
    pub seats: Arc<Seats>,
    /// Of long-polling sessions that nobody has joined yet.
    pub handshakes: Arc<Seats>,
    /// Searches.
    pub searching: Turns<UserKey>,
    /// Requests that are answered.
    pub answering: Turns<UserKey>,
    accounts: Attempts<Account>,
    addresses: Attempts<IpAddr>,
    metrics: Arc<Metrics>,
    enabled: bool,
}

/// Whose password is tried.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Account {
    Known(UserKey),
    /// By a name that nobody has: it waits as one that somebody has does.
    Unknown(String),
}

/// What counts as one address: of IPv6, the network that one line gets (RFC 6177), which has more addresses than there are
/// grains of sand.
pub fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (!0 << 64)).into(),
        v4 => v4,
    }
}

/// Searches of one person that may wait for the one before.
const SEARCHES_WAITING: usize = 3;

/// The longest wait after wrong passwords for an account, and from an address.
const ACCOUNT_WAIT: Duration = Duration::from_secs(300);
const ADDRESS_WAIT: Duration = Duration::from_secs(60);
/// The time after which one wrong password is forgotten.
const ACCOUNT_FORGETS: Duration = Duration::from_secs(60);
const ADDRESS_FORGETS: Duration = Duration::from_secs(1);

impl Limits {
    pub fn new(config: &config::Limits, metrics: Arc<Metrics>) -> Self {
        Limits {
            rates: Rates::new(config, metrics.clone()),
            seats: Arc::new(Seats::new(config, metrics.clone())),
            handshakes: Arc::new(Seats::handshakes(config, metrics.clone())),
            searching: Turns::new(
                "searches_at_once",
                1,
                SEARCHES_WAITING,
                config,
                metrics.clone(),
            ),
            answering: Turns::new(
                "requests_at_once",
                config.requests_per_user,
                0,
                config,
                metrics.clone(),
            ),
            accounts: Attempts::new(
                config.failed_logins_per_account,
                ACCOUNT_FORGETS,
                ACCOUNT_WAIT,
            ),
            addresses: Attempts::new(
                config.failed_logins_per_address,
                ADDRESS_FORGETS,
                ADDRESS_WAIT,
            ),
            metrics,
            enabled: config.enabled,
        }
    }

    /// A secret is about to be tried. It counts as a failure until [`Limits::succeeded`], so that a hundred tried at once
    /// are a hundred.
    ///
    /// # Errors
    /// [`Error::TooMany`] while the account or the address must wait.
    pub fn attempt(&self, account: Option<&Account>, address: Option<IpAddr>) -> Result<()> {
        let site = address.map(site);
        self.begin(&self.addresses, site.as_ref(), "login_address")?;
        self.begin(&self.accounts, account, "login_account")
            .inspect_err(|_| self.take_back(None, address))
    }

    /// The attempt came to nothing, through no fault of who made it.
    pub fn take_back(&self, account: Option<&Account>, address: Option<IpAddr>) {
        if let Some(account) = account {
            self.accounts.take_back(account);
        }
        if let Some(address) = address {
            self.addresses.take_back(&site(address));
        }
    }

    fn begin<K: Clone + Eq + Hash>(
        &self,
        attempts: &Attempts<K>,
        key: Option<&K>,
        reason: &'static str,
    ) -> Result<()> {
        let Some(key) = key.filter(|_| self.enabled) else {
            return Ok(());
        };
        attempts.begin(key).map_err(|wait| {
            self.metrics.refused(reason);
            Error::TooMany(wait)
        })
    }

    /// The secret of [`Limits::attempt`] was right.
    pub fn succeeded(&self, account: Option<&Account>, address: Option<IpAddr>) {
        if let Some(account) = account {
            self.accounts.forget(account);
        }
        self.take_back(None, address);
    }

    /// Forgets whom it need not remember. To be called now and then.
    pub fn tidy(&self) {
        self.rates.tidy();
        self.accounts.tidy();
        self.addresses.tidy();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_ipv6_is_one_address() {
        let site = |text: &str| site(text.parse().unwrap());
        assert_eq!(site("2001:db8:1:2::5"), site("2001:db8:1:2:ffff::7"));
        assert_ne!(site("2001:db8:1:2::5"), site("2001:db8:1:3::5"));
        assert_eq!(site("::ffff:192.0.2.1"), site("192.0.2.1"));
        assert_ne!(site("192.0.2.1"), site("192.0.2.2"));
    }
}
