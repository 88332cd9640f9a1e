//! What administrators should know: wrong passwords by account, and floods that were refused. Counted here, and written into the
//! audit log each minute: a line each would be a flood itself.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::ids::UserKey;

/// Refusals of one person in a minute that are worth a line.
const MIN_REFUSALS: u64 = 20;
/// People whom one minute's lines name; the others are summed up.
const MAX_NAMED_PEOPLE: usize = 20;

#[derive(Default)]
pub struct Ledger(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    failed_logins: HashMap<UserKey, u64>,
    unknown_logins: u64,
    refused: HashMap<(UserKey, &'static str), u64>,
}

/// Something to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// So many wrong passwords for an account.
    FailedLogins(UserKey, u64),
    /// For so many further accounts, so many.
    MoreFailedLogins(usize, u64),
    /// By unknown names.
    UnknownLogins(u64),
    /// So many requests of a person over this limit.
    Refused(UserKey, &'static str, u64),
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A wrong password; by an unknown name where there is no user.
    pub fn failed_login(&self, user: Option<UserKey>) {
        let mut counts = self.lock();
        match user {
            Some(user) => *counts.failed_logins.entry(user).or_default() += 1,
            None => counts.unknown_logins += 1,
        }
    }

    pub fn refused(&self, user: UserKey, reason: &'static str) {
        *self.lock().refused.entry((user, reason)).or_default() += 1;
    }

    /// What has accumulated, most first; counting starts over.
    pub fn take(&self) -> Vec<Entry> {
        let counts = std::mem::take(&mut *self.lock());
        let mut failed: Vec<(UserKey, u64)> = counts.failed_logins.into_iter().collect();
        failed.sort_by_key(|(user, count)| (std::cmp::Reverse(*count), *user));
        let more = failed.split_off(failed.len().min(MAX_NAMED_PEOPLE));
        let mut entries: Vec<Entry> = failed
            .into_iter()
            .map(|(user, count)| Entry::FailedLogins(user, count))
            .collect();
        if !more.is_empty() {
            let sum = more.iter().map(|(_, count)| count).sum();
            entries.push(Entry::MoreFailedLogins(more.len(), sum));
        }
        if counts.unknown_logins > 0 {
            entries.push(Entry::UnknownLogins(counts.unknown_logins));
        }
        let mut refused: Vec<_> = counts.refused.into_iter().collect();
        refused.retain(|(_, count)| *count >= MIN_REFUSALS);
        refused.sort_by_key(|((user, _), count)| (std::cmp::Reverse(*count), *user));
        refused.truncate(MAX_NAMED_PEOPLE);
        let line = |((user, reason), count)| Entry::Refused(user, reason, count);
        entries.extend(refused.into_iter().map(line));
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_a_bounded_number_of_lines() {
        let ledger = Ledger::default();
        for user in 0..100 {
            ledger.failed_login(Some(UserKey(user)));
        }
        for _ in 0..5 {
            ledger.failed_login(Some(UserKey(7)));
            ledger.failed_login(None);
        }
        for _ in 0..MIN_REFUSALS {
            ledger.refused(UserKey(3), "writes");
        }
        ledger.refused(UserKey(4), "writes");
        let entries = ledger.take();
        assert_eq!(entries[0], Entry::FailedLogins(UserKey(7), 6));
        assert_eq!(
            entries[MAX_NAMED_PEOPLE..],
            [
                Entry::MoreFailedLogins(80, 80),
                Entry::UnknownLogins(5),
                Entry::Refused(UserKey(3), "writes", MIN_REFUSALS),
            ]
        );
        assert_eq!(ledger.take(), []);
    }
}
