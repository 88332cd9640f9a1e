//! The policy that is in force, and the decisions that have been taken by it, in memory.
//!
//! What must stay true: a decision that is kept is used only while it stands. The roster and the policy have stamps in the database, which
//! triggers change, so both are compared in the snapshot that asks; and a decision is kept with the days on which its facts are as they
//! were. A write asks inside its transaction: nothing can change before its commit.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::tz::TimeZone;
use rusqlite::Connection;

use crate::error::Result;
use crate::model::days::{Calendar, Days};
use crate::model::ids::UserKey;
use crate::model::policy::{Decision, Ground, May, Policy, Preset, decide, from_json};
use crate::model::pushes::DuePush;
use crate::model::time::Time;
use crate::store::policy::{self, Stamps};
use crate::store::relations;

/// Past this many pairs the decisions are forgotten.
const MAX_PAIRS: usize = 200_000;

/// The policy in force and kept decisions.
pub struct Decisions {
    /// What the configuration says: then the dashboard's does not count.
    fixed: Option<Arc<Policy>>,
    calendar: Arc<Calendar>,
    /// With the stamp of the policy that it was read at.
    current: RwLock<Option<(i64, Arc<Policy>)>>,
    pairs: RwLock<HashMap<(UserKey, UserKey), Kept>>,
}

/// A decision, and while it stands.
#[derive(Clone, Copy)]
struct Kept {
    decision: Decision,
    roster: i64,
    policy: i64,
    steady: Days,
}

impl Decisions {
    pub fn new(fixed: Option<Arc<Policy>>, calendar: Arc<Calendar>) -> Self {
        Decisions {
            fixed,
            calendar,
            current: RwLock::default(),
            pairs: RwLock::default(),
        }
    }

    /// Whether the configuration has the policy, so that the dashboard may not change it.
    pub fn is_fixed(&self) -> bool {
        self.fixed.is_some()
    }

    /// The policy in force in this snapshot.
    ///
    /// # Errors
    /// As those of a read.
    pub fn policy(&self, connection: &Connection, stamps: Stamps) -> Result<Arc<Policy>> {
        if let Some(fixed) = &self.fixed {
            return Ok(fixed.clone());
        }
        let current = self
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some((stamp, policy)) = current
            && stamp == stamps.policy
        {
            return Ok(policy);
        }
        let policy = Arc::new(stored(policy::set_here(connection)?.as_deref()));
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Some((stamps.policy, policy.clone()));
        Ok(policy)
    }

    /// What the policy says of two people, in this snapshot.
    ///
    /// # Errors
    /// As those of a read; [`Noun::User`](crate::error::Noun) not found.
    pub fn decide(
        &self,
        connection: &Connection,
        stamps: Stamps,
        from: UserKey,
        to: UserKey,
    ) -> Result<Decision> {
        let policy = self.policy(connection, stamps)?;
        if policy.is_open() && !stamps.has_orders {
            return Ok(Decision {
                may: May::Start,
                ground: Ground::Rule(0),
            });
        }
        let kept = {
            let pairs = self.pairs.read().unwrap_or_else(PoisonError::into_inner);
            pairs.get(&(from, to)).copied()
        };
        if let Some(kept) = kept
            && kept.roster == stamps.roster
            && kept.policy == stamps.policy
            && (kept.steady == Days::default() || kept.steady.contains(self.calendar.today()))
        {
            return Ok(kept.decision);
        }
        let facts = relations::pair(connection, from, to, &policy.groups())?;
        let today = self.calendar.today();
        let decision = decide(&policy, &facts, today);
        let kept = Kept {
            decision,
            roster: stamps.roster,
            policy: stamps.policy,
            steady: facts.steady(today),
        };
        let mut pairs = self.pairs.write().unwrap_or_else(PoisonError::into_inner);
        if pairs.len() >= MAX_PAIRS {
            pairs.clear();
        }
        pairs.insert((from, to), kept);
        Ok(decision)
    }

    /// Looks at pushes before they are sent: what somebody wrote who may not write to its recipient any more is not pushed, and what comes
    /// in quiet hours waits.
    ///
    /// # Errors
    /// As those of a read.
    pub fn look_at(
        &self,
        connection: &Connection,
        pushes: &mut [DuePush],
        now: Time,
        zone: &TimeZone,
    ) -> Result<()> {
        if pushes.is_empty() {
            return Ok(());
        }
        let stamps = policy::stamps(connection)?;
        let policy = self.policy(connection, stamps)?;
        for push in pushes {
            if let Some(sender) = push.sender {
                let decision = self.decide(connection, stamps, sender, push.key.user)?;
                push.subject = push.subject.take().filter(|_| decision.may != May::No);
            }
            if policy.quiet.is_empty() {
                continue;
            }
            let today = self.calendar.today();
            let roles = relations::roles(connection, push.key.user, push.role, today)?;
            push.quiet_until = policy.quiet_until(roles, now, zone);
        }
        Ok(())
    }
}

/// The policy that the dashboard set, from its JSON; `open`, until it set one. One that cannot be read, of a newer version for instance,
/// shuts: it must not let through what it forbids.
pub fn stored(json: Option<&str>) -> Policy {
    let Some(json) = json else {
        return (*Preset::Open.policy()).clone();
    };
    from_json(json).unwrap_or_else(|error| {
        tracing::error!(%error, "cannot read the stored policy: nobody may write to anybody until it is set again");
        Policy::shut()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_policy_that_cannot_be_read_lets_nobody_write() {
        let rule = |more: &str| {
            format!(
                r#"{{"rule":[{{"from":["student"],"to":["student"],"when":"anyone","may":"start"{more}}}]}}"#
            )
        };
        assert_eq!(stored(Some(&rule(""))).rules.len(), 1);
        for json in [
            rule(r#","fromYear":"7""#),
            "{".to_owned(),
            r#"{"preset":"closed"}"#.to_owned(),
        ] {
            assert_eq!(stored(Some(&json)), Policy::shut(), "{json}");
        }
        assert!(stored(None).is_open());
    }
}
