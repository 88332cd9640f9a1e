//! [`App`]: everything that a request or a socket needs, behind one pointer.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::Auth;
use crate::auth::vapid::VapidKeys;
use crate::config::{Config, ConfigError};
use crate::decisions::Decisions;
use crate::effects::Effects;
use crate::hub::{Dispatcher, Hub};
use crate::limits::Limits;
use crate::limits::load_shedding::LoadShedding;
use crate::limits::queues::Queues;
use crate::metrics::Metrics;
use crate::model::days::Calendar;
use crate::model::time::{Clock, SystemClock, Time};
use crate::school::CurrentSchool;
use crate::states::States;
use crate::store::Store;
use crate::threads::Pulse;
use crate::user_cache::UserCache;

/// A running schoolbell without a listener. Cheap to clone.
///
/// See the [crate documentation](crate) for an example.
#[derive(Clone)]
pub struct App(Arc<Inner>);

/// What an [`App`] holds. Fields are dropped in this order: the store first, which ends the writer and with it the
/// dispatcher.
#[cfg_attr(not(internal_docs), doc(hidden))]
pub struct Inner {
    pub store: Store,
    pub config: Config,
    pub auth: Auth,
    /// The keys by which push services know this server.
    pub vapid: VapidKeys,
    pub user_cache: Arc<UserCache>,
    pub hub: Arc<Hub>,
    pub metrics: Arc<Metrics>,
    pub limits: Limits,
    pub queues: Arc<Queues>,
    pub load: Arc<LoadShedding>,
    pub clock: Arc<dyn Clock>,
    /// Which day it is at the school.
    pub calendar: Arc<Calendar>,
    /// Who may write to whom.
    pub decisions: Arc<Decisions>,
    /// What is known of the school itself.
    pub school: Arc<CurrentSchool>,
    /// Told when another process has written to the database.
    pub external_write: Arc<Notify>,
    /// Told when something has been put into the push outbox.
    pub push_due: Arc<Notify>,
    /// Told when a mail has been put into the outbox.
    pub mail_due: Arc<Notify>,
    /// Told when an announcement is due.
    pub announcement_due: Notify,
    /// Cancelled when the server stops: no new sockets, no new background work.
    pub stopping: CancellationToken,
    /// Open sockets and background work, so that a stop can wait for them.
    pub tasks: TaskTracker,
    /// Signs of life of the threads that every write needs.
    pub pulses: Pulses,
    states: States,
    _dispatcher: Dispatcher,
}

/// When the threads that every write needs last came round.
#[derive(Debug, Default)]
pub struct Pulses {
    writer: Pulse,
    dispatcher: Pulse,
}

impl Pulses {
    /// A disk may keep the writer waiting for a while, but never this long.
    const MAX_PULSE_AGE: Duration = Duration::from_secs(15);

    /// Whether both threads are at work.
    pub fn beat(&self) -> bool {
        self.writer.age() < Self::MAX_PULSE_AGE && self.dispatcher.age() < Self::MAX_PULSE_AGE
    }
}

impl Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// Why an [`App`] cannot be opened, as a sentence for the person who starts it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Database(#[from] crate::store::files::OpenError),
    /// A key that the configuration names cannot be used.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    #[error("no thread for the {0}: {1}")]
    Thread(&'static str, std::io::Error),
}

impl App {
    /// Opens the database and the keys that `config` names, making what is missing. Blocks on the disk.
    ///
    /// # Errors
    /// [`OpenError`] for a database or a key that cannot be used; nothing has been changed then.
    pub fn open(config: Config) -> Result<Self, OpenError> {
        Self::open_with_clock(config, Arc::new(SystemClock))
    }

    /// As [`App::open`], with a clock of the caller's own: expiry and every time that is stored or shown follow it.
    ///
    /// # Errors
    /// As [`App::open`].
    pub fn open_with_clock(config: Config, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let metrics = Arc::new(Metrics::new());
        let queues = Arc::<Queues>::default();
        let load = LoadShedding::new(&config.limits, queues.clone(), metrics.clone());
        let load = Arc::new(load);
        let hub = Arc::new(Hub::new(metrics.clone(), load.clone()));
        let user_cache = Arc::new(UserCache::default());
        let external_write = Arc::new(Notify::new());
        let push_due = Arc::new(Notify::new());
        let mail_due = Arc::new(Notify::new());
        let pulses = Pulses::default();
        let (dispatcher, deliveries) = Dispatcher::start(hub.clone(), pulses.dispatcher.clone())
            .map_err(|error| OpenError::Thread("dispatcher", error))?;
        let calendar = Arc::new(Calendar::new(clock.clone()));
        let fixed = config.policy.read().map_err(ConfigError::new)?;
        let decisions = Arc::new(Decisions::new(fixed, calendar.clone()));
        let school = Arc::new(CurrentSchool::new(&config, calendar.clone()));
        let effects = Effects {
            school: school.clone(),
            user_cache: user_cache.clone(),
            deliveries,
            push_due: push_due.clone(),
            mail_due: mail_due.clone(),
            external_write: external_write.clone(),
            metrics: metrics.clone(),
            database: config.database.path.clone(),
        };
        let auth = Auth::open(&config).map_err(ConfigError::new)?;
        let vapid =
            VapidKeys::open(&config.push, &config.database.path).map_err(ConfigError::new)?;
        let store = Store::open(
            &config.database,
            (clock.clone(), calendar.clone()),
            (metrics.clone(), queues.clone()),
            Box::new(move |committed| effects.apply(committed)),
            pulses.writer.clone(),
        )?;
        let settings = store.read_at_start(crate::store::settings::everything);
        let unreadable = |e: crate::error::Error| {
            crate::store::files::OpenError::new(&config.database.path, e.to_string())
        };
        school.apply(&settings.map_err(unreadable)?);
        let limits = Limits::new(&config.limits, metrics.clone());
        Ok(App(Arc::new(Inner {
            store,
            limits,
            queues,
            load,
            config,
            auth,
            vapid,
            user_cache,
            hub,
            metrics,
            clock,
            calendar,
            decisions,
            school,
            external_write,
            push_due,
            mail_due,
            announcement_due: Notify::new(),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            pulses,
            states: States::default(),
            _dispatcher: dispatcher,
        })))
    }

    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// What a module keeps for itself, in a type of its own.
    pub(crate) fn state<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        self.states.get()
    }
}
