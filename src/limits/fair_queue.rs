//! A queue for what is scarce: addresses take turns, and within each the accounts; accounts that have shown that they were here before
//! go first. One address cannot fill it for the others: when it is full, the address with the most jobs in it makes room.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

use super::site;

/// Jobs that may wait in all, of one address, and of one account there.
const MAX_JOBS: usize = 1_024;
const MAX_JOBS_OF_ADDRESS: usize = 512;
const MAX_JOBS_OF_ACCOUNT: usize = 8;

/// Whose job it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    address: Option<IpAddr>,
    account: String,
    proven: bool,
    suspect: bool,
}

impl Turn {
    /// For an unknown client; a suspect if many wrong passwords came from its address recently.
    pub fn stranger(address: Option<IpAddr>, account: &str, suspect: bool) -> Self {
        Turn {
            address: address.map(site),
            account: account.to_owned(),
            proven: false,
            suspect,
        }
    }

    /// Of a user who is known.
    pub fn proven() -> Self {
        Turn {
            address: None,
            account: String::new(),
            proven: true,
            suspect: false,
        }
    }
}

/// See the module.
pub struct FairQueue<T> {
    proven: VecDeque<T>,
    strangers: HashMap<Option<IpAddr>, OfAddress<T>>,
    /// Addresses in the order of their turns.
    turns: VecDeque<Option<IpAddr>>,
    waiting: usize,
}

/// Too much of the same account or address waits already.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

struct OfAddress<T> {
    accounts: BTreeMap<String, VecDeque<T>>,
    turns: VecDeque<String>,
    waiting: usize,
    suspect: bool,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        FairQueue {
            proven: VecDeque::new(),
            strangers: HashMap::new(),
            turns: VecDeque::new(),
            waiting: 0,
        }
    }
}

impl<T> FairQueue<T> {
    /// Adds a job; returns the one that had to make room for it, if any.
    ///
    /// # Errors
    /// [`Full`] where the account, or the address, has as much in it as it may.
    pub fn push(&mut self, turn: Turn, job: T) -> Result<Option<T>, Full> {
        if turn.proven {
            if self.proven.len() >= MAX_JOBS {
                return Err(Full);
            }
            self.proven.push_back(job);
            return Ok(None);
        }
        let of_address = self.strangers.get(&turn.address);
        let of_account = of_address.and_then(|of| of.accounts.get(&turn.account));
        let address_waits = of_address.map_or(0, |of| of.waiting);
        if address_waits >= MAX_JOBS_OF_ADDRESS
            || of_account.is_some_and(|jobs| jobs.len() >= MAX_JOBS_OF_ACCOUNT)
        {
            return Err(Full);
        }
        let mut dropped = None;
        if self.waiting >= MAX_JOBS {
            let fullest = self.strangers.iter().max_by_key(|(_, of)| of.waiting);
            let (fullest, most) = fullest.map_or((None, 0), |(address, of)| (*address, of.waiting));
            if most <= address_waits {
                return Err(Full);
            }
            dropped = self.take_newest(fullest);
        }
        self.insert(turn, job);
        Ok(dropped)
    }

    fn insert(&mut self, turn: Turn, job: T) {
        let of = self.strangers.entry(turn.address).or_insert_with(|| {
            self.turns.push_back(turn.address);
            OfAddress {
                accounts: BTreeMap::new(),
                turns: VecDeque::new(),
                waiting: 0,
                suspect: turn.suspect,
            }
        });
        of.suspect = turn.suspect;
        let jobs = of.accounts.entry(turn.account.clone()).or_insert_with(|| {
            of.turns.push_back(turn.account);
            VecDeque::new()
        });
        jobs.push_back(job);
        of.waiting += 1;
        self.waiting += 1;
    }

    /// The next job: of those who are known first, and of suspects only where they are wanted.
    pub fn pop(&mut self, suspects: bool) -> Option<T> {
        if let Some(job) = self.proven.pop_front() {
            return Some(job);
        }
        let wanted = |address: &Option<IpAddr>| {
            suspects || self.strangers.get(address).is_some_and(|of| !of.suspect)
        };
        let at = self.turns.iter().position(wanted)?;
        let address = self.turns.remove(at)?;
        let of = self.strangers.get_mut(&address)?;
        let account = of.turns.pop_front()?;
        let jobs = of.accounts.get_mut(&account)?;
        let job = jobs.pop_front();
        if jobs.is_empty() {
            of.accounts.remove(&account);
        } else {
            of.turns.push_back(account);
        }
        of.waiting -= 1;
        self.waiting -= 1;
        if of.waiting == 0 {
            self.strangers.remove(&address);
        } else {
            self.turns.push_back(address);
        }
        job
    }

    /// The job of this address whose turn is last.
    fn take_newest(&mut self, address: Option<IpAddr>) -> Option<T> {
        let of = self.strangers.get_mut(&address)?;
        let account = of.turns.back()?.clone();
        let jobs = of.accounts.get_mut(&account)?;
        let job = jobs.pop_back();
        if jobs.is_empty() {
            of.accounts.remove(&account);
            of.turns.pop_back();
        }
        of.waiting -= 1;
        self.waiting -= 1;
        job
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: u8, account: &str) -> Turn {
        Turn::stranger(Some([192, 0, 2, address].into()), account, false)
    }

    #[test]
    fn addresses_take_turns_and_accounts_within_them() {
        let mut queue = FairQueue::default();
        for job in 0..5 {
            queue.push(of(1, "head"), format!("head {job}")).unwrap();
        }
        queue.push(of(1, "ann"), "ann".into()).unwrap();
        queue.push(of(2, "bob"), "bob".into()).unwrap();
        queue.push(Turn::proven(), "known".into()).unwrap();
        let order: Vec<String> = std::iter::from_fn(|| queue.pop(true)).collect();
        assert_eq!(order[..5], ["known", "head 0", "bob", "ann", "head 1"]);
        assert_eq!(order.len(), 8);
        assert!(queue.strangers.is_empty() && queue.turns.is_empty() && queue.waiting == 0);
    }

    #[test]
    fn the_address_with_the_most_jobs_makes_room() {
        let mut queue = FairQueue::default();
        for name in 0..MAX_JOBS_OF_ADDRESS {
            queue.push(of(1, &format!("name {name}")), "flood").unwrap();
        }
        assert_eq!(queue.push(of(1, "one more"), "flood"), Err(Full));
        for address in 2..=(MAX_JOBS - MAX_JOBS_OF_ADDRESS + 1) as u16 {
            let address = IpAddr::from([198, 51, (address >> 8) as u8, address as u8]);
            queue
                .push(Turn::stranger(Some(address), "x", false), "one")
                .unwrap();
        }
        assert_eq!(queue.push(of(9, "late"), "late"), Ok(Some("flood")));
        assert_eq!(queue.waiting, MAX_JOBS);
        let mut jobs = std::iter::from_fn(|| queue.pop(true));
        assert!(jobs.any(|job| job == "late"));
    }

    #[test]
    fn one_account_has_few() {
        let mut queue = FairQueue::default();
        for _ in 0..MAX_JOBS_OF_ACCOUNT {
            queue.push(of(1, "head"), ()).unwrap();
        }
        assert_eq!(queue.push(of(1, "head"), ()), Err(Full));
        queue.push(of(1, "ann"), ()).unwrap();
    }

    #[test]
    fn suspects_go_only_where_they_are_wanted() {
        let mut queue = FairQueue::default();
        let [bad, good] = [1, 2].map(|n| Some(IpAddr::from([192, 0, 2, n])));
        queue.push(Turn::stranger(bad, "a", true), "bad").unwrap();
        queue
            .push(Turn::stranger(good, "b", false), "good")
            .unwrap();
        assert_eq!(queue.pop(false), Some("good"));
        assert_eq!(queue.pop(false), None);
        assert_eq!(queue.pop(true), Some("bad"));
        assert_eq!(queue.pop(true), None);
    }
}
