//! What a copy of the database from before must not bring back.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::audit::AuditActor;
use super::ids::{Id, UserId};
use super::messages::RemovedBy;
use super::personal_data::Messages;
use super::safeguarding::no_contact::StoredOrder;
use super::text::hex;
use super::time::Time;

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Names the line in the database and in the file.
    pub id: String,
    pub entry: Entry,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    Erased(Erasure),
    Removed(Removal),
    Order(StoredOrder),
    OrderEnded {
        id: String,
    },
    LinkEnded {
        child: UserId,
        guardian: UserId,
        /// Then no import makes it again.
        by_hand: bool,
    },
    /// A link that had ended was made again.
    LinkMade {
        child: UserId,
        guardian: UserId,
    },
}

/// A message that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    pub message: Id,
    pub by: RemovedBy,
    /// The lead, where it was the school: the sender of a message is known by the message.
    pub remover: Option<UserId>,
    pub at: i64,
}

/// A user who was erased. The journal outlives them, so it does not hold their id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    salt: String,
    hash: String,
    /// The id that stands in the place of theirs.
    pub alias: UserId,
    /// By which their tokens are refused.
    pub mac: String,
    pub messages: Messages,
    pub at: i64,
}

impl Entry {
    /// The same without a user who was erased, where it names them: by the id that stands in the place of theirs, and without reasons.
    pub fn without(&self, id: &UserId, alias: &UserId) -> Option<Self> {
        let swap = |given: &UserId| {
            if given == id {
                alias.clone()
            } else {
                given.clone()
            }
        };
        let swapped = match self.clone() {
            Entry::Removed(removal) => Entry::Removed(Removal {
                remover: removal.remover.as_ref().map(swap),
                ..removal
            }),
            Entry::Order(order) => {
                let is_named = order.a == *id || order.b.as_ref() == Some(id);
                let made_by = AuditActor::person(id, None).actor;
                Entry::Order(StoredOrder {
                    a: swap(&order.a),
                    b: order.b.as_ref().map(swap),
                    reason: if is_named {
                        String::new()
                    } else {
                        order.reason.clone()
                    },
                    made_by: match order.made_by == made_by {
                        true => AuditActor::person(alias, None).actor,
                        false => order.made_by.clone(),
                    },
                    ..order
                })
            }
            Entry::LinkEnded {
                child,
                guardian,
                by_hand,
            } => Entry::LinkEnded {
                child: swap(&child),
                guardian: swap(&guardian),
                by_hand,
            },
            Entry::LinkMade { child, guardian } => Entry::LinkMade {
                child: swap(&child),
                guardian: swap(&guardian),
            },
            same @ (Entry::Erased(_) | Entry::OrderEnded { .. }) => same,
        };
        (swapped != *self).then_some(swapped)
    }
}

impl Erasure {
    pub fn new(id: &UserId, alias: UserId, mac: String, messages: Messages, at: Time) -> Self {
        let salt = Id::generate().to_string() + &Id::generate().to_string();
        Erasure {
            hash: hash(&salt, id),
            salt,
            alias,
            mac,
            messages,
            at: at.0,
        }
    }

    /// Whether it was this user.
    pub fn is_of(&self, id: &UserId) -> bool {
        hash(&self.salt, id) == self.hash
    }
}

fn hash(salt: &str, id: &UserId) -> String {
    hex(&Sha256::digest(format!("{salt}{id}")))
}
