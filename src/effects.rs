//! Where the effects of committed writes go: caches, the hub, the push queue, the charts.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use tokio::sync::Notify;

use crate::hub::Delivery;
use crate::metrics::Metrics;
use crate::model::events::Effect;
use crate::school::CurrentSchool;
use crate::store::{Committed, journal};
use crate::user_cache::UserCache;

/// Applies effects on the writer's thread, before the write is answered.
pub struct Effects {
    pub user_cache: Arc<UserCache>,
    /// Leads to the hub's dispatcher, which outlives the writer.
    pub deliveries: SyncSender<Vec<Delivery>>,
    pub push_due: Arc<Notify>,
    pub mail_due: Arc<Notify>,
    /// Told when another process has written to the database.
    pub external_write: Arc<Notify>,
    pub metrics: Arc<Metrics>,
    pub school: Arc<CurrentSchool>,
    /// The file beside which the journal lies.
    pub database: PathBuf,
}

impl Effects {
    pub fn apply(&self, committed: Committed) {
        match committed {
            Committed::Local(effects) => self.apply_all(effects),
            Committed::External => {
                self.user_cache.forget_all();
                self.external_write.notify_one();
            }
        }
    }

    fn apply_all(&self, effects: Vec<Effect>) {
        let mut push_due = false;
        let mut lines = String::new();
        let mut deliveries = Vec::with_capacity(effects.len());
        for effect in effects {
            match effect {
                Effect::Publish(publication) => deliveries.push(Delivery::Publish(publication)),
                Effect::Disconnect(user, code) => deliveries.push(Delivery::Disconnect(user, code)),
                Effect::SessionEnded(user, session) => {
                    self.user_cache.forget_sessions_and_links();
                    deliveries.push(Delivery::EndSession(user, session));
                }
                // Before the write is answered: its caller must not see what was cached before it.
                Effect::UserChanged(id) => self.user_cache.forget(&id),
                Effect::SettingsChanged(settings) => self.school.apply(&settings),
                Effect::IdentitiesChanged => self.user_cache.forget_sessions_and_links(),
                Effect::PushDue => push_due = true,
                Effect::MailDue => self.mail_due.notify_one(),
                Effect::Journal(line) => lines.push_str(&line),
                // It has the lines of this batch, too, up to here.
                Effect::JournalRewritten(whole) => {
                    lines.clear();
                    noted(journal::rewrite(&self.database, &whole));
                }
                Effect::Count(what, count) => self.metrics.hourly_stats.add(what, count),
            }
        }
        if !lines.is_empty() {
            noted(journal::append(&self.database, &lines));
        }
        if !deliveries.is_empty() {
            let _ = self.deliveries.send(deliveries);
        }
        if push_due {
            self.push_due.notify_one();
        }
    }
}

/// The database has what the journal lacks: it is written at the next start.
fn noted(written: std::io::Result<()>) {
    if let Err(error) = written {
        tracing::error!(%error, "cannot write the journal");
    }
}
