//! What a copy of the database from before must not bring back.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

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
    pub remover: UserId,
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
