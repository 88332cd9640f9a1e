//! What one caller may take, so that there is enough for the others, and what is let go first when there is not.
//!
//! - [`rates`]: so many requests a minute of one caller.
//! - [`attempts`]: wrong passwords make the next login for the account wait, and slow down an address.
//! - [`fair_queue`]: who is next where something is scarce.
//! - [`ledger`]: what administrators should know.
//! - [`connection_limit`]: so many connections, and whose goes first.
//! - [`turns`]: so much at once of one person.
//! - [`queues`], [`load_shedding`]: how much waits, and what the server does without for it.
//! - [`priority`]: work that can wait yields.
//!
//! All of it is in memory: a restart forgets it.

pub mod attempts;
pub mod connection_limit;
pub mod fair_queue;
pub mod ledger;
pub mod load_shedding;
pub mod priority;
pub mod queues;
pub mod rates;
pub mod turns;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::config::{self, count};
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::model::ids::UserKey;
use attempts::Attempts;
use connection_limit::ConnectionLimit;
use ledger::Ledger;
use rates::Rates;
use turns::Turns;

/// All limits on callers.
pub struct Limits {
    pub rates: Rates,
    pub connections: Arc<ConnectionLimit>,
    /// Of long-polling sessions that are not authenticated yet.
    pub handshakes: Arc<ConnectionLimit>,
    /// Searches.
    pub searching: Turns<UserKey>,
    /// Roster files being parsed: one at a time, for all callers together.
    pub parsing: Turns<()>,
    /// Reads whose answer is being built. Bounded, so that one person's large pages leave CPU time for everybody else.
    pub reading: Turns<UserKey>,
    /// Requests that are answered.
    pub answering: Turns<UserKey>,
    pub ledger: Ledger,
    /// By the name that was typed, folded: an unknown name waits as a known one does.
    accounts: Attempts<String>,
    /// Devices that are known to be a user's.
    devices: Attempts<String>,
    password_changes: Attempts<String>,
    addresses: Attempts<IpAddr>,
    /// Codes of a second factor, after the right password. They are few, so they are counted also where the limits are off.
    pub codes: Attempts<UserKey>,
    /// Forgotten passwords, by the address that says so. Counted also where the limits are off: each may send a mail.
    pub forgotten: Attempts<IpAddr>,
    metrics: Arc<Metrics>,
    enabled: bool,
}

/// What a password is tried for.
#[derive(Debug, Clone)]
pub enum Guess<'a> {
    /// For the account of this name.
    Account(&'a str),
    /// On a device where the account has logged in before.
    Device(&'a str),
    /// By a user who is logged in, to change it.
    Change(UserKey),
}

/// What counts as one address: for IPv6, the network that one line gets (RFC 6177), which has more addresses than could be
/// counted.
pub fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (!0 << 64)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Searches of one person that may wait for the one before.
const SEARCHES_WAITING: usize = 3;

/// Reads of one person that run at once. [`Limits::answering`] bounds how many more may wait.
const READS_AT_ONCE: usize = 2;

/// Files of people that may wait for the one before.
const FILES_WAITING: usize = 7;

/// The longest wait after wrong passwords for an account.
const ACCOUNT_WAIT: Duration = Duration::from_secs(300);
/// How long an address is slow after its last wrong password too many, and how long each wrong one then takes.
const ADDRESS_WAIT: Duration = Duration::from_secs(60);
const ADDRESS_DELAY: Duration = Duration::from_secs(2);
/// An address with more wrong passwords than this is a suspect; one is forgotten each second.
const SUSPECT_FAILURES: f64 = 20.0;
/// The time after which one wrong password is forgotten.
const ACCOUNT_FORGETS: Duration = Duration::from_secs(60);
const ADDRESS_FORGETS: Duration = Duration::from_secs(1);
/// The longest wait after wrong codes, or for another mail.
const LONG_WAIT: Duration = Duration::from_secs(600);
/// Ten codes, and then one each ten minutes: with three codes valid at a time, it takes years to find one.
const FREE_CODES: u32 = 10;
const CODES_FORGET: Duration = Duration::from_secs(600);
/// A school is one address: 30 at once, and one more each two minutes.
const FREE_FORGOTTEN: u32 = 30;
const FORGOTTEN_FORGETS: Duration = Duration::from_secs(120);

fn of_account(config: &config::Limits) -> Attempts<String> {
    let free = config.failed_logins_per_account.get();
    Attempts::new(free, ACCOUNT_FORGETS, ACCOUNT_WAIT)
}

impl Limits {
    pub fn new(config: &config::Limits, metrics: Arc<Metrics>) -> Self {
        Limits {
            rates: Rates::new(config, metrics.clone()),
            connections: Arc::new(ConnectionLimit::new(config, metrics.clone())),
            handshakes: Arc::new(ConnectionLimit::handshakes(config, metrics.clone())),
            searching: Turns::new(
                "searches_at_once",
                1,
                SEARCHES_WAITING,
                config,
                metrics.clone(),
            ),
            parsing: Turns::new("files_at_once", 1, FILES_WAITING, config, metrics.clone()),
            reading: Turns::new(
                "reads_at_once",
                READS_AT_ONCE,
                count(config.requests_per_user),
                config,
                metrics.clone(),
            ),
            answering: Turns::new(
                "requests_at_once",
                count(config.requests_per_user),
                0,
                config,
                metrics.clone(),
            ),
            ledger: Ledger::default(),
            accounts: of_account(config),
            devices: of_account(config),
            password_changes: of_account(config),
            addresses: Attempts::new(
                config.failed_logins_per_address.get(),
                ADDRESS_FORGETS,
                ADDRESS_WAIT,
            ),
            codes: Attempts::new(FREE_CODES, CODES_FORGET, LONG_WAIT),
            forgotten: Attempts::new(FREE_FORGOTTEN, FORGOTTEN_FORGETS, LONG_WAIT),
            metrics,
            enabled: config.enabled,
        }
    }

    /// A password is about to be tried. It counts as a failure until [`Limits::succeeded`], so that a hundred tried at once are
    /// a hundred.
    ///
    /// # Errors
    /// [`Error::TooMany`] while the account, or the device, must wait.
    pub fn attempt(&self, guess: &Guess) -> Result<()> {
        if !self.enabled {
            return Ok(());
        }
        let (failures, key, reason) = self.failures(guess);
        failures.begin(&key).map_err(|wait| {
            self.metrics.refused(reason);
            Error::TooMany(wait)
        })
    }

    /// The attempt was not carried out, through no fault of the caller.
    pub fn take_back(&self, guess: &Guess) {
        let (failures, key, _) = self.failures(guess);
        failures.take_back(&key);
    }

    /// The password of [`Limits::attempt`] was right.
    pub fn succeeded(&self, guess: &Guess) {
        let (failures, key, _) = self.failures(guess);
        failures.forget(&key);
    }

    /// Where a guess is counted, under which key, and why it is refused. Each kind has a memory of its own, so that made-up names
    /// push no device out of it.
    fn failures(&self, guess: &Guess) -> (&Attempts<String>, String, &'static str) {
        match guess {
            Guess::Account(name) => (&self.accounts, (*name).to_owned(), "login_account"),
            Guess::Device(nonce) => (&self.devices, (*nonce).to_owned(), "login_device"),
            Guess::Change(user) => (
                &self.password_changes,
                user.0.to_string(),
                "password_change",
            ),
        }
    }

    /// Whether so many wrong passwords came from this address recently that its attempts are verified one at a time.
    pub fn is_suspect(&self, address: Option<IpAddr>) -> bool {
        let count = address.map_or(0.0, |address| self.addresses.count(&site(address)));
        self.enabled && count >= SUSPECT_FAILURES
    }

    /// A wrong password came from this address. Returns how long its answer is to wait, where there were many: a person behind
    /// the same address with a right one does not.
    pub fn failed_from(&self, address: Option<IpAddr>) -> Duration {
        let Some(address) = address.filter(|_| self.enabled) else {
            return Duration::ZERO;
        };
        if self.addresses.begin(&site(address)).is_ok() {
            return Duration::ZERO;
        }
        self.metrics.refused("login_address");
        ADDRESS_DELAY
    }

    /// Forgets callers that are under every limit again. Call it now and then.
    pub fn tidy(&self) {
        self.rates.tidy();
        self.accounts.tidy();
        self.devices.tidy();
        self.password_changes.tidy();
        self.addresses.tidy();
        self.codes.tidy();
        self.forgotten.tidy();
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
